"""Conditions: what `when` of a step, of its stage and of its includes says in one place, by what is known. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec.structs import replace

from runbook.engine.place import all_places
from runbook.errors import RunbookError
from runbook.events.state import RunState, StepState
from runbook.expression import Path, compile_expression
from runbook.model.plan import PlannedStep, Unit

NamesAt = Callable[[RunState, PlannedStep, str], Mapping[str, object]]


def conditions_of(unit: Unit, step: PlannedStep) -> tuple[tuple[str, str], ...]:
    """Return the scope whose names a condition sees, and the condition; the outermost first."""
    written = (*unit.outer, (step.scope, unit.when), (step.scope, step.source.when))
    return tuple((scope, condition) for scope, condition in written if condition)


def is_past(at: StepState) -> bool:
    """Tell whether something was sent already: then no condition is asked again."""
    return any(attempt.finished is None or attempt.finished.dispatched for attempt in at.attempts)


def holds(
    condition: str, step: PlannedStep, scope: str, place: str, state: RunState, names: NamesAt
) -> tuple[bool | None, str]:
    """Return whether a condition holds by what is known now; None and the reason if that cannot be told."""
    try:
        verdict = compile_expression(condition).verdict(names(state, _seen_from(step, scope), place))
    except RunbookError as error:
        return None, error.message
    return verdict, "a value that it needs is not known"


class Foresight:
    """Tells of the steps of one unit, before their turn, whether they may run."""

    def __init__(self, unit: Unit, state: RunState, names: NamesAt) -> None:
        self._unit = unit
        self._state = state
        self._names = names
        self._unfinished = _unfinished(unit, state)
        # Steps share the condition of their stage, and the names of a fleet are long to gather.
        self._known: dict[tuple[str, str, str], bool | None] = {}

    def of(self, step: PlannedStep, place: str) -> tuple[bool, str]:
        """Return whether a step may run in a place, and the conditions that are open until its turn.

        What an unfinished step of the same unit will yield is open, whatever it says now.
        """
        conditions = conditions_of(self._unit, step)
        if not conditions or is_past(self._state.at(step.id, place)):
            return True, ""
        told = [(condition, self._verdict(step, scope, condition, place)) for scope, condition in conditions]
        if any(verdict is False for _, verdict in told):
            return False, ""
        return True, " and ".join(condition for condition, verdict in told if verdict is None)

    def _verdict(self, step: PlannedStep, scope: str, condition: str, place: str) -> bool | None:
        key = (scope, condition, place)
        if key not in self._known:
            is_open = _depends_on(condition, scope, self._unfinished)
            self._known[key] = None if is_open else holds(condition, step, scope, place, self._state, self._names)[0]
        return self._known[key]


def _seen_from(step: PlannedStep, scope: str) -> PlannedStep:
    return step if scope == step.scope else replace(step, scope=scope)


def _unfinished(unit: Unit, state: RunState) -> frozenset[str]:
    """Return the steps of a unit that are still to end somewhere."""
    return frozenset(
        step.id
        for step in unit.steps
        for place in all_places(unit, step)
        if place not in state.excluded and state.at(step.id, place).status not in ("succeeded", "skipped")
    )


def _depends_on(condition: str, scope: str, unfinished: frozenset[str]) -> bool:
    def is_open(path: Path) -> bool:
        if path[0] != "steps":
            return False
        return len(path) < 2 or (f"{scope}/{path[1]}" if scope else path[1]) in unfinished

    try:
        return compile_expression(condition).depends_on(is_open)
    except RunbookError:
        return True
