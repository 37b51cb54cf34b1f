"""Masking of output as it comes: nothing leaks over a border, and nothing waits without need."""

import pytest

from runbook.secret import MARKER, Masker, MaskStream
from runbook.secret.stream import LINE_CAP

VALUE = "hunter22-hunter"


def stream(*values: str, redact: str = "") -> MaskStream:
    masker = Masker()
    for value in values:
        masker.add(value, "name")
    if redact:
        masker.redact(redact)
    return masker.stream()


def test_a_secret_is_masked_over_every_border() -> None:
    data = f"a {VALUE} b\n".encode()
    for cut in range(len(data) + 1):
        masked = stream(VALUE)
        assert masked.feed(data[:cut]) + masked.feed(data[cut:]) + masked.flush() == f"a {MARKER} b\n".encode()


def test_a_prompt_comes_through_at_once() -> None:
    assert stream(VALUE).feed(b"Password: ") == b"Password: "
    assert stream(VALUE).feed(b"\x1b[1mPassword:\x1b[0m") == b"\x1b[1mPassword:\x1b[0m"
    assert stream(VALUE).feed(b"Password: \x1b]0;title\x07\x1b(B") == b"Password: \x1b]0;title\x07\x1b(B"


def test_only_the_beginning_of_a_secret_waits() -> None:
    masked = stream(VALUE)
    assert masked.feed(b"see hun") == b"see "
    assert masked.feed(b"t") == b""
    assert masked.feed(b"ing") == b"hunting"
    assert masked.feed(b" hunter22") == b" "
    assert masked.feed(b"-hunter!") == b"***!"


def test_a_marker_goes_out_once_for_a_chain_of_overlaps() -> None:
    masked = stream("aaaaaa")
    shown = b"".join(masked.feed(b"a") for _ in range(1000))
    assert shown + masked.feed(b"b") + masked.flush() == b"***b"


def test_a_chain_of_overlaps_is_not_kept_in_memory() -> None:
    masked = stream("aaaaaa")
    for _ in range(100):
        masked.feed(b"a" * 1000)
    assert len(masked._secrets._held) < 10


def test_terminal_control_inside_a_secret_may_be_cut_as_well() -> None:
    data = b"x hunt\x1b[1;31mer22\x1b]0;t\x07-hun\r\x00ter\x1b[0m y"
    for cut in range(len(data) + 1):
        masked = stream(VALUE)
        shown = masked.feed(data[:cut]) + masked.feed(data[cut:]) + masked.flush()
        assert shown == f"x {MARKER}\x1b[0m y".encode(), cut


def test_endless_control_after_the_beginning_of_a_secret_is_let_go() -> None:
    masked = stream(VALUE)
    masked.feed(b"hunt")
    sent = sum(len(masked.feed(b"\x00" * 10_000)) for _ in range(20))
    assert sent > 100_000


def test_bytes_that_are_no_utf8_pass_unchanged() -> None:
    masked = stream(VALUE)
    data = bytes(range(256)) * 2 + b"\xe2\x82"
    assert masked.feed(data) + masked.flush() == data


def test_flush_gives_what_waited_and_ends_the_stream() -> None:
    masked = stream(VALUE)
    assert masked.feed(b"a hunt") == b"a "
    assert masked.flush() == b"hunt"
    assert masked.flush() == b""
    assert masked.feed(b"er22-hunter") + masked.flush() == b"er22-hunter"


def test_most_of_a_secret_at_the_end_does_not_slip_out() -> None:
    masked = stream(VALUE)
    assert masked.feed(b"a hunter22-hu") + masked.flush() == b"a ***"


def test_without_secrets_bytes_pass_as_the_same_object() -> None:
    data = b"anything"
    masked = stream()
    assert masked.feed(data) is data
    assert masked.flush() == b""


def test_a_secret_added_later_is_masked_from_then_on() -> None:
    masker = Masker()
    masked = masker.stream()
    assert masked.feed(VALUE.encode()) == VALUE.encode()
    masker.add(VALUE, "late")
    assert masked.feed(VALUE.encode()) + masked.flush() == b"***"


def test_the_stream_counts_the_secrets_that_it_masked() -> None:
    masked = stream(VALUE)
    masked.feed(f"{VALUE} {VALUE[:4]}".encode())
    masked.feed(f"{VALUE[4:]} x".encode())
    masked.flush()
    assert masked.count == 2


def test_an_expression_waits_for_the_end_of_its_line() -> None:
    masked = stream(redact=r"token=\w+")
    assert masked.feed(b"one\ntok") == b"one\n"
    assert masked.feed(b"en=ab") == b""
    assert masked.feed(b"cd end\r\nnext") == b"*** end\r\n"
    assert masked.flush() == b"next"


def test_an_idle_line_is_let_go_and_still_counts_for_what_follows() -> None:
    masked = stream(VALUE, redact=r"token=\w+")
    assert masked.feed(b"Password: ") == b""
    assert masked.idle() == b"Password: "
    assert masked.idle() == b""
    assert masked.feed(b"token=") == b""
    assert masked.idle() == b"token="
    assert masked.feed(b"abc x\n") == b" x\n"
    assert masked.feed(b"a hunt") + masked.idle() == b"a "
    assert masked.feed(b"er22-hunter\n") == b"***\n"


def test_an_expression_sees_matches_over_the_border_of_an_endless_line() -> None:
    token = b"token=" + b"a" * 1000
    for place in (LINE_CAP // 2 - 500, LINE_CAP - 500, LINE_CAP * 2):
        data = b"x " * (place // 2) + token + b" y" * LINE_CAP
        whole = stream(redact=r"token=\w+")
        masked = whole.feed(data) + whole.flush()
        assert masked == data.replace(token, b"***")
        parts = stream(redact=r"token=\w+")
        cut = b"".join(parts.feed(data[at : at + 7001]) for at in range(0, len(data), 7001)) + parts.flush()
        assert cut == masked


@pytest.mark.parametrize("redact", ["", r"token=\w+"])
def test_an_endless_line_is_not_kept_in_memory(redact: str) -> None:
    masked = stream(VALUE, redact=redact)
    sent = sum(len(masked.feed(b"x" * 65536)) for _ in range(16))
    assert sent >= 16 * 65536 - LINE_CAP
