"""Deciding about guards and baselines: which values are lacking, what is armed, what is a breach, and what follows.

A guard is three-valued: good, bad, no data. As many bad samples in a row as its threshold says are a breach, and so are
as many without data; the latter always pauses, because nobody knows. All of it is told by the plan and the state;
looking is left to `sampling`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec.structs import replace

from runbook.engine.move import Breach, GoBack, Move, TakeBaseline
from runbook.engine.place import places_in, wave_of
from runbook.engine.undoing import way_back
from runbook.events import fact as f
from runbook.events.state import RunState
from runbook.events.status import BAD
from runbook.expression import compile_expression
from runbook.model.plan import Plan, PlannedStep, Unit
from runbook.model.playbook import Guard, UndoScope


def watch_moves(plan: Plan, state: RunState) -> tuple[Move, ...]:
    """Return what guards and baselines want: values that are not yet taken, and breaches that are not yet told."""
    if state.breach is not None:
        return (_back(plan, state, state.breach),)
    breaches = tuple(found for guard in plan.guards if (found := _breach(guard, state)) is not None)
    if breaches:
        return breaches
    return tuple(TakeBaseline(b.id) for b in plan.baseline if b.id not in state.baselines)


def watching(plan: Plan, params: Mapping[str, object]) -> Plan:
    """Return the plan without the normal values and guards whose `when` does not hold.

    Where that cannot be told they stay: to watch needlessly is the lesser harm. Raises ExpressionError.
    """

    def is_wanted(when: str) -> bool:
        return not when or compile_expression(when).verdict({"params": params}) is not False

    baseline = tuple(each for each in plan.baseline if is_wanted(each.when))
    return replace(plan, baseline=baseline, guards=tuple(each for each in plan.guards if is_wanted(each.when)))


def is_armed(plan: Plan, guard: Guard, state: RunState) -> bool:
    """Tell whether a guard watches by now: from the start, or from the end of the step that it names.

    The end of its first wave counts: to wait for the last one would leave a canary without a watch. The start is when
    the normal values are taken: a sample before would lack what it is compared with, and count as one without data.
    """
    if any(b.id not in state.baselines for b in plan.baseline):
        return False
    if not guard.arm_after:
        return True
    return any(
        _is_over(unit, step, wave, state)
        for unit in plan.units
        for step in unit.steps
        if step.id == guard.arm_after
        for wave in range(len(unit.waves))
    )


def _is_over(unit: Unit, step: PlannedStep, wave: int, state: RunState) -> bool:
    """Tell whether a step has ended in all places of a wave, and not badly in all of them."""
    ends = [state.at(step.id, place).status for place in places_in(unit, step, wave) if place not in state.excluded]
    return all(s in _OVER for s in ends) and any(s not in BAD for s in ends)


_OVER = BAD | {"succeeded", "skipped"}


def _breach(guard: Guard, state: RunState) -> Breach | None:
    at = state.guards.get(guard.id)
    if at is None or at.breached:
        return None
    if at.missing >= guard.threshold:
        return Breach(guard.id, "no data", "pause", f"{at.missing} samples in a row gave no data")
    if at.bad >= guard.threshold:
        why = f"{guard.fail_when} held {at.bad} times in a row"
        return Breach(guard.id, "bad", response_of(guard), why)
    return None


def response_of(guard: Guard) -> Literal["pause", "stop", "undo wave", "undo stage", "undo run"]:
    """Return what a breach of a guard is answered with."""
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
    return response == "undo stage" or wave_of(unit, change[1]) == wave_of(unit, last[1])


def _unit_of(plan: Plan, step: str) -> Unit | None:
    return next((unit for unit in plan.units if any(s.id == step for s in unit.steps)), None)
