"""Review: past runs, one of them at any of its moments, two side by side; a live one is followed. Executes nothing.

Owns which of these is in sight, and the workers that read. Leaves drawing to its widgets, moments to the player.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual import events, on
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Input

from runbook.events.fold import fold_all
from runbook.events.signal import OutputReceived
from runbook.events.state import RunState
from runbook.events.timed import Timed
from runbook.journal import Report
from runbook.model.plan import Plan
from runbook.session.health import Seen
from runbook.session.review import RunSummary
from runbook.text import counted
from runbook.tui import messages as msg
from runbook.tui.backend import Backend
from runbook.tui.dialogs.line import LineSheet
from runbook.tui.look import Look, bold, line, muted
from runbook.tui.player import Player
from runbook.tui.presenter import replay as words
from runbook.tui.presenter.comparison import comparison_rows
from runbook.tui.presenter.handover import can_hand_over
from runbook.tui.presenter.host import shifted
from runbook.tui.presenter.recording import Recording, Spoken, grown, with_output
from runbook.tui.screens.playing import MODES, TURN, Mode, PlayingFrame
from runbook.tui.screens.reading import wrong_file
from runbook.tui.search import Found
from runbook.tui.widgets.board import Board
from runbook.tui.widgets.chronicle import VIEWS, Chronicle
from runbook.tui.widgets.now_line import Now
from runbook.tui.widgets.page import Page
from runbook.tui.widgets.pile import Pile
from runbook.tui.widgets.run_list import RunList
from runbook.tui.widgets.view_bar import ViewBar

SHORT = 3
"""Letters from which they are searched."""

_RUN = frozenset({"speed", "event", "go_to", "record", "view", "verify", "export", "compare", "area", "stage", "zoom"})
_SPOKEN = frozenset({"copy", "pager"})


class ReviewScreen(PlayingFrame):
    """Past runs."""

    MODE = "Review"
    CSS_PATH: ClassVar[list[str]] = ["run.tcss", "review.tcss"]  # type: ignore[assignment]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "open", id="review.open", priority=True, tooltip="Look at this run"),
        # Beside the other one: of two classes only one may say what a key does.
        Binding("enter", "record", "record", id="review.record", priority=True, tooltip="The record under the cursor"),
        Binding("w", "follow", "watch", show=False, id="review.follow", tooltip="Watch a live run"),
        Binding("r", "resume", "resume", id="review.resume", tooltip="Go on with this run"),
        Binding("u", "undo", "undo", id="review.undo", tooltip="Walk back what this run changed"),
        Binding("d", "compare", "compare", id="review.compare", tooltip="Beside another run"),
        Binding("E", "export", "report", id="review.export", tooltip="Write the report as a Markdown file"),
        Binding("H", "handover", "hand over", id="review.handover", tooltip="Let somebody else go on elsewhere"),
        Binding("escape", "back", "back", id="review.back", tooltip="Back to the runs, then to the library"),
        Binding("V", "verify", "verify", id="review.verify", tooltip="Verify the record again"),
        Binding("slash", "find", "search", id="review.find", tooltip="Find a run, or a text in the output"),
    ]

    def __init__(self, look: Look, backend: Backend, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(look, backend, clock)
        self._wanted = ""
        """The run to open once the screen stands."""
        self._state = RunState()
        self._report: Report | str | None = None
        self._trouble = ""
        self._found: dict[str, str] = {}
        self._compared: tuple[Recording, Recording] | None = None
        self._choosing = False
        """A second run is chosen, to be compared with the open one."""

    def body(self) -> Iterable[Widget]:
        """Runs, one run, the run as it ran, two runs; the playback below."""
        yield RunList(self.look, id="list")
        with VerticalScroll(id="one", can_focus=False):
            yield ViewBar((*(view.capitalize() for view in VIEWS), "As it ran"), id="review-views")
            yield Chronicle(self.look, id="chronicle-of")
        yield Board(self.look, id="stage")
        with VerticalScroll(id="compare"):
            yield Page(self.look)
        yield Page(self.look, id="playback")

    # --- parts ---------------------------------------------------------------------------------------------------

    @property
    def past(self) -> RunList:
        """All runs."""
        return self.query_one(RunList)

    # --- coming and going ----------------------------------------------------------------------------------------

    def open(self, run: str) -> None:
        """Show a run; an empty id shows the list."""
        self._wanted = run
        if self.is_attached and self.is_current:
            self.on_screen_resume()

    def on_mount(self) -> None:
        """Begin with the list."""
        self._enter("list")
        self.past.pile.focus()
        self.set_interval(TURN, self._tick)

    def on_screen_resume(self) -> None:
        """Look at the runs again, and open what is wanted."""
        self.read_runs()
        wanted, self._wanted = self._wanted, ""
        if wanted:
            self._load(wanted)
        elif self.run and self._mode in ("one", "stage"):
            # Where it was not followed it may have been resumed or undone.
            self._load(self.run)
        else:
            self.call_after_refresh(self._draw)

    def on_screen_suspend(self) -> None:
        """Stop playing and following: nothing is read for eyes that look elsewhere."""
        self._player.playing = False
        self.workers.cancel_group(self, "run")
        self.workers.cancel_group(self, "search")

    def on_unmount(self) -> None:
        """Stop following."""
        self.workers.cancel_node(self)

    def on_resize(self, _event: events.Resize) -> None:
        """Draw for the new size."""
        self.call_after_refresh(self._draw)

    def _enter(self, mode: Mode) -> None:
        self._mode = mode
        for each in MODES:
            self.set_class(each == mode, f"-{each}")
        if not self._in_sight:
            return
        if mode == "one":
            self.chronicle.part()
        self._draw()
        match mode:
            case "list":
                self.past.pile.focus()
            case "one":
                self.chronicle.enter()
            case "stage":
                self.board.rail.focus()
            case "compare":
                self.query_one("#compare").focus()
        self.refresh_bindings()

    # --- reading -------------------------------------------------------------------------------------------------

    def took_fault(self, why: str) -> None:
        """Say it in the now line."""
        self._trouble = why
        self._draw()

    def took_runs(self, runs: tuple[RunSummary, ...]) -> None:
        """List them."""
        self._trouble = ""
        self.past.show(runs, datetime.now(UTC))
        self._draw()

    def _load(self, run: str) -> None:
        self._trouble = ""
        self.workers.cancel_group(self, "run")
        if run != self.run:
            self.say(Now("rule", first=bold("reading the record"), first_right=muted(line(run))))
        self.read_run(run)

    def took_run(self, known: Recording, live: bool) -> None:
        """Show it: a live one as it runs, else all of it."""
        again = known.run == self.run
        self._live, self._report = live, None
        self._state = fold_all(timed.fact for timed in known.timed)
        at = self._player.at if again and not live and not self._player.at_end else None
        self._player = Player(known, at)
        if not again:
            self.chronicle.forget()
            self.chronicle.view = "timeline"
        if not again or self._mode == "list":
            self._enter("stage" if live and known.plan is not None else "one")
        else:
            self._draw()
        self.refresh_bindings()

    def took_output(self, run: str, spoken: list[Spoken], lost: int) -> None:
        """Show it at its moments."""
        if run == self.run:
            self._player.retell(with_output(self._player.recording, spoken, lost))
            self._draw()

    def took_more(self, run: str, more: tuple[Timed, ...], plan: Plan | None) -> None:
        """Go on with the run."""
        if run == self.run:
            self._player.grow(grown(self._player.recording, more, plan))
            self._state = fold_all((timed.fact for timed in more), self._state)
            self._draw()
            self.refresh_bindings()

    def took_news(self, run: str, news: list[OutputReceived]) -> None:
        """Show it at the end of what is known."""
        if run == self.run and self._live:
            self._player.overhear(news, self._player.recording.span + self.ahead)
            self._draw()

    def took_end(self, run: str) -> None:
        """It is a recording from here on."""
        if run == self.run:
            self._live = False
            self.read_runs()
            self.action_verify()
            self._draw()
            self.refresh_bindings()

    # --- drawing -------------------------------------------------------------------------------------------------

    def _draw(self) -> None:
        if not self._in_sight or not self.query(RunList):
            return
        with self.app.batch_update():
            self._draw_head()
            if self._mode == "list":
                self.past.draw()
            elif self._mode == "one":
                self._draw_one()
            elif self._mode == "stage":
                now = self._player.at + self.ahead
                self._player.scene.take_health(self._health(now))
                self.board.draw(self._player.scene, None, now)
                self.board.tick(now)
            else:
                self._draw_comparison()
            if self._mode in ("one", "stage"):
                self._draw_playback()

    def _health(self, now: float) -> Mapping[str, Seen]:
        """Return how the hosts of a run are that is followed, on its clock; a recording tells nothing of them."""
        plan = self._player.recording.plan
        if not self._live or plan is None or not self._player.at_end:
            return {}
        return shifted(self._backend.health_here(plan), now - time.monotonic())

    def _draw_playback(self) -> None:
        said = partial(words.playback_rows, self._player, live=self._live, ahead=self.ahead, here=self._here)
        self.query_one("#playback", Page).show(said)

    def _draw_head(self) -> None:
        row = self.look.row
        if self._trouble:
            self.head.right = muted("")
            self.say(Now("bad", first=self.look.status("failed", loud=True), second=bold(line(self._trouble))))
            return
        if self._mode in ("list", "compare"):
            self.head.right = muted("")
            self._say_list()
            return
        known, state, wide = self._player.recording, self._state, self._wide
        said = words.review_words(known, state, self._report, live=self._live, wide=wide)
        if self._mode == "stage" or self._player.playing:
            said = words.as_recording(said, self._player, live=self._live, here=self._here)
        self.say(Now(said.tone, row(said.first), row(said.first_right), row(said.second), row(said.second_right)))
        self.head.right = row(words.seal_words(known, state, self._report, wide=wide))
        self.title = said.title

    def _say_list(self) -> None:
        if self._mode == "compare" and self._compared is not None:
            ids = " and ".join(each.run[:10] for each in self._compared)
            self.say(
                Now(
                    "rule",
                    first=bold("Two runs side by side"),
                    first_right=muted(ids),
                    second=muted("! marks what differs, grey is what is the same; nothing is executed here"),
                )
            )
        elif self._choosing:
            self.say(
                Now(
                    "accent",
                    first=bold("Compare with which run?"),
                    second=muted(f"↵ takes one to stand beside {self.run[:10]}, Esc leaves it"),
                )
            )
        else:
            live = sum(run.live for run in self.past.runs)
            runs = f"{counted(live, 'run is', 'runs are')} live: ↵ follows" if live else "no run is live"
            self.say(Now("rule", first=bold("What happened?"), second=muted(f"↵ opens a run, / searches; {runs}")))

    def _draw_one(self) -> None:
        chronicle = self.chronicle
        room = self._wide and self.size.height >= 32 and not self.has_class("-zoomed")
        chronicle.spread, chronicle.vast = room, room and self.size.width >= 180
        self.query_one(ViewBar).view = VIEWS.index(chronicle.view)
        chronicle.show(self._player)

    def _draw_comparison(self) -> None:
        both = self._compared
        if both is not None:
            self.query_one("#compare Page", Page).show(lambda w: comparison_rows(*both, w - 1))

    # --- what is possible now ------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer what is possible now, and nothing else."""
        if isinstance(self.focused, Input) and action not in ("back", "open"):
            return False
        is_one = self._mode in ("one", "stage") and bool(self.run)
        match action:
            case "open":
                return self._mode == "list"
            case "play":
                return is_one and not self._player.playing
            case "stop":
                return is_one and self._player.playing
            case "follow":
                row = self.past.pile.row if self._mode == "list" and not self._choosing else None
                return row is not None and any(run.live for run in self.past.runs if run.id == row.id)
            case "find":
                return self._mode in ("list", "stage", "one")
            case "resume":
                return is_one and words.can_resume(self._state, live=self._live)
            case "undo":
                return is_one and words.can_undo(self._state, live=self._live)
            case "handover":
                return is_one and not self._live and can_hand_over(self._state)
            case "record":
                return self._mode == "one" and self.chronicle.view != "record"
            case "stage":
                return is_one and self._player.recording.plan is not None
            case _ if action in _RUN:
                return is_one
            case _ if action in _SPOKEN:
                return is_one and (self._mode == "stage" or bool(self.chronicle.query_one("#spoken").display))
            case _:
                return True

    # --- the list ------------------------------------------------------------------------------------------------

    @on(Pile.Chosen, "#past-runs")
    def action_open(self) -> None:
        """Open the run of the cursor, or put it beside the one that is open."""
        row = self.past.pile.row
        if row is None:
            return
        if self._choosing:
            self.read_other(row.id)
        else:
            self._load(row.id)

    def action_follow(self) -> None:
        """Watch the live run of the cursor."""
        self.action_open()

    @on(RunList.Typed)
    def _typed(self, event: RunList.Typed) -> None:
        self.workers.cancel_group(self, "search")
        self._found = {}
        if len(event.text) >= SHORT:
            self.find(self.past.runs, event.text)

    def took_hit(self, text: str, found: Found) -> None:
        """Show where the text stands, and how far the search is."""
        if text != self.past.text:
            return
        if found.words:
            self._found[found.run] = found.words
        over = found.done == found.of
        if found.words or over or found.done % 10 == 0:
            said = f"records and output of {'all' if over else f'{found.done} of'} {found.of} searched"
            self.past.found(self._found, said)

    def action_find(self) -> None:
        """Find a run, or a text in the output of the one that is open."""
        if self._mode == "list":
            self.past.field.focus()
            return
        if self._mode == "one":
            self.action_stage()
        if self._mode == "stage":
            self.board.view(3)
            self.board.desk.open_find()

    def action_back(self) -> None:
        """Go back to where one came from."""
        if self.has_class("-zoomed"):
            self.action_zoom()
            return
        match self._mode:
            case "stage":
                self._enter("one")
            case "compare":
                self._enter("one")
            case "one" if self.chronicle.view == "record":
                self.action_view(1)
            case "one":
                self._player.playing = False
                self.workers.cancel_group(self, "run")
                self._enter("list")
            case _ if self._choosing:
                self._choose(False)
                self._enter("one")
            case _:
                self.app.call_later(self.app.run_action, "go('library')")

    # --- proof, report, comparison -------------------------------------------------------------------------------

    def action_verify(self) -> None:
        """Verify the record."""
        self._report = None
        self._draw()
        self.verify(self.run)

    def took_proof(self, run: str, report: Report | str) -> None:
        """Show the verdict."""
        if run == self.run:
            self._report = report
            self._draw()

    def action_export(self) -> None:
        """Ask where the report goes."""
        sheet = LineSheet(
            "Write the report to which file?",
            self.look,
            hint="Markdown; a file that is there is never written over",
            value=f"~/report-{self.run[:10].lower()}.md",
            check=wrong_file,
        )
        self.app.push_screen(sheet, self._export_to)

    def _export_to(self, path: str | None) -> None:
        if path:
            self.export(self.run, Path(path).expanduser())

    def action_compare(self) -> None:
        """Choose the run that stands beside this one."""
        self._player.playing = False
        if self.past.runs and all(run.id == self.run or run.error for run in self.past.runs):
            self.notify("There is no other run to compare this one with.", markup=False)
            return
        self._choose(True)
        self._enter("list")

    def _choose(self, choosing: bool) -> None:
        self._choosing = choosing
        self.past.choose_for(self.run if choosing else "")

    def took_other(self, other: Recording) -> None:
        """Put both side by side, the older one at the left."""
        both = sorted((self._player.recording, other), key=lambda known: known.timed[0].time if known.timed else "")
        self._compared = (both[0], both[1])
        self._choose(False)
        self._enter("compare")

    # --- going on ------------------------------------------------------------------------------------------------

    def action_resume(self) -> None:
        """Go on with the run."""
        self.post_message(msg.ResumeWanted(self.run))

    def action_handover(self) -> None:
        """Hand the run over to somebody else."""
        self.post_message(msg.HandoverWanted(self.run))

    def action_undo(self) -> None:
        """Ask whether what the run changed is walked back."""
        run, pending = self.run, self._state.pending_undo
        hosts = sorted({target for _, target, _ in self._state.standing})
        where = ", ".join(line(host, 40) for host in hosts[:4]) + (
            f" and {len(hosts) - 4} more" if len(hosts) > 4 else ""
        )
        sheet = LineSheet(
            f"To walk {counted(pending, 'change')} back on {where}, type: undo",
            self.look,
            hint="changes targets: each step back is looked at before, and verified; Esc leaves all as it is",
            check=lambda text: "" if text == "undo" else "Write undo, or leave with Esc: nothing has changed.",
        )
        self.app.push_screen(sheet, partial(self._undo, run))

    def _undo(self, run: str, said: str | None) -> None:
        if said:
            self.post_message(msg.UndoWanted(run))
