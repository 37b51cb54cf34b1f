"""A unified diff as two columns, as it is at the left and as it would be at the right; for where there is room."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.cells import cell_len

from runbook.text import reveal
from runbook.tui.presenter.words import Row, Word, fit

BESIDE = 110
"""Cells from which two columns are better than one."""

WELL = "on $well"
_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")
_NUMBER = 6

_Side = tuple[int, str] | None
"""The number of a line and its text; nothing where the other side has one more."""


def beside_rows(diff: str, cells: int) -> list[Row]:
    """Return the diff in two columns of the same width; lines that belong together stand beside each other.

    What is longer than a column goes on below, so that nothing is cut off. Every control character is visible.
    """
    room = (cells - 5) // 2
    rows: list[Row] = []
    for left, right, kind in _pairs(diff):
        if kind == "gap":
            rows.append((("  ...", f"$muted {WELL}"),))
            continue
        one, other = _cell(left, room, "-" if kind == "changed" else " "), _cell(right, room, "+")
        if kind == "same":
            other = _cell(right, room, " ")
        empty: Row = ((" " * room, WELL),)
        for number in range(max(len(one), len(other))):
            at_left = one[number] if number < len(one) else empty
            at_right = other[number] if number < len(other) else empty
            rows.append((*at_left, (" │ ", f"$rule {WELL}"), *at_right))
    return rows


def _cell(side: _Side, room: int, sign: str) -> list[Row]:
    """Return the rows of one side: its number once, its text in as many rows as it takes."""
    if side is None:
        return []
    number, text = side
    tone = {"-": "$bad", "+": "$good"}.get(sign, "")
    style = f"{tone} {WELL}".strip()
    rows: list[Row] = []
    for piece in _pieces(text, room - _NUMBER - 1):
        label = f"{sign.strip()}{number}" if not rows else ""
        head: Word = (f"{label:>{_NUMBER}} ", style if tone else f"$muted {WELL}")
        rows.append((head, (fit(piece, room - _NUMBER - 1), style)))
    return rows


def _pieces(text: str, cells: int) -> Iterator[str]:
    piece, taken = "", 0
    for character in text:
        wide = cell_len(character)
        if taken + wide > cells:
            yield piece
            piece, taken = "", 0
        piece, taken = piece + character, taken + wide
    yield piece


def _pairs(diff: str) -> Iterator[tuple[_Side, _Side, str]]:
    """Yield lines that stand beside each other, and whether they are the same, changed, or a gap is between."""
    gone: list[tuple[int, str]] = []
    come: list[tuple[int, str]] = []
    old = new = 0
    for raw in diff.rstrip("\n").split("\n"):
        line = reveal(raw, keep="").replace("␉", "    ")
        hunk = _HUNK.match(line)
        if line.startswith("\\ "):
            if last := come or gone:
                last[-1] = (last[-1][0], f"{last[-1][1]}  (no line break at its end)")
            continue
        if line.startswith("-") and old:
            if come:
                yield from _changed(gone, come)
                gone, come = [], []
            gone.append((old, line[1:]))
            old += 1
            continue
        if line.startswith("+") and old:
            come.append((new, line[1:]))
            new += 1
            continue
        yield from _changed(gone, come)
        gone, come = [], []
        if hunk is not None:
            if old:
                yield None, None, "gap"
            # A file that is not there yet begins at line 0.
            old, new = max(int(hunk[1]), 1), max(int(hunk[2]), 1)
        elif old:
            yield (old, line[1:]), (new, line[1:]), "same"
            old, new = old + 1, new + 1
    yield from _changed(gone, come)


def _changed(gone: list[tuple[int, str]], come: list[tuple[int, str]]) -> Iterator[tuple[_Side, _Side, str]]:
    for number in range(max(len(gone), len(come))):
        one = gone[number] if number < len(gone) else None
        yield one, come[number] if number < len(come) else None, "changed"
