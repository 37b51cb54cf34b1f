"""The story of a run: everything that the sections of a report read, gathered from the facts in one pass. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from runbook.events import fact as f
from runbook.events.elapsed import elapsed
from runbook.events.fold import fold
from runbook.events.state import RunState
from runbook.events.timed import Timed
from runbook.events.way_back import was_untellable
from runbook.model.question import Question
from runbook.model.scalar import Json
from runbook.report.timeline import Row, rows_of
from runbook.report.word import instant, person


class Session(Struct, frozen=True):
    """One process that had the run in its hands."""

    opened: f.SessionOpened
    time: str
    mono: int
    last: str
    """Time of its last record."""
    last_mono: int
    closed: f.SessionClosed | None = None

    @property
    def ms(self) -> int:
        """How long it lasted, by the monotonic clock."""
        return max(0, self.last_mono - self.mono) // 1_000_000


PeopleFact: TypeAlias = (
    f.DecisionMade
    | f.SteeringAsked
    | f.UndoAsked
    | f.LeaseClaimed
    | f.NoteWritten
    | f.PaceSet
    | f.StepSkipped
    | f.SessionOpened
)
"""What people bring about; a session is one of these where it hands over or adopts."""


class Told(Struct, frozen=True):
    """A fact that people brought about, with when and by whom."""

    time: str
    actor: str
    fact: PeopleFact
    question: Question | None = None
    """What was asked, for a decision whose question is on record."""
    before: dict[str, Json] = {}
    """The arguments before an edit."""
    untellable: bool = False
    """It was decided where nobody can tell whether something was changed."""


class Story(Struct, frozen=True):
    """A run as its facts tell it."""

    run: str
    timed: tuple[Timed, ...]
    state: RunState
    rows: tuple[Row, ...]
    sessions: tuple[Session, ...]
    told: tuple[Told, ...]
    unanswered: tuple[tuple[str, Question], ...]
    """When and what was asked without ever being answered; open questions are in the state."""
    finished: f.RunFinished | None
    gaps: tuple[tuple[int, int], ...]
    """First and last number of records that are missing."""
    backwards: int
    """How often the clock of the day went back."""

    def all(self, kind: type[f.Base]) -> tuple[Timed, ...]:
        """Return the facts of one kind."""
        return tuple(each for each in self.timed if isinstance(each.fact, kind))

    @property
    def title(self) -> str:
        """The title of the playbook, its id, or the run."""
        playbook = self.state.opened.playbook if self.state.opened else {}
        return str(playbook.get("title") or playbook.get("id") or f"run {self.run}")

    @property
    def ms(self) -> int | None:
        """From the first record to the end, with the rests between sessions; None if nobody can tell."""
        seconds = elapsed(self.timed)
        return None if seconds is None else int(seconds * 1000)


def read_story(run: str, timed: Sequence[Timed], *, is_left: bool = False) -> Story:
    """Return the story of these facts, whatever they are; `is_left` says that no process has the run in its hands."""
    reader = _Reader()
    for each in timed:
        reader.take(each)
    state = reader.state
    if is_left and state.live:
        state = replace(
            state, live=False, status="interrupted" if state.status in ("running", "waiting") else state.status
        )
    return Story(
        run=run,
        timed=tuple(timed),
        state=state,
        rows=rows_of(state, timed),
        sessions=tuple(reader.sessions),
        told=tuple(reader.told),
        unanswered=tuple(reader.unanswered.values()),
        finished=reader.finished,
        gaps=_gaps(timed),
        backwards=_backwards(timed),
    )


class _Reader:
    """Folds facts and keeps what the state forgets."""

    def __init__(self) -> None:
        self.state = RunState()
        self.sessions: list[Session] = []
        self.told: list[Told] = []
        self.finished: f.RunFinished | None = None
        self.unanswered: dict[str, tuple[str, Question]] = {}
        self._asked: dict[str, Question] = {}

    def take(self, timed: Timed) -> None:
        """Take the next fact."""
        fact = timed.fact
        match fact:
            case f.SessionOpened():
                self.sessions.append(Session(fact, timed.time, timed.mono, timed.time, timed.mono))
                if fact.mode in ("handover", "adopt"):
                    self._tell(timed, fact)
                elif fact.mode not in ("note", "decide"):
                    self.finished = None
            case f.RunFinished():
                self.finished = fact
            case f.QuestionAsked(question=question):
                self._asked[question.id] = question
                self.unanswered[question.id] = (timed.time, question)
            case f.DecisionMade() | f.SteeringAsked() | f.UndoAsked() | f.NoteWritten() | f.LeaseClaimed():
                self._tell(timed, fact)
            case f.StepSkipped() | f.PaceSet():
                self._tell(timed, fact)
            case _:
                pass
        self._last(timed)
        self.state = fold(self.state, fact)

    def _last(self, timed: Timed) -> None:
        if not self.sessions:
            return
        now = self.sessions[-1]
        closed = timed.fact if isinstance(timed.fact, f.SessionClosed) else now.closed
        self.sessions[-1] = Session(now.opened, now.time, now.mono, timed.time, timed.mono, closed)

    def _tell(self, timed: Timed, fact: PeopleFact) -> None:
        if isinstance(fact, f.DecisionMade):
            self.unanswered.pop(fact.question, None)
        named = fact.actor if isinstance(fact, (f.DecisionMade, f.SteeringAsked, f.NoteWritten, f.PaceSet)) else ""
        if isinstance(fact, f.UndoAsked):
            named = self._who_undoes()
        actor = named or (person(self.sessions[-1].opened.actor) if self.sessions else "")
        question = self._asked.get(fact.question) if isinstance(fact, f.DecisionMade) else None
        before = self._arguments(fact) if isinstance(fact, f.DecisionMade) and fact.choice == "edit" else {}
        untellable = isinstance(fact, f.DecisionMade) and any(
            was_untellable(self.state.at(fact.step, place)) for place in fact.places
        )
        self.told.append(Told(timed.time, actor or "somebody unknown", fact, question, before, untellable))

    def _who_undoes(self) -> str:
        """Return who wants to go back where no person does: a guard, or the playbook; empty for a person."""
        if self.state.breach is not None:
            return f"guard {self.state.breach.guard}"
        opened = self.sessions[-1].opened if self.sessions else None
        asked = opened is None or opened.mode == "undo" or opened.options.get("on_failure") == "undo"
        return "" if asked or self.state.going_back is not None else "the playbook"

    def _arguments(self, fact: f.DecisionMade) -> dict[str, Json]:
        """Return the arguments that an edit starts from, as the latest plan or edit of the step has them."""
        for place in fact.places:
            planned = self.state.at(fact.step, place).planned
            if planned is not None:
                return planned.arguments | self.state.edits.get(fact.step, {})
        return self.state.edits.get(fact.step, {})


def _gaps(timed: Sequence[Timed]) -> tuple[tuple[int, int], ...]:
    expected = 0
    gaps: list[tuple[int, int]] = []
    for each in timed:
        if each.seq > expected:
            gaps.append((expected, each.seq - 1))
        expected = max(expected, each.seq + 1)
    return tuple(gaps)


def _backwards(timed: Sequence[Timed]) -> int:
    times = [found for each in timed if (found := instant(each.time)) is not None]
    return sum(1 for earlier, later in pairwise(times) if later < earlier)
