"""Looking at a folder of a target with all that is in it, by one POSIX script in one round trip.

A folder is told by its manifest: a sorted list of every path with type, mode and owner, with the SHA-256 of every file
and the end of every symbolic link. Two folders are the same if their manifests are; times, access lists and hard links
within a folder are not told. Needs `sh`, `find`, `stat` (GNU, busybox or BSD), `sort`, `comm`, and what `file_state`
needs.
"""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

from runbook.actions.capture import answer, lacks
from runbook.actions.file_state import CLOCK, ROOM, SUM
from runbook.actions.form import folder_of, script
from runbook.errors import ActionError
from runbook.ports.action import Refuse, Verdict
from runbook.ports.target import Cmd, Reader
from runbook.text import size_text

DATA = "data"
"""What lies in a backup of a folder, beside the manifest."""

LIST = (
    SUM
    + r"""
nl='
'
list() (
  cd -- "$1" || exit
  odd=$(find . \( -name "*$nl*" -o -name '*\\*' \) -o ! -type f ! -type d ! -type l | head -n 1)
  if [ -n "$odd" ]; then
    echo "$1 holds $odd: only files, folders and links whose names have no line break or backslash can be kept" >&2
    exit 66
  fi
  unread=$(find . -type f ! -exec test -r {} \; -print | head -n 1)
  if [ -n "$unread" ]; then echo "$1/$unread cannot be read" >&2; exit 77; fi
  found=$(
    {
      if stat -c %f . >/dev/null 2>&1; then find . -exec stat -c 'p %f %u %g %n' {} + || echo '! stat'
      else find . -exec stat -f 'p %Xp %u %g %N' {} + || echo '! stat'; fi
      { if command -v sha256sum >/dev/null 2>&1; then find . -type f -exec sha256sum {} + || echo '! sum'
        else find . -type f -exec shasum -a 256 {} + || echo '! sum'; fi
      } | sed 's/^\([0-9a-f]*\) [ *]/s \1 /'
      find . -type l -exec sh -c 'for l; do printf "l %s > %s\n" "$l" "$(readlink "$l")"; done' sh {} +
    } | sort
  )
  case $found in '! '*) echo "$1 changed while it was read" >&2; exit 75;; esac
  printf '%s\n' "$found"
)
digest() { d=$(list "$1" && echo whole) && printf '%s' "${d%whole}" | sum; }
"""
)
"""Shell functions: `list` writes the manifest of a folder, `digest` its SHA-256."""

_LOOK = (
    LIST
    + CLOCK
    + r"""
f=$1 d=$2 base=$3
if [ "$base" ]; then stamp "$base" "$d"; else stamp "$f" ''; fi
echo "now $now"
if [ ! -d "$d" ]; then echo 'folder missing'
elif [ ! -w "$d" ] || [ ! -x "$d" ]; then echo 'folder denied'
else echo 'folder writable'; echo "room $(df -Pk "$d" 2>/dev/null | tail -n 1)"; fi
if [ -L "$f" ]; then echo 'kind other'
elif [ -d "$f" ]; then
  if h=$(digest "$f"); then
    echo 'kind folder'
    echo "digest $h"
    echo "size $(find "$f" -type f -exec ls -ln {} + | awk '{ s += $5 } END { print s + 0 }')"
    echo "files $(find "$f" -type f | wc -l)"
  else echo 'kind denied'; fi
elif [ -e "$f" ]; then echo 'kind other'
else echo 'kind missing'; fi
if [ -n "$base" ]; then
  for p in "$d/$base".runbook-*-backup; do
    if [ -d "$p/data" ] && [ ! -L "$p" ] && [ ! -L "$p/data" ]; then last=$p; fi
  done
  if [ -n "$last" ]; then echo "previous ${last##*/}"; fi
fi
m=$f/../manifest
if [ -f "$m" ] && [ ! -L "$m" ] && [ "${f##*/}" = data ]; then echo "manifest $(sum < "$m")"; fi
"""
)

_FACT = re.compile(r"(now|folder|room|kind|digest|size|files|previous|manifest)\s+(.*)")


class FolderState(Struct, frozen=True):
    """A folder as it was seen; all but `kind` is empty if it is no folder that can be read whole."""

    kind: Literal["folder", "other", "missing", "denied"]
    digest: str = ""
    """SHA-256 of its manifest."""
    size: int = 0
    files: int = 0
    why: str = ""
    """Why it cannot be told."""
    manifest: str = ""
    """SHA-256 of the manifest that is kept beside it, if it is the content of a backup."""

    def line(self) -> str:
        """Return what matters in a few words."""
        if self.kind != "folder":
            return {"missing": "no folder", "denied": self.why or "not readable"}.get(self.kind, "no folder")
        return f"{self.files} files, {size_text(self.size)}, manifest {self.digest[:12]}…"


class FolderLook(Struct, frozen=True):
    """A folder, and the place where a copy of it would go."""

    folder: FolderState
    place: str
    """writable, missing or denied."""
    room: int | None
    stamp: str
    previous: str = ""
    """Name of the last backup of the same folder there."""


def look_folder(t: Reader, path: str, *, sudo: bool, timeout: float, to: str = "", base: str = "") -> FolderLook:
    """See what is at an absolute path, and in `to`, by default the folder above it, whether `base` was backed up there.

    Raises ActionError if the target lacks the tools, TransportError if it does not answer.
    """
    got = answer(t, Cmd(script(_LOOK, path, to or folder_of(path), base), timeout=timeout, sudo=sudo, files=True))
    facts = {match[1]: match[2].strip() for line in got.out.splitlines() if (match := _FACT.fullmatch(line))}
    kind, place = facts.get("kind", ""), facts.get("folder", "")
    if got.exit != 0 or not facts.get("now") or not place or kind not in ("folder", "other", "missing", "denied"):
        raise ActionError(
            f"cannot look at {path}: {got.why.removeprefix(f'{path}: ')}",
            where=t.host.name,
            remedy=lacks(got, "sh, find, stat, sort, comm and sha256sum or shasum"),
        )
    state = FolderState(
        kind,  # type: ignore[arg-type]
        facts.get("digest", ""),
        _number(facts.get("size")) or 0,
        _number(facts.get("files")) or 0,
        got.why if kind == "denied" and got.err else "",
        facts.get("manifest", ""),
    )
    room = ROOM.search(facts.get("room", "") + " ")
    free = int(room[1]) * 1024 if room else None
    return FolderLook(state, place, free, facts["now"], facts.get("previous", ""))


def are_gone(t: Reader, *paths: str, sudo: bool, timeout: float) -> bool:
    """Tell whether nothing is at any of these paths."""
    argv = script('for p; do [ ! -e "$p" ] && [ ! -L "$p" ] || exit 1; done', *paths)
    return answer(t, Cmd(argv, timeout=timeout, sudo=sudo, files=True)).exit == 0


def same_folder(path: str, now: FolderState, digest: str) -> Verdict:
    """Return good if the folder has this manifest, bad if not, no data if it cannot be read."""
    if now.kind == "denied":
        return Verdict("no data", (f"{path}: {now.line()}",))
    if now.kind == "folder" and now.digest == digest:
        return Verdict("good", (f"{path}: {now.line()}",))
    return Verdict("bad", (f"{path}: {now.line()}, expected manifest {digest[:12]}…",))


def no_folder(path: str, now: FolderState) -> Verdict:
    """Return good if there is no such folder."""
    if now.kind == "missing":
        return Verdict("good", (f"there is no {path}",))
    return Verdict("no data" if now.kind == "denied" else "bad", (f"{path} is there: {now.line()}",))


def refuse_no_folder(path: str, state: FolderState) -> Refuse:
    """Say why something cannot serve as a source."""
    match state.kind:
        case "missing":
            return Refuse(f"there is no folder {path}")
        case "denied":
            return Refuse(
                f"{path} cannot be read whole: {state.line()}", "say `sudo: true`, or remove what is in the way"
            )
        case _:
            return Refuse(f"{path} is no folder, or a link to one", "name the folder itself")


def _number(text: str | None) -> int | None:
    try:
        return int(text) if text else None
    except ValueError:
        return None
