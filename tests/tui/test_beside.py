"""A diff in two columns: nothing of it is lost or shown twice, whatever its lines hold."""

from __future__ import annotations

import difflib

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from runbook.tui.presenter.beside import beside_rows
from runbook.tui.presenter.words import Row, width
from tests.tui.test_prepare import DIFF

LINES = st.lists(st.sampled_from(["a", "b", "--- c", "+++ d", "@@ e", "接続 " * 30, "\x1b[2J", "\u202ef"]), max_size=8)


def sides(rows: list[Row]) -> list[tuple[str, str]]:
    """Return what stands left and right of the line between."""
    found = []
    for row in rows:
        text = "".join(word for word, _ in row)
        left, _, right = text.partition(" │ ")
        found.append((left.rstrip(), right.rstrip()))
    return found


def test_what_goes_stands_beside_what_comes_with_the_numbers_of_both() -> None:
    assert sides(beside_rows(DIFF, 120)) == [
        ("     2   engine: mariadb", "     2   engine: mariadb"),
        ("    -3   max_connections: 5000", "    +3   max_connections: 500␛[2J"),
        ("     4   min_idle: 50", "     4   min_idle: 50"),
    ]


def test_a_new_file_has_nothing_at_the_left() -> None:
    rows = sides(beside_rows("--- /dev/null\n+++ b\n@@ -0,0 +1,2 @@\n+one\n+two\n", 120))
    assert rows == [("", "    +1 one"), ("", "    +2 two")]


def test_a_missing_line_break_at_the_end_is_told_on_its_line() -> None:
    rows = sides(beside_rows("@@ -1 +1 @@\n-one\n\\ No newline at end of file\n+one\n", 120))
    assert rows == [("    -1 one  (no line break at its end)", "    +1 one")]


@given(old=LINES, new=LINES)
def test_both_sides_are_whole_and_every_row_fits(old: list[str], new: list[str]) -> None:
    diff = "\n".join(difflib.unified_diff(old, new, "a", "b", lineterm="", n=100))
    rows = beside_rows(diff, 120)

    assert all(width(row) <= 120 for row in rows)
    assert all(text.isprintable() for row in rows for text, _ in row)
    if old == new:
        return
    for side, lines in ((0, old), (1, new)):
        told = "".join(each[side][7:] for each in sides(rows))
        wanted = "".join(line.replace("\x1b", "␛").replace("\u202e", "<U+202E>") for line in lines)
        assert told.replace(" ", "") == wanted.replace(" ", "")
        assert max((cell_len(each[side]) for each in sides(rows)), default=0) <= 57 + 1
