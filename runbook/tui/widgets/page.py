"""Rows of a presenter, as high as they are: made for the width that there is, and again when it changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget

from runbook.tui.look import Look

WELL = "$well"

Rows: TypeAlias = Callable[[int], Sequence[tuple[tuple[str, str], ...]]]
"""Makes rows for so many cells."""


class Page(Widget):
    """Draws rows; words on the ground of the well fill their line."""

    def __init__(self, look: Look, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._look = look
        self._make: Rows = lambda _: ()
        self._rows: tuple[tuple[tuple[str, str], ...], ...] = ()
        self._width = -1
        self._made: dict[int, tuple[tuple[tuple[str, str], ...], ...]] = {}
        """Rows by width: a layout asks again and again, with and without the room of a scrollbar."""

    def show(self, make: Rows) -> None:
        """Show other rows; draws only if they differ."""
        self._make, self._made = make, {}
        width = self.size.width or self._width
        if width <= 0:
            self._width = -1
            self.refresh(layout=True)
            return
        rows = self._made[width] = tuple(make(width))
        if rows == self._rows and width == self._width:
            return
        moved = len(rows) != len(self._rows)
        self._rows, self._width = rows, width
        self.refresh(layout=moved)

    @property
    def height(self) -> int:
        """How many rows there are."""
        return len(self._rows)

    def _of(self, width: int) -> tuple[tuple[tuple[str, str], ...], ...]:
        if width != self._width and width > 0:
            if width not in self._made:
                self._made[width] = tuple(self._make(width))
            self._rows, self._width = self._made[width], width
        return self._rows

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many lines as rows."""
        return len(self._of(width))

    def render(self) -> Content:
        """Draw all rows."""
        width = self.size.width
        return Content("\n").join(self._line(row, width) for row in self._of(width))

    def _line(self, row: tuple[tuple[str, str], ...], width: int) -> Content:
        line = self._look.row(row)
        if row and WELL in row[-1][1]:
            bar = Content.styled(self._look.own("│"), "$rule") if self.app.current_theme.ansi else Content(" ")
            line = Content.assemble(bar, line).truncate(width, ellipsis=True)
            return line.pad_right(max(width - line.cell_length, 0)).stylize(f"on {WELL}")
        return line.truncate(width, ellipsis=True)
