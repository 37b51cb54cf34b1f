"""Going on at a later step: by a decision with a `goto`, or by `on_failure: goto`. Runs forward only."""

from __future__ import annotations

from runbook.engine.failure import goto_of, retry_of
from runbook.engine.move import Skip
from runbook.engine.place import all_places, places_in, wave_of
from runbook.events.state import RunState
from runbook.events.status import BAD
from runbook.model.plan import Plan, PlannedStep, Unit

END = "end"


def jumping(plan: Plan) -> tuple[tuple[int, PlannedStep], ...]:
    """Return the steps that may ask to go on elsewhere, each with the position of its unit."""
    return tuple(
        (position, step)
        for position, unit in enumerate(plan.units)
        for step in unit.steps
        if step.kind == "choose" or step.on_failure.startswith("goto:")
    )


def jumps(
    plan: Plan, state: RunState, override: str, among: tuple[tuple[int, PlannedStep], ...] | None = None
) -> tuple[Skip, ...]:
    """Return the skips that decisions and failures still ask for; nothing once they are on record.

    `among` is what `jumping` has returned for this plan: whoever asks after every fact looks for it once.
    """
    for position, step in jumping(plan) if among is None else among:
        unit = plan.units[position]
        for place in all_places(unit, step):
            to = _chosen(step, place, state) or _failed(unit, step, place, state, override)
            skips = goto(plan, position, step, place, to, state) if to else ()
            if skips:
                return skips
    return ()


def _chosen(step: PlannedStep, place: str, state: RunState) -> str:
    at = state.at(step.id, place)
    if step.source.choose is None or at.status != "succeeded":
        return ""
    to = next((o.goto for o in step.source.choose.options if o.id == at.values.get("choice")), "")
    return f"{step.scope}/{to}" if step.scope and to and to != END else to


def _failed(unit: Unit, step: PlannedStep, place: str, state: RunState, override: str) -> str:
    at = state.at(step.id, place)
    if at.status not in BAD or at.by_hand or place in state.excluded:
        return ""
    if unit.max_unavailable is not None and len(broken(unit, state)) <= unit.max_unavailable:
        return ""
    return goto_of(step, override) if retry_of(step, place, at) is None else ""


def broken(unit: Unit, state: RunState) -> frozenset[str]:
    """Return the hosts of a unit with a limit that this run has broken, not those that were down before."""
    if unit.max_unavailable is None:
        return frozenset()
    touched = {target for _, target, _ in state.changes}
    bad: set[str] = set()
    for step in unit.steps:
        for host in step.hosts:
            status = state.at(step.id, host).status
            if status in BAD and (host in touched or status not in ("unreachable", "refused")):
                bad.add(host)
    return frozenset(bad - state.excluded)


def goto(plan: Plan, position: int, step: PlannedStep, place: str, to: str, state: RunState) -> tuple[Skip, ...]:
    """Return the skips of all that is not begun between a step, in the unit at this position, and where to go on.

    Inside a stage only the wave of the place is meant; beyond it, all waves and all hosts.
    """
    unit = plan.units[position]
    after = unit.steps[unit.steps.index(step) + 1 :]
    if any(_is(each, to) for each in after):
        wave = wave_of(unit, place)
        between = [step]
        for each in after:
            if _is(each, to):
                break
            between.append(each)
        return tuple(s for each in between for s in _open(each, places_in(unit, each, wave), state, to))
    skips = [s for each in unit.steps for s in _open(each, all_places(unit, each), state, to)]
    for later in plan.units[position + 1 :]:
        if later.id == to:
            break
        for each in later.steps:
            if _is(each, to):
                return tuple(skips)
            skips.extend(_open(each, all_places(later, each), state, to))
    return tuple(skips)


def _is(step: PlannedStep, to: str) -> bool:
    # The steps of an include stand for it.
    return step.id == to or step.id.startswith(f"{to}/")


def _open(step: PlannedStep, places: tuple[str, ...], state: RunState, to: str) -> list[Skip]:
    unbegun = tuple(p for p in places if state.at(step.id, p).status in ("pending", "waiting"))
    words = "ends the run" if to == END else f"goes on with {to}"
    return [Skip(step.id, unbegun, "goto", words)] if unbegun else []
