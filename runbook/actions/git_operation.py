"""The operations of a restore: keep what is there, check out, put back. Each is one script under the job wrapper.

Every script looks again right before it changes anything, and stops with exit 65 if somebody was faster. What became
of an interrupted one is told by comparing what lies there with the two states that it leads between.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct

from runbook.actions.capture import Captured, change, require_exit
from runbook.actions.file_state import SUM
from runbook.actions.form import script
from runbook.actions.git import PRELUDE, complaint
from runbook.actions.git_place import Place
from runbook.errors import ActionError
from runbook.model.scalar import Json
from runbook.ports.action import Work
from runbook.ports.target import Cmd, OpKey

_COMMON = (
    PRELUDE
    + SUM
    + r"""
top=$1 path=$2 file=$1/$2
cd "$top" || exit
live() {
  if [ -L "$file" ]; then echo link; elif [ -f "$file" ]; then sum < "$file"; elif [ -e "$file" ]; then echo other
  else echo none; fi
}
entry() {
  e=$(g ls-files -s -- "$path") || exit
  if [ -z "$e" ]; then echo none; return; fi
  set -- $e
  if [ "$3" = 0 ]; then echo "$1 $2"; else echo conflict; fi
}
settle() { sync "$1" 2>/dev/null || sync; }
stop() { echo "$1" >&2; exit 65; }
"""
)

_KEEP = (
    _COMMON
    + r"""
want=$3 copy=$4 ref=$5
if [ "$want" != none ] && { [ ! -f "$copy" ] || [ "$(sum < "$copy")" != "$want" ]; }; then
  (umask 077; mkdir -p -- "${copy%/*}") || exit
  [ "$(live)" = "$want" ] || stop "$path changed after it was looked at"
  cp -p -- "$file" "$copy.part" || exit
  [ "$(sum < "$copy.part")" = "$want" ] || stop "$path changes while it is copied"
  settle "$copy.part"
  mv -f -- "$copy.part" "$copy" || exit
  settle "${copy%/*}"
fi
# A stash cannot be made without a first commit, or with a file that is only intended to be added: then the index alone.
snapshot() {
  g stash create 2>/dev/null && return
  tree=$(GIT_INDEX_FILE=$copy.index; export GIT_INDEX_FILE
    cp -- "$(g rev-parse --absolute-git-dir)/index" "$GIT_INDEX_FILE" 2>/dev/null; g write-tree) || return
  rm -f -- "$copy.index"
  parent=$(g rev-parse --verify --quiet 'HEAD^{commit}')
  g -c user.name=runbook -c user.email=runbook@localhost commit-tree ${parent:+-p "$parent"} \
    -m 'The index before a restore' "$tree"
}
if ! kept=$(g rev-parse --verify --quiet "$ref^{commit}"); then
  (umask 077; mkdir -p -- "${copy%/*}") || exit
  kept=$(snapshot) || exit
  kept=${kept:-$(g rev-parse --verify 'HEAD^{commit}')} || exit
  g update-ref -m 'runbook: before a restore' "$ref" "$kept" '' || exit
fi
echo "$kept"
"""
)

_CHECK_OUT = (
    _COMMON
    + r"""
commit=$3 want=$4 index=$5 mode=$6 owner=$7
[ "$(live)" = "$want" ] || stop "$path changed after it was looked at, and is not overwritten"
[ "$(entry)" = "$index" ] || stop "the index entry of $path changed after it was looked at, and is not overwritten"
g checkout "$commit" -- "$path" || exit
if [ "$owner" != none ] && [ "$(id -u)" = 0 ]; then chown "$owner" "$file" || exit
elif [ "$owner" != none ]; then chgrp "${owner#*:}" "$file" 2>/dev/null; fi
if [ "$mode" != none ]; then chmod "$mode" "$file" || exit; fi
settle "$file"; settle "${file%/*}"
"""
)
# Git writes a new file with the owner and the umask of whoever runs it; a service must find its configuration as
# readable as it was, and nobody else may.

_PUT_BACK = (
    _COMMON
    + r"""
before=$3 after=$4 copy=$5 made=$6
case $(live) in
  "$before" | "$after") ;;
  *) stop "$path was changed by somebody else and is not overwritten" ;;
esac
if [ "$before" = none ]; then
  [ ! -e "$file" ] || rm -- "$file" || exit
  folder=${file%/*}
  while [ "$made" != none ] && rmdir -- "$folder" 2>/dev/null && [ "$folder" != "$made" ]; do folder=${folder%/*}; done
  exit 0
fi
part=${file%/*}/.${file##*/}.runbook
rm -f -- "$part/copy"; rmdir -- "$part" 2>/dev/null
mkdir -m 700 -- "$part" || exit
trap 'rm -f -- "$part/copy"; rmdir -- "$part"' EXIT
cp -p -- "$copy" "$part/copy" || exit
[ "$(sum < "$part/copy")" = "$before" ] || stop "the copy of $path is damaged; nothing was changed"
settle "$part/copy"
mv -f -- "$part/copy" "$file" || exit
settle "${file%/*}"
"""
)
# A folder of our own, made by mkdir, keeps others from planting a link under the name of the part.

_SET_INDEX = (
    _COMMON
    + r"""
before=$3 after=$4
case $(entry) in
  "$before") exit 0 ;;
  "$after") ;;
  *) stop "the index entry of $path was changed by somebody else and is not overwritten" ;;
esac
if [ "$before" = none ]; then g update-index --force-remove -- "$path"
else g update-index --add --cacheinfo "${before% *},${before#* },$path"; fi
"""
)

NONE = "none"
_STOPPED = 65
"""The script found something changed, and says so itself."""
_PART = re.compile(r"[^A-Za-z0-9_-]")


class Step(Struct, frozen=True):
    """Where a restore works, and how."""

    place: Place
    sudo: bool
    timeout: float


class Sides(Struct, frozen=True):
    """The two states that a restore leads between; `none` where there is nothing."""

    before: str
    after: str
    index_before: str
    index_after: str


def copy_path(place: Place, key: OpKey) -> str:
    """Return where the copy of the live file of one attempt lies: in the git folder, which no checkout touches."""
    return f"{place.git_dir}/runbook/{_part(key.run)}/{_name(key)}"


def backup_ref(key: OpKey) -> str:
    """Return the ref that keeps the state before one attempt alive."""
    return f"refs/runbook/{_part(key.run)}/{_name(key)}"


def keep(work: Work, name: str, step: Step, before: str) -> dict[str, Json]:
    """Copy the live file into the git folder and snapshot index and tracked files under a ref; one operation.

    The receipt has `copy` (empty if there was no file), `sha256`, `ref` and `commit`.
    """

    def body(key: OpKey) -> Mapping[str, Json]:
        copy, ref = copy_path(step.place, key), backup_ref(key)
        got = _run(work, key, step, _KEEP, before, copy, ref)
        _require(got, f"keeping {step.place.path}", key)
        return kept_receipt(copy, before, ref, got.out.strip())

    return work.op(name, {"do": "keep", "path": step.place.path, "sha256": before}, body)


def kept_receipt(copy: str, before: str, ref: str, commit: str) -> dict[str, Json]:
    """Return the receipt of `keep`."""
    return {"copy": "" if before == NONE else copy, "sha256": before, "ref": ref, "commit": commit}


def check_out(work: Work, name: str, step: Step, sides: Sides, commit: str, mode: int, owner: str) -> None:
    """Run `git checkout COMMIT -- PATH` and give the file its mode and owner again; one operation.

    Raises ActionError if file or index are not as `sides.before` says, with both untouched.
    """
    shown_mode = f"{mode:04o}" if mode >= 0 else NONE

    def body(key: OpKey) -> Mapping[str, Json]:
        words = (commit, sides.before, sides.index_before, shown_mode, owner or NONE)
        got = _run(work, key, step, _CHECK_OUT, *words)
        _require(got, f"git checkout of {step.place.path}", key)
        return {"sha256": sides.after, "index": sides.index_after}

    intent: dict[str, Json] = {"do": "checkout", "path": step.place.path, "commit": commit, "sha256": sides.after}
    work.op(name, {**intent, "index": sides.index_after}, body)


def put_back(work: Work, name: str, step: Step, sides: Sides, copy: str, made: str) -> None:
    """Put the copy in the place of the file, or remove the file where there was none; one operation.

    Raises ActionError, with the file untouched, if it is neither as before nor as the restore left it.
    """

    def body(key: OpKey) -> Mapping[str, Json]:
        got = _run(work, key, step, _PUT_BACK, sides.before, sides.after, copy or NONE, made or NONE)
        _require(got, f"putting {step.place.path} back", key)
        return {"sha256": sides.before}

    work.op(name, {"do": "put back", "path": step.place.path, "sha256": sides.before, "copy": copy}, body)


def set_index(work: Work, name: str, step: Step, sides: Sides) -> None:
    """Give the index its entry again, or take the restored one out of it; one operation. HEAD does not move.

    Raises ActionError if the entry is neither as before nor as the restore left it.
    """

    def body(key: OpKey) -> Mapping[str, Json]:
        got = _run(work, key, step, _SET_INDEX, sides.index_before, sides.index_after)
        _require(got, f"git update-index of {step.place.path}", key)
        return {"index": sides.index_before}

    work.op(name, {"do": "index", "path": step.place.path, "index": sides.index_before}, body)


def _run(work: Work, key: OpKey, step: Step, text: str, *words: str) -> Captured:
    argv = script(text, step.place.top, step.place.path, *words)
    return change(work, key, Cmd(argv, timeout=step.timeout, sudo=step.sudo))


def _require(got: Captured, what: str, key: OpKey) -> None:
    """Raise ActionError unless the script ended with 0, with what git itself complains of."""
    if got.finished.ended == "exit" and got.exit not in {0, _STOPPED}:
        raise ActionError(f"{what} failed with exit {got.exit}: {complaint(got)}", where=key.target)
    require_exit(got, what, where=key.target)


def _name(key: OpKey) -> str:
    """Return a name without dots at its ends, so that git takes it for a ref (git-check-ref-format(1))."""
    return f"{_part(key.step)}.{_part(key.target)}.{key.attempt}"


def _part(text: str) -> str:
    return _PART.sub("_", text)
