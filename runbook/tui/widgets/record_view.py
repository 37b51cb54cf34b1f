"""The inspector: records in a list, and the one of the cursor as pretty JSON."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from runbook.session.review import KeptRecord
from runbook.tui.look import Look
from runbook.tui.presenter.inspector import head_rows, json_rows, record_line
from runbook.tui.presenter.recording import Recording
from runbook.tui.presenter.words import muted
from runbook.tui.widgets.page import Page
from runbook.tui.widgets.pile import Pile, Row
from runbook.tui.widgets.rule import Rule
from runbook.tui.widgets.scroll import Scroll


class RecordView(Horizontal):
    """Shows one record of a recording."""

    def __init__(self, look: Look, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._look = look
        self._known = Recording("")
        self._listed: object = None
        self._index = -1
        self._kept: KeptRecord | None = None
        self._trouble = ""

    def compose(self) -> ComposeResult:
        """List at the left, record at the right."""
        yield Pile(self._look.own("▌"), id="records-list")
        yield Rule(self._look, id="records-rule")
        with Vertical(id="record-one"):
            yield Page(self._look, id="record-head")
            with Scroll(id="record-json"):
                yield Page(self._look)

    @property
    def pile(self) -> Pile:
        """The list."""
        return self.query_one(Pile)

    @property
    def scroll(self) -> Scroll:
        """What moves the JSON."""
        return self.query_one(Scroll)

    def show(self, known: Recording, index: int) -> None:
        """Show a record by its place; its raw line comes later."""
        if known is self._known and index == self._index and self._listed == self._key(known):
            return
        if index != self._index or known.run != self._known.run:
            self._kept, self._trouble = None, ""
            self.scroll.scroll_home(animate=False)
        self._known, self._index = known, index
        self.draw()

    def tell(self, seq: int, kept: KeptRecord | None, trouble: str = "") -> None:
        """Show the raw line of the record with this number, if it is still the one that is looked at."""
        if 0 <= self._index < len(self._known.timed) and self._known.timed[self._index].seq == seq:
            self._kept, self._trouble = kept, trouble
            self._draw_record()

    def _key(self, known: Recording) -> tuple[int, int, int]:
        return id(known), len(known.timed), self.pile.size.width

    def draw(self) -> None:
        """Draw list and record."""
        pile, known = self.pile, self._known
        if pile.display and self._listed != self._key(known):
            cells = max(pile.size.width - 3, 16)
            pile.show(
                tuple(
                    Row(str(timed.seq), (self._look.row(record_line(timed, at, cells)),))
                    for at, timed in zip(known.at, known.timed, strict=True)
                )
            )
            self._listed = self._key(known)
        if pile.display and pile.cursor != self._index and self._index >= 0:
            pile.cursor = self._index
        self._draw_record()

    def _draw_record(self) -> None:
        known, index, kept = self._known, self._index, self._kept
        if not 0 <= index < len(known.timed):
            return
        timed, at = known.timed[index], known.at[index]
        self.query_one("#record-head", Page).show(lambda w: head_rows(timed, at, kept, w, self._trouble))
        page = self.scroll.query_one(Page)
        page.show(lambda w: json_rows(kept.line, w) if kept is not None else [(muted("reading …"),)])

    @on(Pile.Resized)
    def _resized(self, event: Pile.Resized) -> None:
        event.stop()
        self.draw()

    def on_resize(self) -> None:
        """Draw for the new width."""
        self.call_after_refresh(self.draw)
