"""What is known of one run: its facts folded, its signals kept, for the screens of a live run and of a recording.

The only fold of the screens, and it is not theirs: state comes from `runbook.events.fold`. What signals bring (output,
progress, phases) is added beside it. Lives on the thread of the screens; `bridge` and `player` feed it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from runbook.events import fact as f
from runbook.events.elapsed import Elapsed
from runbook.events.fold import BYSTANDERS, fold
from runbook.events.signal import OutputReceived, PhaseEntered, Progressed, Signal
from runbook.events.state import RunState
from runbook.events.timed import Timed
from runbook.model.plan import Plan
from runbook.model.question import Question
from runbook.session.health import Seen
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
    began: float = 0.0
    """When the attempt began."""
    heard: float = 0.0
    """When it was last heard of: silence is measured from here."""
    progress: Progressed | None = None
    limit: float = 0.0
    """Seconds after which it gives up, as it says itself; 0: as the plan says."""


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
        self.opened = 0.0
        """Seconds on the clock of the scene when the latest session was opened."""
        self.rested = 0.0
        """When it came to its rest; 0 while it goes on."""
        self._passed = Elapsed()
        self._before = 0.0
        """Seconds from the start of the run to the opening of the latest session."""
        self.last: Key = ("", "")
        """The step and place that was heard of last."""
        self.spool = Spool()
        """Output of all steps, oldest first."""
        self.samples: dict[str, deque[f.GuardSampled]] = {}
        self.health: Mapping[str, Seen] = {}
        """How the hosts of a live run are, as far as it is known."""
        self.loads: dict[str, deque[float]] = {}
        """The load of each of them, oldest first."""
        self.usual: Mapping[str, float] | None = None
        """Seconds that steps took in earlier runs; None until somebody has looked."""
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
                self.beats[event.step, event.target] = replace(beat, progress=event)
            case PhaseEntered():
                beat = self._beat(event.step, event.target, now)
                self.beats[event.step, event.target] = replace(
                    beat, phase=event.phase, words=event.words, since=now, limit=event.limit
                )

    def _beat(self, step: str, target: str, now: float) -> Beat:
        old = self.beats.get((step, target)) or Beat(since=now, began=now)
        beat = self.beats[step, target] = replace(old, heard=now)
        self.last = (step, target)
        return beat

    def _fact(self, timed: Timed, now: float) -> None:
        self.records.append(timed)
        self.state = fold(self.state, timed.fact)
        self._passed = self._passed.and_then(timed)
        match timed.fact:
            case f.SessionOpened(mode=mode) if mode not in BYSTANDERS:
                self.opened, self.rested, self._before = now, 0.0, self._passed.seconds
            case f.RunFinished() | f.SessionClosed():
                self.rested = self.rested or now
            case f.AttemptStarted() | f.ReadStarted() | f.UndoStarted():
                place = self.last = (timed.fact.step, timed.fact.target)
                self.began[place] = timed.time
                phase = self.beats[place].phase if place in self.beats else ""
                self.beats[place] = Beat(phase, since=now, began=now, heard=now)
            case f.GuardSampled(guard=guard):
                self.samples.setdefault(guard, deque(maxlen=SAMPLES)).append(timed.fact)
            case _:
                pass

    def take_health(self, seen: Mapping[str, Seen]) -> None:
        """Take how the hosts are; nothing, once nobody looks any more."""
        for name, one in seen.items():
            before = self.health.get(name)
            if one.health is not None and (before is None or one.health is not before.health):
                self.loads.setdefault(name, deque(maxlen=SAMPLES)).append(one.health.load)
        self.health = seen

    def elapsed(self, now: float) -> float:
        """Return the seconds from the start of the run to now, or to its end; its rests are a part of it."""
        if self.rested:
            # What was on record before it was looked at came here all at one moment.
            return max(self._before + self.rested - self.opened, self._passed.to_end)
        return self._before + now - self.opened

    @property
    def questions(self) -> tuple[Question, ...]:
        """The questions that are open by the journal, oldest first."""
        return tuple(self.state.questions.values())
