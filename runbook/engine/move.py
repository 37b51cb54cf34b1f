"""Moves: what `decide` wants done next. Plain values, so that a test can read them."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from runbook.events.fact import DecisionMade
from runbook.events.status import RunStatus
from runbook.model.question import Question


class Inspect(Struct, frozen=True):
    """Look at the target and say what will happen; `early` if it is not the step's turn yet."""

    step: str
    target: str
    early: bool = False


class Begin(Struct, frozen=True):
    """Run an attempt to its outcome."""

    step: str
    target: str
    attempt: int


class Retry(Struct, frozen=True):
    """Put on record, after a delay in seconds, that the playbook's own rule makes another attempt."""

    step: str
    target: str
    attempt: int
    delay: float


class Skip(Struct, frozen=True):
    """The step does not run in these places."""

    step: str
    targets: tuple[str, ...]
    why: Literal["when", "goto", "operator", "excluded", "stopped", "include"]
    reason: str = ""


class Away(Struct, frozen=True):
    """Why a target could not be claimed in this session."""

    status: Literal["unreachable", "refused"]
    why: str
    ms: int = 0
    """How long it was waited for, as far as that is not told yet."""


class Fail(Struct, frozen=True):
    """The step cannot be begun in this place; nothing is sent."""

    step: str
    target: str
    attempt: int
    error: str
    status: Literal["failed", "unreachable", "refused"] = "failed"
    ms: int = 0


class Conclude(Struct, frozen=True):
    """A person has answered a manual step, a form or a decision."""

    step: str
    target: str
    attempt: int
    decision: DecisionMade


class Hold(Struct, frozen=True):
    """Wait before the next wave of a stage."""

    unit: str
    wave: int
    seconds: float


class Ask(Struct, frozen=True):
    """Put a question."""

    question: Question


class Claim(Struct, frozen=True):
    """Take the leases of these targets."""

    targets: tuple[str, ...]


class Settle(Struct, frozen=True):
    """Find out what became of an attempt that was left open, and go on with it."""

    step: str
    target: str
    attempt: int
    undo: bool = False
    away: str = ""
    """Why its target cannot be reached: then it is put on record as in doubt."""


class GoBack(Struct, frozen=True):
    """Begin to undo: steps and targets in the order of undoing; `again` marks a re-run."""

    steps: tuple[tuple[str, ...], ...]
    abort: bool
    reason: str


class Undo(Struct, frozen=True):
    """Lead one change back, or run an activating step again."""

    step: str
    target: str
    again: bool = False
    away: str = ""
    """Why the target cannot be reached: then this is put on record, and nothing else is done there."""


class TakeBaseline(Struct, frozen=True):
    """Look up a normal value."""

    baseline: str


class Breach(Struct, frozen=True):
    """Put the breach of a guard on record."""

    guard: str
    cause: Literal["bad", "no data"]
    response: Literal["pause", "stop", "undo wave", "undo stage", "undo run"]
    why: str


class Rest(Struct, frozen=True):
    """Nothing is left to do, or nothing can be done without a person."""

    status: RunStatus
    why: str = ""


Move: TypeAlias = (
    Inspect
    | Begin
    | Retry
    | Skip
    | Fail
    | Conclude
    | Hold
    | Ask
    | Claim
    | Settle
    | GoBack
    | Undo
    | TakeBaseline
    | Breach
    | Rest
)


CLAIMING = "claim"
"""The key of a claim."""


def key_of(move: Move) -> object:
    """Return what a move is about: two moves of one key are never under way together."""
    match move:
        case Ask(question=question):
            return ("ask", question.id)
        case Inspect() | Begin() | Retry() | Fail() | Conclude() | Settle() | Undo():
            return (move.step, move.target)
        case Skip():
            return ("skip", move.step, move.targets)
        case Hold():
            return ("hold", move.unit)
        case Claim():
            return CLAIMING
        case TakeBaseline():
            return ("baseline", move.baseline)
        case Breach():
            return ("breach", move.guard)
        case GoBack():
            return "go back"
        case Rest():
            return "rest"
