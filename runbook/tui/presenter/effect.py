"""The number that tells what a run has done, with its normal value beside it: what stands behind `succeeded`."""

from __future__ import annotations

from runbook.events.fact import GuardSampled
from runbook.model.playbook import Guard
from runbook.tui.presenter.instrument import normal_of, number_of, number_text
from runbook.tui.scene import SAMPLES, Scene

MOST = 30
"""Characters of a name that are shown."""


def effect_words(scene: Scene) -> str:
    """Return what a guard saw first and last, and what is normal; empty where none has seen a number that is good.

    The first guard of the playbook that did is the one: its author put it there.
    """
    for guard in scene.plan.guards if scene.plan is not None else ():
        words = _seen(scene, guard, tuple(scene.samples.get(guard.id, ())))
        if words:
            return words
    return ""


def _seen(scene: Scene, guard: Guard, samples: tuple[GuardSampled, ...]) -> str:
    if not samples or samples[-1].state != "good":
        return ""
    last = number_text(number_of(samples[-1].value))
    if not last:
        return ""
    # Where there were more samples than are kept, the first one of them is not what it was at first.
    first = number_text(number_of(samples[0].value)) if len(samples) < SAMPLES else ""
    course = f"{first} to {last}" if first and first != last else last
    normal = next((number_text(value) for _, value in normal_of(guard.fail_when, scene.state)), "")
    name = guard.id.replace("-", " ").replace("_", " ")[:MOST]
    return f"{name} {course}{f', normal {normal}' if normal else ''}"
