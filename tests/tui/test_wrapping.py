"""Breaking words into rows: between words, whatever their styles, and inside one only where a row is too short."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runbook.tui.presenter.words import Row, width, wrapped

STYLED = st.lists(st.tuples(st.text(alphabet="ab: 名-", max_size=12), st.sampled_from(("", "bold"))), max_size=8)


def texts(row: Row, cells: int, indent: int = 0) -> list[str]:
    return ["".join(text for text, _ in each) for each in wrapped(row, cells, indent)]


def test_a_word_of_two_styles_stays_together() -> None:
    row: Row = (("1234567 ", ""), ("Look for", "bold"), (": the order-service again", ""))

    assert texts(row, 16) == ["1234567 Look", "for: the", "order-service", "again"]
    assert texts(row, 8) == ["1234567", "Look", "for: the", "order-se", "rvice", "again"]


@given(STYLED, st.integers(6, 30), st.integers(0, 2))
def test_every_row_fits_and_no_letter_is_lost(words: list[tuple[str, str]], cells: int, indent: int) -> None:
    rows = wrapped(tuple(words), cells, indent)

    assert [row for row in rows if width(row) > cells] == []
    drawn = "".join(text for row in rows for text, _ in row)
    assert drawn.replace(" ", "") == "".join(text for text, _ in words).replace(" ", "")
