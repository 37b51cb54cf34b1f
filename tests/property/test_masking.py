"""No declared secret gets out: any value, any common encoding, any cut, at any place."""

import base64
import html
import itertools
import json
import shlex
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runbook.secret import MARKER, Masker
from runbook.text import StreamSanitiser, sanitise

ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
    "base64 url": lambda value: base64.urlsafe_b64encode(value.encode()).decode(),
    "base64 after 1": lambda value: base64.b64encode(b"\xf5" + value.encode()).decode()[2:],
    "base64 after 2": lambda value: base64.b64encode(b"\xf5\xf5" + value.encode()).decode()[3:],
    "base64 of a line": lambda value: base64.b64encode(value.encode() + b"\n").decode(),
    "hex": lambda value: value.encode().hex(),
    "hex upper": lambda value: value.encode().hex().upper(),
    "hex with colons": lambda value: value.encode().hex(":"),
    "hex with colons upper": lambda value: value.encode().hex(":").upper(),
    "url": quote,
    "url strict": lambda value: quote(value, safe=""),
    "url plus": quote_plus,
    "json": lambda value: json.dumps(value)[1:-1],
    "json utf-8": lambda value: json.dumps(value, ensure_ascii=False)[1:-1],
    "shell": shlex.quote,
    "html": html.escape,
    "html text": lambda value: html.escape(value, quote=False),
    "python": lambda value: repr(value)[1:-1],
    "python bytes": lambda value: repr(value.encode())[2:-1],
}

PRINTABLE = st.characters(exclude_categories=["C", "Z"], include_characters=" ")
secrets = st.text(PRINTABLE, min_size=6, max_size=24).map(str.strip).filter(lambda value: len(value) >= 6)
easily_overlapping = st.text("ab'\\ &", min_size=6, max_size=10).map(str.strip).filter(lambda value: len(value) >= 6)
values = st.one_of(secrets, easily_overlapping)
# Output around a secret; free of what could be a part of one, so that every find is a leak.
around = st.text("xyz .,\n\t\r\x1b[;]0m\x07\u200b", max_size=12)
control = st.sampled_from(["\x1b[0m", "\x1b[1;31m", "\x1b]0;t\x07", "\x1b]0;t\x1b\\", "\x9b1m", "\r", "\x00", "\u200b"])


def masker_of(*values: str) -> Masker:
    masker = Masker()
    for value in values:
        masker.add(value, "name")
    return masker


def in_pieces(masker: Masker, data: bytes, cuts: list[int]) -> bytes:
    stream = masker.stream()
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return b"".join(stream.feed(data[start:end]) for start, end in itertools.pairwise(edges)) + stream.flush()


def as_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


cuts = st.lists(st.integers(0, 400), max_size=6)


@pytest.mark.parametrize("name", ENCODINGS)
@given(value=values, before=around, after=around, cuts=cuts)
def test_no_encoding_leaks_in_one_piece_or_in_many(
    name: str, value: str, before: str, after: str, cuts: list[int]
) -> None:
    encoded = ENCODINGS[name](value)
    masker = masker_of(value)
    text = f"{before}{encoded}{after}"
    masked = masker.mask(text)
    assert encoded not in masked
    assert MARKER in masked
    assert not masker.finds(masked)
    assert in_pieces(masker, as_bytes(text), cuts) == as_bytes(masked)


@pytest.mark.parametrize("name", ENCODINGS)
def test_no_encoding_leaks_at_any_single_cut(name: str) -> None:
    value = "p&ss w0rd/'ünï\"$x\\"
    masker = masker_of(value)
    data = as_bytes(f"a {ENCODINGS[name](value)}\r\nb")
    expected = as_bytes(masker.mask(data.decode()))
    assert not masker.finds(expected)
    for cut in range(len(data) + 1):
        assert in_pieces(masker, data, [cut]) == expected, cut


@given(value=values, inside=st.lists(st.tuples(st.integers(1, 23), control), min_size=1, max_size=3), cuts=cuts)
def test_control_inside_a_secret_never_brings_it_to_the_screen(
    value: str, inside: list[tuple[int, str]], cuts: list[int]
) -> None:
    text = value
    for offset, sequence in inside:
        place = offset % len(text)
        text = text[:place] + sequence + text[place:]
    masker = masker_of(value)
    data = as_bytes(f"x {text} y")
    screen = StreamSanitiser()
    masked = in_pieces(masker, data, cuts)
    assert value not in screen.feed(masked) + screen.flush()
    assert masked == as_bytes(masker.mask(data.decode()))


@given(
    text=st.text(st.sampled_from("abcA\x1b[]0;m\x07\x9b\x9d\x00\r\n\u200b"), max_size=40),
    values=st.lists(st.text("abcA;m0", min_size=6, max_size=9), min_size=1, max_size=3),
    cuts=cuts,
)
@example(text="abcabcabcabcabc", values=["abcabc", "cabcab"], cuts=[3, 4, 7])
def test_masked_and_sanitised_text_holds_no_secret(text: str, values: list[str], cuts: list[int]) -> None:
    masker = masker_of(*values)
    masked = masker.mask(text)
    assert not any(value in masked for value in values)
    assert not any(value in sanitise(masked) for value in values)
    assert in_pieces(masker, as_bytes(text), cuts) == as_bytes(masked)


@given(data=st.binary(max_size=80), cuts=cuts)
def test_bytes_without_a_secret_pass_unchanged_however_cut(data: bytes, cuts: list[int]) -> None:
    masker = masker_of("\u4e00\u4e01\u4e02\u4e03\u4e04\u4e05")
    assert in_pieces(masker, data, cuts) == data


@given(value=values, cuts=cuts, tail=st.text("xyz\n", max_size=5))
def test_expressions_agree_in_one_piece_and_in_many(value: str, cuts: list[int], tail: str) -> None:
    masker = masker_of(value)
    masker.redact(r"key=\w+|^x.*z$")
    text = f"key=abc {value}\nxyz\r\nxkey=\x1b[1mab\x1b[0mz {tail}\n{tail}"
    assert in_pieces(masker, as_bytes(text), cuts) == as_bytes(masker.mask(text))


@given(lines=st.lists(st.text("abcdefgh0123", min_size=6, max_size=12), min_size=2, max_size=4))
def test_no_line_of_a_secret_is_shown(lines: list[str]) -> None:
    masker = masker_of("\n".join(lines))
    for line in lines:
        assert line not in masker.mask(f"x {line} y")


@given(
    leaf=values,
    key=st.text("kxyz", min_size=1, max_size=4),
    shape=st.sampled_from([lambda leaf: leaf, lambda leaf: [leaf], lambda leaf: {"deep": [1, leaf]}]),
)
def test_no_leaf_of_a_structured_secret_is_shown(leaf: str, key: str, shape: Callable[[str], object]) -> None:
    masker = masker_of(json.dumps({key: shape(leaf)}))
    assert leaf not in masker.mask(f"x {leaf} y")


# The texts of the tree are too short to hold a secret by chance.
@given(
    value=values,
    tree=st.recursive(
        st.integers(0, 9) | st.text("xyz", max_size=5),
        lambda node: st.lists(node) | st.dictionaries(st.text("xyz", max_size=5), node),
    ),
)
def test_no_tree_shows_a_secret(value: str, tree: object) -> None:
    masked = masker_of(value).mask_tree({value: [tree, value], "x": {f"a{value}": tree}})
    assert value not in repr(masked)
    assert masker_of(value).mask_tree(tree) == tree
