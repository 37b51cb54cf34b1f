"""How durations, sizes and shares are read and shown."""

import pytest

from runbook.text import duration_text, seconds, share, size, size_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", 30.0),
        ("1m30s", 90.0),
        ("1h 30m", 5400.0),
        ("500ms", 0.5),
        ("1s1ms", 1.001),
        ("2h", 7200.0),
        ("-2h", -7200.0),
        ("1d", 86400.0),
        ("1w", 604800.0),
        ("1.5h", 5400.0),
        ("0.1s", 0.1),
        ("0s", 0.0),
        (" 5m ", 300.0),
        ("1w2d3h4m5s6ms", 788645.006),
    ],
)
def test_a_duration_is_read_in_seconds(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["30", "-2", "0", "1.5"])
def test_a_bare_number_is_asked_for_its_unit(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        seconds(text)
    assert str(caught.value) == f"{text} what? Write {text}s or {text}m."


@pytest.mark.parametrize(
    "text",
    ["", "-", "s", "30 s", "1s1m", "1m1m", "- 2h", "3 parsecs", "1e3s", "1M", "٣s", "inf", "1s\n2s3", "9" * 16 + "s"],
)
def test_what_is_no_duration_is_told_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no duration\. Write 500ms, 30s, 1m30s, 2h or 1d\."):
        seconds(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("512", 512),
        ("512B", 512),
        ("4k", 4096),
        ("4K", 4096),
        ("4KiB", 4096),
        ("4kB", 4000),
        ("200MB", 200_000_000),
        ("10 MiB", 10 * 2**20),
        ("1.5GiB", 3 * 2**29),
        ("0.1k", 103),
        ("1T", 2**40),
        ("1P", 2**50),
        ("0", 0),
    ],
)
def test_a_size_is_read_in_bytes(text: str, expected: int) -> None:
    assert size(text) == expected


@pytest.mark.parametrize("text", ["", "x", "-1", "1i", "1iB", "1KK", "1e3", "k", "1 2"])
def test_what_is_no_size_is_told_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no size\. Write 512B, 4k, 200MB or 10MiB\."):
        size(text)


def test_a_wrong_value_cannot_paint_on_the_message() -> None:
    with pytest.raises(ValueError) as caught:
        size("\x1b[31m" + "x" * 100)
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 120


@pytest.mark.parametrize(
    ("text", "of", "expected"),
    [
        ("10%", 7, 1),
        ("10%", 11, 2),
        ("50%", 7, 4),
        ("100%", 7, 7),
        ("0%", 7, 1),
        ("12.5%", 8, 1),
        ("0.1%", 1000, 1),
        ("29%", 100, 29),
        ("3", 7, 3),
        (3, 7, 3),
        ("0", 7, 1),
        ("9", 7, 9),
    ],
)
def test_a_share_is_rounded_up_and_at_least_one(text: str | int, of: int, expected: int) -> None:
    assert share(text, of) == expected


@pytest.mark.parametrize("text", ["", "%", "ten", "-1", "1.5", "-10%"])
def test_what_is_no_share_is_told_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match="is no share"):
        share(text, 5)


def test_more_than_all_is_no_share() -> None:
    with pytest.raises(ValueError, match="at most 100%"):
        share("100.1%", 5)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0:00"),
        (0.9, "0:00"),
        (59.9, "0:59"),
        (90, "1:30"),
        (3600, "1:00:00"),
        (90061, "25:01:01"),
        (-65, "-1:05"),
        (-0.5, "0:00"),
    ],
)
def test_a_duration_is_shown_like_a_clock(value: float, expected: str) -> None:
    assert duration_text(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (2**20 - 1, "1.0 MiB"),
        (2**70, "1048576.0 PiB"),
    ],
)
def test_a_size_is_shown_in_its_largest_unit(value: int, expected: str) -> None:
    assert size_text(value) == expected
