"""Looking for guards and baselines: normal values at the start, and samples over the whole run.

The samples are taken on one thread of its own, so that a slow server holds back neither the run nor its end. What
follows from them is decided by `guard`.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from runbook.engine.bind import bind
from runbook.engine.context import StepContext
from runbook.engine.guard import is_armed
from runbook.engine.names import Names
from runbook.engine.probe import Sample, Silence, expect_names, look
from runbook.engine.services import Services
from runbook.errors import RunbookError
from runbook.events import fact as f
from runbook.events.plain import thaw
from runbook.events.state import RunState
from runbook.expression import compile_expression, render
from runbook.model.host import ONCE
from runbook.model.plan import PlannedStep
from runbook.model.playbook import Baseline, Guard, Step
from runbook.model.scalar import Json
from runbook.ports.cancel import Cancel
from runbook.text import seconds

_EVERY = 30.0


def baseline_of(services: Services, names: Names, state: RunState, wanted: Baseline) -> f.BaselineTaken:
    """Take one normal value; without an answer it stays unknown, and no comparison with it holds."""
    arguments = dict(wanted.with_)
    if wanted.at is not None:
        arguments["at"] = wanted.at if isinstance(wanted.at, str) else f"{wanted.at:.3f}s"
    sample = _sample(services, names, state, f"baseline {wanted.id}", wanted.uses, arguments)
    known = sample.state != "no data" and "value" in sample.result
    return f.BaselineTaken(
        baseline=wanted.id,
        state="good" if known else "no data",
        value=sample.result.get("value") if known else None,
        during_incident=wanted.at is None,
        evidence=list(sample.evidence),
    )


def guard_sample(
    services: Services, names: Names, state: RunState, guard: Guard, cancel: Cancel | None = None
) -> f.GuardSampled:
    """Look once for a guard and judge what was seen."""
    sample = _sample(services, names, state, f"guard {guard.id}", guard.uses, dict(guard.with_), cancel)
    value = sample.result.get("value")
    evidence = list(sample.evidence)
    if sample.state == "no data":
        return f.GuardSampled(guard=guard.id, state="no data", evidence=evidence)
    known = expect_names({"params": names.params(ONCE), "baseline": baselines(state)}, sample.result)
    try:
        verdict = compile_expression(guard.fail_when).verdict(known)
    except RunbookError as failed:
        return f.GuardSampled(guard=guard.id, state="no data", value=value, evidence=[str(failed)])
    if verdict is None:
        lacking = ["a value that it compares with is not known", *evidence]
        return f.GuardSampled(guard=guard.id, state="no data", value=value, evidence=lacking)
    return f.GuardSampled(guard=guard.id, state="bad" if verdict else "good", value=value, evidence=evidence)


def every(names: Names, guard: Guard) -> float:
    """Return the time between two samples in seconds; what a template makes of it and is no duration counts as 30 s."""
    if not isinstance(guard.every, str):
        return guard.every
    try:
        found = seconds(str(render(guard.every, {"params": names.params(ONCE)})))
    except (RunbookError, ValueError):
        return _EVERY
    return found if found > 0 else _EVERY


def baselines(state: RunState) -> dict[str, object]:
    """Return the normal values by id; what could not be taken is null."""
    return {name: thaw(taken.value) for name, taken in state.baselines.items()}


def _sample(
    services: Services,
    names: Names,
    state: RunState,
    what: str,
    uses: str,
    arguments: dict[str, Json],
    cancel: Cancel | None = None,
) -> Sample:
    step = PlannedStep(
        id=what,
        kind="probe",
        uses=uses,
        with_=arguments,
        effect="read",
        hosts=(),
        once=True,
        timeout=60.0,
        on_failure="continue",
        parallel=1,
        source=Step(id="guard"),
    )
    context = StepContext(services, names, lambda *_: None, lambda _: None, state, step, ONCE, cancel)
    try:
        bound = bind(services, context.info(), arguments, context.names)
        return look(context, services.catalogue.probe(uses), bound, Silence(), "")
    except RunbookError as failed:
        return Sample("no data", {}, (str(failed),))


class Sampler:
    """Samples the armed guards when they are due."""

    def __init__(self, services: Services, names: Names, record: Callable[..., None]) -> None:
        self._services = services
        self._names = names
        self._record = record
        self._due: dict[str, float] = {}
        self._busy: set[str] = set()
        self._wanted: queue.SimpleQueue[tuple[Guard, RunState] | None] = queue.SimpleQueue()
        self._recording = threading.Lock()
        self._stopped = Cancel()
        self._thread: threading.Thread | None = None

    def tick(self, state: RunState) -> None:
        """Send what is due; called by the scheduler at every turn."""
        guards = self._services.plan.guards
        if not guards:
            return
        now = self._services.monotonic()
        for guard in guards:
            if guard.id in self._busy or now < self._due.get(guard.id, 0.0):
                continue
            at = state.guards.get(guard.id)
            if (at is not None and at.breached) or not is_armed(self._services.plan, guard, state):
                continue
            self._due[guard.id] = now + every(self._names, guard)
            self._busy.add(guard.id)
            self._wanted.put((guard, state))
            self._begin()

    def _begin(self) -> None:
        if self._thread is None:
            # A daemon: a server that does not answer must not hold back the end of the process.
            self._thread = threading.Thread(target=self._look, name="guard", daemon=True)
            self._thread.start()

    def _look(self) -> None:
        while (wanted := self._wanted.get()) is not None and not self._stopped.is_set():
            guard, state = wanted
            try:
                self._take(guard, state)
            except RunbookError:
                # The journal cannot be written: the next change will not start, and the run says why.
                continue
            finally:
                self._busy.discard(guard.id)

    def _take(self, guard: Guard, state: RunState) -> None:
        sampled = guard_sample(self._services, self._names, state, guard, self._stopped)
        # Once stopped nothing more is recorded: the session may be closed already.
        with self._recording:
            if not self._stopped.is_set():
                self._record(sampled)

    def stop(self) -> None:
        """Sample no more; a sample under way is dropped, not waited for."""
        with self._recording:
            self._stopped.set("the run came to a rest")
        self._wanted.put(None)
