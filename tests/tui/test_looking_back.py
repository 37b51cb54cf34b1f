"""What the screens say of what is over: the plan of a step that ran, a run that somebody else took, one that rests."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec.structs import replace
from textual.content import Content

from runbook.events import fact as f
from runbook.tui.presenter.guide import brief, heading
from runbook.tui.presenter.library import last_words
from runbook.tui.presenter.now import Rest, now_words
from runbook.tui.presenter.view import plan_rows
from runbook.tui.presenter.words import Row
from runbook.tui.scene import Began, Scene
from runbook.tui.widgets.pile import between_words
from tests import builders as b
from tests.tui import scenes
from tests.tui.canned import summary


def text(*rows: Row) -> str:
    return "\n".join("".join(word for word, _ in row) for row in rows)


def test_what_ran_is_not_told_as_to_come() -> None:
    plan, state = scenes.plan(), scenes.at_rest().state
    assert "known when its turn comes" in text(*plan_rows(plan, Scene().state, "compare", 80))

    assert "known when its turn comes" not in text(*plan_rows(plan, state, "compare", 80))


def test_a_run_that_was_handed_over_is_told_as_that_with_its_own_time_and_nothing_to_undo_here() -> None:
    scene = Scene()
    facts: list[f.Fact] = [b.opened(), *b.changed("restore", "order-1"), *b.ended("paused")]
    scene.take(Began("r", scenes.plan()), 1000)
    scenes.take(scene, 1000, facts)
    scene.state = replace(scene.state, handed_over="bundle")

    said = now_words(scene, 1000, rest=Rest(error="run r was handed over as bundle"))
    assert text(said.first) == "◆ HANDED OVER  1 change stands"
    assert text(said.first_right) not in ("", "run 0:00")


def test_a_run_that_rests_did_so_after_a_time_and_not_in_one() -> None:
    now = datetime(2026, 11, 14, tzinfo=UTC)
    run = summary("r", "paused", {"hours": 1}, 1375.0)

    for outcome, words in (("paused", "after 22:55"), ("succeeded", "in 22:55")):
        assert last_words(replace(run, outcome=outcome), now)[2][0] == words


def test_what_finds_no_room_ends_between_words_or_goes_on_below() -> None:
    plan, state = scenes.plan(), Scene().state
    title, *more = heading(plan, "restart", state, 24)
    assert text(title, *more) == "Restart           change\norder-service"

    told = brief("one two three four five six\n\nseven eight nine ten eleven", 20, 2)
    assert [text(row) for row in told] == ["one two three four", "five six   … 1 guide"]
    for cells, words in (
        (30, "Put the file back to a good …"),
        (12, "Put the …"),
        (60, "Put the file back to a good tag"),
    ):
        assert between_words(Content("Put the file back to a good tag"), cells).plain == words
