"""The state of a checkout that a restore starts from: live file, index, head, and what stands in the way.

Owns reading that state and the reasons to refuse that follow from it; changing anything is left to `git_operation`.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from runbook.actions.file_state import FileState, look
from runbook.actions.file_verdict import describe, refuse_file
from runbook.actions.git import ask, facts, refusal
from runbook.actions.git_place import Place
from runbook.ports.action import Refuse
from runbook.ports.target import Reader
from runbook.text import duration_text, one_line

_STATE = r"""
top=$1 path=$2
cd "$top" || exit
dir=$(g rev-parse --absolute-git-dir) || exit
age() { echo $(($(date +%s) - $(stat -c %Y -- "$1" 2>/dev/null || stat -f %m -- "$1"))); }
owner() { stat -c %u -- "$1" 2>/dev/null || stat -f %u -- "$1"; }
say lock ''
if [ -e "$dir/index.lock" ]; then say lock "$(age "$dir/index.lock") $dir/index.lock"; fi
for mark in MERGE_HEAD CHERRY_PICK_HEAD REVERT_HEAD rebase-merge rebase-apply; do
  if [ -e "$dir/$mark" ]; then say busy "$mark"; fi
done
if [ -n "$(g ls-files -u | head -n 1)" ]; then say busy unmerged; fi
say head "$(g rev-parse --verify --quiet 'HEAD^{commit}')"
say branch "$(g symbolic-ref --quiet --short HEAD)"
say committed "$(g ls-tree HEAD -- "$path" 2>/dev/null)"
say index "$(g ls-files -s -v -- "$path")"
say status "$(g status --porcelain --no-renames --untracked-files=all --ignored -- "$path")"
say user "$(id -u) $(owner "$dir")"
say groups "$(id -G)"
if [ ! -w "$dir" ] || [ ! -w "$dir/objects" ] && [ -e "$dir/objects" ]; then say denied "$dir"; fi
made='' folder=$top/$path
folder=${folder%/*}
while [ ! -d "$folder" ] && [ -n "$folder" ]; do made=$folder folder=${folder%/*}; done
if [ ! -w "${folder:-/}" ]; then say denied "${folder:-/}"; fi
say made "$made"
"""

_NOW = r"""
top=$1 path=$2
cd "$top" || exit
say head "$(g rev-parse --verify --quiet 'HEAD^{commit}')"
say committed "$(g ls-tree HEAD -- "$path" 2>/dev/null)"
say index "$(g ls-files -s -v -- "$path")"
say last "$(g log -n 1 --no-mailmap --no-color --no-decorate --format='%h %aI %an: %s' -- "$path" 2>/dev/null)"
"""

_BUSY = {
    "MERGE_HEAD": ("a merge", "git merge --abort, or finish it"),
    "CHERRY_PICK_HEAD": ("a cherry-pick", "git cherry-pick --abort, or finish it"),
    "REVERT_HEAD": ("a revert", "git revert --abort, or finish it"),
    "rebase-merge": ("a rebase", "git rebase --abort, or finish it"),
    "rebase-apply": ("a rebase or `git am`", "git rebase --abort or git am --abort, or finish it"),
    "unmerged": ("a merge with conflicts", "`git status` names the files; resolve them"),
}


class Checkout(Struct, frozen=True):
    """A checkout as far as one file is concerned."""

    file: FileState
    """The live file."""
    index: str
    """What the index has: `MODE BLOB`; empty: nothing."""
    committed: str
    """What HEAD has: `MODE BLOB`; empty: nothing."""
    head: str
    """Commit id; empty: there is no commit yet."""
    branch: str
    """Empty: HEAD is detached."""
    status: str
    """Two letters of git-status(1); empty: nothing is uncommitted."""
    made: str
    """The topmost folder that does not exist yet; empty: all are there."""
    keeps_owner: bool
    """Owner and group of the live file can be given to the file that git writes in its place."""
    foreign: bool
    """Root works in a repository that belongs to somebody else."""


class Now(Struct, frozen=True):
    """What can have changed since an earlier look."""

    file: FileState
    index: str
    committed: str
    last: str
    """The last commit that touched the file: id, time, author, subject."""


def examine(t: Reader, place: Place, *, sudo: bool, timeout: float) -> Checkout | Refuse:
    """Look at the checkout; refuse where a restore would go wrong or meet the unfinished work of somebody.

    Raises ActionError if git cannot tell, TransportError if the target does not answer.
    """
    got = ask(t, _STATE, place.top, place.path, sudo=sudo, timeout=timeout)
    found = facts(got)
    if got.exit != 0 or "made" not in found:
        raise refusal(got, place.top, t.host.name)
    no = _refuse_busy(place, found) or _refuse_index(place, found)
    if no:
        return no
    if "denied" in found:
        return Refuse(f"nothing can be written in {found['denied']}", "say `sudo: true`, or give the login the right")
    file = look(t, place.file, sudo=sudo, timeout=timeout).file
    if file.link or file.kind not in {"file", "missing"}:
        what = Refuse(f"{place.file} is a symbolic link", "name the file that it points to")
        return what if file.link else refuse_file(place.file, file)
    user, _, owner = found["user"].partition(" ")
    checkout = Checkout(
        file=file,
        index=_entry(found["index"]),
        committed=_committed(found["committed"]),
        head=found["head"],
        branch=found["branch"],
        status=found["status"][:2],
        made=found["made"],
        keeps_owner=file.kind == "missing"
        or user == "0"
        or (user == str(file.uid) and str(file.gid) in found["groups"].split()),
        foreign=user == "0" and owner != "0",
    )
    return _refuse_owner(place, checkout) or checkout


def now(t: Reader, place: Place, *, sudo: bool, timeout: float) -> Now:
    """Look again at what others may change. Raises ActionError if git cannot tell."""
    got = ask(t, _NOW, place.top, place.path, sudo=sudo, timeout=timeout)
    found = facts(got)
    if got.exit != 0 or "last" not in found:
        raise refusal(got, place.top, t.host.name)
    file = look(t, place.file, sudo=sudo, timeout=timeout).file
    return Now(file, _entry(found["index"]), _committed(found["committed"]), one_line(found["last"], 200))


def shown(file: FileState, index: str) -> str:
    """Say in a few words what lies there."""
    return f"{describe(file)}; index: {index[:19] + '…' if index else 'no entry'}"


def _entry(line: str) -> str:
    """Return `MODE BLOB` of a line of `ls-files -s -v`: tag, mode, object, stage, path."""
    words = line.partition("\t")[0].split()
    return " ".join(words[1:3])


def _committed(line: str) -> str:
    """Return `MODE BLOB` of a line of `ls-tree`: mode, type, object, path."""
    words = line.partition("\t")[0].split()
    return f"{words[0]} {words[2]}" if len(words) == 3 else ""


def _refuse_busy(place: Place, found: dict[str, str]) -> Refuse | None:
    if found["lock"]:
        age, _, path = found["lock"].partition(" ")
        since = duration_text(float(age)) if age.lstrip("-").isdigit() else "some time"
        return Refuse(
            f"the index is locked by {path}, for {since}: another git works here, or one was killed",
            f"wait for it; if `ps` shows no git on this host, remove {path} by hand",
        )
    if "busy" in found:
        what, remedy = _BUSY[found["busy"]]
        return Refuse(f"{what} is in progress in {place.top}", remedy)
    return None


def _refuse_index(place: Place, found: dict[str, str]) -> Refuse | None:
    """Refuse entries with a mark that a checkout would drop, or that undo could not bring back."""
    tag = found["index"][:1]
    words: dict[str, Literal["skip-worktree", "assume-unchanged"]] = {"S": "skip-worktree", "s": "skip-worktree"}
    mark = words.get(tag, "assume-unchanged" if tag.islower() else "")
    if mark:
        return Refuse(f"{place.path} is marked {mark}", f"git update-index --no-{mark} -- {place.path}")
    if found["status"][:2] == " A":
        return Refuse(f"{place.path} is only intended to be added", f"git add -- {place.path}")
    return None


def _refuse_owner(place: Place, checkout: Checkout) -> Refuse | None:
    """Refuse where the file would change hands and its readers could lose it: git writes a new file in its place."""
    file = checkout.file
    if checkout.keeps_owner or file.mode & 0o004:
        return None
    return Refuse(
        f"{place.file} belongs to {file.uid}:{file.gid} with mode {file.mode:04o}; git would make it the login's own",
        "say `sudo: true`",
    )
