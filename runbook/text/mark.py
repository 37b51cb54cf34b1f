"""The mark of every status: a symbol, its stand-in where there is no Unicode, and the tone of its colour.

The one table that the plain lines, the screens and the report read: symbol, word and colour always say the same.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

Tone: TypeAlias = Literal["pending", "live", "good", "bad", "doubt", "skipped", "back", "wait"]
"""What a colour stands for; each front end has its own colours."""


class Mark(NamedTuple):
    """Symbol, stand-in in ASCII, and tone; the word comes from the status."""

    symbol: str
    ascii: str
    tone: Tone


PENDING = Mark("◦", ".", "pending")
RUNNING = Mark("►", ">", "live")
DONE = Mark("✓", "+", "good")
FAILED = Mark("✗", "x", "bad")
REFUSED = Mark("⊘", "/", "bad")
DOUBT = Mark("?", "?", "doubt")
SKIPPED = Mark("↷", "-", "skipped")
UNDONE = Mark("↶", "<", "back")
WAITING = Mark("◆", "*", "wait")
WARNING = Mark("!", "!", "wait")

MARKS: dict[str, Mark] = {
    "pending": PENDING,
    "skipped": SKIPPED,
    "refused": REFUSED,
    "waiting": WAITING,
    "running": RUNNING,
    "verifying": RUNNING,
    "succeeded": DONE,
    "failed": FAILED,
    "timed_out": FAILED,
    "cancelled": FAILED,
    "unreachable": REFUSED,
    "in_doubt": DOUBT,
    "undoing": RUNNING,
    "undone": UNDONE,
    "undo_failed": FAILED,
    "paused": WAITING,
    "interrupted": WAITING,
    "partial": FAILED,
    "aborted": FAILED,
    "undo_incomplete": FAILED,
}
"""The mark of every status of a step and of a run."""


def mark_of(status: str) -> Mark:
    """Return the mark of a status; what is unknown looks like what has not begun."""
    return MARKS.get(status, PENDING)


def status_word(status: str) -> str:
    """Return a status as people read it: `timed_out` is "timed out"."""
    return status.replace("_", " ")
