"""The ports for what steps do: actions change something, probes only read.

An action reaches its target through `Reader` and `Work` alone. `inspect`, `settle`, `verify` and `drift` read;
only `apply` and `undo` change, and they do so in operations whose intent is on disk before they begin.
Guests register a class under the entry point group `runbook.actions`; built-ins stand in a static table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Generic, Literal, Protocol, TypeAlias, TypeVar

from msgspec import Struct

from runbook.model.scalar import Effect, Json
from runbook.ports.cancel import Cancel
from runbook.ports.target import Cmd, Finished, OpKey, Reader, Sink, Target

W = TypeVar("W", bound=Struct)
B = TypeVar("B", bound=Struct)
R = TypeVar("R", bound=Struct)
W_contra = TypeVar("W_contra", bound=Struct, contravariant=True)
T = TypeVar("T")


class Proceed(Struct, Generic[B], frozen=True):
    """The target can be changed; `before` is all that plan, verify and undo need to know of it."""

    before: B


class Already(Struct, Generic[B], frozen=True):
    """The target is as the step wants it; nothing will be done."""

    before: B
    why: str


class Refuse(Struct, frozen=True):
    """The step must not run here."""

    why: str
    remedy: str = ""


Inspection: TypeAlias = Proceed[B] | Already[B] | Refuse


class StepPlan(Struct, frozen=True):
    """What will happen on one host: shown before it happens, and bound to approvals by its digest."""

    words: str
    """One sentence in the present tense: "Restart order-service"."""
    commands: tuple[str, ...] = ()
    """The commands that will run, as an operator would type them; secrets masked by name."""
    diff: str = ""
    """A unified diff of what will change in files; empty if it does not apply."""
    notes: tuple[str, ...] = ()
    """Risks and limits on this host."""
    undo: str = ""
    """The way back in one sentence."""


class Good(Struct, Generic[R], frozen=True):
    """The probe saw what it looks for, or just saw: `value` is the result."""

    value: R
    evidence: tuple[str, ...] = ()


class Bad(Struct, Generic[R], frozen=True):
    """The probe saw that it does not hold."""

    value: R
    evidence: tuple[str, ...] = ()


class NoData(Struct, frozen=True):
    """The probe could not see; never good."""

    evidence: tuple[str, ...] = ()


Observation: TypeAlias = Good[R] | Bad[R] | NoData


class Verdict(Struct, frozen=True):
    """What a built-in check of an action found."""

    state: Literal["good", "bad", "no data"]
    evidence: tuple[str, ...] = ()


class OpenOp(Struct, frozen=True):
    """An operation with an intent and no receipt."""

    key: OpKey
    intent: dict[str, Json]


class Done(Struct, frozen=True):
    """The operation was carried out; its receipt was found out by reading."""

    receipt: dict[str, Json]
    evidence: tuple[str, ...] = ()


class NotDone(Struct, frozen=True):
    """The operation provably changed nothing."""

    evidence: tuple[str, ...] = ()


class Unknown(Struct, frozen=True):
    """It cannot be told."""

    evidence: tuple[str, ...] = ()


Settlement: TypeAlias = Done | NotDone | Unknown


class Work(Protocol):
    """What `apply` and `undo` get: the target, and operations."""

    @property
    def target(self) -> Target:
        """The target.

        Raise TransportError from an operation whose end is not known: no receipt is written then, and the step is in
        doubt.
        """

    @property
    def sink(self) -> Sink:
        """Where output goes."""

    @property
    def cancel(self) -> Cancel:
        """Ends work early."""

    @property
    def receipts(self) -> Mapping[str, dict[str, Json]]:
        """Receipts of `apply` by the name of the operation: in `undo` they tell how far it came."""

    @property
    def rate(self) -> float | None:
        """Units a second that an operator has set by now, on record; None: as `with:` says.

        May change at any moment, also while `apply` waits; only for actions that are `paced`.
        """

    def op(self, name: str, intent: Mapping[str, Json], body: Callable[[OpKey], Mapping[str, Json]]) -> dict[str, Json]:
        """Carry out one operation: intent on disk, `body(key)`, receipt on disk; return the receipt.

        If the journal already holds a receipt of this name, `body` is not called and that receipt is returned, so
        that `apply` can simply be called again after a crash. Names are unique within one attempt of a step.
        """

    def run(self, name: str, cmd: Cmd) -> Finished:
        """Run one changing command as one operation; raises ActionError unless it exits with 0."""

    def progress(self, done: int, total: int, unit: str) -> None:
        """Tell how far it is; may be called often."""


class Described(Protocol):
    """What the catalogue shows of an action or probe."""

    name: ClassVar[str]
    """The word after `uses:`."""
    summary: ClassVar[str]
    """One line for the manual and for editors."""
    effect: ClassVar[Effect]
    """For `command` and `shell` the step says it."""
    once: ClassVar[bool]
    """Runs once from the controller, not per host."""


class Action(Described, Protocol[W, B, R]):
    """Something that changes a target. W: its `with:`, B: the state before, R: what apply found out."""

    model: type[W]
    before: type[B]
    result: type[R]
    brings_verify: ClassVar[bool]
    """Its `verify` looks at the target; if False, the step must write a check."""
    brings_undo: ClassVar[bool]
    """Its `undo` leads back; if False, the step must write one or say why there is none."""

    def inspect(self, w: W, t: Reader) -> Inspection[B]:
        """Look, by reading only, whether and how the step can be done."""

    def plan(self, w: W, b: B) -> StepPlan:
        """Say what will happen: pure, from what was seen."""

    def apply(self, w: W, b: B, work: Work) -> R:
        """Do it, in operations. Raises ActionError or TransportError; receipts tell how far it came."""

    def settle(self, w: W, b: B, o: OpenOp, t: Reader) -> Settlement:
        """Find out, by reading only, what became of an open operation of apply or undo."""

    def verify(self, w: W, b: B, r: R | None, t: Reader) -> Verdict:
        """Look whether the target is as the step wants it; `r` is None before apply."""

    def drift(self, w: W, b: B, r: R | None, t: Reader) -> Verdict:
        """Look whether the target still is as this step left it: good = nobody changed it since."""

    def undo(self, w: W, b: B, r: R | None, work: Work) -> None:
        """Lead back to the state before, in operations; `r` is None if apply did not come to its end."""

    def undone(self, w: W, b: B, r: R | None, t: Reader) -> Verdict:
        """Look whether the target is as it was before."""


class Probe(Described, Protocol[W_contra, R]):
    """Something that only reads."""

    result: type[R]

    def observe(self, w: W_contra, t: Reader, sink: Sink) -> Observation[R]:
        """Look once. Raises TransportError if the target cannot be asked."""


class ActionInfo(Struct, frozen=True):
    """What the loader and the planner know of an action without making one."""

    name: str
    summary: str
    effect: Effect
    model: type[Struct]
    """The typed form of `with:`."""
    result: type[Struct]
    """The typed form of `result` in `capture` and `expect`."""
    is_probe: bool
    once: bool
    brings_verify: bool
    brings_undo: bool
    paced: bool = False
    """Obeys `Work.rate`; its `with:` has a `rate` in units a second (0: no limit): the most that can be set."""


class Catalogue(Protocol):
    """The actions and probes that exist here, guests included."""

    def names(self) -> tuple[str, ...]:
        """Return all names, sorted."""

    def info(self, name: str) -> ActionInfo | None:
        """Return what is known of an action, None if there is none of this name."""

    def action(self, name: str) -> Action[Struct, Struct, Struct]:
        """Return the action; raises KeyError. `command` and `shell` are both actions and probes."""

    def probe(self, name: str) -> Probe[Struct, Struct]:
        """Return the probe; raises KeyError."""
