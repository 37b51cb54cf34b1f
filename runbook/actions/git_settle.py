"""What became of an operation of a restore, and what a look at the file means: told by reading alone."""

from __future__ import annotations

from msgspec import Struct

from runbook.actions.file_operation import still_open
from runbook.actions.file_state import FileState, look
from runbook.actions.git import ask
from runbook.actions.git_operation import NONE, Step, backup_ref, copy_path, kept_receipt
from runbook.actions.git_state import Now, now, shown
from runbook.model.scalar import Json
from runbook.ports.action import Done, NotDone, OpenOp, Settlement, Unknown
from runbook.ports.target import NoJob, Reader

_REF = r"""g -C "$1" rev-parse --verify --quiet "$2^{commit}" """


class End(Struct, frozen=True):
    """One of the two states that an operation leads between."""

    sha256: str = ""
    """Of the live file; empty: there is none."""
    mode: int = -1
    """-1: any."""
    index: str | None = None
    """`MODE BLOB`; empty: no entry; None: any."""
    file_counts: bool = True


def is_at(end: End, seen: Now) -> bool:
    """Tell whether what lies there is this state."""
    return (not end.file_counts or has(end, seen.file)) and end.index in {None, seen.index}


def has(end: End, file: FileState) -> bool:
    """Tell whether the live file is that of this state."""
    if file.link or file.kind not in {"file", "missing"}:
        return False
    return file.sha256 == end.sha256 and (file.kind == "missing" or end.mode in {-1, file.mode})


def settle_keep(step: Step, before: str, o: OpenOp, t: Reader) -> Settlement:
    """Tell whether copy and ref are complete. What is not complete changed nothing that anybody uses."""
    pending = still_open(o, t)
    if pending is not None:
        return pending
    copy, ref = copy_path(step.place, o.key), backup_ref(o.key)
    got = ask(t, _REF, step.place.top, ref, sudo=step.sudo, timeout=step.timeout)
    is_kept = before == NONE or look(t, copy, sudo=step.sudo, timeout=step.timeout).file.sha256 == before
    if got.exit == 0 and is_kept:
        return Done(kept_receipt(copy, before, ref, got.out.strip()), (f"{ref} and the copy {copy} are there",))
    return NotDone((f"{step.place.path} was not touched, and its copy is not complete",))


def settle_between(step: Step, old: End, new: End, receipt: dict[str, Json], o: OpenOp, t: Reader) -> Settlement:
    """Tell at which of two states an operation left the file; in the middle it is unknown, with what was seen."""
    pending = still_open(o, t)
    if pending is not None:
        return pending
    seen = now(t, step.place, sudo=step.sudo, timeout=step.timeout)
    words = (f"{step.place.path}: {shown(seen.file, seen.index)}",)
    is_old, is_new = is_at(old, seen), is_at(new, seen)
    if is_old and (not is_new or isinstance(t.job(o.key), NoJob)):
        return NotDone(("it is as it was before", *words))
    if is_new:
        return Done(receipt, ("it is as wanted", *words))
    return Unknown(("it is neither as before nor as wanted", *words))
