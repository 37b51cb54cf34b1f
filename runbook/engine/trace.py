"""Traces: what jobs have printed lies in their folders as it came, and must not stay where a run hides some of it.

The side files are masked; a job folder is not, because the output must outlive the connection and this process. So it
stays while it may be needed, which is as long as the outcome is not on record or is in doubt, and goes right after.
What a killed session left behind goes when the run is taken up again.
"""

from __future__ import annotations

from contextlib import suppress

from runbook.engine.context import StepContext
from runbook.engine.services import Services
from runbook.engine.spread import spread
from runbook.engine.work import op_key
from runbook.errors import RunbookError
from runbook.events.state import Attempt, RunState, StepState
from runbook.model.host import LOCAL, ONCE, Host
from runbook.model.plan import PlannedStep
from runbook.ports.cancel import Cancel
from runbook.ports.target import OpKey


def forget(context: StepContext, attempt: Attempt) -> None:
    """Remove what the jobs of an attempt have printed; only once its outcome, or that of its undo, is on record.

    A target that cannot be asked is asked again at the end of the session.
    """
    if hides(context.services, context.step):
        known = jobs_of(context.key(attempt.number), attempt)
        _forget(context.services, context.place, known | context.jobs)


def forget_left(services: Services, state: RunState) -> None:
    """Remove what is left of all attempts of the run that are neither open nor in doubt."""
    steps = {step.id: step for unit in services.plan.units for step in unit.steps}
    left: dict[str, set[OpKey]] = {}
    for (name, place), at in state.steps.items():
        if name in steps and hides(services, steps[name]) and not _needed(at):
            for attempt in at.attempts:
                left.setdefault(place, set()).update(
                    jobs_of(OpKey(services.run_id, name, place, attempt.number, ""), attempt)
                )
    spread(left, lambda place: _forget(services, place, left[place]))


def hides(services: Services, step: PlannedStep) -> bool:
    """Tell whether a step may print what must not be kept: it says so, or the run has secrets."""
    return bool(services.masker) or step.source.sensitive or bool(step.source.redact)


def _needed(at: StepState) -> bool:
    """Tell whether what was printed is evidence, or will be read again."""
    if at.orphan or at.status == "in_doubt" or any(a.is_open or a.undo_open for a in at.attempts):
        return True
    # A way back that failed does not tell what became of the change itself.
    last = at.attempt.finished if at.attempt is not None else None
    return at.status == "undo_failed" and last is not None and last.status == "in_doubt"


def jobs_of(key: OpKey, attempt: Attempt) -> set[OpKey]:
    """Return the jobs that an attempt is on record to have begun, by the key of the attempt."""
    return {
        op_key(key, operation.name, tries, undo=undo)
        for operations, undo in ((attempt.operations, False), (attempt.undo_operations, True))
        for operation in operations
        for tries in range(1, operation.tries + 1)
    }


def _forget(services: Services, place: str, jobs: set[OpKey]) -> None:
    jobs = jobs - services.forgotten
    host = services.plan.hosts.get(place) or (Host(LOCAL, "local") if place.startswith(ONCE) else None)
    if not jobs or host is None:
        return
    with suppress(RunbookError, KeyError):
        # A cancelled run must still do this, so it does not listen to its token.
        target = services.transports[host.transport].target(host, Cancel())
        target.forget_output(tuple(sorted(jobs, key=OpKey.text)))
        services.forgotten.update(jobs)
