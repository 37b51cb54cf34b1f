"""A way back of which the status says too little: nothing was to be led back, or nobody could tell what is there."""

from __future__ import annotations

from typing import Literal

from runbook.engine.question import drift
from runbook.events import fact as f
from runbook.events.fold import fold_all
from runbook.events.way_back import is_back_by_itself
from runbook.report import markdown_report
from runbook.tui.presenter.sheet import sheet_words
from tests.builders import asked, began, broken, changed, decided, ended, opened, timed

PLACE = ("restore", "order-1")


def drifted(cause: Literal["", "bad", "no data"]) -> list[f.Fact]:
    end = f.UndoFinished(
        step=PLACE[0], target=PLACE[1], attempt=1, status="drifted", cause=cause, error="seen", evidence=["exit 127"]
    )
    return [opened(), *changed(*PLACE), f.UndoAsked(steps=[list(PLACE)]), end]


def test_what_nobody_could_look_at_is_not_told_as_changed() -> None:
    causes: tuple[tuple[Literal["", "bad", "no data"], str, str], ...] = (
        ("", "CHANGED SINCE", "left as somebody else changed it"),
        ("bad", "CHANGED SINCE", "left as somebody else changed it"),
        ("no data", "CANNOT BE TOLD", "left as it is; nobody could tell whether it was changed"),
    )
    for cause, head, words in causes:
        state = fold_all(drifted(cause))
        question = drift(*PLACE, state)

        assert sheet_words(question, state).word == head
        assert ("somebody else" in question.title) == (cause != "no data")
        put = f.QuestionAsked(question=question)
        facts = [*drifted(cause), put, decided(put, "leave", reason="seen"), *ended("undone")]
        page = markdown_report("01JF2K", timed(facts), now="2023-11-14T04:00:00Z")
        assert f"**{words}**" in page
        assert (f"left alone, {'it cannot be told' if cause == 'no data' else 'changed by'}") in page


def test_what_a_run_rested_on_is_not_told_once_a_decision_has_ended_it() -> None:
    rested = [
        *drifted("bad"),
        f.RunFinished(status="undo_incomplete", why="left as found"),
        f.SessionClosed(status="undo_incomplete"),
    ]
    left: list[f.Fact] = [opened("decide"), f.SessionClosed(status="undone")]

    pages = [
        markdown_report("01JF2K", timed(facts), now="2023-11-14T04:00:00Z") for facts in (rested, [*rested, *left])
    ]

    assert ["Why it rests" in page for page in pages] == [True, False]


def test_a_run_that_rests_says_how_it_goes_on() -> None:
    pages = [
        markdown_report("01JF2K", timed([opened(), *ended(status)]), now="2023-11-14T04:00:00Z")
        for status in ("paused", "partial", "succeeded", "aborted")
    ]

    assert ["taken up again: `runbook resume 01JF2K`" in page for page in pages] == [True, False, False, False]
    assert "taken up again: `runbook resume 01JF2K --failed-hosts`" in pages[1]


def test_a_run_whose_process_is_gone_is_interrupted_and_what_ran_has_no_end() -> None:
    facts = timed([opened(), *began(*PLACE)])
    left, unknown = (
        markdown_report("01JF2K", facts, is_left=is_left, now="2023-11-14T04:00:00Z") for is_left in (True, False)
    )

    assert "◆ interrupted" in left.splitlines()[0]
    assert "The last session was ended by force." in left
    assert "taken up again: `runbook resume 01JF2K`" in left
    assert "► began, its end is not on record" in left
    assert "it still runs, or it was ended by force" in unknown


def test_a_failed_change_that_was_skipped_is_not_verified() -> None:
    menu = asked("failure", *PLACE[:1], [PLACE[1]])
    facts = [opened(), *broken(*PLACE), menu, decided(menu, "skip", reason="no need"), *ended()]
    page = markdown_report("01JF2K", timed(facts), now="2023-11-14T04:00:00Z")

    assert [
        line.split(" | ")[6] for line in page.splitlines() if line.startswith("| restore | order-1 | ↷ skipped")
    ] == ["not verified"]


def test_what_was_skipped_says_why() -> None:
    skipped = f.StepSkipped(step="two", target="*", why="when", reason="its condition does not hold: false")
    page = markdown_report("01JF2K", timed([opened(), skipped, *ended()]), now="2023-11-14T04:00:00Z")

    assert "↷ skipped: its condition does not hold: false" in page


def test_what_needed_no_way_back_says_so() -> None:
    facts = [
        opened(),
        *changed(*PLACE),
        f.UndoAsked(steps=[list(PLACE)]),
        f.UndoStarted(step=PLACE[0], target=PLACE[1], attempt=1),
        f.UndoFinished(step=PLACE[0], target=PLACE[1], attempt=1, status="undone"),
    ]

    assert is_back_by_itself(fold_all(facts).at(*PLACE))
    assert "↶ undone, no way back needed" in markdown_report("01JF2K", timed(facts), now="2023-11-14T04:00:00Z")
