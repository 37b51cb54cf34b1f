"""How long a run has gone on: from its first record to its end, with the rests between its sessions.

The one clock of a run, for lists, screens and the report. Within a session the monotonic clock counts, because that of
the day may be set in the middle of an incident; between two sessions there is no other one than that of the day.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from msgspec import Struct

from runbook.events import fact as f
from runbook.events.fold import BYSTANDERS
from runbook.events.timed import Timed


class Elapsed(Struct, frozen=True):
    """How long a run has gone on, as far as its records are read."""

    seconds: float = 0.0
    """To the latest record."""
    to_end: float = 0.0
    """To the latest record of a session that carried something out: a note on it later makes no run longer."""
    known: bool = True
    """Every rest could be told."""
    latest: Timed | None = None
    carries: bool = True

    def and_then(self, timed: Timed) -> Elapsed:
        """Return how long it is with the next record."""
        passed = between(self.latest, timed) if self.latest is not None else 0.0
        carries = timed.fact.mode not in BYSTANDERS if isinstance(timed.fact, f.SessionOpened) else self.carries
        seconds = self.seconds + (passed or 0.0)
        to_end = seconds if carries else self.to_end
        return Elapsed(seconds, to_end, self.known and passed is not None, timed, carries)


def elapsed(timed: Iterable[Timed]) -> float | None:
    """Return the seconds from the start of a run to its end, or to its latest record; None if nobody can tell."""
    found = Elapsed()
    for each in timed:
        found = found.and_then(each)
    return found.to_end if found.known and found.latest is not None else None


def between(one: Timed, other: Timed) -> float | None:
    """Return the seconds between two records, one after the other; None if a time that is needed is none."""
    if one.mono and other.mono >= one.mono and not isinstance(other.fact, f.SessionOpened):
        return (other.mono - one.mono) / 1e9
    times = _instant(one.time), _instant(other.time)
    if times[0] is None or times[1] is None:
        return None
    return max((times[1] - times[0]).total_seconds(), 0.0)


def _instant(written: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
