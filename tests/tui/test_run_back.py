"""What may be done before a waiting step besides running it: other arguments, and the way back."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from textual.widgets import Input

from runbook.events import fact as f
from runbook.events.plain import freeze
from runbook.events.signal import OutputReceived
from runbook.model.question import Choice, Question
from runbook.session.control import Control
from runbook.tui import messages as msg
from runbook.tui.bridge import Asked
from runbook.tui.carrier import Ended
from runbook.tui.dialogs.form import EditPrompt, differing, latest_arguments
from runbook.tui.dialogs.menu import MenuSheet
from runbook.tui.dialogs.question import sheet_for
from runbook.tui.look import Look
from runbook.tui.presenter.now import Rest, now_words
from runbook.tui.presenter.runs import columns, matching, run_words
from runbook.tui.presenter.take_back import ALL, ways_back
from runbook.tui.screens.run import RunScreen
from runbook.tui.widgets.choice_menu import ChoiceMenu
from tests.tui import scenes
from tests.tui.canned import NOW, holds, plain, summary
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


async def test_an_edit_offers_what_a_line_can_hold_and_nothing_where_there_is_nothing(clock: list[float]) -> None:
    stage, question = offering()
    place = question.places[0]
    at = stage.run_screen.scene.state.at("restart", place)
    planned = at.planned
    assert planned is not None

    def arguments(**given: object) -> None:
        steps = {**stage.run_screen.scene.state.steps}
        steps["restart", place] = replace(at, planned=replace(planned, arguments=freeze(given)))
        stage.run_screen.scene.state = replace(stage.run_screen.scene.state, steps=steps)
        stage.run_screen.refresh_scene()

    async with stage.run_test(size=(80, 24)) as pilot:
        await put(pilot, stage, clock, question)
        arguments(key={"secret": "k"})
        await holds(pilot, lambda: stage.run_screen.check_action("choice", ("edit",)) is False)
        assert [c.id for c in sheet_for(question, Look(), stage.run_screen.scene.state).question.choices][-1] != "edit"
        arguments(body="x" * 1_000_000, text="one\ntwo")
        await holds(pilot, lambda: stage.run_screen.check_action("choice", ("edit",)) is True)

        # Another step is looked at: what is asked about comes into sight first.
        stage.run_screen.board.rail.go_to_step("freeze")
        await holds(pilot, lambda: stage.run_screen.board.step == "freeze")
        await pilot.press("e")
        await holds(pilot, lambda: stage.run_screen.board.step == "restart")
        assert stage.screen is stage.run_screen
        await pilot.press("e")
        await holds(pilot, lambda: isinstance(stage.screen, EditPrompt) and bool(stage.screen.query("#field-0")))
        assert "1000000 characters: too long for this line" in plain(stage.screen)
        field = stage.screen.query_one(Input)
        assert field.value == '"one\\ntwo"'
        field.value = "one"
        await pilot.press("enter")
        await holds(pilot, lambda: "write it in quotes" in plain(stage.screen.query_one("#hint")))
        field.value = '"one\\nthree"'
        await pilot.press("enter")
        await holds(pilot, lambda: bool(stage.heard))

    (answered,) = stage.heard
    assert isinstance(answered, msg.QuestionAnswered)
    assert answered.answer.values == {"text": "one\nthree"}


def test_a_diff_of_long_texts_shows_what_differs() -> None:
    before, after = differing("x" * 200 + "a" + "y" * 200, "x" * 200 + "bc" + "y" * 200)

    assert (before, after) == (f"…{'x' * 60}a{'y' * 60}…", f"…{'x' * 60}bc{'y' * 60}…")
    assert differing("a", "ab") == ("a", "ab")


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

    # Its end is on record a moment before the run is at rest: by then it does not seem to run any more.
    closing = now_words(scene, 2.0)
    assert closing.title == f"↶ 1 of {every} changes undone"
    assert "".join(text for text, _ in closing.second) == "nothing runs now · the session is closed"

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
