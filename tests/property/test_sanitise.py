"""Sanitising holds for every text, every sequence, and every way to cut a stream."""

import html as stdlib_html
import itertools
import json
import unicodedata

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from runbook.text import StreamSanitiser, markdown, one_line, reveal, sanitise
from runbook.text.control import suspicious, unseen
from runbook.text.escape import harmless_json

INVISIBLE = [
    *(0x061C, 0x180E, *range(0x200B, 0x2010), *range(0x2028, 0x202F), *range(0x2060, 0x2065), *range(0x2066, 0x2070)),
    *(*range(0xD800, 0xE000), *range(0xFDD0, 0xFDF0), 0xFEFF, *range(0xFFF9, 0xFFFC), *range(0xE0000, 0xE0100)),
    *(plane << 16 | last for plane in range(17) for last in (0xFFFE, 0xFFFF)),
]
FORBIDDEN = {chr(code) for code in [*range(0x20), *range(0x7F, 0xA0), *INVISIBLE]} - {"\n", "\t"}


def corpus() -> list[str]:
    """Generate escape sequences: each introducer with each kind of body and each kind of end."""
    strings = ["\x1b]", "\x1bP", "\x1bX", "\x1b^", "\x1b_", "\x90", "\x98", "\x9d", "\x9e", "\x9f"]
    bodies = ["", "0;title", "52;c;cm0=", "8;;http://a.example", "1$r0m", "é漢", "a\x00b", "x" * 300]
    ends = ["\x07", "\x9c", "\x1b\\", "\x18", "\n", ""]
    sequences = ["".join(parts) for parts in itertools.product(strings, bodies, ends)]
    parameters = ["", "0", "31", "1;31", "38;2;1;2;3", "?25", ">0", "38:2::1", " ", "!", "1\x001", "\x7f"]
    finals = ["m", "H", "J", "K", "h", "l", "n", "A", "@", "~", "q", "p", "["]
    sequences += ["".join(parts) for parts in itertools.product(["\x1b[", "\x9b", "\x1b\x00["], parameters, finals)]
    sequences += [f"\x1b{middle}{chr(final)}" for middle in ("", "(", "#", " ", "%") for final in range(0x30, 0x7F)]
    sequences += sorted(FORBIDDEN - {chr(code) for code in range(0xD800, 0xE000)})
    sequences += [f"{first}\x1b[31m" for first in ("\x1b", "\x1b[", "\x1b]0;", "\x1bP", "\x9b3", "\x9d", "\r", "\x1b(")]
    return sequences


CORPUS = corpus()
pieces = st.one_of(
    st.sampled_from(CORPUS), st.text(max_size=6), st.sampled_from(sorted(FORBIDDEN | set("\n\t\\[]m;0Px")))
)
texts = st.lists(pieces, max_size=12).map("".join)


def forbidden_in(text: str) -> set[str]:
    return FORBIDDEN & set(text)


def encodable(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def test_the_corpus_is_large() -> None:
    assert len(set(CORPUS)) >= 300


def test_every_sequence_of_the_corpus_goes_and_the_text_around_it_stays() -> None:
    for sequence in CORPUS:
        shown = sanitise(f"before{sequence}\nafter")
        assert forbidden_in(shown) == set(), repr(sequence)
        assert shown.startswith("before"), repr(sequence)
        assert shown.endswith("\nafter"), repr(sequence)


def test_every_sequence_of_the_corpus_may_be_cut_at_every_byte() -> None:
    for sequence in CORPUS:
        data = encodable(f"é{sequence}é\nz")
        expected = sanitise(data.decode("utf-8", "replace"))
        for cut in range(len(data) + 1):
            stream = StreamSanitiser()
            assert stream.feed(data[:cut]) + stream.feed(data[cut:]) + stream.flush() == expected, (sequence, cut)


def test_bytewise_feeding_makes_no_difference() -> None:
    data = encodable("é".join(CORPUS))
    stream = StreamSanitiser()
    shown = "".join(stream.feed(data[at : at + 1]) for at in range(len(data))) + stream.flush()
    assert shown == sanitise(data.decode("utf-8", "replace"))


@given(texts)
def test_nothing_forbidden_is_left(text: str) -> None:
    assert forbidden_in(sanitise(text)) == set()


@given(texts)
def test_sanitising_twice_changes_nothing_more(text: str) -> None:
    assert sanitise(sanitise(text)) == sanitise(text)


@given(st.text(alphabet=st.characters(exclude_categories=["C", "Z"], include_characters=" \n\t"), max_size=80))
def test_text_without_control_stays_as_it_is(text: str) -> None:
    assert sanitise(text) == text


@given(st.one_of(st.binary(max_size=80), texts.map(encodable)), st.data())
def test_any_bytes_may_be_cut_anywhere(data: bytes, draw: st.DataObject) -> None:
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=8)))
    stream = StreamSanitiser()
    edges = [0, *cuts, len(data)]
    shown = "".join(stream.feed(data[start:end]) for start, end in itertools.pairwise(edges)) + stream.flush()
    assert shown == sanitise(data.decode("utf-8", "replace"))


@given(texts)
def test_a_terminal_draws_sanitised_text_without_any_effect(text: str) -> None:
    screen = pyte.Screen(80, 24)
    before = (screen.title, screen.icon_name, set(screen.mode), screen.margins, screen.cursor.attrs)
    pyte.Stream(screen).feed(sanitise(text))
    assert (screen.title, screen.icon_name, set(screen.mode), screen.margins, screen.cursor.attrs) == before


def test_the_quick_look_misses_no_forbidden_character() -> None:
    missed = [hex(ord(character)) for character in FORBIDDEN if not suspicious(f"é{character}")]
    assert missed == []
    assert [hex(ord(c)) for c in FORBIDDEN if ord(c) < 0x80 and not suspicious(c)] == []


@pytest.mark.parametrize("category", ["Cc", "Zl", "Zp"])
def test_no_character_of_a_control_category_is_forgotten(category: str) -> None:
    members = {chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) == category}
    assert members - FORBIDDEN == {"\n", "\t"} & members


@given(texts)
def test_reveal_leaves_nothing_unseen_and_changes_nothing_twice(text: str) -> None:
    shown = reveal(text)
    assert forbidden_in(shown) == set()
    assert unseen().search(shown) is None
    assert reveal(shown) == shown


@given(texts)
def test_reveal_hides_nothing(text: str) -> None:
    assert len(reveal(text)) >= len(text)


@given(texts, st.integers(1, 40))
def test_one_line_is_one_line_within_its_limit(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit
    assert "\n" not in line
    assert "\t" not in line


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=30))
def test_markdown_renders_any_ascii_as_itself(text: str) -> None:
    expected = one_line(text)
    rendered = MarkdownIt("commonmark").enable("table").render(markdown(text))
    shown = rendered.removeprefix("<p>").removesuffix("</p>\n")
    assert "<" not in shown
    assert stdlib_html.unescape(shown) == expected


@given(texts)
def test_json_is_harmless_to_look_at_and_its_value_stays_the_same(text: str) -> None:
    value = {encodable(text).decode(): [encodable(text).decode(), 1]}

    shown = harmless_json(json.dumps(value, ensure_ascii=False).encode())

    assert forbidden_in(shown.decode()) == set()
    assert json.loads(shown) == value
    assert harmless_json(shown) == shown


def test_an_unseen_character_beyond_the_first_plane_is_escaped_as_a_pair() -> None:
    assert harmless_json('"a\U000e0041\x7f\x9b\u202eé漢"'.encode()) == r'"a\udb40\udc41\u007f\u009b\u202eé漢"'.encode()
