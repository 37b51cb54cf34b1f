"""The state of a run, as `runbook.events.fold` makes it from facts: frozen, and the same for every reader."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from runbook.events.fact import (
    BaselineTaken,
    DecisionMade,
    GuardBreached,
    GuardSampled,
    NoteWritten,
    Output,
    SessionOpened,
    StepFinished,
    StepPlanned,
    UndoFinished,
)
from runbook.events.status import BAD, RunStatus, Status
from runbook.model.question import Question
from runbook.model.scalar import Effect, Json

NO_WAY_BACK = "none:"
"""What the words of a plan begin with where the playbook says that there is no way back."""

Place: TypeAlias = tuple[str, str]
"""A step and a target (a host name, `*`, or `*N` for a wave)."""


class Operation(Struct, frozen=True):
    """One operation of an attempt; open while it has no receipt."""

    name: str
    intent: dict[str, Json]
    receipt: dict[str, Json] | None = None
    settled: bool = False
    tries: int = 1
    """How often it was begun: a later try has a job folder of its own."""


class Attempt(Struct, frozen=True):
    """One attempt of a step in one place."""

    number: int
    effect: Effect
    planned: StepPlanned | None = None
    held_before: str = ""
    """What the written checks said before the change: good, bad, no data, or nothing."""
    seen: str = ""
    """What verifying it gave at last: good, bad, no data, or nothing."""
    operations: tuple[Operation, ...] = ()
    undo_operations: tuple[Operation, ...] = ()
    finished: StepFinished | None = None
    undo_open: bool = False
    undone: UndoFinished | None = None
    again: bool = False
    """Made while undoing, because the step activates an undone one."""
    uprooted: bool = False
    """The place of its job folders is not the one any more where it was begun: that there is none proves nothing."""

    @property
    def is_open(self) -> bool:
        """Whether it has begun and its outcome is not on record."""
        return self.finished is None and not self.again

    @property
    def may_have_changed(self) -> bool:
        """Whether the target may be different because of this attempt."""
        if self.effect == "read" or self.again:
            return False
        return self.finished is None or self.finished.changed


class StepState(Struct, frozen=True):
    """One step in one place."""

    status: Status = "pending"
    planned: StepPlanned | None = None
    """The latest plan; None before the target was inspected."""
    stale: bool = False
    """Something happened since the target was inspected: it has to be looked at again."""
    attempts: tuple[Attempt, ...] = ()
    values: dict[str, Json] = {}
    result: dict[str, Json] = {}
    error: str = ""
    evidence: tuple[str, ...] = ()
    verified: bool = False
    orphan: bool = False
    """The process that ran the open attempt, or the open undo, is gone."""
    by_hand: bool = False
    """A person said what its status is."""
    output: Output | None = None
    rate: float | None = None
    """Units a second that somebody has set; None: as the playbook says."""

    @property
    def attempt(self) -> Attempt | None:
        """The latest attempt."""
        return self.attempts[-1] if self.attempts else None

    @property
    def next_attempt(self) -> int:
        """The number that a new attempt gets, from 1."""
        return self.attempts[-1].number + 1 if self.attempts else 1


class GuardState(Struct, frozen=True):
    """One guard in this session."""

    bad: int = 0
    """Bad samples in a row."""
    missing: int = 0
    """Samples without data in a row."""
    last: GuardSampled | None = None
    breached: bool = False


class RunState(Struct, frozen=True):
    """A whole run."""

    status: RunStatus = "running"
    sessions: tuple[SessionOpened, ...] = ()
    live: bool = False
    """A session is open, as far as the journal tells."""
    steps: dict[Place, StepState] = {}
    agreed: dict[Place, str] = {}
    """The digest (or form) of the plan that was agreed to."""
    confirmed: dict[Place, str] = {}
    """The same for destructive steps, where target and host count were typed."""
    edits: dict[str, dict[str, Json]] = {}
    """Arguments of steps that a person changed in this run."""
    questions: dict[str, Question] = {}
    """Open questions by id."""
    decisions: tuple[DecisionMade, ...] = ()
    run_on: bool = False
    """A guided run goes on without asking until the next change."""
    steering: str = ""
    """What was asked for from outside and not yet done: pause, interrupt or cancel."""
    excluded: frozenset[str] = frozenset()
    taken_up: bool = False
    """A guided session has taken the run up again, and nobody has said yet how it goes on."""
    stopped: bool = False
    """A person or a policy said stop: nothing new begins in this session."""
    aborted: bool = False
    handed_over: str = ""
    """The bundle that took the run away from this journal; empty if it is here."""
    going_back: DecisionMade | None = None
    """A person decided to undo, and it is not yet on record what exactly."""
    undo_left: tuple[tuple[str, str, str], ...] = ()
    """Step, target, and `again` or nothing: what is still to be undone, next first."""
    undo_asked: bool = False
    undo_bad: bool = False
    """Some undo of this session failed or is in doubt."""
    changes: tuple[tuple[str, str, int], ...] = ()
    """Step, target, attempt of everything that may have changed a target, in order."""
    notes: tuple[NoteWritten, ...] = ()
    baselines: dict[str, BaselineTaken] = {}
    guards: dict[str, GuardState] = {}
    breach: GuardBreached | None = None
    """A breach that asks to undo, and what is undone is not yet on record."""
    leases: frozenset[str] = frozenset()
    """Targets that this run has claimed and not given back."""
    boots: dict[str, str] = {}
    """The start of each target at its last claim, where one is known."""
    claimed: frozenset[str] = frozenset()
    """Those of them that this session has claimed itself: an older claim may have been taken over since."""
    copy: str = ""
    """The name of this copy of the journal; empty while it was never adopted."""
    held: frozenset[str] = frozenset()
    """Targets that this copy has claimed at any time: another claim of the same run on them is a later one."""
    deviated: bool = False
    facts: int = 0

    def at(self, step: str, target: str) -> StepState:
        """Return the state of a step in a place; a pending one if nothing is known."""
        return self.steps.get((step, target), PENDING)

    @property
    def opened(self) -> SessionOpened | None:
        """The first session, which holds the playbook and the parameters."""
        return self.sessions[0] if self.sessions else None

    def change(self, step: str, target: str, attempt: int) -> Attempt:
        """Return one attempt; raises KeyError."""
        for found in self.at(step, target).attempts:
            if found.number == attempt:
                return found
        raise KeyError((step, target, attempt))

    @property
    def left_out(self) -> frozenset[str]:
        """The targets that were left out without a failure of their own: nobody knows of anything done there."""
        return self.excluded - {target for (_, target), at in self.steps.items() if at.status in BAD}

    @property
    def standing(self) -> tuple[tuple[str, str, int], ...]:
        """The changes that are not undone, oldest first."""
        return tuple(key for key in self.changes if _stands(self.at(*key[:2]), key[2]))

    @property
    def pending_undo(self) -> int:
        """How many standing changes have a way back; the playbook says of some that they have none."""
        return len({key[:2] for key in self.with_way_back})

    @property
    def with_way_back(self) -> tuple[tuple[str, str, int], ...]:
        """The standing changes that can be undone, oldest first: of some the playbook says that they cannot."""
        plans = ((key, self.change(*key).planned) for key in self.standing)
        return tuple(key for key, plan in plans if plan is None or not plan.undo.startswith(NO_WAY_BACK))

    @property
    def undone_of(self) -> tuple[int, int]:
        """How many changes are undone, and how many there were; one that has no way back stands."""
        changed = {key[:2] for key in self.changes}
        stands = {key[:2] for key in self.standing}
        stands |= {place for place in changed if any(_passed_by(a) for a in self.at(*place).attempts)}
        return len(changed - stands), len(changed)

    @property
    def undo_open(self) -> int:
        """How many changes are still to be undone: none of a run that succeeded, and none that a person left alone."""
        if self.status == "succeeded":
            return 0
        if self.status != "undone":
            return self.pending_undo
        made = (d for d in self.decisions if d.kind == "drift" and d.choice == "leave")
        left = {(d.step, place) for d in made for place in d.places}
        return len({key[:2] for key in self.with_way_back} - left)

    @property
    def unverified(self) -> int:
        """How many standing changes are not known to be good."""
        last = {(step, target): (step, target, attempt) for step, target, attempt in self.standing}
        return sum(1 for step, target, _ in last.values() if not self.at(step, target).verified)


PENDING = StepState()


def _passed_by(attempt: Attempt) -> bool:
    return attempt.may_have_changed and attempt.undone is not None and attempt.undone.status == "none"


def _stands(step: StepState, number: int) -> bool:
    """Whether a change is not undone; one that no attempt tells of is none."""
    undone = [a.undone for a in step.attempts if a.number == number]
    return any(u is None or u.status not in ("undone", "none") for u in undone)
