"""One recorded run at a moment: playing it, going to events and times, and the views that show it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import ClassVar, Literal

from textual import on
from textual.binding import Binding, BindingType

from runbook.session.review import KeptRecord
from runbook.tui.backend import Backend
from runbook.tui.dialogs.line import LineSheet
from runbook.tui.look import Look
from runbook.tui.messages import PagerWanted
from runbook.tui.player import Player
from runbook.tui.presenter.ago import moment
from runbook.tui.presenter.moment import moment_of, wrong_moment
from runbook.tui.presenter.recording import Recording
from runbook.tui.screens.reading import ReadingFrame
from runbook.tui.widgets.board import Board
from runbook.tui.widgets.chronicle import VIEWS, Chronicle
from runbook.tui.widgets.output import OutputView
from runbook.tui.widgets.pile import Pile
from runbook.tui.widgets.view_bar import ViewBar

TURN = 0.25
"""Seconds between two moments of a playback."""

Mode = Literal["list", "one", "stage", "compare"]
MODES: tuple[Mode, ...] = ("list", "one", "stage", "compare")
"""All runs; one run; one run as it ran, by the widgets of a live one; two runs."""


class PlayingFrame(ReadingFrame):
    """A screen that has a chronicle and a board of one run, and a player."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "play", "play", id="review.play", priority=True, tooltip="Play the run back"),
        Binding("space", "stop", "stop", id="review.stop", priority=True, tooltip="Stop the playback here"),
        Binding("left,h", "event(-1)", "", show=False, id="review.before", priority=True, tooltip="The event before"),
        Binding(
            "right,l", "event(1)", "event", id="review.next", priority=True, key_display="←→", tooltip="Event by event"
        ),
        Binding("less_than_sign", "speed(-1)", "", show=False, id="review.slower", tooltip="Play slower"),
        Binding(
            "greater_than_sign", "speed(1)", "speed", id="review.faster", key_display="< >", tooltip="1×, 10×, jump"
        ),
        Binding("t", "go_to", "time", id="review.time", tooltip="Go to a moment"),
        Binding("5", "stage", "as it ran", show=False, id="review.stage", tooltip="Steps and output as they ran"),
        Binding("1", "view(1)", "timeline", show=False, id="review.timeline", tooltip="The timeline"),
        Binding("2", "view(2)", "decisions", show=False, id="review.decisions", tooltip="What people decided"),
        Binding("3", "view(3)", "output", show=False, id="review.output", tooltip="What was said"),
        Binding("4", "view(4)", "record", show=False, id="review.record_view", tooltip="The records, one by one"),
        Binding("z", "zoom", "zoom", show=False, id="review.zoom", tooltip="The view on the whole screen"),
        Binding("y", "copy", "copy", show=False, id="review.copy", tooltip="Copy the visible output"),
        Binding("L", "pager", "pager", show=False, id="review.pager", tooltip="All the output in your pager"),
        Binding("tab", "area(1)", "area", show=False, id="review.area", tooltip="The next part"),
        Binding("shift+tab", "area(-1)", "area", show=False, id="review.area_before", tooltip="The part before"),
    ]

    def __init__(self, look: Look, backend: Backend, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(look, backend)
        self._clock = clock
        self._player = Player(Recording(""))
        self._live = False
        """Somebody writes the run that is open, and it is followed."""
        self._mode: Mode = "list"
        self._ticked = 0.0

    def _draw(self) -> None:
        """Draw what is new."""
        raise NotImplementedError

    def _enter(self, mode: Mode) -> None:
        """Show another of the modes."""
        raise NotImplementedError

    @property
    def chronicle(self) -> Chronicle:
        """One run."""
        return self.query_one(Chronicle)

    @property
    def board(self) -> Board:
        """The run as it ran."""
        return self.query_one(Board)

    @property
    def player(self) -> Player:
        """Where the playback is."""
        return self._player

    @property
    def run(self) -> str:
        """The run that is open; nothing while there is none."""
        return self._player.recording.run

    @property
    def _in_sight(self) -> bool:
        return self.is_mounted and self.is_attached and self in self.app.screen_stack

    @property
    def _here(self) -> bool:
        """Whether this interface steers the run that is open."""
        return bool(self.run) and self.run == self.carried()

    @property
    def _wide(self) -> bool:
        return self.size.width >= 110

    @property
    def ahead(self) -> float:
        """Seconds that a live run has gone on since its last record, for those who follow it."""
        timed = self._player.recording.timed
        last = moment(timed[-1].time) if self._live and timed and self._player.at_end else None
        return max((datetime.now(UTC) - last).total_seconds(), 0.0) if last is not None else 0.0

    def _tick(self) -> None:
        now = self._clock()
        passed, self._ticked = now - self._ticked, now
        if self._in_sight and self._mode in ("one", "stage") and self._player.advance(min(passed, 2 * TURN)):
            self._draw()
            if not self._player.playing:
                self.refresh_bindings()
        elif self._in_sight and self._live and int(now) != int(now - passed):
            self._draw()

    # --- moments -------------------------------------------------------------------------------------------------

    def action_play(self) -> None:
        """Play; where it is narrow, show the run as it ran."""
        self._player.toggle()
        self._ticked = self._clock()
        if self._player.playing and self._mode == "one" and not self._wide and self._player.recording.plan is not None:
            self._enter("stage")
            self.call_after_refresh(self._set_stage)
        if self._player.playing and self._mode == "stage":
            self.board.rail.go_to_run()
        self.refresh_bindings()
        self._draw()

    def action_stop(self) -> None:
        """Stop here."""
        self._player.playing = False
        self.refresh_bindings()
        self._draw()

    def action_speed(self, by: int) -> None:
        """Play slower or faster."""
        self._player.faster(by)
        self._draw()

    def action_event(self, by: int) -> None:
        """Go to the next event, or the one before."""
        self._player.playing = False
        self._player.event(by)
        self._draw()

    def action_go_to(self) -> None:
        """Ask for a moment."""
        known = self._player.recording
        hint = "m:ss from the beginning of the run" + ("; rests between sessions are left out" if known.breaks else "")
        sheet = LineSheet("Go to which time?", self.look, hint=hint, check=partial(wrong_moment, known.span))
        self.app.push_screen(sheet, self._go_to)

    def _go_to(self, text: str | None) -> None:
        at = moment_of(text or "")
        if at is not None:
            self._player.playing = False
            self._player.go(at)
            self._draw()

    @on(Chronicle.Sought)
    def _sought(self, event: Chronicle.Sought) -> None:
        index = self._player.recording.place(event.seq)
        if index >= 0:
            self._player.go_to(index)
            self._draw()

    # --- views ---------------------------------------------------------------------------------------------------

    def action_view(self, number: int) -> None:
        """Open a view: of the run, or of the step as it ran."""
        if self._mode == "stage":
            self.board.view(number)
            return
        self.chronicle.view = VIEWS[number - 1]
        self._draw()
        self.call_after_refresh(self.chronicle.enter)
        self.refresh_bindings()

    @on(ViewBar.Turned)
    def _turned(self, event: ViewBar.Turned) -> None:
        event.stop()
        if event.view < len(VIEWS):
            self.action_view(event.view + 1)
        else:
            self.action_stage()

    @on(Pile.Resized)
    def _resized(self, event: Pile.Resized) -> None:
        event.stop()
        if self._mode == "stage":
            self.board.redraw(self._player.at)

    def action_stage(self) -> None:
        """Show the run as it ran, or go back."""
        self._enter("one" if self._mode == "stage" else "stage")
        if self._mode == "stage":
            self.call_after_refresh(self._set_stage)

    def _set_stage(self) -> None:
        """Begin with the step that was looked at, and with what it said; a playback stays where the run is."""
        self.board.redraw(self._player.at)
        self.board.desk.view = "output"
        row = self.chronicle.chosen
        if row is not None and not self._player.playing and not self._live:
            self.board.rail.go_to_step(row.step)

    @on(Pile.Chosen, "#time-rows")
    @on(Pile.Chosen, "#decisions")
    def action_record(self) -> None:
        """Show the record under the cursor."""
        row = self.chronicle.chosen
        if row is not None and self.chronicle.rows.has_focus and row.bars:
            before = [bar for bar in row.bars if bar.end <= self._player.at]
            self._player.go_to(self._player.recording.place((before or row.bars)[-1].seq))
        self.action_view(4)

    @on(Chronicle.Inspected)
    def _inspected(self, event: Chronicle.Inspected) -> None:
        self.read_record(self.run, event.seq)

    def took_record(self, seq: int, kept: KeptRecord | None, trouble: str) -> None:
        """Show the raw line."""
        self.chronicle.record.tell(seq, kept, trouble)

    def action_area(self, by: int) -> None:
        """Go to the next part that is in sight."""
        areas = list(self.board.areas()) if self._mode == "stage" else self.chronicle.areas()
        here = next((n for n, area in enumerate(areas) if area.has_focus or area.has_focus_within), -1)
        areas[(here + by) % len(areas)].focus()

    # --- looking -------------------------------------------------------------------------------------------------

    def action_zoom(self) -> None:
        """Give the view with the focus all the room, or take it back."""
        self.toggle_class("-zoomed")
        self.board.desk.zoomed = self.has_class("-zoomed")
        if self._mode == "one" and self.has_class("-zoomed"):
            self.chronicle.view = self.chronicle.looked_at
        self._draw()
        if self._mode == "one":
            self.chronicle.enter()
        self.call_after_refresh(self._draw)

    @property
    def _well(self) -> OutputView:
        return self.board.desk.well if self._mode == "stage" else self.chronicle.well

    def action_copy(self) -> None:
        """Copy the visible output to the clipboard of the terminal (OSC 52)."""
        self.copy(self._well.visible_text())

    def action_pager(self) -> None:
        """Show all the output of the step in a pager."""
        if self._mode == "stage":
            step, target = self.board.step, self.board.desk.target or next(iter(self.board.desk.speaking), "")
        else:
            row = self.chronicle.chosen
            step, target = (row.step, row.places[0]) if row is not None else self._player.scene.last
        self.post_message(PagerWanted(self.run, step, target))
