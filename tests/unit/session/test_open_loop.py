"""Where a run that rests stands, as the list of what is open says it."""

from __future__ import annotations

from runbook.events import fact as f
from runbook.events.fold import fold_all
from runbook.session.library import _stands_at
from tests import builders as b


def test_a_paused_run_stands_where_it_was_put_aside_and_not_at_the_step_that_came_up_last() -> None:
    early: list[f.Fact] = [*b.changed("restore", "order-1"), *b.read("answers", "order-1")]
    question = b.asked("proceed", "restore", ["order-2"])
    facts = [b.opened(), *early, question]

    assert _stands_at(fold_all(facts)) == "restore on order-2"
    paused = [*facts, b.decided(question, "pause"), *b.ended("paused")]
    assert _stands_at(fold_all(paused)) == "restore on order-2"
    assert _stands_at(fold_all([b.opened(), *early])) == "answers"
