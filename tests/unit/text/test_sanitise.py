"""What sanitising drops, what it keeps, and what a person gets to see instead."""

import pytest

from runbook.text import StreamSanitiser, one_line, reveal, sanitise
from runbook.text.control import CSI_CAP, STRING_CAP


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain text\n\tindented\n", "plain text\n\tindented\n"),
        ("Größe → ✓ 漢字 👍", "Größe → ✓ 漢字 👍"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x9b31mred\x9b0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]0;title\x1b\\after", "after"),
        ("\x9d0;title\x9cafter", "after"),
        ("\x1b]52;c;cm0gLXJm\x07after", "after"),
        ("\x1b]8;;https://a.example\x07link\x1b]8;;\x07", "link"),
        ("\x1bP1$r0m\x1b\\after", "after"),
        ("\x90q#0\x9cafter", "after"),
        ("\x1b_apc\x1b\\a\x1b^pm\x1b\\b\x1bXsos\x1b\\c", "abc"),
        ("\x9fapc\x9ca\x9epm\x9cb\x98sos\x9cc", "abc"),
        ("\x1b(B\x1b)0\x1b#8\x1b%G\x1b7\x1bcafter", "after"),
        ("\x1b[2J\x1b[H\x1b[?1049h\x1b[6nafter", "after"),
        ("\x1b\x00[31mred", "red"),
        ("\x1b[3\x001mred", "red"),
        ("\x1b[31\x1b[32mgreen", "green"),
        ("\x1b]0;title\x1b[31mred", "red"),
        ("\x1bPtmux;\x1b\x1b]0;title\x07\x1b\\after", "after"),
        ("one\r\ntwo\rthree", "one\ntwothree"),
        ("a\x00b\x07c\x08d\x0be\x0cf\x7fg\x85h", "abcdefgh"),
        ("\u202eevil\u202c \u2066x\u2069 \u061c\u200e\u200f", "evil x "),
        ("a\u200bb\u200cc\u200dd\u2060e\ufefff", "abcdef"),
        ("tag\U000e0041\U000e007f", "tag"),
        ("a\u2028b\u2029c", "a\nb\nc"),
        ("a\ud800b\udfffc", "a\ufffdb\ufffdc"),
        ("a\ufffeb\U0010ffffc\ufdd0d", "abcd"),
        ("\x1b", ""),
        ("", ""),
    ],
)
def test_terminal_control_goes_and_text_stays(text: str, expected: str) -> None:
    assert sanitise(text) == expected


def test_a_sequence_without_an_end_hides_no_later_line() -> None:
    assert sanitise("\x1b]0;hidden\nshown") == "\nshown"
    assert sanitise("\x1b[12\nshown") == "\nshown"


def test_a_sequence_without_an_end_hides_no_more_than_its_cap() -> None:
    assert sanitise("\x1b]" + "x" * STRING_CAP + "shown") == "shown"
    assert sanitise("\x1b[" + "1" * CSI_CAP + "22m") == "22m"


@pytest.mark.parametrize(("keep", "expected"), [("", "ab"), ("\n", "a\nb"), ("\t", "a\tb"), ("\n\t", "a\n\tb")])
def test_newline_and_tab_go_when_they_are_not_to_be_kept(keep: str, expected: str) -> None:
    assert sanitise("\x1b[ma\n\tb", keep=keep) == expected
    stream = StreamSanitiser(keep=keep)
    assert stream.feed(b"a\n\tb") + stream.feed(b"\x1b[m") + stream.flush() == expected


@pytest.mark.parametrize("function", [sanitise, reveal])
def test_no_other_control_can_be_kept(function: object) -> None:
    with pytest.raises(ValueError, match="only newline and tab"):
        function("x", keep="\x1b")  # type: ignore[operator]


def test_a_stream_holds_back_an_unfinished_sequence_only() -> None:
    stream = StreamSanitiser()
    assert stream.feed(b"Password: ") == "Password: "
    assert stream.feed(b"a\x1b[3") == "a"
    assert stream.feed(b"1mb\xc3") == "b"
    assert stream.feed(b"\xa9\x1b]0;x") == "é"
    assert stream.flush() == ""
    assert stream.feed(b"next") == "next"


def test_a_stream_replaces_bytes_that_are_no_utf8() -> None:
    stream = StreamSanitiser()
    assert stream.feed(b"a\xff\x9bb\xe2\x82") + stream.flush() == "a\ufffd\ufffdb\ufffd"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rm \x1b[2K\r/tmp", "rm ␛[2K␍/tmp"),
        ("a\x7f\x9b\u202e\U000e0041", "a␡<U+009B><U+202E><U+E0041>"),
        ("a\u00a0b\u200bc\u3000d", "a<U+00A0>b<U+200B>c<U+3000>d"),
        ("a\u2028\ud800\ufffe", "a<U+2028><U+D800><U+FFFE>"),
        ("line\n\ttwo é", "line\n\ttwo é"),
    ],
)
def test_reveal_shows_what_cannot_be_seen(text: str, expected: str) -> None:
    assert reveal(text) == expected


def test_reveal_shows_newline_and_tab_when_they_are_not_to_be_kept() -> None:
    assert reveal("a\n\tb", keep="") == "a␊␉b"


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("  one\r\n\n\x1b[1mtwo\x1b[0m\t\tthree \n", 120, "one ⏎ two three"),
        ("abcdef", 6, "abcdef"),
        ("abcdefg", 6, "abcde…"),
        ("abcd efg", 6, "abcd…"),
        ("abc", 1, "…"),
        ("\x1b[31m" * 3 + "abc", 3, "abc"),
        ("", 5, ""),
    ],
)
def test_one_line_fits_a_title(text: str, limit: int, expected: str) -> None:
    assert one_line(text, limit) == expected


def test_one_line_shows_that_an_endless_text_was_cut() -> None:
    assert one_line(" " * 100_000 + "x", 20) == "…"


def test_one_line_needs_room() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        one_line("x", 0)


def test_a_stream_tells_how_many_controls_it_dropped_however_the_bytes_were_cut() -> None:
    data = "plain\r\nred \x1b[31mtext\x1b[0m\r\nright\u202eleft\n".encode()
    whole, cut = StreamSanitiser(), StreamSanitiser()
    whole.feed(data)
    for byte in data:
        cut.feed(bytes([byte]))

    assert whole.taken() == 3
    assert (whole.taken(), StreamSanitiser().taken()) == (0, 0)
    # A carriage return that comes without its line break is a control of its own.
    assert cut.taken() == 5
