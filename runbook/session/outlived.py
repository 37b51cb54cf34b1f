"""Jobs that outlived their run: no process holds the run any more, and what it began may still live on a target.

Owns finding them by the operations whose end is not on record, ending them, and the record of that. What became of the
step is not decided here: its outcome stays open, and `resume` settles it by looking, as after any crash.
"""

from __future__ import annotations

import re

from msgspec import Struct

from runbook.config import Settings
from runbook.engine.spread import spread
from runbook.engine.work import op_key
from runbook.errors import RunbookError
from runbook.events import fact as f
from runbook.events.fold import fold_all
from runbook.events.state import RunState
from runbook.journal import Layout, holder
from runbook.model.host import LOCAL, ONCE, Host
from runbook.ports.approver import Approver
from runbook.ports.cancel import Cancel
from runbook.ports.target import Dead, NotConfirmed, OpKey
from runbook.session.prepare import from_snapshot
from runbook.session.provenance import actor, boot_id, owner, versions
from runbook.session.record import JournalRecorder, facts_of
from runbook.session.run import reopen
from runbook.session.way import as_recorded, changed_with, ways

_COMMAND = re.compile(r"\A((?:sent \w+ to|may not end|\D*lives:|\D*running:) [0-9]+)\b.*", re.DOTALL)
"""In a line of evidence: the number of a process, with its command line behind it."""


class Ended(Struct, frozen=True):
    """What ending the jobs of a run gave."""

    lines: tuple[str, ...]
    are_dead: bool
    """Of every job it is confirmed that nothing of it lives."""


def end_jobs(settings: Settings, run: str, reason: str, approver: Approver | None = None) -> Ended | None:
    """End what still lives of a run that rests, and record it; None if it runs, or has nothing whose end is unknown.

    Raises UsageError if there is no such run, JournalLocked if somebody has taken it up meanwhile.
    """
    layout = Layout(settings.state)
    if holder(layout, run) is not None or not _open_jobs(fold_all(facts_of(layout, run)), run):
        return None
    writer, state = reopen(layout, run)
    with writer:
        record = JournalRecorder(writer).record
        record(f.SessionOpened(mode="decide", actor=actor(), boot_id=boot_id(), versions=versions()))
        record(f.SteeringAsked(what="cancel", reason=reason, actor=owner()))
        ended = _end(settings, state, run, approver)
        hides = _hides(state)
        lines = {job: _told(job, answer, hides=hides) for job, answer in ended.items()}
        for job, line in lines.items():
            record(f.NoteWritten(text=line, step=job.step, actor=owner()))
        # The process that wrote it may have left nothing that says so.
        status = "interrupted" if state.status == "running" else state.status
        record(f.SessionClosed(status=status))
        writer.close(status)
    return Ended(tuple(lines.values()), all(isinstance(answer, Dead) for answer in ended.values()))


def _hides(state: RunState) -> bool:
    """Tell whether a command line on a target may hold what must not be seen: nobody is here who could mask it."""
    if state.opened is None:
        return True
    values = (state.opened.params, *state.opened.host_params.values())
    steps = (step for unit in from_snapshot(state.opened).plan.units for step in unit.steps)
    return any(
        isinstance(value, dict) and set(value) == {"secret"} for each in values for value in each.values()
    ) or any(step.source.sensitive or step.source.redact for step in steps)


def _open_jobs(state: RunState, run: str) -> tuple[OpKey, ...]:
    """Return the jobs of changes whose end is not on record."""
    return tuple(
        op_key(OpKey(run, step, place, attempt.number, ""), operation.name, operation.tries, undo=undo)
        for (step, place), at in state.steps.items()
        for attempt in at.attempts
        for operations, undo in ((attempt.operations, False), (attempt.undo_operations, True))
        for operation in operations
        if operation.receipt is None and attempt.effect != "read"
    )


def _end(settings: Settings, state: RunState, run: str, approver: Approver | None) -> dict[OpKey, Dead | NotConfirmed]:
    hosts = from_snapshot(state.opened).plan.hosts if state.opened is not None else {}
    keys = changed_with(facts_of(Layout(settings.state), run))
    reached = ways(as_recorded(settings, state), approver, keys=keys)
    jobs: dict[str, OpKey] = {job.text(): job for job in _open_jobs(state, run)}

    def end(name: str) -> Dead | NotConfirmed:
        job = jobs[name]
        host = hosts.get(job.target) or (Host(LOCAL, "local") if job.target.startswith(ONCE) else None)
        if host is None:
            return NotConfirmed((f"{job.target} is not among the hosts of this run",))
        try:
            return reached[host.transport].target(host, Cancel()).kill(job)
        except RunbookError as error:
            return NotConfirmed((str(error),))

    try:
        return {jobs[name]: answer for name, answer in spread(jobs, end).items()}
    finally:
        reached.close()


def _told(job: OpKey, answer: Dead | NotConfirmed, *, hides: bool) -> str:
    what = f"{job.step} on {job.target}: the end of its job {job.name} is "
    seen = [_COMMAND.sub(r"\1", line) if hides else line for line in answer.evidence]
    evidence = f": {'; '.join(seen)}" if seen else ""
    return what + ("confirmed" if isinstance(answer, Dead) else "NOT confirmed") + evidence
