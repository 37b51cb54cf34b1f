"""A fact with its place and time in the journal, as playback, review and the report read it."""

from __future__ import annotations

from msgspec import Struct

from runbook.events.fact import Fact


class Timed(Struct, frozen=True):
    """One fact and when it went on record."""

    seq: int
    """The number of its record, from 0."""
    time: str
    """RFC 3339 in UTC."""
    mono: int
    """Monotonic nanoseconds; comparable within one session only."""
    fact: Fact
