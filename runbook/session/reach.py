"""Reach: which steps a run can come to, with the parameters and the answers that are known beforehand.

Owns the paths through a plan: a condition over parameters that cannot hold, the option of a decision that is answered
already, the step where a failure goes on. Whatever is known only later leaves both ways open.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from runbook.engine.failure import goto_of
from runbook.engine.jump import END
from runbook.errors import RunbookError
from runbook.expression import compile_expression
from runbook.model.plan import Plan, PlannedStep, Unit
from runbook.model.scalar import Json


class _At(Struct, frozen=True):
    """One step of the plan with what stands around it."""

    unit: Unit
    step: PlannedStep


def reachable(plan: Plan, params: Mapping[str, object], answers: Mapping[str, Json]) -> frozenset[str]:
    """Return the ids of the steps that may run; all run forward, so one walk over them tells."""
    way = [_At(unit, step) for unit in plan.units for step in unit.steps]
    reached = {0}
    found: set[str] = set()
    for position, at in enumerate(way):
        if position not in reached:
            continue
        holds = _holds(at, params)
        if holds is not False:
            found.add(at.step.id)
            reached |= {_position(way, position, to) for to in _jumps(at.step, answers)}
        if holds is not True or _falls_through(at.step, answers):
            reached.add(position + 1)
    return frozenset(found)


def _jumps(step: PlannedStep, answers: Mapping[str, Json]) -> set[str]:
    """Return where the run may go on behind a step instead of at the next one."""
    to = goto_of(step, "")
    jumps = {to} if to else set()
    for option in step.source.choose.options if step.source.choose is not None else ():
        if option.goto and _may_be(option.id, step, answers):
            jumps.add(f"{step.scope}/{option.goto}" if step.scope and option.goto != END else option.goto)
    return jumps


def _falls_through(step: PlannedStep, answers: Mapping[str, Json]) -> bool:
    if step.source.choose is None:
        return True
    return any(not option.goto and _may_be(option.id, step, answers) for option in step.source.choose.options)


def _may_be(option: str, step: PlannedStep, answers: Mapping[str, Json]) -> bool:
    given = answers.get(step.id)
    known = step.source.choose is not None and given in [each.id for each in step.source.choose.options]
    return not known or option == given


def _position(way: list[_At], after: int, to: str) -> int:
    """Return the position of the next step of that name, or of that stage or include; the end if there is none."""
    for position in range(after + 1, len(way)):
        at = way[position]
        if at.step.id == to or at.step.id.startswith(f"{to}/"):
            return position
        if at.unit.id == to and at.unit is not way[after].unit:
            return position
    return len(way)


def _holds(at: _At, params: Mapping[str, object]) -> bool | None:
    """Tell whether the conditions of a step hold as far as parameters tell; None if that is known only later."""
    told = [_verdict(condition, at.step, params) for condition in (at.unit.when, at.step.source.when) if condition]
    told += [None] * bool(at.unit.outer)
    if False in told:
        return False
    return None if None in told else True


def _verdict(condition: str, step: PlannedStep, params: Mapping[str, object]) -> bool | None:
    """Judge one condition by `params` alone: all else is unknown; parameters of an include are not looked at."""
    if step.scope:
        return None
    try:
        return compile_expression(condition).verdict({"params": params})
    except RunbookError:
        return None
