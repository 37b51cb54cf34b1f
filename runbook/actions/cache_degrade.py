"""`cache.degrade`: run a service on its local cache for a while, and let nobody forget it.

A degradation has an end, and something has to enforce it that outlives Runbook and a reboot of the target. Runbook is
no daemon, a timer of this process dies with it, and a transient timer of systemd dies with the boot: none of them is
offered. What lasts is the switch itself: it carries the expiry (`$UNTIL`, or the time to live of a Redis key), it
is on disk or in the service, and the service obeys it. That the service does is an agreement, which the playbook states
by `honours_expiry: true` and which is verified by what the service tells of itself (`status.until`), before the step
counts as done. Without it, `at_expiry: restore_if_check` is refused; `at_expiry: alarm` remains: nothing restores by
itself, and the degradation is an open loop that `runbook list`, the end of the run and the report show until it is
undone or restored.

Turning the switch back is only safe when the stock numbers agree, so undo asks `check` first, and refuses otherwise.
The expiry counts from the moment of the turn, by the clock of the target.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from runbook.actions.cache_ask import STAMP, ask, clock, moment, settled
from runbook.actions.cache_choice import switch_of
from runbook.actions.cache_form import UNTIL, AtExpiry, CacheWith, filled, shown
from runbook.actions.cache_switch import TURN, Position, Switch, Turn
from runbook.actions.form import text_of
from runbook.errors import ActionError
from runbook.model.scalar import Effect, Json, Seconds
from runbook.ports.action import Inspection, OpenOp, Proceed, Refuse, Settlement, StepPlan, Verdict, Work
from runbook.ports.target import Reader
from runbook.text import duration_text

_LATE = timedelta(seconds=1)
"""How far the expiry that a service tells may be from the one that was written."""


class DegradeWith(CacheWith, frozen=True, kw_only=True):
    """Which switch, and for how long."""

    expires: Annotated[Seconds, Meta(description="How long it stays degraded; counts from the turn of the switch")]
    honours_expiry: Annotated[
        bool,
        Meta(description="The service obeys the expiry in the switch by itself, also after a reboot; it is verified"),
    ] = False


class DegradeBefore(Struct, frozen=True):
    """The switch as it was."""

    position: Position


class DegradeResult(Struct, frozen=True):
    """What is degraded, and until when."""

    open_what: str
    open_until: str
    """RFC 3339, UTC."""
    sha256: str
    """Of what the switch says."""
    at_expiry: AtExpiry = "alarm"


class CacheDegrade:
    """Turns a switch so that a service answers from its cache, with an end that is enforced or told."""

    name: ClassVar[str] = "cache.degrade"
    summary: ClassVar[str] = "Let a service run on its local cache for a while, by its switch"
    effect: ClassVar[Effect] = "change"
    once: ClassVar[bool] = False
    brings_verify: ClassVar[bool] = True
    brings_undo: ClassVar[bool] = True
    model = DegradeWith
    before = DegradeBefore
    result = DegradeResult

    def inspect(self, w: DegradeWith, t: Reader) -> Inspection[DegradeBefore]:
        """Refuse an expiry that nothing would enforce, and a switch that cannot be turned or led back."""
        try:
            switch = switch_of(w)
            no = _unenforced(w, t)
            if no:
                return no
            position = switch.look(t)
            no = switch.refuse(position, t)
        except ActionError as error:
            return Refuse(error.message, error.remedy)
        return no or Proceed(DegradeBefore(position))

    def plan(self, w: DegradeWith, b: DegradeBefore) -> StepPlan:
        """Say it with a symbol for the expiry, which counts from the turn."""
        switch = switch_of(w)
        text = shown(w.degraded, w.at_expiry)
        how = switch.shown(b.position, text)
        ends = {
            "alarm": "At the expiry nothing restores it by itself: `runbook list` shows it until it is restored",
            "restore_if_check": "At the expiry the service restores itself if its stock numbers agree",
        }[w.at_expiry]
        notes = [f"UNTIL is {duration_text(w.expires)} after the turn. {ends}", *how.notes]
        notes.append(
            "While degraded, promises are made from the cache: other sellers of the same stock can oversell it"
        )
        if b.position.state == "degraded":
            notes.insert(0, "It is degraded already: it gets a new expiry, and undo leads back to the present one")
        return StepPlan(
            words=f"Degrade by {switch.what} for {duration_text(w.expires)}",
            commands=how.commands,
            diff=f"+++ {switch.what}\n+{text.rstrip()}\n",
            notes=tuple(notes),
            undo=f"Turn {switch.what} back to what it was"
            + (", if the stock numbers agree then" if w.check is not None else ""),
        )

    def apply(self, w: DegradeWith, b: DegradeBefore, work: Work) -> DegradeResult:
        """Turn the switch, in one operation; a switch file that is there is kept first."""
        switch = switch_of(w)
        now = clock(work.target)
        ends = now + timedelta(seconds=w.expires)
        until = ends.strftime(STAMP)
        text = filled(w.degraded, until, int(ends.timestamp()), w.at_expiry)
        note: dict[str, Json] = {
            "what": switch.what,
            "until": until,
            "at": now.strftime(STAMP),
            "at_expiry": w.at_expiry,
        }
        # An alarm is no end: a key that went by itself would lead back without a look at the numbers.
        seconds = w.expires if w.at_expiry == "restore_if_check" else 0.0
        receipt = switch.turn(b.position, Turn(text, {"opens": note}, seconds), work)
        # After a crash the receipt tells what was written then; the clock of this process does not.
        opened = receipt.get("opens")
        known = opened if isinstance(opened, dict) else note
        return DegradeResult(switch.what, text_of(known.get("until")), text_of(receipt.get("text_sha256")), w.at_expiry)

    def settle(self, w: DegradeWith, b: DegradeBefore, o: OpenOp, t: Reader) -> Settlement:
        """Tell by what the switch says."""
        return switch_of(w).settle(b.position, o, t)

    def verify(self, w: DegradeWith, b: DegradeBefore, r: DegradeResult | None, t: Reader) -> Verdict:
        """Look at the switch, then wait until the service itself tells that it is degraded, and until when."""
        switch = switch_of(w)
        if r is None:
            found = switch.look(t)
            verdict = Verdict("good" if found.state == "degraded" else "bad", (f"{switch.what} says {found.state}",))
        else:
            verdict = switch.holds(b.position, r.sha256, t)
        if verdict.state != "good" or w.status is None:
            return verdict
        seen = settled(w.verify.within, lambda: _obeyed(w, r, t))
        return Verdict(seen.state, (*verdict.evidence, *seen.evidence))

    def drift(self, w: DegradeWith, b: DegradeBefore, r: DegradeResult | None, t: Reader) -> Verdict:
        """Look whether the switch still says what this step made it say, or is back where it was."""
        return unmoved(switch_of(w), b.position, r.sha256 if r is not None else None, t)

    def undo(self, w: DegradeWith, b: DegradeBefore, r: DegradeResult | None, work: Work) -> None:
        """Turn the switch back to what it was, if the stock numbers agree."""
        switch = switch_of(w)
        digest = r.sha256 if r is not None else written(work)
        if w.check is not None and b.position.state != "degraded" and switch.look(work.target).state == "degraded":
            require_agreement(w, work.target)
        switch.turn_back(b.position, digest, work)

    def undone(self, w: DegradeWith, b: DegradeBefore, r: DegradeResult | None, t: Reader) -> Verdict:
        """Look whether the switch is as it was."""
        return switch_of(w).is_back(b.position, t)


def require_agreement(w: CacheWith, t: Reader) -> tuple[str, ...]:
    """Return how it is seen that the stock numbers agree. Raises ActionError if they do not, or nobody knows."""
    assert w.check is not None
    told = ask(w.check, t)
    if told.state == "good":
        return told.evidence
    words = {"bad": "the stock numbers do not agree", "no data": "it is not known whether the stock numbers agree"}
    raise ActionError(
        f"{words[told.state]}, so the switch stays as it is: {'; '.join(told.evidence)}",
        where=t.host.name,
        remedy="wait until the service has booked what it promised, or correct its numbers, then try again",
    )


def _unenforced(w: DegradeWith, t: Reader) -> Refuse | None:
    """Refuse an expiry that nothing would enforce once Runbook is gone; None if it is enforced, or only told."""
    if w.expires <= 0:
        return Refuse("the expiry is not in the future", "give `expires` a duration such as 30m")
    if w.at_expiry == "alarm" and not w.honours_expiry:
        return None
    if not w.honours_expiry:
        return Refuse(
            "nothing that outlives Runbook and a reboot would restore it at the expiry",
            "say `honours_expiry: true` if the service obeys the expiry in its switch, else `at_expiry: alarm`",
        )
    if w.switch != "redis" and UNTIL not in w.degraded:
        return Refuse("what the switch says does not carry the expiry", "put $UNTIL into `degraded`")
    if w.status is None or (w.switch != "redis" and not w.status.until):
        return Refuse("whether the service obeys the expiry cannot be verified", "give `status` with `until`")
    if w.at_expiry == "restore_if_check" and w.check is None:
        return Refuse("nobody says how it is seen that the stock numbers agree", "give `check`")
    told = ask(w.status, t)
    if told.state == "no data":
        return Refuse(f"the service does not tell its state: {'; '.join(told.evidence)}", "correct `status`")
    return None


def _obeyed(w: DegradeWith, r: DegradeResult | None, t: Reader) -> Verdict:
    """Ask the service whether it is degraded, and whether it knows the end."""
    assert w.status is not None
    told = ask(w.status, t)
    wanted = moment(r.open_until) if r is not None else None
    if told.state != "good" or not w.status.until or wanted is None:
        return Verdict(told.state, told.evidence)
    if told.until is None:
        return Verdict("bad", (*told.evidence, "the service does not tell until when"))
    says = told.until.strftime(STAMP)
    if abs(told.until - wanted) > _LATE:
        return Verdict("bad", (*told.evidence, f"the service obeys {says}, not {wanted.strftime(STAMP)}"))
    return Verdict("good", (*told.evidence, f"the service obeys the expiry {says}"))


def unmoved(switch: Switch, position: Position, digest: str | None, t: Reader) -> Verdict:
    """Look whether the way back would overwrite nothing: the switch is as the step left it, or as it was before."""
    held = switch.holds(position, digest, t)
    if held.state == "good":
        return held
    back = switch.is_back(position, t)
    return Verdict("good", (*back.evidence, "it is back already")) if back.state == "good" else held


def written(work: Work) -> str | None:
    """Return the SHA-256 of what apply has written, as far as it came; None if it did not turn the switch."""
    receipt = work.receipts.get(TURN)
    return None if receipt is None else text_of(receipt.get("text_sha256"))
