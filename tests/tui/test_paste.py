"""Pastes: text alone, however they are cut into pieces on their way."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from textual import events

from runbook.tui.paste import CalmParser, PasteFilter

ALERT = "a \x1b[31mpool\x1b[0m exhausted\r\x1b]2;t\x07 \x1b for \x1b[9;5x 5 m\r"
SENT = f"ab\x1b\x1b[A\x1b[200~{ALERT}\x1b[201~c\r"


def test_a_paste_with_control_sequences_is_no_key() -> None:
    parser = CalmParser()
    heard = [*parser.feed(SENT), *parser.tick()]

    pasted = [event.text for event in heard if isinstance(event, events.Paste)]
    assert pasted == ["a pool exhausted\r]2;t\x07  for  5 m\r"]
    assert [event.key for event in heard if isinstance(event, events.Key)][-2:] == ["c", "enter"]
    assert [event.key for event in heard if isinstance(event, events.Key)].count("enter") == 1


@given(st.lists(st.integers(0, len(SENT))))
def test_what_is_read_does_not_hang_on_where_it_was_cut(cuts: list[int]) -> None:
    places = sorted({0, *cuts, len(SENT)})
    pieces = [SENT[one:other] for one, other in pairwise(places)]
    whole, cut = PasteFilter(), PasteFilter()

    assert "".join(map(cut.feed, pieces)) == whole.feed(SENT)


@given(st.text(alphabet="a\r\x1b[A01~").filter(lambda text: "\x1b[200~" not in text))
def test_what_is_typed_passes_at_once(text: str) -> None:
    assert PasteFilter().feed(text) == text
