"""The timeline of a run: one row per step and place, made from facts alone. Pure.

Knows when something began, how long it took and who decided. Statuses come from the fold, so that the report cannot
say anything else than the screens do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from runbook.events import fact as f
from runbook.events.fold import fold_all
from runbook.events.outcome import came_to, last_word
from runbook.events.state import Place, RunState, StepState
from runbook.events.status import Status
from runbook.events.timed import Timed
from runbook.model.question import Question
from runbook.model.scalar import Effect
from runbook.report.word import person, words

BY_PEOPLE = ("manual", "form", "choose")
"""Kinds of questions that are a step of their own: its time is the time of the answer."""

_CHECKED: tuple[Status, ...] = ("succeeded", "failed", "timed_out", "cancelled")


class Row(Struct, frozen=True, kw_only=True):
    """One step in one place."""

    step: str
    target: str
    """A host, `*` for the run, `*N` for a wave, `#N` for the pause after a wave."""
    status: Status
    began: str = ""
    """RFC 3339 in UTC; empty if it never began."""
    ms: int | None = None
    """Milliseconds of all attempts together; None if they are not known."""
    attempts: int = 0
    effect: Effect = "read"
    changed: bool = False
    """The target was changed by it, or may have been."""
    verified: bool = False
    """The checks were good after the change. Completed alone is not verified."""
    by_hand: bool = False
    """A person said what the status is."""
    adopted: bool = False
    """Found succeeded after a doubt, not seen succeeding."""
    is_cut_off: bool = False
    """It began, and no session is there any more that could end it."""
    on_word: bool = False
    """A manual step, a form or a decision: true because a person said so."""
    error: str = ""
    decided_by: str = ""
    """Who decided about it last, and what: "kim: retry"."""


class _Track:
    """What the facts tell of one place besides its status."""

    def __init__(self) -> None:
        self.began = ""
        self.started: int | None = None
        """Monotonic time of the open attempt; None if it began in another session."""
        self.ms: int | None = None
        self.numbers: set[int] = set()

    def start(self, timed: Timed) -> None:
        self.began = self.began or timed.time
        self.started = timed.mono

    def end(self, timed: Timed, ms: int) -> None:
        self.began = self.began or timed.time
        if not ms and self.started is None:
            return
        if not ms and self.started is not None:
            ms = max(0, timed.mono - self.started) // 1_000_000
        self.ms = (self.ms or 0) + ms
        self.started = None


class _Timeline:
    """Reads facts in order and keeps what rows need."""

    def __init__(self) -> None:
        self.tracks: dict[Place, _Track] = {}
        self.decided: dict[Place, str] = {}
        self.on_word: set[Place] = set()
        self._asked: dict[str, Question] = {}
        self._actor = ""

    def take(self, timed: Timed) -> None:
        """Take note of the next fact."""
        match timed.fact:
            case f.SessionOpened(actor=actor):
                self._actor = person(actor)
                # The monotonic clock of another boot says nothing about this one.
                for track in self.tracks.values():
                    track.started = None
            case f.QuestionAsked(question=question):
                self._asked[question.id] = question
                if question.kind in BY_PEOPLE:
                    for place in question.places:
                        self._at(question.step, place).start(timed)
            case f.DecisionMade():
                self._decided(timed.fact)
            case f.AttemptStarted() | f.ReadStarted():
                track = self._at(timed.fact.step, timed.fact.target)
                track.start(timed)
                track.numbers.add(timed.fact.attempt)
            case f.StepFinished():
                track = self._at(timed.fact.step, timed.fact.target)
                track.numbers.add(timed.fact.attempt)
                track.end(timed, timed.fact.ms)
            case f.StepPlanned() | f.StepSkipped() | f.UndoStarted() | f.UndoFinished():
                self._at(timed.fact.step, timed.fact.target)
            case _:
                return

    def _at(self, step: str, target: str) -> _Track:
        return self.tracks.setdefault((step, target), _Track())

    def _decided(self, fact: f.DecisionMade) -> None:
        asked = self._asked.get(fact.question)
        concerned = {(fact.step, place) for place in fact.places}
        if asked is not None:
            concerned |= {_covered(key) for key in asked.covers}
        text = f"{fact.actor or self._actor or fact.source}: {words(fact.choice)}"
        self.decided |= dict.fromkeys(concerned, text)
        if fact.kind in BY_PEOPLE:
            self.on_word |= concerned


def rows(timed: Iterable[Timed]) -> tuple[Row, ...]:
    """Return the rows of a run, in the order in which its steps came up."""
    known: Sequence[Timed] = tuple(timed)
    return rows_of(fold_all(each.fact for each in known), known)


def rows_of(state: RunState, timed: Iterable[Timed]) -> tuple[Row, ...]:
    """Return the rows for a state that is already folded from the same facts."""
    line = _Timeline()
    for each in timed:
        line.take(each)
    is_left = bool(state.sessions) and not state.live
    return tuple(_row(place, at, line, is_left=is_left) for place, at in _ordered(state, line))


def _ordered(state: RunState, line: _Timeline) -> list[tuple[Place, StepState]]:
    """Steps in the order of their first appearance, the places of a step together."""
    order: dict[str, list[tuple[Place, StepState]]] = {}
    for place in dict.fromkeys([*line.tracks, *state.steps]):
        at = state.steps.get(place)
        # What is pending and was only named in a question may be a stage, under whose own name nothing ever runs.
        if at is not None and (place in line.tracks or at.status != "pending"):
            order.setdefault(place[0], []).append((place, at))
    return [each for found in order.values() for each in found]


def _row(place: Place, at: StepState, line: _Timeline, *, is_left: bool) -> Row:
    track = line.tracks.get(place) or _Track()
    last = next((a for a in reversed(at.attempts) if not a.again), None)
    finished = last.finished if last is not None else None
    return Row(
        step=place[0],
        target=place[1],
        status=came_to(at),
        began=track.began,
        ms=track.ms,
        attempts=len(track.numbers),
        effect=last.effect if last is not None else "read",
        changed=any(a.may_have_changed for a in at.attempts),
        verified=at.verified and finished is not None and at.status in _CHECKED,
        by_hand=at.by_hand,
        adopted=finished is not None and finished.adopted,
        on_word=place in line.on_word,
        error=ended.error if (ended := last_word(at)) is not None else at.error,
        decided_by=line.decided.get(place, ""),
        is_cut_off=is_left and at.status in ("running", "verifying", "undoing"),
    )


def _covered(key: str) -> Place:
    step, _, place = key.rpartition("@")
    return step, place
