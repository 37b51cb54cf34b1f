"""Guards and baselines: normal values at the start, and a watch over the whole run.

A guard is three-valued: good, bad, no data. As many bad samples in a row as its threshold says are a breach, and so are
as many without data; the latter always pauses, because nobody knows. What is armed, due or breached is told by the
state; this room only samples, on one thread of its own, so that a slow server never holds back the run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from runbook.engine.bind import bind
from runbook.engine.context import StepContext
from runbook.engine.move import Breach, GoBack, Move, TakeBaseline
from runbook.engine.names import Names
from runbook.engine.probe import Sample, Silence, expect_names, look
from runbook.engine.services import Services
from runbook.engine.undoing import way_back
from runbook.errors import RunbookError
from runbook.events import fact as f
from runbook.events.plain import thaw
from runbook.events.state import RunState
from runbook.expression import compile_expression
from runbook.model.host import ONCE
from runbook.model.plan import Plan, PlannedStep, Unit
from runbook.model.playbook import Baseline, Guard, Step, UndoScope
from runbook.model.scalar import Json

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor


def watch_moves(plan: Plan, state: RunState) -> tuple[Move, ...]:
    """Return what guards and baselines want: values that are not yet taken, and breaches that are not yet told."""
    if state.breach is not None:
        return (_back(plan, state, state.breach),)
    breaches = tuple(found for guard in plan.guards if (found := _breach(guard, state)) is not None)
    if breaches:
        return breaches
    return tuple(TakeBaseline(b.id) for b in plan.baseline if b.id not in state.baselines)


def is_armed(plan: Plan, guard: Guard, state: RunState) -> bool:
    """Tell whether a guard watches by now: from the start, or from the end of the step that it names."""
    if not guard.arm_after:
        return True
    seen = [at.status for (step, _), at in state.steps.items() if step == guard.arm_after]
    expected = next((s for unit in plan.units for s in unit.steps if s.id == guard.arm_after), None)
    places = 1 if expected is None or expected.once else len(expected.hosts)
    return len(seen) >= places and all(status in ("succeeded", "skipped") for status in seen)


def _breach(guard: Guard, state: RunState) -> Breach | None:
    at = state.guards.get(guard.id)
    if at is None or at.breached:
        return None
    if at.missing >= guard.threshold:
        return Breach(guard.id, "no data", "pause", f"{at.missing} samples in a row gave no data")
    if at.bad >= guard.threshold:
        why = f"{guard.fail_when} held {at.bad} times in a row"
        return Breach(guard.id, "bad", _response(guard), why)
    return None


def _response(guard: Guard) -> Literal["pause", "stop", "undo wave", "undo stage", "undo run"]:
    if not isinstance(guard.on_breach, UndoScope):
        return guard.on_breach
    return _UNDO[guard.on_breach.undo]


_UNDO: dict[str, Literal["undo wave", "undo stage", "undo run"]] = {
    "wave": "undo wave",
    "stage": "undo stage",
    "run": "undo run",
}


def _back(plan: Plan, state: RunState, breach: f.GuardBreached) -> GoBack:
    """Return the way back that a breach asks for: the last wave or stage that changed something, or all."""
    chosen = [change for change in state.standing if _in_scope(plan, state, change, breach.response)]
    return GoBack(way_back(plan, state, chosen), True, f"guard {breach.guard}: {breach.why}")


def _in_scope(plan: Plan, state: RunState, change: tuple[str, str, int], response: str) -> bool:
    if response == "undo run":
        return True
    last = state.standing[-1]
    unit = _unit_of(plan, last[0])
    if unit is None or _unit_of(plan, change[0]) is not unit:
        return False
    return response == "undo stage" or _wave_of(unit, change[1]) == _wave_of(unit, last[1])


def _unit_of(plan: Plan, step: str) -> Unit | None:
    return next((unit for unit in plan.units if any(s.id == step for s in unit.steps)), None)


def _wave_of(unit: Unit, host: str) -> int:
    return next((number for number, hosts in enumerate(unit.waves) if host in hosts), -1)


def take_baseline(
    services: Services, names: Names, record: Callable[..., None], state: RunState, wanted: Baseline
) -> None:
    """Take one normal value and record it; without an answer it stays unknown, and no comparison with it holds."""
    arguments = dict(wanted.with_)
    if wanted.at is not None:
        arguments["at"] = f"{wanted.at:g}s"
    sample = _sample(services, names, record, state, f"baseline {wanted.id}", wanted.uses, arguments)
    known = sample.state != "no data" and "value" in sample.result
    record(
        f.BaselineTaken(
            baseline=wanted.id,
            state="good" if known else "no data",
            value=sample.result.get("value") if known else None,
            during_incident=wanted.at is None,
            evidence=list(sample.evidence),
        )
    )


def _sample(
    services: Services,
    names: Names,
    record: Callable[..., None],
    state: RunState,
    what: str,
    uses: str,
    arguments: dict[str, Json],
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
    context = StepContext(services, names, record, lambda _: None, state, step, ONCE)
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
        self._pool = _pool() if services.plan.guards else None

    def tick(self, state: RunState) -> None:
        """Send what is due; called by the scheduler at every turn."""
        if self._pool is None:
            return
        now = self._services.monotonic()
        for guard in self._services.plan.guards:
            if guard.id in self._busy or now < self._due.get(guard.id, 0.0):
                continue
            at = state.guards.get(guard.id)
            if (at is not None and at.breached) or not is_armed(self._services.plan, guard, state):
                continue
            self._due[guard.id] = now + guard.every
            self._busy.add(guard.id)
            self._pool.submit(self._take, guard, state)

    def _take(self, guard: Guard, state: RunState) -> None:
        try:
            self._record(self._judged(guard, state))
        except RunbookError:
            # The journal cannot be written: the next change will not start, and the run says why.
            return
        finally:
            self._busy.discard(guard.id)

    def _judged(self, guard: Guard, state: RunState) -> f.GuardSampled:
        what = f"guard {guard.id}"
        sample = _sample(self._services, self._names, self._record, state, what, guard.uses, dict(guard.with_))
        if sample.state == "no data":
            return f.GuardSampled(guard=guard.id, state="no data", evidence=list(sample.evidence))
        names = expect_names({"params": self._names.params(ONCE), "baseline": baselines(state)}, sample.result)
        try:
            verdict = compile_expression(guard.fail_when).verdict(names)
        except RunbookError as failed:
            return f.GuardSampled(guard=guard.id, state="no data", evidence=[str(failed)])
        value = sample.result.get("value")
        if verdict is None:
            lacking = ["a value that it compares with is not known", *sample.evidence]
            return f.GuardSampled(guard=guard.id, state="no data", value=value, evidence=lacking)
        return f.GuardSampled(
            guard=guard.id, state="bad" if verdict else "good", value=value, evidence=list(sample.evidence)
        )

    def stop(self) -> None:
        """Sample no more."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)


def _pool() -> ThreadPoolExecutor:
    # Brought by whoever has guards: with its logging it costs a start as much as the whole engine.
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(1, thread_name_prefix="guard")


def baselines(state: RunState) -> dict[str, object]:
    """Return the normal values by id; what could not be taken is null."""
    return {name: thaw(taken.value) for name, taken in state.baselines.items()}
