"""What may be done before a waiting step besides running it: other arguments, and the way back."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from textual.widgets import Input

from runbook.events import fact as f
from runbook.events.signal import OutputReceived
from runbook.model.question import Choice, Question
from runbook.session.control import Control
from runbook.tui import messages as msg
from runbook.tui.bridge import Asked
from runbook.tui.carrier import Ended
from runbook.tui.dialogs.form import EditPrompt, latest_arguments
from runbook.tui.dialogs.menu import MenuSheet
from runbook.tui.presenter.now import Rest, now_words
from runbook.tui.presenter.runs import columns, matching, run_words
from runbook.tui.presenter.take_back import ALL, ways_back
from runbook.tui.screens.run import RunScreen
from runbook.tui.widgets.choice_menu import ChoiceMenu
from tests.tui import scenes
from tests.tui.canned import NOW, holds, summary
from tests.tui.test_run import Stage, clock, put

__all__ = ["clock"]

MORE = (
    *scenes.CHOICES,
    Choice("edit", "edit once: shown as a diff", key="e"),
    Choice("undo", "undo restore", key="u"),
    Choice("undo_all", "undo all", key="U"),
)


def offering() -> tuple[Stage, Question]:
    """A stage whose waiting step can be edited, and whose changes can be undone."""
    scene, question = scenes.asking()
    return Stage(scene, Control()), replace(question, choices=MORE)


async def test_an_edit_before_a_step_shows_its_diff_and_answers_with_what_was_changed(clock: list[float]) -> None:
    stage, question = offering()
    async with stage.run_test(size=(80, 24)) as pilot:
        asked = await put(pilot, stage, clock, question)
        await pilot.press("e")
        await holds(pilot, lambda: isinstance(stage.screen, EditPrompt))
        await pilot.press("enter")
        await holds(pilot, lambda: "Nothing is changed yet" in str(stage.screen.query_one("#hint").render()))

        stage.screen.query_one("#field-0", Input).value = "order-service-2"
        await holds(pilot, lambda: "+ unit = order-service-2" in str(stage.screen.query_one("#diff").render()))
        await pilot.press("enter")
        await holds(pilot, lambda: bool(stage.heard))

    (answered,) = stage.heard
    assert isinstance(answered, msg.QuestionAnswered)
    assert answered.asked is asked
    assert (answered.answer.choice, answered.answer.values) == ("edit", {"unit": "order-service-2"})


def test_an_edit_begins_with_what_was_edited_before_and_shows_numbers_as_such() -> None:
    scene, question = scenes.asking()
    state = replace(scene.state, edits={"restart": {"timeout": "", "rate": {"float": "0.5"}}})

    assert latest_arguments(question, state) == {"unit": "order-service", "timeout": "", "rate": 0.5}


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [(("enter",), None), (("escape",), None), (("u",), ("undo", {"step": "restart"})), (("U",), ("undo_all", {}))],
)
async def test_undo_before_a_step_asks_first_and_changes_nothing_by_reflex(
    clock: list[float], keys: tuple[str, ...], wanted: tuple[str, dict[str, str]] | None
) -> None:
    stage, question = offering()
    async with stage.run_test(size=(80, 24)) as pilot:
        await put(pilot, stage, clock, question)
        await pilot.press("u")
        await holds(pilot, lambda: isinstance(stage.screen, MenuSheet) and bool(stage.screen.query(ChoiceMenu)))
        await pilot.press(*keys)
        await holds(pilot, lambda: isinstance(stage.screen, RunScreen) and bool(stage.heard) == bool(wanted))
        await pilot.pause()

    answers = [(m.answer.choice, m.answer.values) for m in stage.heard if isinstance(m, msg.QuestionAnswered)]
    assert answers == ([] if wanted is None else [wanted])


async def test_an_answer_that_comes_after_its_question_was_taken_back_is_none(clock: list[float]) -> None:
    stage, question = offering()
    async with stage.run_test(size=(80, 24)) as pilot:
        asked: Asked = await put(pilot, stage, clock, question)
        await pilot.press("u")
        await holds(pilot, lambda: isinstance(stage.screen, MenuSheet) and bool(stage.screen.query(ChoiceMenu)))
        stage.run_screen.take_back(asked)
        await pilot.press("U")
        await holds(pilot, lambda: isinstance(stage.screen, RunScreen))
        await pilot.pause()

    assert stage.heard == []


async def test_undo_at_rest_walks_back_the_step_that_was_chosen() -> None:
    stage = Stage(scenes.at_rest(status="paused"), Control())
    async with stage.run_test(size=(80, 24)) as pilot:
        stage.run_screen.ended(Ended(None))
        await holds(pilot, lambda: "u undo" in stage.footer() and bool(stage.run_screen.board.step))
        stage.run_screen.board.rail.go_to_step("restore")
        await holds(pilot, lambda: stage.run_screen.board.step == "restore")
        await pilot.press("u")
        await holds(pilot, lambda: isinstance(stage.screen, MenuSheet) and bool(stage.screen.query(ChoiceMenu)))
        await pilot.press("u")
        await holds(pilot, lambda: bool(stage.heard))

    (wanted,) = stage.heard
    assert isinstance(wanted, msg.UndoWanted)
    assert wanted.step == "restore"


def test_the_ways_back_name_the_step_that_is_looked_at_else_the_latest_change() -> None:
    state = scenes.at_rest().state

    looked_at = ways_back(state, "restore", waits=False)
    elsewhere = ways_back(state, "compare", waits=True)

    assert [offer.id for offer in looked_at] == ["", "restore", ALL]
    assert looked_at[1].price == "on order-1, order-2, order-3, with its check"
    assert elsewhere[1].id == "restart"
    assert elsewhere[2].price.endswith("; ends the run")
    assert ways_back(scenes.running().state.__class__(), "restore", waits=True) == ()


async def test_controls_that_were_taken_out_of_an_output_are_counted_beside_it() -> None:
    scene = scenes.running()
    scene.take(OutputReceived("restart", "order-2", 1, "err", "gone\n", 17_000, 3), 990.0)
    stage = Stage(scene, Control())
    async with stage.run_test(size=(80, 24)) as pilot:
        stage.run_screen.board.view(3)
        await holds(pilot, lambda: "3 controls removed" in stage.text("#tail"))


def test_the_now_line_says_how_much_of_a_run_is_undone_and_what_is_left() -> None:
    scene = scenes.at_rest()
    every = len({key[:2] for key in scene.state.changes})
    step, target, attempt = scene.state.changes[-1]
    ended = f.UndoFinished(step=step, target=target, attempt=attempt, status="undone")
    scenes.take(scene, 1.0, [ended, f.RunFinished(status="undone"), f.SessionClosed(status="undone")])

    said = now_words(scene, 2.0, rest=Rest(pending_undo=scene.state.undo_open))
    assert said.title == f"↶ 1 of {every} changes undone"
    assert "".join(text for text, _ in said.first) == (
        f"↶ 1 OF {every} CHANGES UNDONE  {every - 1} changes stand, {every - 1} can be undone"
    )
    assert "".join(text for text, _ in said.second) == "↵ review · u undo"


def test_a_run_that_was_led_back_in_part_says_so_in_the_list() -> None:
    run = summary("back", "undone", {"hours": 1}, partly_undone=True, pending_undo=2)
    said = "".join(text for text, _ in run_words(run, columns([run], 80), NOW))

    assert said.startswith("↶ partly undone ")
    assert "2 undos open" in said
    assert matching([run], "partly", {}) == (run,)
