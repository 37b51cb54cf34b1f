"""Where steps run, and what their places together are: the words at the end of a row of the rail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from msgspec import Struct

from runbook.events.state import RunState
from runbook.events.status import BAD, SETTLED
from runbook.model.plan import Plan, PlannedStep, Unit
from runbook.text.mark import status_word

_ACTIVE = ("running", "verifying", "undoing")
_FIRST = ("in_doubt", "undo_failed", "waiting", *_ACTIVE)
"""What a whole row says if one of its places does, most urgent first."""


class Total(Struct, frozen=True):
    """What the places of a step are together."""

    status: str
    says: str
    """Words; the status may be that of a few places only."""
    over: int
    """Places that have come to an end."""
    of: int


def places(unit: Unit, step: PlannedStep) -> tuple[str, ...]:
    """Return all places of a step, in the order of the waves."""
    return tuple(place for wave in range(len(unit.waves)) for place in in_wave(unit, step, wave))


def in_wave(unit: Unit, step: PlannedStep, wave: int) -> tuple[str, ...]:
    """Return the places of a step in one wave, counted from 0."""
    if step.once:
        return ("*",) if len(unit.waves) == 1 else (f"*{wave + 1}",)
    hosts = unit.waves[wave]
    return hosts if step.hosts == unit.hosts else tuple(host for host in hosts if host in step.hosts)


def where(place: str) -> str:
    """Return a place in words; nothing for what runs once."""
    if place == "*":
        return ""
    return f"wave {place[1:]}" if place.startswith("*") else place


def unit_of(plan: Plan, step: str) -> tuple[Unit, PlannedStep] | None:
    """Return a step of the plan and its unit, None if the plan has no such step."""
    for unit in plan.units:
        for each in unit.steps:
            if each.id == step:
                return unit, each
    return None


def status_at(state: RunState, step: str, place: str) -> str:
    """Return the status of a step in a place; on a host that was excluded nothing is pending any more."""
    status = state.at(step, place).status
    return "skipped" if status == "pending" and place in state.excluded else status


def limit_of(step: PlannedStep) -> float:
    """Return the seconds after which a step gives up; 0 if the plan does not tell."""
    until = step.source.until
    if until is None:
        return step.timeout
    return until.within if isinstance(until.within, int | float) else 0.0


def total(statuses: Iterable[str], *, by_hand: bool = False) -> Total:
    """Sum up the statuses of the places of a step."""
    counts = Counter(statuses)
    of = sum(counts.values())
    over = sum(counts[status] for status in (*BAD, *SETTLED, "undo_failed"))
    for status in _FIRST:
        if counts[status]:
            return Total(status, status_word(status), over, of)
    bad = sum(counts[status] for status in BAD)
    if bad:
        worst = next(
            status for status in ("failed", "timed_out", "cancelled", "refused", "unreachable") if counts[status]
        )
        return Total(worst, status_word(worst) if of in (1, bad) else f"{bad} {status_word(worst)}", over, of)
    if counts["pending"] == of:
        return Total("pending", "pending", 0, of)
    if counts["pending"]:
        return Total("pending", f"{over} of {of}", over, of)
    if counts["skipped"] == of:
        return Total("skipped", "skipped", over, of)
    if counts["undone"]:
        return Total("undone", "undone" if counts["undone"] == of else f"{counts['undone']} undone", over, of)
    return Total("succeeded", "by hand" if by_hand else "done", over, of)


def running(plan: Plan, state: RunState) -> tuple[str, tuple[str, ...]]:
    """Return the step that runs, waits or is in doubt now, and where; ("", ()) if none does."""
    for wanted in (_ACTIVE, ("in_doubt",), ("waiting",)):
        for unit in plan.units:
            for step in unit.steps:
                found = tuple(p for p in places(unit, step) if state.at(step.id, p).status in wanted)
                if found:
                    return step.id, found
    return "", ()


def present(plan: Plan, state: RunState) -> str:
    """Return the step that the run is at: what runs, else what is asked about, else the first that is not over."""
    step, _ = running(plan, state)
    if step:
        return step
    for question in state.questions.values():
        if unit_of(plan, question.step) is not None:
            return question.step
    last = ""
    for unit in plan.units:
        number = wave_at(unit, state)
        for each in unit.steps:
            if any(state.at(each.id, p).status not in SETTLED for p in in_wave(unit, each, number)):
                return each.id
            last = each.id
    return last


def wave_at(unit: Unit, state: RunState) -> int:
    """Return the wave, from 0, that a stage is in: the first that is not over."""
    for number in range(len(unit.waves)):
        for step in unit.steps:
            if any(state.at(step.id, p).status not in SETTLED for p in in_wave(unit, step, number)):
                return number
    return len(unit.waves) - 1
