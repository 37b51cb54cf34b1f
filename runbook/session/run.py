"""Running: the use cases that carry a run from one rest to the next, each in one session of its journal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from runbook.config import Settings
from runbook.engine import failpoint
from runbook.engine.undoing import way_back
from runbook.errors import RefusedError, UsageError
from runbook.events import fact as f
from runbook.events.fold import fold, is_unseen
from runbook.events.state import RunState
from runbook.journal import Layout, Writer, new_run_id, read
from runbook.model.plan import Plan
from runbook.model.scalar import Json
from runbook.ports.approver import Approver
from runbook.ports.recorder import Listener
from runbook.session.carry import Session
from runbook.session.control import Control
from runbook.session.order import Adhoc, Order
from runbook.session.prepare import Prepared, from_snapshot, opening, prepare, prepare_adhoc, prepare_again
from runbook.session.provenance import actor, boot_id, versions
from runbook.session.record import facts_of, state_of, to_fact
from runbook.session.result import CLOSED, Result
from runbook.session.unattended import Missing, Unattended, given_before
from runbook.session.value import settled
from runbook.session.way import as_recorded, changed_with
from runbook.text.hostlist import meant, told


def start(
    settings: Settings,
    order: Order,
    approver: Approver,
    listeners: tuple[Listener, ...] = (),
    control: Control | None = None,
) -> Result:
    """Run a playbook, guided or unattended. Raises RunbookError if nothing was begun."""
    return begin(settings, prepare(settings, order), order, approver, listeners, control or Control())


def replay_run(
    settings: Settings,
    run: str,
    order: Order,
    approver: Approver,
    listeners: tuple[Listener, ...] = (),
    control: Control | None = None,
) -> Result:
    """Execute a recorded run once more: its playbook, values and answers, never its approvals, skips or hand marks.

    What differs from then is put on record as notes before anything runs.
    """
    state = state_of(Layout(settings.state), run)
    if state.opened is None or "text" not in state.opened.playbook:
        raise UsageError(f"run {run} has no playbook on record", remedy="replay a playbook")
    prepared, differences = prepare_again(settings, state.opened, order)
    if isinstance(approver, Unattended):
        answers = {d.step: _reply(d) for d in state.decisions if d.kind in ("form", "choose")}
        approver = approver.knows_also((), {k: v for k, v in answers.items() if v is not None})
    return begin(
        as_recorded(settings, state),
        prepared,
        order,
        approver,
        listeners,
        control or Control(),
        replay_of=run,
        notes=differences,
    )


def _reply(made: f.DecisionMade) -> Json:
    """Return what an answers file would say, None for what a replay does not take over."""
    match made.kind:
        case "form" if made.choice == "answer":
            return dict(made.values)
        case "choose" if made.choice not in ("pause", "abort"):
            return made.choice
        case _:
            return None


def begin(
    settings: Settings,
    prepared: Prepared,
    order: Order,
    approver: Approver,
    listeners: tuple[Listener, ...],
    control: Control,
    *,
    replay_of: str = "",
    notes: tuple[str, ...] = (),
) -> Result:
    """Open the journal of a new run and carry it to a rest."""
    if isinstance(approver, Unattended):
        approver.check(prepared.plan)
    missing = approver.missing(prepared.plan, settled(prepared.values)) if isinstance(approver, Unattended) else ()
    options: dict[str, Any] = {
        "guided": order.guided,
        "on_failure": order.on_failure,
        "approvals": list(order.approvals),
        "answers": approver.answers if isinstance(approver, Unattended) else {},
        "incident": order.incident,
        "limit": order.limit,
        **({"parallel": order.parallel} if order.parallel else {}),
        "replay_of": replay_of,
        "inventory": str(order.inventory.absolute()) if order.inventory else "",
        "ssh_config": str(settings.ssh_config.absolute()) if settings.ssh_config else "",
    }
    session = Session(settings, prepared, approver, listeners, control)
    opened = opening(prepared, mode="run" if order.guided else "replay", options=options, **_who())
    session.fetch()
    if not missing:
        session.load()
    run = new_run_id(datetime.now(UTC))
    writer = Writer.create(session.layout, run, crash=failpoint.crash)
    return session.carry(
        writer,
        RunState(),
        opened,
        *(f.NoteWritten(text=note, actor="runbook") for note in notes),
        guided=order.guided,
        on_failure=order.on_failure,
        takeover=order.take_over,
        missing=missing,
    )


def adhoc(
    settings: Settings,
    order: Adhoc,
    approver: Approver,
    listeners: tuple[Listener, ...] = (),
    control: Control | None = None,
) -> Result:
    """Run one recorded ad-hoc command. Raises RunbookError if nothing was begun."""
    prepared = prepare_adhoc(order)
    missing = approver.missing(prepared.plan, settled(prepared.values)) if isinstance(approver, Unattended) else ()
    # There is nothing that such a command could be given beforehand: it is agreed to when it is seen.
    missing = tuple(replace(each, remedy="your answer on a terminal") for each in missing)
    session = Session(settings, prepared, approver, listeners, control or Control())
    opened = opening(prepared, mode="exec", options={"incident": order.incident}, **_who())
    if not missing:
        session.load()
    writer = Writer.create(session.layout, new_run_id(datetime.now(UTC)), crash=failpoint.crash)
    return session.carry(writer, RunState(), opened, missing=missing)


def resume(
    settings: Settings,
    run: str,
    approver: Approver,
    listeners: tuple[Listener, ...] = (),
    control: Control | None = None,
    *,
    guided: bool = False,
    failed_hosts: bool = False,
    on_failure: str = "",
    take_over: str = "",
) -> Result:
    """Go on with a run from its journal. Raises RefusedError if it is over, JournalLocked if it lives."""
    writer, state = reopen(Layout(settings.state), run)
    with writer:
        if state.opened is None:
            raise UsageError(f"run {run} has no beginning on record", remedy="run the playbook again")
        if state.status in CLOSED or state.status == "aborted":
            raise RefusedError(f"run {run} is over: {state.status}", remedy="run the playbook again")
        prepared = from_snapshot(state.opened)
        if isinstance(approver, Unattended):
            approver.check(prepared.plan)
            approver = _given_to(state, approver)
        keys = {} if take_over else changed_with(facts_of(Layout(settings.state), run))
        session = Session(as_recorded(settings, state), prepared, approver, listeners, control or Control(), keys)
        on_failure = on_failure or str(state.opened.options.get("on_failure") or "")
        options: dict[str, Any] = {"guided": guided, "on_failure": on_failure, "failed_hosts": failed_hosts}
        mode: f.Mode = "undo" if _is_going_back(state) else "resume"
        opened = f.SessionOpened(mode=mode, options=options, plan_digest=prepared.plan.digest, **_who())
        # A run of which only failures are left is taken up for them; the person who does so is asked before a change.
        more = _retries(state, asked=failed_hosts) if failed_hosts or (guided and state.status == "partial") else ()
        return session.carry(
            writer,
            state,
            opened,
            *more,
            guided=guided,
            on_failure=on_failure,
            takeover=take_over,
            missing=_still_missing(prepared.plan, state, approver),
        )


def _still_missing(plan: Plan, state: RunState, approver: Approver) -> tuple[Missing, ...]:
    """Return what a person has yet to say before the first step; nothing once a step has begun."""
    if not isinstance(approver, Unattended) or any(at.attempts for at in state.steps.values()):
        return ()
    said = {made.step for made in state.decisions}
    return tuple(lacking for lacking in approver.missing(plan) if lacking.step not in said)


def _is_going_back(state: RunState) -> bool:
    """Whether the last session was an undo that did not come to its end: the run must not go forward behind it."""
    if _last_mode(state) != "undo":
        return False
    return bool(state.undo_left) or (state.status in ("running", "interrupted") and not state.pending_undo)


def _last_mode(state: RunState) -> str:
    """Return what the last session that carried something out was for."""
    carrying = [s.mode for s in state.sessions if s.mode not in ("note", "decide", "handover", "adopt")]
    return carrying[-1] if carrying else ""


def _given_to(state: RunState, approver: Unattended) -> Unattended:
    """Return the approver with what this same run was given at its start and by `decide`."""
    first = state.opened.options if state.opened is not None else {}
    approvals, answers = given_before(state.decisions)
    written, replies = first.get("approvals"), first.get("answers")
    return approver.knows_also(
        (*approvals, *(str(name) for name in (written if isinstance(written, list) else []))),
        {**(replies if isinstance(replies, dict) else {}), **answers},
    )


def _retries(state: RunState, *, asked: bool) -> tuple[f.Fact, ...]:
    """Return the decisions that retry every step where it failed, but for what was done and has yet to be looked at.

    Hosts that were left out because of a failure take part again; `asked` says that the command line asked for it.
    """
    bad: dict[str, list[str]] = {}
    for (step, target), at in state.steps.items():
        stopped = at.status in ("failed", "timed_out", "cancelled", "unreachable", "refused")
        if stopped and not at.orphan and not is_unseen(at):
            bad.setdefault(step, []).append(target)
    why: dict[str, Any] = {"kind": "failure", "source": "command-line" if asked else "policy"}
    why["reason"] = "--failed-hosts" if asked else "taken up again"
    made: list[f.Fact] = []
    for step, places in bad.items():
        if back := [place for place in places if place in state.excluded]:
            made.append(f.DecisionMade(question=f"failure/{step}", step=step, places=back, choice="include", **why))
        made.append(f.DecisionMade(question=f"failure/{step}", step=step, places=places, choice="retry_failed", **why))
    return tuple(made)


def undo(
    settings: Settings,
    run: str,
    approver: Approver,
    listeners: tuple[Listener, ...] = (),
    control: Control | None = None,
    *,
    step: str = "",
    target: str = "",
    reason: str = "",
    take_over: str = "",
) -> Result:
    """Walk the undo stack of a run, all of it or one step, on all hosts or on those that `target` means.

    Raises RefusedError if nothing stands, UsageError for a step or hosts that are not of the run.
    """
    writer, state = reopen(Layout(settings.state), run)
    with writer:
        if state.opened is None:
            raise UsageError(f"run {run} has no beginning on record")
        prepared = from_snapshot(state.opened)
        places = [place for name, place in state.steps if not step or name == step]
        if step and not places:
            raise UsageError(f"{step} has done nothing in this run", where=run, remedy="write STEP or STEP@HOST")
        on = meant(target, places) if target else places
        if not on:
            raise UsageError(
                f"{target} names no host on which {step} has done anything",
                where=run,
                remedy=f"it was on {told(places)}",
            )
        chosen = [c for c in state.standing if (not step or c[0] == step) and c[1] in on]
        if not chosen:
            what = f"{step}: nothing" if step else "nothing"
            over = "it is undone already; " if state.status == "undone" else ""
            raise RefusedError(
                f"{over}{what} stands that could be undone", where=run, remedy="`runbook audit show` tells why"
            )
        keys = {} if take_over else changed_with(facts_of(Layout(settings.state), run))
        session = Session(as_recorded(settings, state), prepared, approver, listeners, control or Control(), keys)
        opened = f.SessionOpened(mode="undo", options={"step": step}, plan_digest=prepared.plan.digest, **_who())
        back = way_back(prepared.plan, state, chosen)
        asked = f.UndoAsked(steps=[list(entry) for entry in back], reason=reason or "undo was asked for")
        return session.carry(writer, state, opened, asked, takeover=take_over)


def reopen(layout: Layout, run: str) -> tuple[Writer, RunState]:
    """Take the journal of a run up again, repaired if its last line is torn.

    Raises JournalBroken if the chain does not hold, JournalLocked if another process writes it.
    """
    writer = Writer.append_to(layout, run, crash=failpoint.crash)
    try:
        state = RunState()
        for record in read(layout, run):
            state = fold(state, to_fact(record))
        if state.handed_over:
            raise UsageError(
                f"run {run} was handed over as {state.handed_over}", remedy="adopt that bundle to take it back"
            )
    except BaseException:
        writer.release()
        raise
    return writer, state


def _who() -> dict[str, Any]:
    return {"actor": actor(), "boot_id": boot_id(), "versions": versions()}
