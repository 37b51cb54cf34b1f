"""The run: its now line, its keys, and the question whether the step that is shown shall be run.

Every other question has a sheet of its own. Without a control the run is only looked at: followed, or at rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import ClassVar

from msgspec.structs import replace
from textual import events, on
from textual.binding import Binding, BindingType
from textual.widget import Widget

from runbook.events.status import RESUMABLE
from runbook.model.question import Answer, Choice, Question
from runbook.session.control import Control
from runbook.text import one_line
from runbook.tui import messages as msg
from runbook.tui.bridge import Asked
from runbook.tui.carrier import Ended
from runbook.tui.dialogs.form import EditPrompt, Values, can_edit, latest_arguments
from runbook.tui.dialogs.menu import MenuSheet
from runbook.tui.dialogs.reason import ReasonSheet
from runbook.tui.look import Look
from runbook.tui.presenter.handover import can_hand_over
from runbook.tui.presenter.head import seal
from runbook.tui.presenter.now import NowWords, Rest, now_words, rest_of
from runbook.tui.presenter.sheet import Offer
from runbook.tui.presenter.take_back import ALL, ways_back
from runbook.tui.presenter.words import muted, plain, width, wrapped
from runbook.tui.scene import Scene
from runbook.tui.screens.base import Frame
from runbook.tui.widgets.board import Board
from runbook.tui.widgets.desk import BEFORE
from runbook.tui.widgets.now_line import Now
from runbook.tui.widgets.page import Page

DEAF = 0.4
"""Seconds in which a fresh question takes no key."""

HEALTH = 1.0
"""Seconds between two looks at what is known of the hosts."""

_OF_STEP = frozenset({"run_on", "skip", "edit"})
"""Choices about the step that is asked about: what else is looked at is not meant."""

_ENTER = frozenset({"run", "show", "review", "resume", "question"})
"""What Enter does, unless the output is searched."""


class RunScreen(Frame):
    """One run: live, followed, or at rest."""

    MODE = "Run"
    CSS_PATH = "run.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "run", "run step", id="run.next", priority=True, tooltip="Run the step that is shown"),
        Binding(
            "enter", "show", "show plan", id="run.show", priority=True, tooltip="Show the step, and what it will do"
        ),
        Binding("enter", "review", "review", id="run.review", priority=True, tooltip="The record of this run"),
        Binding("enter", "resume", "resume", id="run.resume", priority=True, tooltip="Go on with this run"),
        Binding("enter", "question", "answer", id="run.question", priority=True, tooltip="Open what is asked"),
        Binding("c", "choice('run_on')", "run on", id="run.on", tooltip="Run on to the next change"),
        Binding("s", "choice('skip')", "skip", id="run.skip", tooltip="Skip the step, with a reason"),
        Binding("e", "choice('edit')", "edit once", id="run.edit", tooltip="Change its arguments for this run"),
        Binding("u", "undo", "undo", id="run.undo", tooltip="Walk back what was changed"),
        Binding("p", "pause", "pause", id="run.pause", tooltip="Let what runs come to its end, then pause"),
        Binding("ctrl+c", "stop", "stop step", id="run.stop", priority=True, tooltip="Stop the running step"),
        Binding("n", "note", "note", id="run.note", tooltip="Put a note on record"),
        Binding("i", "pin", "pin", id="run.pin", tooltip="Pin what the output shows as evidence"),
        Binding("z", "zoom", "zoom", id="run.zoom", tooltip="Give the view all the room"),
        Binding("H", "handover", "hand over", id="run.handover", tooltip="Let somebody else go on, on another machine"),
        Binding("T", "holder", "holder", id="run.holder", tooltip="Look at the run that holds it, or take over"),
        Binding("A", "choice('abort')", "abort", id="run.abort", tooltip="End the run; what was changed stays"),
        Binding("1", "view(1)", "guide", show=False, id="run.guide", tooltip="The guide of the step"),
        Binding("2", "view(2)", "plan", show=False, id="run.plan", tooltip="What it will do"),
        Binding("3", "view(3)", "output", show=False, id="run.output", tooltip="What it says"),
        Binding("4", "view(4)", "verify", show=False, id="run.verify", tooltip="What was checked"),
        Binding("y", "copy", "copy", show=False, id="run.copy", tooltip="Copy the visible output"),
        Binding("L", "pager", "pager", show=False, id="run.pager", tooltip="All the output in $PAGER"),
        Binding("escape", "back", "back", show=False, id="run.back", tooltip="Back to the step that the run is at"),
        Binding("pageup", "scroll(-1)", "page up", show=False, id="run.page_up", tooltip="The view, one screen up"),
        Binding("pagedown", "scroll(1)", "page down", show=False, id="run.page_down", tooltip="One screen down"),
        Binding("slash", "find", "find", id="run.find", tooltip="Find in the output"),
    ]

    def __init__(self, look: Look, scene: Scene, clock: Callable[[], float] = time.monotonic) -> None:
        """Show a scene.

        Args:
            look: what the terminal can draw.
            scene: the run.
            clock: seconds, of the clock that the scene is fed by.
        """
        super().__init__(look)
        self._clock = clock
        self.scene = scene
        self._control: Control | None = None
        self._ended: Ended | None = None
        self._asked: Asked | None = None
        self._goes_on = False
        self._asked_at = 0.0
        self._possible: tuple[object, object, object] = (None, None, None)
        self._sealed: object = None
        self._looked = float("-inf")
        self._asked_usual: Scene | None = None
        """The scene for which earlier times were asked."""

    def body(self) -> Iterable[Widget]:
        """One board, and above it why a run did not go on, where that takes more than a row."""
        yield Page(self.look, id="why")
        yield Board(self.look, id="board")

    @property
    def board(self) -> Board:
        """What draws the run."""
        return self.query_one(Board)

    # --- what is shown -------------------------------------------------------------------------------------------

    def open(self, scene: Scene, control: Control | None = None) -> None:
        """Show another run; without a control it is only looked at."""
        self.scene, self._control, self._ended, self._asked = scene, control, None, None
        self._goes_on = False
        self.refresh_scene()

    def put(self, asked: Asked) -> None:
        """Ask whether the step that is shown shall be run."""
        self._asked, self._asked_at = asked, float("inf")
        self.refresh_scene()
        if self.is_mounted:
            self.board.rail.go_to_run()
            self.call_after_refresh(self._was_seen)

    def _was_seen(self) -> None:
        """Count the moment in which a question takes no key from when it is drawn."""
        self._asked_at = self._clock()

    def take_back(self, asked: Asked) -> None:
        """Forget a question that needs no answer any more."""
        if self._asked is asked:
            self._asked = None
            self.refresh_scene()

    def ended(self, ended: Ended) -> None:
        """Tell how it ended."""
        self._ended, self._asked = ended, None
        # Nobody looks any more: what was seen grows old.
        self.scene.take_health({})
        self.refresh_scene()

    def tell_next(self) -> None:
        """Tell that the next playbook of the incident is prepared."""
        self._goes_on = True
        self.refresh_scene()

    def on_mount(self) -> None:
        """Begin with the steps."""
        self.board.rail.focus()
        self.call_after_refresh(self.refresh_scene)

    def on_screen_resume(self) -> None:
        """Draw what came while another screen was shown; a question that was put meanwhile is seen from here on."""
        self.call_after_refresh(self._redraw)
        if self._asked_at == float("inf"):
            self.call_after_refresh(self._was_seen)

    def on_resize(self, _event: events.Resize) -> None:
        """Draw for the new size, once all has its place."""
        self.call_after_refresh(self._redraw)

    def _redraw(self) -> None:
        if self._in_sight:
            self.board.redraw(self._clock())
            self.refresh_scene()
            self.refresh_bindings()

    @property
    def _in_sight(self) -> bool:
        return self.is_mounted and self.is_attached and bool(self.query(Board)) and self in self.app.screen_stack

    @property
    def _question(self) -> Question | None:
        return self._asked.question if self._asked is not None else None

    def refresh_scene(self) -> None:
        """Draw the scene again: something came."""
        if not self._in_sight:
            return
        with self.app.batch_update():
            self.board.draw(self.scene, self._question, self._clock())
            self.tick()
        # What is possible follows from the facts; output alone changes nothing of it.
        possible = (self.scene.state, self._asked, self._ended)
        if any(one is not other for one, other in zip(possible, self._possible, strict=True)):
            self._possible = possible
            self.refresh_bindings()

    def tick(self) -> None:
        """Draw what time changes."""
        if not self._in_sight:
            return
        now, row = self._clock(), self.look.row
        rest, wide = self._rest(), self.size.width >= 110
        shown = self._question is None or self._shows()
        words = now_words(self.scene, now, asked=self._question, rest=rest, wide=wide, shown=shown)
        if self._says_why(rest, words) and rest is not None:
            words = now_words(self.scene, now, rest=replace(rest, told=True), wide=wide)
        self.say(Now(words.tone, row(words.first), row(words.first_right), row(words.second), row(words.second_right)))
        error = self._ended.words if self._ended is not None and self.scene.run else ""
        broken = error if "journal" in error else ""
        sealed = seal(self.scene.state, error=broken, more=self.size.width >= 110)
        if sealed != self._sealed:
            self._sealed = sealed
            self.head.right = row(sealed)
        if self.scene.plan is not None:
            self.board.tick(now)
        self.title = words.title
        self._want_usual()
        self._want_health(now)

    def _says_why(self, rest: Rest | None, said: NowWords) -> bool:
        """Say in full what the now line would have to cut off; tell whether there was need."""
        page = self.query_one("#why", Page)
        why = one_line(rest.error or rest.why, 2000) if rest is not None else ""
        page.display = bool(why) and any(width(row) > self.size.width - 7 for row in (said.first, said.second))
        if page.display and rest is not None:
            words = (plain(why), *((muted(f"  {one_line(rest.remedy, 400)}"),) if rest.remedy else ()))
            page.show(lambda cells: wrapped(words, cells))
        return bool(page.display)

    def _want_usual(self) -> None:
        scene = self.scene
        if scene.plan is not None and scene.run and scene is not self._asked_usual and self._steers:
            self._asked_usual = scene
            self.post_message(msg.UsualWanted(scene.plan.playbook, scene.run))

    def _want_health(self, now: float) -> None:
        room = not self.classes & {"-tiny", "-flat", "-zoomed"}
        if room and self._steers and self._ended is None and now - self._looked >= HEALTH:
            self._looked = now
            self.post_message(msg.HealthWanted())

    def show_health(self) -> None:
        """Show how the hosts are."""
        if self._in_sight and self.scene.plan is not None:
            self.board.tick(self._clock())

    def _rest(self) -> Rest | None:
        if self._ended is None:
            return None
        return rest_of(self._ended, self.scene.state, resumable=self._can_resume, goes_on=self._goes_on)

    @property
    def _can_resume(self) -> bool:
        resumable = self.scene.state.status in RESUMABLE and not self.scene.state.handed_over
        return self._ended is not None and bool(self.scene.run) and resumable

    # --- what is possible now ------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer what is possible now, and nothing else."""
        if action in _ENTER and self.is_mounted and self.board.desk.is_searching:
            return False
        running = any(at.status in ("running", "verifying", "undoing") for at in self.scene.state.steps.values())
        live = self._control is not None and self._ended is None
        match action:
            case "run" | "show":
                return self._asked is not None and self._shows() == (action == "run")
            case "question":
                return live and self._asked is None and bool(self.scene.state.questions)
            case "resume":
                return self._can_resume and self._steers
            case "review":
                return self._ended is not None and bool(self.scene.run) and not (self._can_resume and self._steers)
            case "choice":
                return self._choice(str(parameters[0])) is not None
            case "pause":
                return self._asked is not None or (live and running)
            case "stop":
                return live and running
            case "undo":
                return self._steers and bool(self._ways_back())
            case "handover":
                return self._steers and self._ended is not None and can_hand_over(self.scene.state)
            case "holder":
                return self._steers and self._ended is not None and self._ended.held is not None
            case "note" | "pin":
                return self._steers and bool(self.scene.run)
            case "scroll" | "find" | "zoom" | "view" | "copy" | "pager":
                return self.scene.plan is not None
            case _:
                return True

    @property
    def _steers(self) -> bool:
        return self._control is not None

    def _choice(self, choice: str) -> Choice | None:
        question = self._question
        if question is None or (choice == "edit" and not can_edit(question, self.scene.state)):
            return None
        return next((c for c in question.choices if c.id == choice), None)

    # --- the question --------------------------------------------------------------------------------------------

    def action_run(self) -> None:
        """Run what is shown; if something else is shown, show it first."""
        if self._asked is not None and not self._is_deaf and self._is_shown():
            self._answer(Answer(choice="run"))

    def action_show(self) -> None:
        """Show the step that is asked about, with its plan."""
        self.board.rail.go_to_run()
        self.board.desk.view = BEFORE
        self._moved()

    def _shows(self, *, with_plan: bool = True) -> bool:
        """Tell whether the step that is asked about is what is looked at."""
        step = self._question.step if self._question is not None else ""
        return self.board.step == step and (self.board.desk.shows_plan or not with_plan)

    def _is_shown(self, *, with_plan: bool = True) -> bool:
        """Tell whether it is, and show it if not."""
        if not self._shows(with_plan=with_plan):
            self.action_show()
            return False
        return True

    def action_choice(self, choice: str) -> None:
        """Answer with another choice, with the reason that it wants."""
        found = self._choice(choice)
        if found is None or self._is_deaf:
            return
        asked = self._asked
        if choice in _OF_STEP and not self._is_shown(with_plan=choice == "run_on"):
            return
        if choice == "edit" and asked is not None:
            arguments = latest_arguments(asked.question, self.scene.state)
            self.app.push_screen(EditPrompt(asked.question.step, self.look, arguments), partial(self._edited, asked))
            return
        if not found.reason:
            self._answer(Answer(choice=choice))
            return
        self.app.push_screen(
            ReasonSheet(f"Why is {self.board.step} skipped?", self.look), partial(self._reasoned, asked, choice)
        )

    def _reasoned(self, asked: Asked | None, choice: str, reason: str | None) -> None:
        if reason and asked is self._asked:
            self._answer(Answer(choice=choice, reason=reason))

    def _edited(self, asked: Asked, values: Values | None) -> None:
        if values and asked is self._asked:
            self._answer(Answer(choice="edit", values=values))

    @property
    def _is_deaf(self) -> bool:
        # A key that waited while the machine was busy was pressed before anybody could see what it does.
        pressed = getattr(self.app, "key_time", 0.0) or self._clock()
        return min(self._clock(), pressed) - self._asked_at < DEAF

    def _answer(self, answer: Answer) -> None:
        asked, self._asked = self._asked, None
        if asked is not None:
            self.post_message(msg.QuestionAnswered(asked, answer))
            self.refresh_scene()

    # --- steering ------------------------------------------------------------------------------------------------

    def action_pause(self) -> None:
        """Pause here, or after what runs."""
        if self._asked is not None:
            self.action_choice("pause")
        elif self._control is not None:
            self._control.pause("paused in the terminal interface")
            self.notify("What runs comes to its end, then the run pauses.", markup=False)

    def action_stop(self) -> None:
        """Stop the running step, and look whether it did."""
        self.post_message(msg.StopWanted())

    def action_undo(self) -> None:
        """Choose what is walked back: the step that is looked at, or everything."""
        if self._asked is not None and self._is_deaf:
            return
        ways = self._ways_back()
        about = "Nothing is undone before you choose. Each way back is verified, and never overwrites what others did."
        self.app.push_screen(
            MenuSheet(self.look, "Take back what?", about, ways), partial(self._take_back, self._asked)
        )

    def _ways_back(self) -> tuple[Offer, ...]:
        if (self._ended is None and self._choice("undo") is None) or self.scene.state.handed_over:
            return ()
        return ways_back(self.scene.state, self.board.step, waits=self._ended is None)

    def _take_back(self, asked: Asked | None, what: str | None) -> None:
        if not what or asked is not self._asked:
            return
        if asked is None:
            self.post_message(msg.UndoWanted(self.scene.run, "" if what == ALL else what))
        else:
            self._answer(Answer(choice="undo_all") if what == ALL else Answer(choice="undo", values={"step": what}))

    def action_handover(self) -> None:
        """Hand the run over to somebody else."""
        self.post_message(msg.HandoverWanted(self.scene.run))

    def action_holder(self) -> None:
        """Ask what to do about a target that another run holds."""
        if self._ended is not None and self._ended.held is not None:
            self.post_message(msg.HolderWanted(self.scene.run, self._ended.held))

    def action_review(self) -> None:
        """Open the record."""
        self.post_message(msg.ReviewWanted(self.scene.run))

    def action_resume(self) -> None:
        """Go on with the run."""
        self.post_message(msg.ResumeWanted(self.scene.run))

    def action_question(self) -> None:
        """Open the question that was put aside."""
        self.post_message(msg.QuestionWanted())

    def action_note(self) -> None:
        """Write a note."""
        self._write(ReasonSheet(f"Note on {self.board.step}", self.look), "")

    def action_pin(self) -> None:
        """Pin the visible output, with some words."""
        text = self.board.desk.well.visible_text().strip()
        if not text:
            self.notify("There is no output to pin.", markup=False)
            return
        self._write(ReasonSheet("What does this output show?", self.look), f"\n{text}")

    def _write(self, sheet: ReasonSheet, evidence: str) -> None:
        run, step = self.scene.run, self.board.step

        def written(text: str | None) -> None:
            if text:
                self.post_message(msg.NoteWanted(run, text + evidence, step))

        self.app.push_screen(sheet, written)

    # --- looking -------------------------------------------------------------------------------------------------

    @on(Board.Moved)
    def _moved(self) -> None:
        # What Enter does is another thing where the plan is not in sight.
        self.tick()
        self.refresh_bindings()

    def action_view(self, number: int) -> None:
        """Open a view."""
        self.board.view(number)
        self._moved()

    def action_zoom(self) -> None:
        """Give the view all the room, or take it back."""
        self.toggle_class("-zoomed")
        self.board.desk.zoomed = self.has_class("-zoomed")
        self.call_after_refresh(self._redraw)

    def action_back(self) -> None:
        """Leave the zoom, then go back to where the run is."""
        if self.has_class("-zoomed"):
            self.action_zoom()
            return
        self.board.rail.focus()
        self.board.rail.go_to_run()

    def action_scroll(self, by: int) -> None:
        """Move the view by a screen."""
        self.board.desk.scroll_view(by)

    def action_find(self) -> None:
        """Find in the output."""
        if self.board.desk.view != "output":
            self.board.view(3)
        self.board.desk.open_find()

    def action_copy(self) -> None:
        """Copy the visible output to the clipboard of the terminal (OSC 52)."""
        self.copy(self.board.desk.well.visible_text())

    def action_pager(self) -> None:
        """Show all the output in a pager."""
        desk = self.board.desk
        self.post_message(
            msg.PagerWanted(self.scene.run, self.board.step, desk.target or next(iter(desk.speaking), ""))
        )
