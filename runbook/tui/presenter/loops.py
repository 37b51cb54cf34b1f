"""What earlier runs left open, most urgent first, in the words of the library's now line."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from runbook.tui.presenter.ago import ago, moment, span

if TYPE_CHECKING:
    from runbook.session.library import OpenLoop

WORDS = {
    "in_doubt": "step in doubt",
    "degraded": "degradation is on",
    "waiting": "run waits for you",
    "paused": "run to resume",
    "interrupted": "run to resume",
    "running": "run is live elsewhere",
    "here": "run is open here",
    "undo_incomplete": "undo to finish",
    "unreadable": "record to look at",
    "undo": "undo pending",
}
"""What kind of thing is open."""

_ORDER = (
    "in_doubt",
    "unreadable",
    "undo_incomplete",
    "due",
    "here",
    "waiting",
    "interrupted",
    "degraded",
    "paused",
    "undo",
)


class Loop(Struct, frozen=True):
    """One row."""

    status: str
    """What the mark and its tone are taken from."""
    what: str
    name: str
    rest: str
    """Words behind the name."""
    end: str
    """The part of them that counts most; stands at their end."""
    loop: OpenLoop


def rows(loops: tuple[OpenLoop, ...], now: datetime, here: str = "") -> tuple[Loop, ...]:
    """Return all open loops, most urgent first; within one kind as they came, newest first.

    `here` is the run that goes on in this interface.
    """
    ranked = sorted(enumerate(loops), key=lambda pair: (_rank(pair[1], now, here), pair[0]))
    return tuple(_row(loop, now, here) for _, loop in ranked)


def kind(loop: OpenLoop, here: str = "") -> str:
    """Return what kind of thing is open: a key of `WORDS`; `here` is the run that goes on in this interface."""
    if here and loop.run == here and loop.status != "degraded":
        return "here"
    command = loop.next.split(" ")
    if command[1:3] == ["audit", "verify"]:
        return "unreadable"
    if command[1:2] == ["undo"] and loop.status not in ("degraded", "undo_incomplete"):
        return "undo"
    if command[1:2] == ["watch"]:
        return "running"
    return loop.status if loop.status in WORDS else "interrupted"


def _rank(loop: OpenLoop, now: datetime, here: str) -> int:
    found = kind(loop, here)
    name = "due" if found == "degraded" and _is_due(loop, now) else found
    return _ORDER.index(name) if name in _ORDER else len(_ORDER)


def _is_due(loop: OpenLoop, now: datetime) -> bool:
    end = moment(loop.until)
    return end is not None and (end - now).total_seconds() < 600


def _row(loop: OpenLoop, now: datetime, here: str) -> Loop:
    found = kind(loop, here)
    if found == "degraded":
        rest, end = _expiry(loop, now)
        return Loop("waiting", WORDS[found], loop.playbook, rest, end, loop)
    place = f"at {loop.at}" if loop.at else loop.why if found in ("unreadable", "undo") else ""
    if found == "undo":
        place = loop.why
    since = ago(loop.stopped or loop.since, now)
    if found == "here":
        mark = loop.status if loop.status in ("waiting", "in_doubt") else "running"
        return Loop(mark, WORDS[found], loop.playbook, _joined("F4 shows it", place), "", loop)
    marks = {"in_doubt": "in_doubt", "running": "running", "unreadable": "failed", "undo_incomplete": "undo_failed"}
    return Loop(
        marks.get(found, "waiting"), WORDS[found], loop.playbook or loop.run[:8], _joined(place, since), "", loop
    )


def _expiry(loop: OpenLoop, now: datetime) -> tuple[str, str]:
    end = moment(loop.until)
    if end is None:
        return "has no end:", "put it back yourself"
    left = (end - now).total_seconds()
    return ("its time is up:", "look at it") if left <= 0 else ("ends in", span(left))


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)
