"""The title of the terminal: the now line in a few words, so that the tab of a terminal multiplexer shows it."""

from __future__ import annotations

from runbook.events.outcome import outcome_word
from runbook.model.question import Question
from runbook.text import one_line
from runbook.text.mark import mark_of
from runbook.tui.presenter.now import now_words
from runbook.tui.scene import Scene

NAME = "runbook"
"""The title while no run is open."""


def title_words(scene: Scene, now: float, *, asked: Question | None = None, ended: bool = False) -> str:
    """Return the title; `ended` says that the run is not carried any more."""
    if scene.plan is None:
        return NAME
    if ended:
        mark = mark_of(scene.state.status)
        return f"{mark.symbol} {outcome_word(scene.state)}: {one_line(scene.plan.title or scene.plan.playbook, 80)}"
    return now_words(scene, now, asked=asked).title or NAME
