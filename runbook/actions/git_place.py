"""Where in a repository a file is, and what a ref has there: looked up by reading, before anything else is asked.

Owns the way from `repo`, `path` and `ref` as a playbook writes them to the top folder, the path within it and full
object ids; and which files are none of our business (links, submodules, filters that run programs).
"""

from __future__ import annotations

import re
from hashlib import sha256

from msgspec import Struct

from runbook.actions.diff import MOST_BYTES
from runbook.actions.form import absolute
from runbook.actions.git import ask, content, facts, refusal
from runbook.errors import ActionError
from runbook.ports.target import Reader, Stream
from runbook.text import one_line

_LOCATE = r"""
top=$(g -C "$1" rev-parse --show-toplevel) && dir=$(g -C "$1" rev-parse --absolute-git-dir) || exit
prefix=$(g -C "$1" rev-parse --show-prefix) || exit
say top "$top"; say dir "$dir"; say prefix "$prefix"
"""

_RESOLVE = r"""
top=$1 path=$2 ref=$3
cd "$top" || exit
commit=$(g rev-parse --verify --quiet --end-of-options "$ref^{commit}") ||
  commit=$(g rev-parse --verify --quiet "$ref^{commit}") || { say ref missing; exit 0; }
say commit "$commit"
say entry "$(g ls-tree "$commit" -- "$path")"
up=$path
while [ "${up%/*}" != "$up" ]; do
  up=${up%/*}
  case $(g ls-tree "$commit" -- "$up") in
    160000\ *) say submodule "$up" ;;
    120000\ *) say link "$up" ;;
  esac
  if [ -L "$top/$up" ]; then say link "$up"; elif [ -e "$top/$up/.git" ]; then say submodule "$up"; fi
done
say filter "$(g check-attr filter -- "$path")"
say filemode "$(g config --type=bool --get core.fileMode)"
"""
# Git before 2.30 does not know --end-of-options here. The second try is safe because no ref begins with a dash.

_ENTRY = re.compile(r"([0-7]{6}) (\w+) ([0-9a-f]{40,64})\t")
_TIDY = re.compile(r"/(?:\./|/)+|/\.?\Z")


class Place(Struct, frozen=True):
    """A file in a checkout."""

    top: str
    """The folder of the checkout, with links resolved."""
    git_dir: str
    path: str
    """Relative to `top`."""

    @property
    def file(self) -> str:
        """Return the absolute path of the live file."""
        return f"{self.top}/{self.path}"


class Version(Struct, frozen=True):
    """What a ref has under a path."""

    commit: str
    blob: str
    mode: str
    """100644 or 100755."""
    counts_mode: bool
    """Whether this repository cares for the executable bit (core.fileMode)."""


class Content(Struct, frozen=True):
    """What a checkout would write."""

    sha256: str
    size: int
    data: bytes | None
    """None if it is too long to be compared line by line."""


def locate(t: Reader, repo: str, path: str, *, sudo: bool, timeout: float) -> Place:
    """Find the checkout that `repo` lies in, and the path within it; a relative `path` is relative to `repo`.

    Raises ActionError, naming the remedy, if there is no such checkout or the path leads out of it.
    """
    folder = _tidy(absolute(repo, "repo"))
    _check(path)
    got = ask(t, _LOCATE, folder, sudo=sudo, timeout=timeout)
    if got.exit != 0:
        raise refusal(got, folder, t.host.name)
    found = facts(got)
    top, prefix = found["top"], found["prefix"]
    return Place(top, found["dir"], _within(_tidy(path), folder, top, prefix))


def resolve(t: Reader, place: Place, ref: str, *, sudo: bool, timeout: float) -> Version:
    """Find out what the ref has at the place.

    Raises ActionError if there is no such ref or file, or if it is none that a checkout of bytes can compare.
    """
    if not ref or ref.startswith("-") or "\0" in ref or "\n" in ref:
        raise ActionError(f"{one_line(ref)!r} is no ref", where="ref", remedy="name a tag, branch or commit")
    got = ask(t, _RESOLVE, place.top, place.path, ref, sudo=sudo, timeout=timeout)
    found = facts(got)
    if "ref" in found:
        remedy = "Runbook does not fetch: fetch it before, or see `git tag` and `git branch -a`"
        raise ActionError(f"there is no commit {one_line(ref)!r} in {place.top}", where=t.host.name, remedy=remedy)
    if got.exit != 0 or "filter" not in found:
        raise refusal(got, place.top, t.host.name)
    _refuse_foreign(place, found, t.host.name)
    entry = _ENTRY.match(found["entry"])
    if entry is None:
        raise ActionError(f"there is no {place.path} in {one_line(ref)}", where=t.host.name)
    mode, kind, blob = entry.groups()
    if kind != "blob" or mode == "120000":
        what = {"commit": "a submodule", "tree": "a folder"}.get(kind, "a symbolic link")
        raise ActionError(f"{place.path} is {what} in {one_line(ref)}", where=t.host.name, remedy="name one file")
    return Version(found["commit"], blob, mode, found.get("filemode") != "false")


def read_version(t: Reader, place: Place, version: Version, *, sudo: bool, timeout: float) -> Content:
    """Read what a checkout of the version would write.

    Raises ActionError if git cannot read it.
    """
    tally = _Tally()
    keep = content(t, place.top, place.path, version.blob, tally, sudo=sudo, timeout=timeout, limit=MOST_BYTES + 1)
    return Content(tally.sum.hexdigest(), tally.size, None if keep.truncated else keep.data("out"))


class _Tally:
    """A sink that hashes and counts stdout."""

    def __init__(self) -> None:
        self.sum = sha256()
        self.size = 0

    def write(self, stream: Stream, data: bytes) -> None:
        """Take some bytes."""
        if stream == "out":
            self.sum.update(data)
            self.size += len(data)


def _refuse_foreign(place: Place, found: dict[str, str], host: str) -> None:
    """Raise ActionError for a file that belongs to another repository, or that a program of somebody's would write."""
    for word, what in (("submodule", "a repository of its own"), ("link", "a symbolic link")):
        if word in found:
            remedy = "name that repository" if word == "submodule" else "name the file by its real path"
            raise ActionError(f"{place.path} lies below {found[word]}, {what}", where=host, remedy=remedy)
    driver = found["filter"].rpartition(": ")[2]
    if driver not in {"unspecified", "unset", "set"}:
        raise ActionError(
            f"{place.path} goes through the filter {one_line(driver)}, a program that the repository names",
            where=host,
            remedy="Runbook runs no such programs; use a `command` step that says what it does",
        )


def _check(path: str) -> None:
    """Raise ActionError unless the path can name a file in a checkout."""
    parts = path.split("/")
    if "\0" in path or not path.strip("/"):
        raise ActionError(f"{one_line(path)!r} is no path of a file", where="path")
    if ".." in parts or ".git" in (part.lower() for part in parts):
        raise ActionError(f"{one_line(path)!r} leads out of the checkout", where="path", remedy="write it without ..")


def _tidy(path: str) -> str:
    """Return the path without empty and `.` parts."""
    tidied = _TIDY.sub("/", path)
    while tidied.startswith("./"):
        tidied = tidied[2:]
    return tidied.rstrip("/") or "/"


def _within(path: str, repo: str, top: str, prefix: str) -> str:
    """Return the path relative to the top; an absolute one may be written through `repo` or through the top."""
    if not path.startswith("/"):
        return prefix + path
    # The longer one first: a checkout in / has the top "/", and everything lies below that.
    for folder, start in ((repo, prefix), (top, "")):
        below = f"{folder.rstrip('/')}/"
        if path.startswith(below):
            return start + path[len(below) :]
    raise ActionError(f"{one_line(path)!r} is not in {repo}", where="path", remedy="write it as `repo` is written")
