"""How long steps took, or have been running: the last column of a wide rail."""

from __future__ import annotations

from runbook.events.state import RunState
from runbook.model.plan import Plan
from runbook.tui.presenter.place import places
from runbook.tui.scene import Scene


def took(plan: Plan, scene: Scene, now: float) -> dict[str, float]:
    """Return the seconds of each step that has begun: of the longest of its places, as they run side by side."""
    found: dict[str, float] = {}
    for unit in plan.units:
        for step in unit.steps:
            times = [
                t for place in places(unit, step) if (t := _took(scene.state, scene, step.id, place, now)) is not None
            ]
            if times:
                found[step.id] = max(times)
    return found


def _took(state: RunState, scene: Scene, step: str, place: str, now: float) -> float | None:
    at = state.at(step, place)
    if at.status in ("running", "verifying", "undoing"):
        beat = scene.beats.get((step, place))
        return now - beat.began if beat is not None else None
    last = at.attempt.finished if at.attempt is not None else None
    return last.ms / 1000 if last is not None else None
