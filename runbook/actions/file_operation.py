"""Two operations on files that several actions share: keep a verified copy, and remove a file that is still ours.

Each is one script under the job wrapper of the target. A copy appears under its name complete or not at all, so
that what became of an interrupted one can be told by looking.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from runbook.actions.capture import change, require_exit
from runbook.actions.file_state import SUM, FileState, look
from runbook.actions.file_verdict import describe
from runbook.actions.form import script
from runbook.model.scalar import Json
from runbook.ports.action import Done, NotDone, OpenOp, Settlement, Unknown, Work
from runbook.ports.target import Cmd, JobRunning, JobUnknown, OpKey, Reader

_SYNC = r"""
settle() { sync "$1" 2>/dev/null || sync; }
"""
# Old busybox and BSD know only the sync of everything.

_COPY = (
    SUM
    + _SYNC
    + r"""
umask 077
src=$1 dest=$2 want=$3 part=$2.part
rm -f -- "$part/copy"; rmdir -- "$part" 2>/dev/null
if [ -e "$dest" ] || [ -L "$dest" ]; then
  if [ -f "$dest" ] && [ "$(sum < "$dest")" = "$want" ]; then exit 0; fi
  echo "$dest is there already and is not overwritten" >&2; exit 73
fi
trap 'exit 129' HUP; trap 'exit 130' INT; trap 'exit 143' TERM
mkdir -- "$part" || exit
trap 'rm -f -- "$part/copy"; rmdir -- "$part"' EXIT
cp -p -- "$src" "$part/copy" || exit
if [ "$(sum < "$part/copy")" != "$want" ]; then
  echo "$src changed after it was looked at" >&2; exit 65
fi
settle "$part/copy"
if ! ln -- "$part/copy" "$dest" 2>/dev/null; then
  if [ -e "$dest" ]; then echo "$dest appeared meanwhile and is not overwritten" >&2; exit 73; fi
  mv -- "$part/copy" "$dest" || exit
fi
settle "${dest%/*}/"
"""
)
# A folder of our own by mkdir keeps others from planting a link under the name of the part; ln refuses to overwrite.

_REMOVE = (
    SUM
    + _SYNC
    + r"""
f=$1 want=$2
if [ ! -e "$f" ] && [ ! -L "$f" ]; then exit 0; fi
if [ -L "$f" ] || [ ! -f "$f" ] || [ "$(sum < "$f")" != "$want" ]; then
  echo "$f was changed by somebody else and is not removed" >&2; exit 65
fi
rm -- "$f" || exit
settle "${f%/*}/"
"""
)


class Spot(Struct, frozen=True):
    """A file of which the content is known, and how to reach it."""

    path: str
    sha256: str
    sudo: bool
    timeout: float


def copy_file(work: Work, name: str, source: str, spot: Spot) -> None:
    """Copy `source` to the spot as one operation, with mode, times and owner; never overwrites.

    Raises ActionError if the source has not the content of the spot, or something else is there.
    """

    def body(key: OpKey) -> Mapping[str, Json]:
        argv = script(_COPY, source, spot.path, spot.sha256)
        got = change(work, key, Cmd(argv, timeout=spot.timeout, sudo=spot.sudo, files=True))
        require_exit(got, f"copying {source} to {spot.path}", where=key.target)
        return {"sha256": spot.sha256}

    work.op(name, {"do": "copy", "from": source, "to": spot.path, "sha256": spot.sha256}, body)


def remove_file(work: Work, name: str, spot: Spot) -> None:
    """Remove the file as one operation. Raises ActionError if it has not the content that is known."""

    def body(key: OpKey) -> Mapping[str, Json]:
        argv = script(_REMOVE, spot.path, spot.sha256)
        got = change(work, key, Cmd(argv, timeout=spot.timeout, sudo=spot.sudo, files=True))
        require_exit(got, f"removing {spot.path}", where=key.target)
        return {"removed": spot.path}

    work.op(name, {"do": "remove", "path": spot.path, "sha256": spot.sha256}, body)


def settle_present(spot: Spot, was: FileState | None, o: OpenOp, t: Reader) -> Settlement:
    """Tell what became of an operation that puts the content of the spot where `was` had been (None: nothing)."""
    # The job first: one that ends between the two looks must not be told as never done.
    pending = still_open(o, t)
    now = look(t, spot.path, sudo=spot.sudo, timeout=spot.timeout).file
    if now.kind == "file" and now.sha256 == spot.sha256:
        return Done({"sha256": spot.sha256}, (f"{spot.path} has the wanted content",))
    if pending is not None:
        return pending
    if now.kind == "missing" if was is None else (now.kind, now.sha256) == ("file", was.sha256):
        return NotDone((f"{spot.path} is as it was before",))
    return Unknown((f"{spot.path} is neither as before nor as wanted: {describe(now)}",))


def settle_removed(spot: Spot, o: OpenOp, t: Reader) -> Settlement:
    """Tell what became of an operation that removes the file."""
    pending = still_open(o, t)
    now = look(t, spot.path, sudo=spot.sudo, timeout=spot.timeout).file
    if now.kind == "missing":
        return Done({"removed": spot.path}, (f"{spot.path} is gone",))
    if pending is not None:
        return pending
    if now.kind == "file" and now.sha256 == spot.sha256:
        return NotDone((f"{spot.path} is still there",))
    return Unknown((f"{spot.path} is not what was to be removed: {describe(now)}",))


def still_open(o: OpenOp, t: Reader) -> Unknown | None:
    """Return Unknown while the job of the operation may live, so that the files say nothing final; else None."""
    match t.job(o.key):
        case JobRunning(pid=pid, seconds=seconds, evidence=evidence):
            return Unknown((f"it still runs as process {pid}, for {seconds:.0f} s", *evidence))
        case JobUnknown(evidence=evidence):
            return Unknown(("whether it still runs could not be found out", *evidence))
        case _:
            return None
