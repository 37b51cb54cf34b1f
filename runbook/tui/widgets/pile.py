"""A list with a cursor, drawn line by line: rows of one or more lines with a gap between them.

Only the visible lines are drawn, so that a thousand rows cost no more than ten. Text that does not fit is cut with an
ellipsis here; who needs all of it shows it beside the list.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import ClassVar

from msgspec import Struct
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.visual import Visual

_REVERSE = Style(reverse=True)


class Row(Struct, frozen=True, eq=False):
    """One row: its lines, each with what stands at its right edge."""

    id: str
    lines: tuple[Content, ...]
    right: tuple[Content, ...] = ()


class Pile(ScrollView, can_focus=True):
    """A list of rows; the cursor stays on its row while others come and go.

    With the class `-armed` its bar is that of the focus: Enter acts on its row from somewhere else.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"pile--cursor", "pile--bar", "pile--bar-blurred"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "up", show=False, id="list.up", tooltip="The row above"),
        Binding("down,j", "move(1)", "down", show=False, id="list.down", tooltip="The row below"),
        Binding("home,g", "edge(-1)", "first", show=False, id="list.first", tooltip="The first row"),
        Binding("end,G", "edge(1)", "last", show=False, id="list.last", tooltip="The last row"),
        Binding("pageup", "page(-1)", "page up", show=False, id="list.page_up", tooltip="One screen up"),
        Binding("pagedown", "page(1)", "page down", show=False, id="list.page_down", tooltip="One screen down"),
        Binding("enter", "choose", "choose", show=False, id="list.choose", tooltip="Take the row of the cursor"),
    ]

    cursor: reactive[int] = reactive(0)

    class Moved(Message):
        """The cursor stands on another row."""

        def __init__(self, pile: Pile, row: str) -> None:
            super().__init__()
            self.pile = pile
            self.row = row

        @property
        def control(self) -> Pile:
            """The list."""
            return self.pile

    class Chosen(Moved):
        """A row was taken, by Enter or by a click on the row of the cursor."""

    class Resized(Message):
        """There is more or less room: rows that are made for a width have to be made anew."""

    class Edge(Message):
        """The cursor was to leave the list."""

        def __init__(self, pile: Pile, by: int) -> None:
            super().__init__()
            self.pile = pile
            self.by = by

        @property
        def control(self) -> Pile:
            """The list."""
            return self.pile

    def __init__(self, bar: str, *, gap: int = 0, quiet: bool = False, id: str | None = None) -> None:  # noqa: A002
        """Build an empty list.

        Args:
            bar: the sign at the left of the cursor's row.
            gap: empty lines between rows.
            quiet: show the cursor only while the list has the focus.
            id: as of any widget.
        """
        super().__init__(id=id)
        self._bar = bar
        self._gap = gap
        self._quiet = quiet
        self._rows: tuple[Row, ...] = ()
        self._starts: list[int] = []
        self._strips: dict[tuple[int, int, bool, bool], list[Strip]] = {}

    @property
    def rows(self) -> tuple[Row, ...]:
        """What is in the list."""
        return self._rows

    @property
    def row(self) -> Row | None:
        """The row of the cursor."""
        return self._rows[self.cursor] if 0 <= self.cursor < len(self._rows) else None

    def show(self, rows: tuple[Row, ...], *, keep: bool = True) -> None:
        """Show other rows; the cursor stays on the row with its id if that is there and `keep` says so."""
        before = self.row
        self._rows = rows
        self._starts, at = [], 0
        for row in rows:
            self._starts.append(at)
            at += len(row.lines) + self._gap
        self._strips.clear()
        self.virtual_size = Size(self.scrollable_content_region.width, max(0, at - self._gap))
        ids = [row.id for row in rows]
        cursor = ids.index(before.id) if keep and before is not None and before.id in ids else 0
        moved = cursor != self.cursor
        self.cursor = cursor
        if not moved and (self.row.id if self.row else "") != (before.id if before else ""):
            self._tell()
        self.refresh()

    def validate_cursor(self, cursor: int) -> int:
        """Keep the cursor on a row."""
        return max(0, min(cursor, len(self._rows) - 1))

    def watch_cursor(self) -> None:
        """Tell, and keep the row in sight."""
        self.refresh()
        self._tell()

    def _tell(self) -> None:
        row = self.row
        if row is None:
            return
        height = len(row.lines)
        region = Region(
            0, self._starts[self.cursor], 1, height + (self._gap if self.cursor + 1 < len(self._rows) else 0)
        )
        self.scroll_to_region(region, animate=False, force=True, immediate=True)
        self.post_message(self.Moved(self, row.id))

    def watch_has_focus(self, _has_focus: bool) -> None:
        """Draw the bar anew: it tells where the focus is."""
        super().watch_has_focus(_has_focus)
        self.refresh()

    def arm(self, armed: bool) -> None:
        """Say whether Enter acts on the row of the cursor while the focus is elsewhere."""
        self.set_class(armed, "-armed")
        self.refresh()

    def notify_style_update(self) -> None:
        """Forget what was drawn in other colours."""
        super().notify_style_update()
        self._strips.clear()

    def on_resize(self) -> None:
        """Forget what was drawn for another width."""
        self._strips.clear()
        self.virtual_size = Size(self.scrollable_content_region.width, self.virtual_size.height)
        self.post_message(self.Resized())

    def render_line(self, y: int) -> Strip:
        """Draw one visible line."""
        width = self.scrollable_content_region.width
        line = self.scroll_offset.y + y
        index = bisect_right(self._starts, line) - 1
        if not 0 <= index < len(self._rows) or line - self._starts[index] >= len(self._rows[index].lines):
            return Strip.blank(width, self.rich_style)
        return self._drawn(index, width)[line - self._starts[index]]

    def _drawn(self, index: int, width: int) -> list[Strip]:
        armed = self.has_focus or self.has_class("-armed")
        here = index == self.cursor and (armed or not self._quiet)
        key = (index, width, here, here and armed)
        if key not in self._strips:
            # A visual style knows no reverse video, which is what the cursor is made of where surfaces vanish.
            reverse = here and self.get_component_styles("pile--cursor").text_style.reverse
            row = _bare(self._rows[index]) if reverse else self._rows[index]
            right = (*row.right, *[Content("")] * len(row.lines))
            style = self.get_visual_style("pile--cursor") if here else self.visual_style
            bar = self.get_visual_style("pile--bar" if armed else "pile--bar-blurred")
            strips = [
                Visual.to_strips(
                    self,
                    Content.assemble(
                        (f"{self._bar} ", "" if reverse else bar) if here else "  ",
                        fitted(line.stylize("bold") if here and not n else line, right[n], width - 2),
                    ),
                    width,
                    1,
                    style,
                    pad=True,
                )[0]
                for n, line in enumerate(row.lines)
            ]
            self._strips[key] = [strip.apply_style(_REVERSE) for strip in strips] if reverse else strips
        return self._strips[key]

    def action_move(self, by: int) -> None:
        """Move the cursor; at the end say so."""
        if not 0 <= self.cursor + by < len(self._rows):
            self.post_message(self.Edge(self, by))
        self.cursor += by

    def action_edge(self, to: int) -> None:
        """Go to the first or last row."""
        self.cursor = 0 if to < 0 else len(self._rows) - 1

    def action_page(self, by: int) -> None:
        """Move by what is in sight."""
        each = (len(self._rows[0].lines) if self._rows else 1) + self._gap
        self.cursor += by * max(1, self.scrollable_content_region.height // each)

    def action_choose(self) -> None:
        """Take the row of the cursor."""
        if self.row is not None:
            self.post_message(self.Chosen(self, self.row.id))

    def on_click(self, event: events.Click) -> None:
        """Go to the row of the click; on the row of the cursor take it."""
        line = self.scroll_offset.y + event.get_content_offset_capture(self).y
        index = bisect_right(self._starts, line) - 1
        if not 0 <= index < len(self._rows):
            return
        if index == self.cursor and event.chain > 1:
            self.action_choose()
        self.cursor = index


def _bare(row: Row) -> Row:
    """Return a row without colours: in reverse video each would be a block of it."""
    return Row(row.id, tuple(Content(x.plain) for x in row.lines), tuple(Content(x.plain) for x in row.right))


def fitted(left: Content, right: Content, width: int) -> Content:
    """Return both on one line of exactly `width` columns; the left gives way."""
    room = width - right.cell_length - (2 if right else 0)
    if right and room < 12:
        return fitted(left, Content(""), width)
    cut = between_words(left, max(room, 1))
    return Content.assemble(cut, " " * max(0, width - cut.cell_length - right.cell_length), right)


def between_words(text: Content, cells: int) -> Content:
    """Return the text in at most so many cells; what is left out begins with a whole word, if that is not too much."""
    if text.cell_length <= cells:
        return text
    kept = text.truncate(max(cells - 1, 0)).plain
    end = kept.rfind(" ")
    if end < len(kept) * 2 // 3 or text.plain[len(kept) : len(kept) + 1] == " ":
        return text.truncate(cells, ellipsis=True)
    return Content.assemble(text[: end + 1], "…")
