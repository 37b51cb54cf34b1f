"""A step that looks until something holds: its own limit, and what the latest look saw."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from runbook.events import fact as f
from runbook.events.signal import PhaseEntered
from runbook.events.state import RunState
from runbook.model.playbook import Until
from runbook.tui.presenter.now import now_words
from runbook.tui.presenter.view import agreement
from runbook.tui.presenter.words import Row
from tests.engine.desk import Desk, Ear
from tests.tui import scenes


def text(row: Row) -> str:
    return "".join(word for word, _ in row)


def test_its_limit_is_told_and_not_that_of_one_look() -> None:
    plan = scenes.plan()
    freeze, compare, *others = plan.units
    for within, words in ((180.0, "gives up after 3:00"), ("{{ params.long }}", "")):
        step = replace(compare.steps[0], source=replace(compare.steps[0].source, until=Until(within=within)))
        changed = replace(plan, units=(freeze, replace(compare, steps=(step,)), *others))

        assert text(agreement(changed, RunState(), "compare")) == words


def test_the_now_line_has_what_was_seen_last() -> None:
    scene = scenes.running()
    scenes.take(scene, 990, [f.ReadStarted(step="answers", target="order-1", attempt=1)])
    scene.take(PhaseEntered("answers", "order-1", "sampling", "no data: ECONNREFUSED", 180.0), 998)
    scenes.take(scene, 999, [f.StepFinished(step="restart", target="order-2", attempt=1, status="succeeded")])

    said = now_words(scene, 1000)
    assert text(said.second) == "gives up in 2:50 · saw no data: ECONNREFUSED"


def test_the_engine_tells_each_look(tmp_path: Path) -> None:
    ear = Ear()
    body = """steps:
  - id: answers
    command: [cat, DIR/nothing]
    effect: read
    until: {every: 10ms, within: 50ms}
"""
    Desk(tmp_path).start(body, ear=ear)

    phases = [event for event in ear.events if isinstance(event, PhaseEntered)]
    assert {(phase.phase, phase.limit) for phase in phases} == {("sampling", 0.05)}
    assert any("exit 1" in phase.words for phase in phases)
