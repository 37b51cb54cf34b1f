"""One recorded run at a moment: timeline, decisions, output, record; one at a time where it is narrow.

Draws from a player, which it never moves: what the user picks is told as a wish to go to a record.
"""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from runbook.text import duration_text
from runbook.text.mark import mark_of
from runbook.tui.look import Look
from runbook.tui.player import Player
from runbook.tui.presenter.decision import Decided, decision_words, decisions
from runbook.tui.presenter.place import where
from runbook.tui.presenter.recording import Recording
from runbook.tui.presenter.replay import output_foot, output_head
from runbook.tui.presenter.timeline import Timeline, TimeRow, asked_words, axis_row, row_words, timeline
from runbook.tui.presenter.words import Row as Words
from runbook.tui.presenter.words import bold, muted, plain, wrapped
from runbook.tui.scene import Scene
from runbook.tui.widgets.output import OutputView
from runbook.tui.widgets.page import Page
from runbook.tui.widgets.pile import Pile, Row
from runbook.tui.widgets.record_view import RecordView
from runbook.tui.widgets.rule import Rule

VIEWS = ("timeline", "decisions", "output", "record")
ASKED = "asked"
_WRONG = ("bad", "doubt")


class Chronicle(Horizontal):
    """Draws what happened."""

    view: reactive[str] = reactive("timeline")
    spread: reactive[bool] = reactive(False)
    """Timeline, decisions and output stand together."""
    vast: reactive[bool] = reactive(False)
    """The record stands beside them."""

    class Sought(Message):
        """The record with this number is to be gone to."""

        def __init__(self, seq: int) -> None:
            super().__init__()
            self.seq = seq

    class Inspected(Message):
        """Another record is looked at: its raw line is wanted."""

        def __init__(self, seq: int) -> None:
            super().__init__()
            self.seq = seq

    def __init__(self, look: Look, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._look = look
        self._player = Player(Recording(""))
        self._known: Recording | None = None
        self._line = Timeline((), (), 0.0)
        self._decided: tuple[Decided, ...] = ()
        self._drawn: object = None
        self._inspected = -1
        self._picks = True
        """The cursor of the timeline has yet to be put on the row that tells most."""

    def compose(self) -> ComposeResult:
        """Build the parts."""
        look, bar = self._look, self._look.own("▌")
        with Vertical(id="chronicle"):
            with Vertical(id="time"):
                yield Page(look, id="axis")
                yield Pile(bar, id="time-rows")
            yield Page(look, id="divide")
            with Horizontal(id="lower"):
                with Vertical(id="decided"):
                    yield Page(look, id="decided-head")
                    yield Pile(bar, id="decisions")
                    yield Page(look, id="reason")
                yield Rule(look, id="lower-rule")
                with Vertical(id="spoken"):
                    yield Page(look, id="spoken-head")
                    yield OutputView(look, id="spoken-well")
                    yield Page(look, id="spoken-foot")
        yield Rule(look, id="record-rule")
        yield RecordView(look, id="record")

    # --- parts ---------------------------------------------------------------------------------------------------

    @property
    def rows(self) -> Pile:
        """The timeline."""
        return self.query_one("#time-rows", Pile)

    @property
    def made(self) -> Pile:
        """The decisions."""
        return self.query_one("#decisions", Pile)

    @property
    def well(self) -> OutputView:
        """The output."""
        return self.query_one("#spoken-well", OutputView)

    @property
    def record(self) -> RecordView:
        """The inspector."""
        return self.query_one(RecordView)

    @property
    def _parts(self) -> dict[str, Widget]:
        """What takes the focus in each view, in the order of reading."""
        record = self.record.pile if self.record.pile.display else self.record.scroll
        return {"timeline": self.rows, "decisions": self.made, "output": self.well, "record": record}

    @property
    def looked_at(self) -> str:
        """The view that has the focus, else the one that was chosen."""
        return next((name for name, widget in self._parts.items() if widget.has_focus), self.view)

    def areas(self) -> list[Widget]:
        """Return what can have the focus and is in sight."""
        return [widget for name, widget in self._parts.items() if self._is_shown(name)]

    def _is_shown(self, name: str) -> bool:
        if name == "record":
            return self.vast or self.view == name
        if self.spread and self.view != "record":
            return True
        return self.view == name or (self.spread and self.vast)

    def enter(self) -> None:
        """Give the focus to the view that was chosen."""
        self._parts[self.view].focus()

    def on_mount(self) -> None:
        """Begin with the timeline."""
        self.part()

    def watch_view(self) -> None:
        """Show another view."""
        self.part()

    def watch_spread(self) -> None:
        """Show more together, or less."""
        self.part()

    def watch_vast(self) -> None:
        """Put the record beside, or not."""
        self.part()

    def part(self) -> None:
        """Show the parts that the view and the room want."""
        if not self.is_mounted:
            return
        shown = {name: self._is_shown(name) for name in VIEWS}
        self.query_one("#time").display = shown["timeline"]
        self.query_one("#decided").display = shown["decisions"]
        self.query_one("#spoken").display = shown["output"]
        self.query_one("#lower").display = shown["decisions"] or shown["output"]
        self.query_one("#lower-rule").display = shown["decisions"] and shown["output"]
        self.query_one("#divide").display = shown["timeline"] and shown["decisions"]
        self.query_one("#chronicle").display = any(shown[name] for name in VIEWS[:3])
        self.query_one("#record-rule").display = self.vast
        self.record.display = shown["record"]
        for name in ("records-list", "records-rule"):
            self.query_one(f"#{name}").display = not self.vast
        self._drawn = None
        self.call_after_refresh(self.draw)

    # --- drawing -------------------------------------------------------------------------------------------------

    def show(self, player: Player) -> None:
        """Show a player's moment."""
        self._player = player
        self.draw()

    def draw(self) -> None:
        """Draw what is new."""
        player = self._player
        if not self.is_mounted or not player.recording.timed:
            return
        fresh = player.recording is not self._known
        if fresh:
            self._known = player.recording
            self._line = timeline(player.recording)
            self._decided = decisions(player.recording)
        drawn = (player.recording, player.at, player.index, self.size, self.view)
        if drawn == self._drawn:
            return
        self._drawn = drawn
        if self.query_one("#time").display:
            self._draw_time()
            if self._picks and self.rows.rows:
                self._picks = False
                self.rows.cursor = self._telling
        if self.query_one("#decided").display:
            self._draw_decided()
        self._draw_spoken()
        self._draw_record()

    def _draw_time(self) -> None:
        line, at = self._line, self._player.at
        cells = max(self.rows.scrollable_content_region.width - 2, 30)
        self.query_one("#axis", Page).show(lambda _: [axis_row(line, cells)])
        rows = [Row(f"{row.step} {row.host}", (self._look.row(row_words(row, line, at, cells)),)) for row in line.rows]
        if line.asked:
            rows.append(Row(ASKED, (self._look.row(asked_words(line, at, cells)),)))
        self.rows.show(tuple(rows))
        # As high as it is, so that decisions and output get the rest; a long one leaves them a third.
        most = self.size.height * 3 // 5
        self.query_one("#time").styles.height = min(len(rows) + 2, most) if self.spread else "1fr"
        self.query_one("#divide", Page).show(lambda w: [(("─" * w, "$rule"),)])

    def _draw_decided(self) -> None:
        at = self._player.at
        pile, cells = self.made, max(self.made.scrollable_content_region.width - 2, 30)
        widest = max((len(each.what) for each in self._decided), default=0)
        number = max((n for n, each in enumerate(self._decided) if each.seq <= self._seq), default=0)
        pile.show(
            tuple(
                Row(str(each.seq), (self._look.row(decision_words(each, cells, at, widest)),)) for each in self._decided
            )
        )
        if not pile.has_focus or self._player.playing:
            pile.cursor = number
        head = "bold underline $accent" if pile.has_focus else "$muted"
        self.query_one("#decided-head", Page).show(lambda _: [(("DECISIONS", head),)])
        self._draw_reason()

    def _draw_reason(self) -> None:
        row = self.made.row
        decided = next((each for each in self._decided if row is not None and str(each.seq) == row.id), None)
        self.query_one("#reason", Page).show(lambda w: _reason_rows(decided, w))

    @property
    def _seq(self) -> int:
        timed = self._player.recording.timed
        return timed[self._player.index].seq if 0 <= self._player.index < len(timed) else -1

    @property
    def chosen(self) -> TimeRow | None:
        """The row of the timeline that the cursor is on."""
        row = self.rows.row
        return next(
            (each for each in self._line.rows if row is not None and f"{each.step} {each.host}" == row.id), None
        )

    def _draw_spoken(self) -> None:
        if not self.query_one("#spoken").display:
            return
        scene, row = self._player.scene, self.chosen
        step, places = (row.step, row.places) if row is not None else (scene.last[0], (scene.last[1],))
        place = places[0] if len(places) == 1 else ""
        at = self._player.at
        state = scene.state.at(step, place or places[0])
        attempt = state.attempt.number if state.attempt is not None and len(places) == 1 else 0
        self.query_one("#spoken-head", Page).show(lambda _: [output_head(step, place, attempt, at)])
        self.well.look_at(scene.spool, step, place, tuple(where(each) or each for each in places))
        self.query_one("#spoken-foot", Page).show(lambda _: self._foot(scene, step, place or places[0]))

    def _foot(self, scene: Scene, step: str, place: str) -> list[Words]:
        rows = output_foot(scene.state, step, place)
        if not self.well.lines:
            rows.append((muted(f"nothing was said up to {duration_text(self._player.at)}"),))
        if scene.spool.lost:
            rows.append((("! ", "$wait"), plain(f"{scene.spool.lost} characters more stand in the side files")))
        return rows

    def _draw_record(self) -> None:
        if not self.record.display:
            return
        self.record.show(self._player.recording, self._player.index)
        if self._seq != self._inspected and self._seq >= 0:
            self._inspected = self._seq
            self.post_message(self.Inspected(self._seq))

    def forget(self) -> None:
        """Begin with another run."""
        self._known, self._drawn, self._inspected, self._picks = None, None, -1, True
        self.rows.cursor = self.made.cursor = 0

    @property
    def _telling(self) -> int:
        """The row that tells most: where something went wrong, else where something was done last."""
        rows = self._line.rows
        wrong = (n for n, row in enumerate(rows) if any(mark_of(bar.status).tone in _WRONG for bar in row.bars))
        begun = (n for n in range(len(rows) - 1, -1, -1) if rows[n].bars)
        return next(wrong, next(begun, 0))

    def on_resize(self) -> None:
        """Draw for the new size."""
        self.part()

    @on(Pile.Resized)
    def _resized(self, event: Pile.Resized) -> None:
        event.stop()
        self._drawn = None
        self.draw()

    def on_descendant_focus(self) -> None:
        """Show where the focus is."""
        self._drawn = None
        self.draw()

    # --- moving --------------------------------------------------------------------------------------------------

    @on(Pile.Moved, "#time-rows")
    def _row_moved(self, event: Pile.Moved) -> None:
        event.stop()
        self._draw_spoken()

    @on(Pile.Moved, "#decisions")
    def _decision_moved(self, event: Pile.Moved) -> None:
        event.stop()
        self._draw_reason()
        if self.made.has_focus and not self._player.playing:
            self._seek(event.row)

    @on(Pile.Moved, "#records-list")
    def _record_moved(self, event: Pile.Moved) -> None:
        event.stop()
        if self.record.pile.has_focus and not self._player.playing:
            self._seek(event.row)

    def _seek(self, seq: str) -> None:
        if seq.isdigit() and int(seq) != self._seq:
            self.post_message(self.Sought(int(seq)))


def _reason_rows(decided: Decided | None, cells: int) -> list[Words]:
    if decided is None:
        return [(muted("nobody was asked, and nobody decided"),)]
    rows = wrapped((bold(decided.what), muted(f"  {decided.about}")), cells)
    if decided.reason:
        rows += wrapped((muted("reason  "), plain(f'"{decided.reason}"')), cells, 8)
    return rows[:4]
