"""A unified diff of two contents, as far as it is of use to a reader."""

from __future__ import annotations

from difflib import unified_diff

MOST_BYTES = 256 * 1024
"""Contents above this are compared by size and hash."""
MOST_LINES = 4000
"""So are contents with more lines: the time that a comparison takes grows with their square."""
MOST_SHOWN = 1000


def text(data: bytes) -> str | None:
    """Return the content as text if it is one that can be compared line by line, else None."""
    if len(data) > MOST_BYTES or b"\0" in data or data.count(b"\n") > MOST_LINES:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def unified(path: str, old: bytes, new: bytes, *, labels: tuple[str, str] | None = None) -> str | None:
    """Return a unified diff in the form of `diff -u`, without times; None if one of them is no text.

    Longer ones are cut, and say so. `labels` name the two sides; without them: now and restored.
    """
    before, after = text(old), text(new)
    if before is None or after is None:
        return None
    # Only \n ends a line here, as for diff: splitlines would also break at form feeds and other separators.
    names = labels or (f"{path} (now)", f"{path} (restored)")
    lines = list(unified_diff(_lines(before), _lines(after), *names))
    shown = "".join(_ended(line) for line in lines[:MOST_SHOWN])
    return shown if len(lines) <= MOST_SHOWN else f"{shown}… {len(lines) - MOST_SHOWN} more lines\n"


def _lines(side: str) -> list[str]:
    *whole, rest = side.split("\n")
    return [f"{line}\n" for line in whole] + ([rest] if rest else [])


def _ended(line: str) -> str:
    return line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
