"""A way back of which the status says too little: nothing was to be led back, or nobody could tell what is there."""

from __future__ import annotations

from runbook.engine.question import drift
from runbook.events import fact as f
from runbook.events.fold import fold_all
from runbook.events.way_back import CHANGED, UNTELLABLE, is_back_by_itself
from runbook.report import markdown_report
from runbook.tui.presenter.sheet import sheet_words
from tests.builders import changed, decided, ended, opened, timed

PLACE = ("restore", "order-1")


def drifted(error: str) -> list[f.Fact]:
    end = f.UndoFinished(
        step=PLACE[0], target=PLACE[1], attempt=1, status="drifted", error=error, evidence=["exit 127"]
    )
    return [opened(), *changed(*PLACE), f.UndoAsked(steps=[list(PLACE)]), end]


def test_what_nobody_could_look_at_is_not_told_as_changed() -> None:
    for error, head, words in (
        (CHANGED, "CHANGED SINCE", "left as somebody else changed it"),
        (UNTELLABLE, "CANNOT BE TOLD", "left as it is; nobody could tell whether it was changed"),
    ):
        state = fold_all(drifted(error))
        question = drift(*PLACE, state)

        assert sheet_words(question, state).word == head
        assert ("somebody else" in question.title) == (error == CHANGED)
        asked = f.QuestionAsked(question=question)
        facts = [*drifted(error), asked, decided(asked, "leave", reason="seen"), *ended("undone")]
        page = markdown_report("01JF2K", timed(facts), now="2023-11-14T04:00:00Z")
        assert f"**{words}**" in page
        assert (f"left alone, {'changed by' if error == CHANGED else 'it cannot be told'}") in page


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
