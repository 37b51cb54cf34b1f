"""How much time is left of a run: what its open places usually take, wave by wave, as many at once as may be."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from runbook.events.status import BAD, SETTLED
from runbook.model.plan import PlannedStep, Unit
from runbook.tui.presenter.place import in_wave
from runbook.tui.scene import Scene

_PERSON = ("manual", "ask", "choose")
"""What a person does takes as long as it takes."""


class Left(Struct, frozen=True):
    """The time that is left."""

    seconds: float
    at_least: bool = False
    """Some step has no earlier time: it comes on top."""


def time_left(scene: Scene, now: float) -> Left | None:
    """Return what is left of a run, without the time of people; None where no earlier run tells anything."""
    usual = scene.usual
    if scene.plan is None or not usual:
        return None
    seconds, at_least = 0.0, False
    for unit in scene.plan.units:
        for wave in range(len(unit.waves)):
            for step in unit.steps:
                taken, known = _step(scene, unit, step, wave, usual, now)
                seconds += taken
                at_least = at_least or not known
            if wave + 1 < len(unit.waves) and _is_open(scene, unit, wave):
                seconds += unit.pause or 0.0
    return Left(seconds, at_least)


def _step(
    scene: Scene, unit: Unit, step: PlannedStep, wave: int, usual: Mapping[str, float], now: float
) -> tuple[float, bool]:
    """Return the seconds of a step in a wave, and whether they are known."""
    pending = running = 0
    longest = 0.0
    for place in in_wave(unit, step, wave):
        status = scene.state.at(step.id, place).status
        if status in SETTLED or status in BAD or place in scene.state.excluded:
            continue
        beat = scene.beats.get((step.id, place))
        if status in ("running", "verifying") and beat is not None:
            running += 1
            longest = max(longest, usual.get(step.id, 0.0) - (now - beat.began))
        else:
            pending += 1
    if step.kind in _PERSON or not pending + running:
        return 0.0, True
    if step.id not in usual:
        return 0.0, False
    turns = -(-pending // max(step.parallel, 1))
    return longest + turns * usual[step.id], True


def _is_open(scene: Scene, unit: Unit, wave: int) -> bool:
    return any(
        scene.state.at(step.id, place).status not in SETTLED
        for step in unit.steps
        for place in in_wave(unit, step, wave)
    )
