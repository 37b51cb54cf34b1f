"""`cache.restore`: end a degradation, but only while the stock numbers agree.

The check is made when the step is inspected, and once more right before the switch is turned: an approval may have
taken its time.
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from runbook.actions.cache_ask import STAMP, ask, clock, settled
from runbook.actions.cache_choice import switch_of
from runbook.actions.cache_degrade import require_agreement, unmoved, written
from runbook.actions.cache_form import CacheWith, digest_of
from runbook.actions.cache_switch import TURN, Position, Turn
from runbook.errors import ActionError
from runbook.model.scalar import Effect, Json
from runbook.ports.action import Already, Inspection, OpenOp, Proceed, Refuse, Settlement, StepPlan, Verdict, Work
from runbook.ports.target import Reader


class RestoreWith(CacheWith, frozen=True, kw_only=True):
    """Which switch; `check` is required."""

    def __post_init__(self) -> None:
        """Refuse to restore without a look at the numbers."""
        if self.check is None:
            raise ValueError("say by `check` how it is seen that the stock numbers agree")


class Closing(Struct, frozen=True):
    """What is no longer degraded, and since when; read by `runbook.events.degradation`."""

    what: str
    at: str


class RestoreBefore(Struct, frozen=True):
    """The switch as it was."""

    position: Position
    closes: Closing


class RestoreResult(Struct, frozen=True):
    """What the switch says."""

    what: str
    sha256: str
    """Empty: there is no switch file."""


class CacheRestore:
    """Turns a switch back to normal operation, if the stock numbers agree."""

    name: ClassVar[str] = "cache.restore"
    summary: ClassVar[str] = "End a degradation by its switch, if the stock numbers agree"
    effect: ClassVar[Effect] = "change"
    once: ClassVar[bool] = False
    brings_verify: ClassVar[bool] = True
    brings_undo: ClassVar[bool] = True
    model = RestoreWith
    before = RestoreBefore
    result = RestoreResult

    def inspect(self, w: RestoreWith, t: Reader) -> Inspection[RestoreBefore]:
        """Refuse while the stock numbers do not agree, or nobody knows; leave alone what is normal."""
        try:
            switch = switch_of(w)
            position = switch.look(t)
            before = RestoreBefore(position, Closing(switch.what, position.at))
            if position.state == "normal":
                return _already(w, before, t)
            if position.state == "other":
                return Refuse(
                    f"{switch.what} says neither what it says while degraded nor what it says in normal operation",
                    "look at it; correct `degraded` and `normal`, or turn it by hand",
                )
            no = switch.refuse(position, t)
            if no:
                return no
            require_agreement(w, t)
        except ActionError as error:
            return Refuse(error.message, error.remedy)
        return Proceed(before)

    def plan(self, w: RestoreWith, b: RestoreBefore) -> StepPlan:
        """Say what the switch says afterwards."""
        switch = switch_of(w)
        how = switch.shown(b.position, w.normal)
        now = f"+++ {switch.what}\n+{w.normal.rstrip()}\n" if w.normal else f"--- {switch.what}\n"
        return StepPlan(
            words=f"Restore normal operation by {switch.what}",
            commands=how.commands,
            diff=now,
            notes=("The stock numbers agree now, and are looked at again right before", *how.notes),
            undo=f"Degrade again: turn {switch.what} back to what it was, with the expiry that it had",
        )

    def apply(self, w: RestoreWith, b: RestoreBefore, work: Work) -> RestoreResult:
        """Look at the numbers once more, then turn the switch in one operation; what a file held is kept first."""
        switch = switch_of(w)
        if TURN not in work.receipts:
            require_agreement(w, work.target)
        note: dict[str, Json] = {"what": b.closes.what, "at": clock(work.target).strftime(STAMP)}
        switch.turn(b.position, Turn(w.normal, {"closes": note}), work)
        return RestoreResult(switch.what, digest_of(w.normal) if w.normal else "")

    def settle(self, w: RestoreWith, b: RestoreBefore, o: OpenOp, t: Reader) -> Settlement:
        """Tell by what the switch says."""
        return switch_of(w).settle(b.position, o, t)

    def verify(self, w: RestoreWith, b: RestoreBefore, r: RestoreResult | None, t: Reader) -> Verdict:
        """Look at the switch, then wait until the service itself no longer tells that it is degraded."""
        switch = switch_of(w)
        found = switch.look(t)
        verdict = Verdict("good" if found.state == "normal" else "bad", (f"{switch.what} says {found.state}",))
        if verdict.state != "good" or w.status is None:
            return verdict
        seen = settled(w.verify.within, lambda: _is_normal(w, t))
        return Verdict(seen.state, (*verdict.evidence, *seen.evidence))

    def drift(self, w: RestoreWith, b: RestoreBefore, r: RestoreResult | None, t: Reader) -> Verdict:
        """Look whether the switch still says what this step made it say, or is back where it was."""
        return unmoved(switch_of(w), b.position, r.sha256 if r is not None else None, t)

    def undo(self, w: RestoreWith, b: RestoreBefore, r: RestoreResult | None, work: Work) -> None:
        """Degrade again, with the expiry that the switch had."""
        switch_of(w).turn_back(b.position, r.sha256 if r is not None else written(work), work)

    def undone(self, w: RestoreWith, b: RestoreBefore, r: RestoreResult | None, t: Reader) -> Verdict:
        """Look whether the switch is as it was."""
        return switch_of(w).is_back(b.position, t)


def _already(w: RestoreWith, before: RestoreBefore, t: Reader) -> Inspection[RestoreBefore]:
    """Leave a normal switch alone, unless the service says that it does not obey it."""
    if w.status is not None and ask(w.status, t).state == "good":
        return Refuse(
            f"{before.closes.what} says normal, and the service says that it is degraded",
            "look whether this is the switch that the service reads",
        )
    return Already(before, f"{before.closes.what} says normal")


def _is_normal(w: RestoreWith, t: Reader) -> Verdict:
    assert w.status is not None
    told = ask(w.status, t)
    state = {"good": "bad", "bad": "good", "no data": "no data"}[told.state]
    return Verdict(state, told.evidence)  # type: ignore[arg-type]
