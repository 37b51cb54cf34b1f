"""What became of an interrupted start, stop or restart: told by its job and the unit, by reading alone."""

from __future__ import annotations

from runbook.actions.file_operation import still_open
from runbook.actions.form import text_of
from runbook.actions.service_driver import Driver, UnitState
from runbook.errors import ActionError
from runbook.model.scalar import Json
from runbook.ports.action import Done, NotDone, OpenOp, Settlement, Unknown
from runbook.ports.target import JobFinished, NoJob, Reader


def receipt(was: str, state: UnitState) -> dict[str, Json]:
    """Return the receipt of an operation: the invocation of before, and the unit after it."""
    return {"was": was, "active": state.active, "invocation": state.invocation, "main_pid": state.main_pid}


def settle(driver: Driver, o: OpenOp, t: Reader) -> Settlement:
    """Tell what became of the operation.

    A start or stop is done when the unit is there or gone. A restart is done when there is another invocation and its
    command has ended: another invocation alone may be the work of a crash.
    """
    pending = still_open(o, t)
    if pending is not None:
        return pending
    job, was = t.job(o.key), text_of(o.intent.get("was"))
    if o.intent.get("do") == "reset-failed" and isinstance(job, JobFinished):
        # Whether it was allowed or not: what follows it tells.
        return Done({"exit": job.exit}, (f"it ended with exit {job.exit}",))
    try:
        state = driver.show(t)
    except ActionError as error:
        return Unknown((str(error),))
    words = (state.line(), f"invocation before: {was or 'none'}, now: {state.invocation or 'none'}")
    if isinstance(job, NoJob):
        return NotDone(("the command was never started", *words))
    if state.job:
        return Unknown(("the manager still has it to do", *words))
    if _is_done(text_of(o.intent.get("do")), state, was, ended=isinstance(job, JobFinished)):
        return Done(receipt(was, state), words)
    if isinstance(job, JobFinished) and job.exit != 0 and _is_as_before(state, was, text_of(o.intent.get("active"))):
        return NotDone((f"the command failed with exit {job.exit}, and the unit is as it was", *words))
    return Unknown(words)


def _is_as_before(state: UnitState, was: str, active: str) -> bool:
    """Tell whether the same process still runs (sudo or the manager refused), or nothing does, as before."""
    return (state.invocation == was and state.active == active) or (state.is_down and active in {"inactive", "failed"})


def _is_done(do: str, state: UnitState, was: str, *, ended: bool) -> bool:
    match do:
        case "start":
            return state.is_up
        case "stop":
            return state.is_down
        case "restart":
            return ended and state.invocation not in {"", was}
        case _:
            return False
