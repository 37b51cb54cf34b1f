"""Marks: where in a file each value and each key stands, and how it was written.

Lines and columns are counted from 1, columns in characters, as editors show them.
"""

from __future__ import annotations

from msgspec import Struct

from runbook.model.fault import ValuePath


class Mark(Struct, frozen=True, gc=False):
    """The place of one value."""

    line: int
    column: int
    key_line: int
    """The place of the key, or of the value itself where there is none."""
    key_column: int
    style: str = ""
    """How a scalar is written: nothing for plain, a quote, `|` or `>`."""


class Place(Struct, frozen=True):
    """A line and a column."""

    line: int
    column: int


class Marks:
    """The places of all values of one file, by path."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.table: dict[ValuePath, Mark] = {}
        self.written: dict[ValuePath, str] = {}
        """The text of scalars that are no text."""
        self._lines: list[str] | None = None

    def text_of(self, path: ValuePath) -> str | None:
        """Return how the number or truth value at a path was written."""
        return self.written.get(path)

    def place(self, path: ValuePath, *, at_key: bool = False) -> Place:
        """Return where the value at a path (or its key) stands, or the nearest value around it that is known."""
        known = path
        while known and known not in self.table:
            known = known[:-1]
        mark = self.table.get(known)
        if mark is None:
            return Place(1, 1)
        if at_key and known == path:
            return Place(mark.key_line, mark.key_column)
        return Place(mark.line, mark.column)

    def inside(self, path: ValuePath, value: str, offset: int) -> Place:
        """Return the place of a position inside a text, checked against what the file holds there."""
        mark = self.table.get(path)
        if mark is None or offset < 0 or mark.style == ">":
            return self.place(path)
        if mark.style != "|":
            return self._inside(mark, offset) if self._stands_there(mark, value) else self.place(path)
        head = value[:offset]
        line = mark.line + 1 + head.count("\n")
        rest = len(head) - (head.rfind("\n") + 1)
        written = self._line(line)
        wanted = value.split("\n")[head.count("\n")]
        indent = len(written) - len(wanted)
        # An explicit indentation or kept blank lines would shift the block; then its head is place enough.
        return Place(line, indent + rest + 1) if indent >= 0 and written.endswith(wanted) else self.place(path)

    def has_tab(self, line: int, column: int) -> bool:
        """Tell whether a tab stands at a place or in the indentation of its line."""
        written = self._line(line)
        indentation = written[: len(written) - len(written.lstrip())]
        return "\t" in indentation or written[column - 1 : column] == "\t"

    def _inside(self, mark: Mark, offset: int) -> Place:
        return Place(mark.line, mark.column + offset + (1 if mark.style in {'"', "'"} else 0))

    def _stands_there(self, mark: Mark, value: str) -> bool:
        start = mark.column - 1 + (1 if mark.style in {'"', "'"} else 0)
        return self._line(mark.line).startswith(value, start)

    def _line(self, number: int) -> str:
        if self._lines is None:
            self._lines = self.text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        return self._lines[number - 1] if 0 < number <= len(self._lines) else ""
