"""A menu of choices in one column: key, verb, price; one of them has the focus."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len
from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from runbook.tui.look import Look, muted
from runbook.tui.presenter.sheet import Offer, offer_rows
from runbook.tui.presenter.words import Row

_GROUP = 10
_SHORTEST_NAME, _LONGEST_NAME = 12, 34


class ChoiceMenu(Widget, can_focus=True):
    """Draws offers and tells which was taken, by Enter, by its own key or by a click."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "take", "take", id="menu.take", tooltip="Take the choice in focus"),
        Binding("up", "move(-1)", "choose", key_display="↑↓", id="menu.up", tooltip="Move the focus up"),
        Binding("k", "move(-1)", "up", show=False, id="menu.up.vim", tooltip="Move the focus up"),
        Binding("down,j", "move(1)", "down", show=False, id="menu.down", tooltip="Move the focus down"),
        Binding("g,home", "move(-99)", "first", show=False, id="menu.first", tooltip="To the first choice"),
        Binding("G,end", "move(99)", "last", show=False, id="menu.last", tooltip="To the last choice"),
    ]

    cursor: reactive[int] = reactive(0)

    class Taken(Message):
        """This choice was taken."""

        def __init__(self, choice: str) -> None:
            super().__init__()
            self.choice = choice

    def __init__(self, offers: tuple[Offer, ...], focus: str, look: Look) -> None:
        """Prepare; `focus` is the id of the choice that has the focus first."""
        super().__init__()
        self._offers = offers
        self._look = look
        self._grouped = any(offer.group for offer in offers)
        longest = max((cell_len(offer.name) for offer in offers if offer.price), default=0)
        self._most: int | None = None
        """Rows that there is room for; None if that is for the offers to say."""
        self._laid: tuple[int, list[tuple[int, int, Row]]] = (0, [])
        """The rows, and the cells they were made for."""
        self._name_cells = min(max(longest, _SHORTEST_NAME), _LONGEST_NAME)
        self.set_reactive(ChoiceMenu.cursor, next((n for n, o in enumerate(offers) if o.id == focus), 0))
        self.styles.height = len(offers)

    def go_to(self, choice: str) -> None:
        """Put the focus on a choice."""
        self.cursor = next((n for n, offer in enumerate(self._offers) if offer.id == choice), self.cursor)

    def validate_cursor(self, cursor: int) -> int:
        """Keep the cursor inside."""
        return min(max(cursor, 0), len(self._offers) - 1)

    def render(self) -> Content:
        """Draw the offers; where there is no room for all, those around the focus."""
        lines, top = self._lines(), self._top
        shown = lines[top : top + max(self.size.height, 1)]
        return Content("\n").join([self._line(*line) for line in shown])

    def on_resize(self) -> None:
        """Take what room the offers need in this width, if nobody else says how much there is."""
        if self._most is None:
            self.styles.height = len(self._lines())

    def _lines(self) -> list[tuple[int, int, Row]]:
        """Return all rows: the number of the offer, which of its rows it is, its words."""
        cells = max(self.size.width - 1 - (_GROUP if self._grouped else 0), 10)
        if self._laid[0] != cells:
            rows = (offer_rows(offer, n, cells, self._name_cells) for n, offer in enumerate(self._offers, 1))
            self._laid = (cells, [(n, part, row) for n, each in enumerate(rows) for part, row in enumerate(each)])
        return self._laid[1]

    @property
    def _top(self) -> int:
        """The first row in sight: the focus is at the middle, as far as there are others."""
        rows = max(self.size.height, 1)
        lines = self._lines()
        focused = [at for at, (number, _, _) in enumerate(lines) if number == self.cursor]
        middle = min(focused[len(focused) // 2], focused[0] + rows // 2)
        return max(min(middle - rows // 2, len(lines) - rows), 0)

    def fit(self, rows: int) -> int:
        """Take so many rows, or as few as the offers need; return how many."""
        self._most = rows
        needed = len(self._lines()) if self.size.width else len(self._offers)
        taken = max(min(rows, needed), 1)
        self.styles.height = taken
        return taken

    def _line(self, number: int, part: int, words: Row) -> Content:
        focused = number == self.cursor
        bar = Content.styled(self._look.own("▌") if focused else " ", "$accent")
        row = Content.assemble(bar, *((text, style or ("bold" if focused else "")) for text, style in words))
        lead = muted((self._offers[number].group if not part else "").ljust(_GROUP)) if self._grouped else Content("")
        row = row.truncate(max(self.size.width - lead.cell_length, 10), ellipsis=True, pad=True)
        return Content.assemble(lead, self._focused(row) if focused else row)

    def _focused(self, row: Content) -> Content:
        # A colour in reverse video is a block of that colour: there the row has one colour alone.
        return Content.styled(row.plain, "reverse") if self.app.current_theme.ansi else row.stylize("on $selection")

    def action_move(self, by: int) -> None:
        """Move the focus."""
        self.cursor += by

    def action_take(self) -> None:
        """Take the choice in focus."""
        self.post_message(self.Taken(self._offers[self.cursor].id))

    def on_key(self, event: events.Key) -> None:
        """Take a choice by its own key, or by its number where it has none."""
        for number, offer in enumerate(self._offers):
            if event.character and event.character == (offer.key or str(number + 1)):
                event.stop()
                self.cursor = number
                self.post_message(self.Taken(offer.id))
                return

    def on_click(self, event: events.Click) -> None:
        """Put the focus where the mouse is; a click on the focus takes it."""
        at = self._lines()[min(self._top + event.y, len(self._lines()) - 1)][0]
        if at == self.cursor:
            self.action_take()
        self.cursor = at

    @property
    def offer(self) -> Offer:
        """The choice in focus."""
        return self._offers[self.cursor]
