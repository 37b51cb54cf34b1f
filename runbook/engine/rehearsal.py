"""Rehearsing: inspect and plan every step, look through every probe, change nothing.

Values are carried from step to step as in a run. What only claims to read (`command`, `shell`) is not run unless it
is asked for; what depends on it is known later, and its `when` is a maybe.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from threading import Lock
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from runbook.engine.context import StepContext
from runbook.engine.decide import places_of
from runbook.engine.guard import response_of
from runbook.engine.inspection import inspect
from runbook.engine.names import Names
from runbook.engine.probe import run_probe
from runbook.engine.sampling import baseline_of, every, guard_sample
from runbook.engine.services import Services
from runbook.engine.spread import AT_ONCE, spread
from runbook.engine.words import filled
from runbook.errors import RunbookError
from runbook.events import fact as f
from runbook.events.fold import fold
from runbook.events.plain import thaw
from runbook.events.state import RunState
from runbook.expression import compile_expression, names_of_tree
from runbook.model.host import ONCE
from runbook.model.plan import PlannedStep, Unit
from runbook.model.scalar import Effect, Json

CLAIMS = ("command", "shell")
"""Steps that the playbook says only read, and nobody can check."""


class Rehearsed(Struct, frozen=True, kw_only=True):
    """What a step would do in one place."""

    step: str
    title: str
    target: str
    kind: str
    effect: Effect
    state: Literal["known", "later", "maybe", "not run", "skipped", "refused", "failed", "unreachable"]
    seen: Literal["", "good", "bad", "no data"] = ""
    """What a guard or a baseline saw now; nothing for steps."""
    words: str = ""
    commands: tuple[str, ...] = ()
    diff: str = ""
    notes: tuple[str, ...] = ()
    undo: str = ""
    result: dict[str, Json] = {}
    evidence: tuple[str, ...] = ()


def rehearse(services: Services, *, run_reads: bool = False) -> tuple[Rehearsed, ...]:
    """Return what every step would do in every place. Nothing is recorded but in memory."""
    return _Rehearsal(services, run_reads).walk()


def _watch(
    kind: str, sample: f.BaselineTaken | f.GuardSampled, name: str, words: str, notes: tuple[str, ...] = ()
) -> Rehearsed:
    return Rehearsed(
        step=f"{kind} {name}",
        title=name,
        target=ONCE,
        kind=kind,
        effect="read",
        state="known",
        seen=sample.state,
        words=words,
        notes=notes,
        result={"value": sample.value},
        evidence=tuple(sample.evidence),
    )


def _number(value: Json) -> str:
    found = thaw(value)
    return f"{found:g}" if isinstance(found, int | float) else "unknown"


class _Rehearsal:
    def __init__(self, services: Services, run_reads: bool) -> None:
        self._services = services
        self._run_reads = run_reads
        self._names = Names(
            services.plan, services.run_id, services.params, services.host_params, services.include_params
        )
        self._state = RunState()
        self._recording = Lock()
        self._away: dict[str, str] = {}
        """The hosts that could not be reached, and why: they are not tried at every step."""

    def walk(self) -> tuple[Rehearsed, ...]:
        """Walk the plan in order."""
        found: list[Rehearsed] = []
        for looked in self._watches():
            found.append(looked)
            self._tell(looked)
        for unit in self._services.plan.units:
            for wave in range(len(unit.waves)):
                for step in unit.steps:
                    if self._services.cancel.is_set():
                        return tuple(found)
                    places = places_of(unit, step, wave, self._state)
                    # Together, so that one that does not answer costs its own time limit and no more.
                    looked_at = spread(places, partial(self._one, unit, step), min(AT_ONCE, step.parallel))
                    found.extend(looked_at.values())
                    self._tell(*looked_at.values())
        return tuple(found)

    def _watches(self) -> Iterator[Rehearsed]:
        """Yield the normal values and what the guards would see now; later steps compare with those values."""
        plan, names = self._services.plan, self._names
        for wanted in plan.baseline:
            if self._services.cancel.is_set():
                return
            taken = baseline_of(self._services, names, self._state, wanted)
            self._record(taken)
            source = "as it is now, during the incident" if taken.during_incident else "from history"
            words = f"{_number(taken.value)}, {source}" if taken.state == "good" else "no data"
            yield _watch("baseline", taken, wanted.id, words)
        for guard in plan.guards:
            if self._services.cancel.is_set():
                return
            seen = guard_sample(self._services, names, self._state, guard, self._services.cancel)
            armed = f"after {guard.arm_after}" if guard.arm_after else "from the start"
            words = (
                f"{seen.state} now, {_number(seen.value)}; watches {armed}, every {every(names, guard):g} s; "
                f"{guard.threshold} bad in a row: {response_of(guard)}"
            )
            notes = (f"bad if {guard.fail_when}",)
            yield _watch("guard", seen, guard.id, words, notes)

    def _tell(self, *places: Rehearsed) -> None:
        """Tell what was seen of one step in some places."""
        for listener in self._services.listeners:
            hear = getattr(listener, "rehearsed", None)
            if hear is not None and places:
                hear(*places)

    def _one(self, unit: Unit, step: PlannedStep, place: str) -> Rehearsed:
        plain = Rehearsed(
            step=step.id,
            title=filled(step.source.title, self._names.at(self._state, step, place)) or step.id,
            target=place,
            kind=step.kind,
            effect=step.effect,
            state="known",
        )
        condition = self._condition(unit, step, place)
        if condition is False:
            self._record(f.StepSkipped(step=step.id, target=place, why="when"))
            return replace(plain, state="skipped", words=f"does not hold: {unit.when or step.source.when}")
        if place in self._away and step.kind in ("action", "probe"):
            return replace(plain, state="unreachable", words=self._away[place])
        seen = self._looked(plain, step, place)
        if seen.state == "unreachable" and place in self._services.plan.hosts:
            self._away[place] = seen.words
        if condition is None and seen.state == "known":
            return replace(seen, state="maybe")
        return seen

    def _condition(self, unit: Unit, step: PlannedStep, place: str) -> bool | None:
        for written in (unit.when, step.source.when):
            if not written:
                continue
            try:
                verdict = compile_expression(written).verdict(self._names.at(self._state, step, place))
            except RunbookError:
                verdict = None
            if verdict is not True:
                return verdict
        return True

    def _looked(self, plain: Rehearsed, step: PlannedStep, place: str) -> Rehearsed:
        match step.kind:
            case "action":
                return self._action(plain, step, place)
            case "probe" if step.uses in CLAIMS and not self._run_reads:
                inspect(self._context(step, place), early=True)
                planned = self._state.at(step.id, place).planned
                commands = tuple(planned.commands) if planned is not None else ()
                return replace(plain, state="not run", words="only claims to read", commands=commands)
            case "probe":
                return self._probe(plain, step, place)
            case "manual" | "ask" | "choose":
                return replace(plain, words="a person is asked")
            case "wait":
                return replace(plain, words=f"waits {step.source.wait or 0:.0f} s")
            case _:
                message = str(step.with_.get("message", ""))
                return replace(plain, words=filled(message, self._names.at(self._state, step, place)))

    def _action(self, plain: Rehearsed, step: PlannedStep, place: str) -> Rehearsed:
        depends = self._waits_for(step)
        inspect(self._context(step, place), early=bool(depends))
        at = self._state.at(step.id, place)
        planned = at.planned
        if at.status in ("refused", "failed", "unreachable"):
            return replace(plain, state=at.status, words=at.error)
        if planned is None:
            return replace(plain, state="failed", words="nothing is known")
        if planned.answer == "later":
            return replace(plain, state="later", words=f"known after {depends}" if depends else planned.words)
        return replace(
            plain,
            words=planned.words,
            commands=tuple(planned.commands),
            diff=planned.diff,
            notes=tuple(planned.notes),
            undo=planned.undo,
        )

    def _waits_for(self, step: PlannedStep) -> str:
        """Return a step whose values this one needs and that was not run, or nothing."""
        known = {name for (name, _), at in self._state.steps.items() if at.values}
        for path in sorted(names_of_tree(step.with_)):
            if path[0] == "steps" and len(path) > 1:
                name = f"{step.scope}/{path[1]}" if step.scope else path[1]
                if name not in known:
                    return name
        return ""

    def _probe(self, plain: Rehearsed, step: PlannedStep, place: str) -> Rehearsed:
        # A rehearsal looks once: waiting for something to become true would wait for a change that is not made.
        once = replace(step, source=replace(step.source, until=None))
        run_probe(self._context(once, place), 1)
        at = self._state.at(step.id, place)
        if at.status == "unreachable":
            return replace(plain, state="unreachable", words=at.error, evidence=at.evidence)
        words = "holds now" if at.status == "succeeded" else f"does not hold now: {at.error}"
        return replace(plain, state="known", words=words, result=at.result, evidence=at.evidence)

    def _context(self, step: PlannedStep, place: str) -> StepContext:
        return StepContext(self._services, self._names, self._record, lambda _: None, self._state, step, place)

    def _record(self, *facts: f.Fact) -> None:
        with self._recording:
            for fact in facts:
                self._state = fold(self._state, fact)
