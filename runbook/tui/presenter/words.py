"""Rows of words with their styles: what presenters return and `Look.row` draws.

A style names tokens (`$muted`, `bold $good`), as style sheets do. Text of targets and playbooks has been sanitised
before it becomes a word here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from rich.cells import cell_len, chop_cells, set_cell_size

from runbook.text.mark import mark_of, status_word

Word: TypeAlias = tuple[str, str]
"""Some text and its style."""

Row: TypeAlias = tuple[Word, ...]

BLANK: Row = ()


def plain(text: str) -> Word:
    """Return words without a style."""
    return (text, "")


def muted(text: str) -> Word:
    """Return a label, a unit, something past."""
    return (text, "$muted")


def bold(text: str) -> Word:
    """Return what counts in a row."""
    return (text, "bold")


def mark(status: str) -> Word:
    """Return the mark of a status in its colour."""
    found = mark_of(status)
    return (found.symbol, f"${found.tone}")


def said(status: str, says: str = "") -> Word:
    """Return mark and word of a status in its colour; `says` stands for the word where another one fits."""
    found = mark_of(status)
    return (f"{found.symbol} {says or status_word(status)}", f"${found.tone}")


def width(row: Row) -> int:
    """Return how many cells a row takes."""
    return sum(cell_len(text) for text, _ in row)


def fit(text: str, cells: int) -> str:
    """Return the text in exactly so many cells; what is cut off is told by an ellipsis."""
    if cells <= 0:
        return ""
    if cell_len(text) > cells:
        text = set_cell_size(text, cells - 1).rstrip() + "…"
    return set_cell_size(text, cells)


def shortened(row: Row, cells: int) -> Row:
    """Return the row in at most so many cells."""
    if width(row) <= cells:
        return row
    kept: list[Word] = []
    left = cells
    for text, style in row:
        long = cell_len(text)
        if long >= left:
            kept.append((fit(text, left) if long > left or row[-1] != (text, style) else text, style))
            break
        kept.append((text, style))
        left -= long
    return tuple(kept)


def ends(left: Row, right: Row, cells: int) -> Row:
    """Return one row with a part at either end; where both do not fit, the right one goes."""
    gap = cells - width(left) - width(right)
    if gap < 2:
        return shortened(left, cells)
    return (*left, (" " * gap, ""), *right)


def wrapped(row: Row, cells: int, indent: int = 0) -> list[Row]:
    """Break a row between words so that it fits; what follows the first one is indented."""
    rows: list[Row] = []
    now: list[Word] = []
    left = cells
    for group in _groups(row, max(cells - indent, 4)):
        long = width(group)
        is_blank = not any(text.strip() for text, _ in group)
        if long > left and now and not is_blank:
            rows.append(tuple(now))
            now, left = ([(" " * indent, "")] if indent else []), cells - indent
        if is_blank and not any(word.strip() for word, _ in now) and rows:
            continue
        now += group
        left -= long
    rows.append(tuple(now))
    return [tuple(joined(_trimmed(each))) for each in rows]


def _trimmed(row: Row) -> Row:
    while row and row[-1][0] == " ":
        row = row[:-1]
    return row


def _groups(row: Row, cells: int) -> Iterator[Row]:
    """Yield blanks, and what stands together between them: a word may have more than one style."""
    word: list[Word] = []
    for text, style in row:
        for number, part in enumerate(text.split(" ")):
            if number:
                yield from _fitting(tuple(word), cells)
                word = []
                yield ((" ", style),)
            if part:
                word.append((part, style))
    yield from _fitting(tuple(word), cells)


def _fitting(word: Row, cells: int) -> Iterator[Row]:
    if not word or width(word) <= cells:
        yield from [word] if word else ()
        return
    for text, style in word:
        for piece in chop_cells(text, cells) if cell_len(text) > cells else [text]:
            yield ((piece, style),)


def joined(row: Iterable[Word]) -> Iterator[Word]:
    """Yield the words, neighbours of one style as one."""
    held: Word | None = None
    for text, style in row:
        if held is not None and held[1] == style:
            held = (held[0] + text, style)
            continue
        if held is not None:
            yield held
        held = (text, style)
    if held is not None:
        yield held
