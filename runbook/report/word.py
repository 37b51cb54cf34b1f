"""How the report words statuses, places, times and values: plain text, not yet quoted for Markdown.

All times are UTC and say so where they stand alone; durations are `m:ss`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from runbook.model.scalar import Json
from runbook.text import duration_text
from runbook.text.hostlist import collapsed, sorted_names
from runbook.text.mark import mark_of, status_word

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
"""Spelt out here, because the locale of the machine must not change a report."""

FEW = 3
"""Hosts that are named one by one, in the order in which they came."""

_DEEPEST = 8
_NUMBERS = ({"float"}, {"int"})


words = status_word
"""Ids of choices are worded like statuses."""


def marked(status: str) -> str:
    """Return a status with its mark, as on the screens: "✓ succeeded"."""
    return f"{mark_of(status).symbol} {words(status)}"


def where(place: str) -> str:
    """Return a place in words: a host stays as it is, `*` is the run, `*2` a wave, `#2` the pause after it."""
    if place == "*":
        return "this run"
    if place.startswith("*"):
        return f"wave {place[1:]}"
    if place.startswith("#"):
        return f"after wave {place[1:]}"
    return place or "no place"


def places(all_of_them: Sequence[str]) -> str:
    """Return places in words, with a comma between two; many hosts as ranges, such as web[01-20]."""
    if len(all_of_them) <= FEW or any(place[:1] in ("*", "#", "") for place in all_of_them):
        return ", ".join(where(place) for place in all_of_them)
    return collapsed(sorted_names(all_of_them))


def together(entries: Iterable[tuple[str, str, str]]) -> list[tuple[str, str]]:
    """Return step and place in words, and what is said of them; of the same step the same is said once.

    Args:
        entries: step, place and what is said.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for step, target, said in entries:
        found.setdefault((step, said), []).append(target)
    return [
        (at(step, targets[0]) if len(targets) == 1 else f"{step} on {places(targets)}", said)
        for (step, said), targets in found.items()
    ]


def at(step: str, target: str) -> str:
    """Return a step in a place: "restart on order-2"."""
    name = step or "the run"
    if not target or target == "*":
        return name
    return f"{name} {where(target)}" if target.startswith("#") else f"{name} on {where(target)}"


def instant(time: str) -> datetime | None:
    """Return an RFC 3339 time in UTC; None if it is none. Without an offset it is taken for UTC."""
    try:
        found = datetime.fromisoformat(time)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def moment(time: str) -> str:
    """Return a time for a table whose head says UTC: "14 Nov 03:15:22"."""
    found = instant(time)
    if found is None:
        return time
    return f"{found.day} {MONTHS[found.month - 1]} {found:%H:%M:%S}"


def full_moment(time: str) -> str:
    """Return a time that stands alone: "14 Nov 2023 03:15:22 UTC"."""
    found = instant(time)
    if found is None:
        return time or "not known"
    return f"{found.day} {MONTHS[found.month - 1]} {found.year:04} {found:%H:%M:%S} UTC"


def took(milliseconds: int | None) -> str:
    """Return a duration as `m:ss`; "not known" if nobody measured it."""
    return "not known" if milliseconds is None else duration_text(milliseconds / 1000)


def value_text(value: Json, depth: int = 0) -> str:
    """Return a recorded value in words; a secret shows where it came from and nothing else."""
    if depth > _DEEPEST:
        return "…"
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case dict():
            return _object_text(value, depth)
        case list():
            return f"[{', '.join(value_text(item, depth + 1) for item in value)}]"
        case _:
            return str(value)


def _object_text(value: Mapping[str, Json], depth: int) -> str:
    plain = value.get("object")
    if set(value) == {"object"} and isinstance(plain, dict):
        # An object that only looks like a secret or a number, see `runbook.events.plain`.
        return _members(plain, depth)
    if set(value) == {"secret"}:
        source = value["secret"]
        return f"secret from {value_text(source, depth + 1)}, not kept" if source else "secret, not kept"
    if set(value) in _NUMBERS:
        return str(next(iter(value.values())))
    return _members(value, depth)


def _members(value: Mapping[str, Json], depth: int) -> str:
    inner = ", ".join(f"{key}: {value_text(item, depth + 1)}" for key, item in value.items())
    return f"{{{inner}}}" if depth else inner


def person(actor: Mapping[str, Json]) -> str:
    """Return who opened a session: "kim@laptop"."""
    user, host = actor.get("user"), actor.get("host")
    if not user:
        return "somebody unknown"
    return f"{user}@{host}" if host else str(user)
