"""How long ago, and for how long still, in the words that an operator would use."""

from __future__ import annotations

from datetime import UTC, datetime

from runbook.text import counted

_STEPS = ((60, 1, "s"), (3600, 60, "min"), (48 * 3600, 3600, "h"))
_LONG = ((60 * 86400, 86400, "day"), (730 * 86400, 30.44 * 86400, "month"))


def span(seconds: float) -> str:
    """Return a span of time in one unit, rounded down: `42 s`, `11 min`, `3 h`, `9 days`, `5 months`."""
    whole = max(0.0, seconds)
    for below, unit, word in _STEPS:
        if whole < below:
            return f"{int(whole // unit)} {word}"
    for below, size, word in _LONG:
        if whole < below:
            return counted(int(whole // size), word)
    return counted(int(whole // (365.25 * 86400)), "year")


def moment(written: str) -> datetime | None:
    """Return a time or a date of ISO 8601, in UTC unless it says where; None if it is neither."""
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def ago(written: str, now: datetime) -> str:
    """Return how long ago something was, such as `9 days ago`; nothing if that cannot be told."""
    then = moment(written)
    if then is None:
        return ""
    seconds = (now - then).total_seconds()
    return "just now" if seconds < 1 else f"{span(seconds)} ago"


def day_ago(written: str, now: datetime) -> str:
    """Return how many days ago a date was: `today`, `yesterday`, `13 days ago`; nothing if that cannot be told."""
    then = moment(written)
    if then is None:
        return ""
    days = (now.date() - then.date()).days
    if days <= 0:
        return "today" if days == 0 else "not yet"
    return "yesterday" if days == 1 else f"{span(days * 86400.0)} ago"


def clock(now: datetime) -> str:
    """Return the time of day here, as the header shows it."""
    return now.astimezone().strftime("%H:%M")
