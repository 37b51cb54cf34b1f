"""What is known of one run: its facts folded, its signals kept, for the screens of a live run and of a recording.

The only fold of the screens, and it is not theirs: state comes from `runbook.events.fold`. What signals bring (output,
progress, phases) is added beside it. Lives on the thread of the screens; `bridge` and `player` feed it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TypeAlias

from msgspec import Struct

from runbook.events import fact as f
from runbook.events.fold import fold
from runbook.events.signal import OutputReceived, PhaseEntered, Progressed, Signal
from runbook.events.state import RunState
from runbook.events.timed import Timed
from runbook.model.plan import Plan
from runbook.model.question import Question
from runbook.tui.spool import Spool

SAMPLES = 120
"""Samples of each guard that are kept for its sparkline."""

RECORDS = 2000
"""Latest facts that are kept for the list of records."""

Key: TypeAlias = tuple[str, str]
"""Step and target."""


class Began(Struct, frozen=True):
    """A run was opened, and this is its plan; comes before its first fact."""

    run: str
    plan: Plan


Event: TypeAlias = Began | Timed | Signal


class Beat(Struct, frozen=True):
    """What one step does in one place, by its signals."""

    phase: str = ""
    words: str = ""
    since: float = 0.0
    """Seconds on the clock of the scene when the phase began."""
    heard: float = 0.0
    """When it was last heard of: silence is measured from here."""
    progress: Progressed | None = None


class Scene:
    """One run as far as it is known."""

    def __init__(self, run: str = "", plan: Plan | None = None) -> None:
        self.run = run
        self.plan = plan
        self.state = RunState()
        self.records: deque[Timed] = deque(maxlen=RECORDS)
        self.began: dict[Key, str] = {}
        """When the latest attempt of a step in a place began, as the journal tells it (RFC 3339)."""
        self.beats: dict[Key, Beat] = {}
        self.spool = Spool()
        """Output of all steps, oldest first."""
        self.samples: dict[str, deque[f.GuardSampled]] = {}
        self.version = 0
        """Grows with everything that is taken: who has drawn a version need not draw it again."""

    def take_all(self, events: Iterable[Event], now: float = 0.0) -> None:
        """Take events in their order."""
        for event in events:
            self.take(event, now)

    def take(self, event: Event, now: float = 0.0) -> None:
        """Take one event; `now` is in seconds on any clock that runs on while the scene is shown."""
        self.version += 1
        match event:
            case Began():
                self.run, self.plan = event.run, event.plan
            case Timed():
                self._fact(event, now)
            case OutputReceived():
                self._beat(event.step, event.target, now)
                self.spool.add(event)
            case Progressed():
                beat = self._beat(event.step, event.target, now)
                self.beats[event.step, event.target] = Beat(beat.phase, beat.words, beat.since, now, event)
            case PhaseEntered():
                self.beats[event.step, event.target] = Beat(event.phase, event.words, now, now)

    def _beat(self, step: str, target: str, now: float) -> Beat:
        old = self.beats.get((step, target), Beat(since=now))
        beat = Beat(old.phase, old.words, old.since, now, old.progress)
        self.beats[step, target] = beat
        return beat

    def _fact(self, timed: Timed, now: float) -> None:
        self.records.append(timed)
        self.state = fold(self.state, timed.fact)
        match timed.fact:
            case f.AttemptStarted(step=step, target=target) | f.ReadStarted(step=step, target=target):
                self.began[step, target] = timed.time
                self.beats[step, target] = Beat(since=now, heard=now)
            case f.UndoStarted(step=step, target=target):
                self.began[step, target] = timed.time
            case f.GuardSampled(guard=guard):
                self.samples.setdefault(guard, deque(maxlen=SAMPLES)).append(timed.fact)
            case _:
                pass

    @property
    def questions(self) -> tuple[Question, ...]:
        """The questions that are open by the journal, oldest first."""
        return tuple(self.state.questions.values())
