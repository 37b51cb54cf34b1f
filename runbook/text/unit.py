"""Durations, sizes and shares: how they are written in a playbook, and how they are shown.

Parsing is exact (no rounding on the way) and says what to write instead. Dates and clocks are not its business.
"""

import re

_DURATION = {"w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}  # milliseconds
_NANO = 10**9  # numbers have at most nine decimals, so that whole numbers of this part are exact
_NUMBER = r"[0-9]{1,15}(?:\.[0-9]{1,9})?"
# `re` compiles these when they are first used, and keeps them: together they would cost a start more than this module.
_BARE = rf"-?{_NUMBER}"
_DURATION_TEXT = r"(-?)(?!\s)" + r"\s*".join(
    rf"(?:({_NUMBER})({unit}))?" for unit in ("w", "d", "h", "m(?!s)", "s", "ms")
)
_SIZE_TEXT = rf"({_NUMBER})\s*(?:([KMGTP])(i?B)?|B)?"
_POWERS = "KMGTP"
_SHARE_TEXT = rf"({_NUMBER})\s*%|([0-9]{{1,15}})"


def seconds(text: str) -> float:
    """Return the seconds of a duration such as `500ms`, `30s`, `1m30s`, `2h`, `1d` or `-2h`.

    Units go from large to small: w, d, h, m, s, ms.

    Raises:
        ValueError: no unit, an unknown one, or units in another order; the message says what to write.
    """
    written = text.strip()
    if re.fullmatch(_BARE, written):
        raise ValueError(f"{written} what? Write {written}s or {written}m.")
    match = re.fullmatch(_DURATION_TEXT, written)
    if match is None or not any(match.groups()[1:]):
        raise ValueError(f"{_quoted(text)} is no duration. Write 500ms, 30s, 1m30s, 2h or 1d.")
    sign, *parts = match.groups()
    total = sum(_nano(number) * _DURATION[unit] for number, unit in zip(parts[::2], parts[1::2], strict=True) if number)
    return (-total if sign else total) / (1000 * _NANO)


def size(text: str) -> int:
    """Return the bytes of a size such as `4k`, `200MB`, `10MiB` or `512`; a part of a byte is rounded up.

    As in GNU coreutils, `k` and `KiB` are 1024, `kB` is 1000; a bare number is bytes.

    Raises:
        ValueError: anything else; the message says what to write.
    """
    match = re.fullmatch(_SIZE_TEXT, text.strip(), re.IGNORECASE)
    if match is None:
        raise ValueError(f"{_quoted(text)} is no size. Write 512B, 4k, 200MB or 10MiB.")
    number, letter, suffix = match.groups()
    base: int = 1000 if suffix and suffix.upper() == "B" else 1024
    power = _POWERS.index(letter.upper()) + 1 if letter else 0
    return int(-(-_nano(number) * base**power // _NANO))


def share(text: str | int, of: int) -> int:
    """Return how many of `of` things `10%` or `3` stands for: rounded up, at least 1. A count is not capped at `of`.

    Raises:
        ValueError: neither a count nor a percentage up to 100%; the message says what to write.
    """
    match = re.fullmatch(_SHARE_TEXT, str(text).strip())
    if match is None:
        raise ValueError(f"{_quoted(str(text))} is no share. Write a count such as 3, or a percentage such as 10%.")
    percent, count = match.groups()
    if percent is None:
        return max(1, int(count))
    if _nano(percent) > 100 * _NANO:
        raise ValueError(f"{percent}% is more than all of them. Write at most 100%.")
    return max(1, -(-_nano(percent) * of // (100 * _NANO)))


def duration_text(seconds: float) -> str:
    """Show a duration as `m:ss` or `h:mm:ss`; a started second does not count."""
    whole = int(abs(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    sign = "-" if seconds < 0 and whole else ""
    return f"{sign}{hours}:{minutes:02}:{rest:02}" if hours else f"{sign}{minutes}:{rest:02}"


def size_text(count: int) -> str:
    """Show bytes in the largest unit that leaves a number of at least 1: `512 B`, `1.5 MiB`."""
    if abs(count) < 1024:
        return f"{count} B"
    value = float(count)
    for letter in _POWERS:
        value /= 1024
        # 1023.95 would be shown as 1024.0, which is the next unit's 1.0
        if abs(value) < 1023.95 or letter == _POWERS[-1]:
            break
    return f"{value:.1f} {letter}iB"


def _nano(number: str) -> int:
    """Return a decimal number in billionths, exactly."""
    whole, _, part = number.partition(".")
    return int(whole) * _NANO + int(part.ljust(9, "0"))


def _quoted(text: str) -> str:
    """Return the wrong value for a message: escaped, and short enough for one line."""
    return ascii(text if len(text) <= 40 else text[:39] + "...")


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun in the right form: "1 step", "2 steps", and "2 tries" where `plural` says so."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
