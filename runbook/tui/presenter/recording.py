"""A recorded run on the time of its own: when each record came, in seconds from the first one.

Within a session the monotonic clock counts, because the clock of the day may be set in the middle of an incident. The
rest between two sessions is left out but for a moment: a run that was paused for a night has not run for a night.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise

from msgspec import Struct
from msgspec.structs import replace

from runbook.events import fact as f
from runbook.events.elapsed import between, elapsed
from runbook.events.fold import BYSTANDERS
from runbook.events.signal import OutputReceived
from runbook.events.timed import Timed
from runbook.model.plan import Plan

REST = 2.0
"""Seconds that a rest between two sessions takes at most here."""

_QUIET = (
    f.GuardSampled,
    f.TargetMet,
    f.LeaseClaimed,
    f.LeaseReturned,
    f.ListenerFailed,
    f.StepPlanned,
    f.BaselineTaken,
    f.OperationIntended,
    f.OperationDone,
    f.VerifyFinished,
)


class Spoken(Struct, frozen=True):
    """Some output, and when it came on the time of the run."""

    at: float
    event: OutputReceived


class Recording(Struct, frozen=True, eq=False):
    """All that is on record of a run, in the order of its time."""

    run: str
    timed: tuple[Timed, ...] = ()
    at: tuple[float, ...] = ()
    """Seconds of each record, never less than the one before."""
    plan: Plan | None = None
    spoken: tuple[Spoken, ...] = ()
    trouble: str = ""
    """Why the record ends where it does, if it cannot be read further."""
    lost: int = 0
    """Characters of output that are left out here; the side files have them."""

    @property
    def span(self) -> float:
        """Seconds from the first record to the last."""
        return self.at[-1] if self.at else 0.0

    @property
    def elapsed(self) -> float | None:
        """Seconds from the start of the run to its end, with its rests; None if nobody can tell."""
        return elapsed(self.timed)

    @property
    def worked(self) -> float:
        """Seconds in which sessions carried something out, without the rests between them."""
        seconds, carries = 0.0, True
        for before, timed in pairwise(self.timed):
            if isinstance(timed.fact, f.SessionOpened):
                carries = timed.fact.mode not in BYSTANDERS
            elif carries:
                seconds += between(before, timed) or 0.0
        return seconds

    def index(self, at: float) -> int:
        """Return the number of the last record that is there at a moment; -1 before the first."""
        return bisect_right(self.at, at) - 1

    def place(self, seq: int) -> int:
        """Return where the record with this number stands; -1 if it is not there."""
        at = bisect_left(self.timed, seq, key=lambda timed: timed.seq)
        return at if at < len(self.timed) and self.timed[at].seq == seq else -1

    def event(self, index: int, by: int) -> int:
        """Return the next record, forwards or backwards, that tells of something that happened; else this one."""
        at = index + by
        while 0 <= at < len(self.timed):
            if not isinstance(self.timed[at].fact, _QUIET):
                return at
            at += by
        return index

    @property
    def breaks(self) -> tuple[float, ...]:
        """When sessions after the first one were opened."""
        opened = (a for a, t in zip(self.at, self.timed, strict=True) if isinstance(t.fact, f.SessionOpened))
        return tuple(opened)[1:]


def recording(run: str, timed: Sequence[Timed], plan: Plan | None = None, trouble: str = "") -> Recording:
    """Put records on the time of the run."""
    return Recording(run, tuple(timed), tuple(_moments(timed)), plan, trouble=trouble)


def grown(known: Recording, more: Sequence[Timed], plan: Plan | None = None) -> Recording:
    """Return the recording with records that came after it."""
    last = known.timed[-1].seq if known.timed else -1
    timed = (*known.timed, *(each for each in more if each.seq > last))
    return replace(known, timed=timed, at=tuple(_moments(timed)), plan=plan or known.plan)


def with_output(known: Recording, spoken: Sequence[Spoken], lost: int = 0) -> Recording:
    """Return the recording with more of its output."""
    every = sorted((*known.spoken, *spoken), key=lambda each: each.at)
    return replace(known, spoken=tuple(every), lost=known.lost + lost)


def _moments(timed: Sequence[Timed]) -> list[float]:
    found: list[float] = []
    at = 0.0
    before: Timed | None = None
    for each in timed:
        if before is not None:
            at += _between(before, each)
        found.append(at)
        before = each
    return found


def _between(one: Timed, other: Timed) -> float:
    starts_anew = isinstance(other.fact, f.SessionOpened)
    passed = between(one, other) or 0.0
    return min(passed, REST) if starts_anew else passed


def starts(known: Recording) -> dict[tuple[str, str, int, bool], float]:
    """Return when attempts and their undoing began: by step, place, number and whether it is the way back."""
    found: dict[tuple[str, str, int, bool], float] = {}
    for at, timed in zip(known.at, known.timed, strict=True):
        fact = timed.fact
        if isinstance(fact, f.AttemptStarted | f.ReadStarted | f.UndoStarted):
            found[fact.step, fact.target, fact.attempt, isinstance(fact, f.UndoStarted)] = at
    return found
