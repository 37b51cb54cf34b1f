"""The facts: everything that is on record, in the order in which it became known.

A fact is frozen, holds only integers, strings, booleans, null, lists and objects (see `runbook.events.plain`
for numbers with a fraction), and is journalled before anything acts on it or shows it. `code` is stable: other
programs may rely on it after a type was renamed.
"""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias

from msgspec import Struct

from runbook.events.status import RunStatus, Status
from runbook.model.question import Question
from runbook.model.scalar import Effect, Json

Mode: TypeAlias = Literal["run", "replay", "resume", "undo", "exec", "decide", "adopt", "handover", "note"]


class OutputIndex(Struct, frozen=True):
    """A file of times beside a side file."""

    file: str
    sha256: str
    size: int


class Output(Struct, frozen=True, omit_defaults=True):
    """A side file with the masked output of one attempt."""

    file: str
    """Relative to the folder of the run."""
    sha256: str
    size: int
    dropped: int = 0
    """Bytes that were over the cap and are not kept."""
    index: OutputIndex | None = None
    """When its parts came, if they are many."""
    parts: list[tuple[int, int, Literal["out", "err", "mark"], int]] = []
    """Offset, length, stream and milliseconds of its parts, if they are few."""
    trouble: str = ""
    """Why the file may be incomplete, if the disk refused."""


class Base(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A fact; the fields here stand in the head of its record, all others in its `data`."""

    type: ClassVar[str]
    code: ClassVar[str]
    durable: ClassVar[bool] = True
    """Whether the recorder returns only when it is on disk."""


class AtStep(Base, frozen=True, kw_only=True):
    """A fact about one step in one place (a host, or `*` for what runs once)."""

    step: str
    target: str
    attempt: int = 0


class SessionOpened(Base, frozen=True, kw_only=True):
    """A process took up the run: everything that stays the same stands here once."""

    type = "session.opened"
    code = "R100"
    mode: Mode
    actor: dict[str, Json]
    boot_id: str
    versions: dict[str, Json]
    playbook: dict[str, Json] = {}
    """id, title, path, sha256, git commit, dirty, text, and the texts of included files."""
    hosts: list[Json] = []
    targets: dict[str, list[str]] = {}
    """The names of the hosts of each group of targets: what its pattern meant when the run began."""
    params: dict[str, Json] = {}
    """Values by name; a secret is `{"secret": SOURCE}`."""
    host_params: dict[str, dict[str, Json]] = {}
    options: dict[str, Json] = {}
    """guided, on_failure, approvals and answers given, limit, incident, rehearsed digest."""
    plan_digest: str = ""


class SessionClosed(Base, frozen=True, kw_only=True):
    """The process let go of the run in good order."""

    type = "session.closed"
    code = "R190"
    status: RunStatus
    next_session: str = ""
    """The bundle that a handover names."""


class JournalRepaired(Base, frozen=True, kw_only=True):
    """A torn last line, as a crash leaves it, was set aside."""

    type = "journal.repaired"
    code = "R191"
    size: int
    sha256: str
    offset: int


class QuestionAsked(Base, frozen=True, kw_only=True):
    """A person is needed."""

    type = "question.asked"
    code = "R200"
    question: Question


class DecisionMade(Base, frozen=True, kw_only=True):
    """A person, an answers file or a policy decided."""

    type = "decision.made"
    code = "R210"
    question: str
    """Id of the question."""
    kind: str
    step: str = ""
    places: list[str] = []
    choice: str
    values: dict[str, Json] = {}
    reason: str = ""
    source: str
    actor: str = ""
    digest: str = ""


class SteeringAsked(Base, frozen=True, kw_only=True):
    """Somebody asked from outside to pause or cancel the run, or a signal did.

    `pause` and `interrupt` let what runs come to its end; `cancel` stops it.
    """

    type = "steering.asked"
    code = "R220"
    what: Literal["pause", "interrupt", "cancel", "continue"]
    reason: str = ""
    actor: str = ""


class NoteWritten(Base, frozen=True, kw_only=True):
    """A note or pinned evidence."""

    type = "note.written"
    code = "R230"
    text: str
    step: str = ""
    actor: str = ""


class StepSkipped(AtStep, frozen=True, kw_only=True):
    """The step does not run in this place."""

    type = "step.skipped"
    code = "R300"
    durable = False
    why: Literal["when", "goto", "operator", "excluded", "stopped", "include"]
    reason: str = ""


class StepPlanned(AtStep, frozen=True, kw_only=True):
    """The target was inspected and it is known what will happen."""

    type = "step.planned"
    code = "R310"
    durable = False
    answer: Literal["proceed", "already", "refuse", "later"]
    """`later`: its arguments hold values that earlier steps have yet to give."""
    words: str
    commands: list[str] = []
    diff: str = ""
    notes: list[str] = []
    undo: str = ""
    digest: str
    """SHA-256 over the host, the rendered arguments, words, commands and diff."""
    form: str
    """SHA-256 over the host and the arguments as written, with values known only later as symbols."""
    arguments: dict[str, Json] = {}
    """`with:` with its templates filled in; a secret is `{"secret": NAME}`."""
    before: dict[str, Json] = {}
    """State before the step, as the action gathered it: what undo needs."""


class AttemptStarted(AtStep, frozen=True, kw_only=True):
    """The step begins in this place; for a change this is the intent, with all that undo needs in its plan."""

    type = "attempt.started"
    code = "R320"
    effect: Effect
    plan_digest: str = ""
    held_before: Literal["good", "bad", "no data", ""] = ""
    """What the written checks said before the change."""


class ReadStarted(AtStep, frozen=True, kw_only=True):
    """A probe, or what runs once, begins; nothing is lost if this record is."""

    type = "read.started"
    code = "R321"
    durable = False


class OperationIntended(AtStep, frozen=True, kw_only=True):
    """One operation is about to be sent; nothing of it went out before this was on disk."""

    type = "operation.intended"
    code = "R330"
    operation: str
    intent: dict[str, Json] = {}
    undo: bool = False


class OperationDone(AtStep, frozen=True, kw_only=True):
    """The receipt of an operation."""

    type = "operation.done"
    code = "R340"
    operation: str
    receipt: dict[str, Json] = {}
    undo: bool = False
    settled: bool = False
    """It was found out afterwards, by reading."""


class VerifyFinished(AtStep, frozen=True, kw_only=True):
    """The checks of a change were made."""

    type = "verify.finished"
    code = "R350"
    durable = False
    state: Literal["good", "bad", "no data"]
    evidence: list[str] = []


class StepFinished(AtStep, frozen=True, kw_only=True):
    """The outcome of an attempt."""

    type = "step.finished"
    code = "R360"
    status: Status
    effect: Effect = "read"
    changed: bool = False
    """The target was changed, or may have been."""
    verified: bool = False
    """The checks were good after the change; completed is not verified."""
    values: dict[str, Json] = {}
    """What was captured for later steps."""
    result: dict[str, Json] = {}
    error: str = ""
    evidence: list[str] = []
    dispatched: bool = True
    """False: provably nothing was sent."""
    exit: int | None = None
    output: Output | None = None
    ms: int = 0
    adopted: bool = False
    """Found succeeded after a doubt, not seen succeeding."""


class PaceSet(AtStep, frozen=True, kw_only=True):
    """Somebody set how fast the step may go, within what the playbook says; it holds from here on."""

    type = "pace.set"
    code = "R370"
    rate: Json
    """Units a second; 0: no limit."""
    reason: str = ""
    actor: str = ""


class UndoStarted(AtStep, frozen=True, kw_only=True):
    """The way back of a step begins."""

    type = "undo.started"
    code = "R400"


class UndoFinished(AtStep, frozen=True, kw_only=True):
    """The way back of a step ended."""

    type = "undo.finished"
    code = "R410"
    status: Literal["undone", "undo_failed", "drifted", "none", "in_doubt", "unreachable"]
    """`drifted`: it is not known to be as the step left it; nothing was overwritten. `none`: there is no way back, as
    the playbook says. `unreachable`: nothing was sent; it is undone when the target is back."""
    cause: Literal["", "bad", "no data"] = ""
    """Why it `drifted`. `bad`: it was changed since, as it is where nothing is said; `no data`: nobody can tell."""
    covered_by: int = 0
    """The later attempt whose written way back was that of this one as well; 0 if it was led back by itself."""
    error: str = ""
    evidence: list[str] = []
    output: Output | None = None
    ms: int = 0


class UndoAsked(Base, frozen=True, kw_only=True):
    """From here on the run goes back: these steps, in this order."""

    type = "undo.asked"
    code = "R420"
    steps: list[list[str]]
    """Pairs of step and target, in the order of undoing; a third word `again` marks a re-run by `activates`."""
    abort: bool = False
    """The run ends as aborted when this is done."""
    reason: str = ""


class TargetMet(Base, frozen=True, kw_only=True):
    """The first connection of a session to a target that has proven who it is."""

    type = "target.met"
    code = "R505"
    durable = False
    target: str
    place: str
    """Login and address by which it was reached, as ssh resolves them: `user@address`, and the port if unusual."""
    host_key: str
    """Kind and fingerprint of its key."""


class LeaseClaimed(Base, frozen=True, kw_only=True):
    """The target is claimed by this run."""

    type = "lease.claimed"
    code = "R500"
    target: str
    over: str = ""
    reason: str = ""
    host_key: str = ""
    """Kind and fingerprint of the key that the host has proven; empty where there is none."""
    clock_offset: int | None = None
    """Seconds that the clock of the target is ahead; None if the claim is an older one."""
    anew: bool = False
    """The claim that an earlier session made, and did not give back, was not there any more."""
    boot: str = ""
    """A word that changes with every start of the target; empty where there is none."""


class LeaseReturned(Base, frozen=True, kw_only=True):
    """The claim on the target was given back."""

    type = "lease.returned"
    code = "R510"
    durable = False
    target: str


class ListenerFailed(Base, frozen=True, kw_only=True):
    """A screen or another listener failed; the run was not touched by it."""

    type = "listener.failed"
    code = "R600"
    durable = False
    listener: str
    error: str


class SecretFound(Base, frozen=True, kw_only=True):
    """The scan at the end found a declared secret in a file of ours."""

    type = "secret.found"
    code = "R610"
    file: str


class BaselineTaken(Base, frozen=True, kw_only=True):
    """A normal value was looked up, from history or at the start of the run."""

    type = "baseline.taken"
    code = "R700"
    baseline: str
    state: Literal["good", "no data"]
    value: Json = None
    during_incident: bool = False
    """It was taken at the start of the run, and so during the incident."""
    evidence: list[str] = []


class GuardSampled(Base, frozen=True, kw_only=True):
    """One sample of a guard."""

    type = "guard.sampled"
    code = "R710"
    durable = False
    guard: str
    state: Literal["good", "bad", "no data"]
    value: Json = None
    evidence: list[str] = []


class GuardBreached(Base, frozen=True, kw_only=True):
    """A guard had as many bad samples, or as many without data, in a row as its threshold says."""

    type = "guard.breached"
    code = "R720"
    guard: str
    cause: Literal["bad", "no data"]
    response: Literal["pause", "stop", "undo wave", "undo stage", "undo run"]
    why: str = ""


class RunFinished(Base, frozen=True, kw_only=True):
    """The run came to a rest: over, or waiting for a person."""

    type = "run.finished"
    code = "R900"
    status: RunStatus
    verified: bool = False
    deviated: bool = False
    unverified: int = 0
    """Changes whose checks were not good."""
    why: str = ""


Fact: TypeAlias = (
    SessionOpened
    | SessionClosed
    | JournalRepaired
    | QuestionAsked
    | DecisionMade
    | SteeringAsked
    | NoteWritten
    | StepSkipped
    | StepPlanned
    | AttemptStarted
    | ReadStarted
    | OperationIntended
    | OperationDone
    | VerifyFinished
    | StepFinished
    | PaceSet
    | UndoStarted
    | UndoFinished
    | UndoAsked
    | TargetMet
    | LeaseClaimed
    | LeaseReturned
    | ListenerFailed
    | SecretFound
    | BaselineTaken
    | GuardSampled
    | GuardBreached
    | RunFinished
)
"""All facts; `match` over it ends in `assert_never`."""
