"""A window of a line of output: so many cells from a cell on, exact for wide and zero-width characters.

Lines may be a million characters long, so nothing here looks at all of one each time that it is drawn.
"""

from __future__ import annotations

from bisect import bisect_right

from rich.cells import get_character_cell_size

_BLOCK = 2048
_STACK = 3
"""Characters without a width that may stand on one cell; more are a trick to paint over other lines."""


class Ruler:
    """Measures one text that is not plain ASCII."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._starts = [0]
        """The cell at which each block begins."""
        for at in range(0, len(text), _BLOCK):
            self._starts.append(self._starts[-1] + sum(map(get_character_cell_size, text[at : at + _BLOCK])))

    @property
    def cells(self) -> int:
        """How many cells the text takes."""
        return self._starts[-1]

    def window(self, start: int, cells: int) -> str:
        """Return what stands in so many cells; half of a wide character is a space."""
        block = max(bisect_right(self._starts, start, hi=len(self._starts) - 1) - 1, 0)
        cell = self._starts[block]
        drawn: list[str] = []
        stacked = 0
        end = start + cells
        for at in range(block * _BLOCK, len(self.text)):
            character = self.text[at]
            size = get_character_cell_size(character)
            if size == 0:
                stacked += 1
                if drawn and stacked <= _STACK:
                    drawn.append(character)
                continue
            if cell >= end:
                break
            stacked = 0
            if cell >= start and cell + size <= end:
                drawn.append(character)
            elif cell + size > start:
                drawn.append(" " * (min(cell + size, end) - max(cell, start)))
            cell += size
        return "".join(drawn)


def window(text: str, start: int, cells: int) -> str:
    """Return the cells of a text from `start` on, at most so many."""
    if text.isascii():
        return text[start : start + cells]
    return Ruler(text).window(start, cells)
