"""Running: the use cases that carry a run from one rest to the next, each in one session of its journal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from runbook.config import Settings
from runbook.engine import failpoint
from runbook.engine.run import Run
from runbook.engine.services import Services
from runbook.engine.undoing import way_back
from runbook.errors import JournalError, RefusedError, RunbookError, TransportError, UsageError
from runbook.events import fact as f
from runbook.events.fold import fold
from runbook.events.state import RunState
from runbook.events.status import RunStatus
from runbook.journal import Layout, Writer, new_run_id, read
from runbook.model.plan import Plan
from runbook.model.scalar import Json
from runbook.ports.approver import Approver
from runbook.ports.cancel import Cancel
from runbook.ports.recorder import Listener, Mail
from runbook.secret import Masker
from runbook.session.canary import leaked
from runbook.session.inbox import FileInbox
from runbook.session.order import Adhoc, Order
from runbook.session.prepare import Prepared, from_snapshot, opening, prepare, prepare_adhoc, prepare_again
from runbook.session.provenance import actor, boot_id, owner, versions
from runbook.session.record import JournalRecorder, SideFiles, state_of, to_fact
from runbook.session.unattended import Missing, Unattended, given_before
from runbook.session.value import fetch_secrets, revealed
from runbook.transports import transports

CLOSED: frozenset[RunStatus] = frozenset({"succeeded", "undone"})
"""A run in one of these is over: there is nothing to resume."""

KEEPS_LEASE: frozenset[RunStatus] = frozenset({"waiting", "paused", "interrupted", "in_doubt", "undo_incomplete"})
"""A run that rests in one of these still claims its targets."""


class Result(Struct, frozen=True, kw_only=True):
    """How a session of a run ended."""

    run: str
    playbook: str
    status: RunStatus
    state: RunState
    plan: Plan
    why: str = ""
    started: str = ""
    missing: tuple[Missing, ...] = ()

    @property
    def pending_undo(self) -> int:
        """How many changes stand that have a way back, if the run did not succeed."""
        return 0 if self.status in CLOSED else len(self.state.standing)


class Control:
    """What signal handlers and screens use to steer the session of this process; safe from any thread."""

    def __init__(self) -> None:
        self.cancel_token = Cancel()
        self._inbox: FileInbox | None = None
        self._waiting: list[Mail] = []

    def connect(self, inbox: FileInbox) -> None:
        """Pass on what comes from now on, and what came before."""
        self._inbox = inbox
        for mail in self._waiting:
            inbox.leave(mail)

    def cancel(self, reason: str) -> None:
        """Stop the running step, and look whether it did."""
        self._post(Mail("cancel", reason=reason))
        self.cancel_token.set(reason)

    def interrupt(self, reason: str) -> None:
        """Let the running operation come to its end, then leave the run interrupted."""
        self._post(Mail("interrupt", reason=reason))

    def pause(self, reason: str) -> None:
        """Let what runs come to its end, then leave the run paused."""
        self._post(Mail("pause", reason=reason))

    def _post(self, mail: Mail) -> None:
        if self._inbox is None:
            self._waiting.append(mail)
        else:
            self._inbox.leave(mail)


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
        answers = {d.step: _reply(d) for d in state.decisions if d.kind in ("manual", "form", "choose")}
        approver = approver.knows_also((), {k: v for k, v in answers.items() if v is not None})
    return begin(
        settings,
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
        case "manual" if made.choice == "done":
            return "done"
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
    missing = approver.missing(prepared.plan) if isinstance(approver, Unattended) else ()
    options: dict[str, Any] = {
        "guided": order.guided,
        "on_failure": order.on_failure,
        "approvals": list(order.approvals),
        "answers": approver.answers if isinstance(approver, Unattended) else {},
        "incident": order.incident,
        "limit": order.limit,
        "replay_of": replay_of,
        "inventory": str(order.inventory.absolute()) if order.inventory else "",
    }
    session = _Session(settings, prepared, approver, listeners, control)
    opened = opening(prepared, mode="run" if order.guided else "replay", options=options, **_who())
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
    missing = approver.missing(prepared.plan) if isinstance(approver, Unattended) else ()
    session = _Session(settings, prepared, approver, listeners, control or Control())
    opened = opening(prepared, mode="exec", options={"incident": order.incident}, **_who())
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
    """Go on with a run from its journal. Raises UsageError if it is over, JournalLocked if it lives."""
    writer, state = reopen(Layout(settings.state), run)
    with writer:
        if state.opened is None:
            raise UsageError(f"run {run} has no beginning on record", remedy="run the playbook again")
        if state.status in CLOSED:
            raise UsageError(f"run {run} is over: {state.status}", remedy="run the playbook again")
        prepared = from_snapshot(state.opened)
        if isinstance(approver, Unattended):
            approver = _given_to(state, approver)
        session = _Session(settings, prepared, approver, listeners, control or Control())
        options: dict[str, Any] = {"guided": guided, "on_failure": on_failure, "failed_hosts": failed_hosts}
        opened = f.SessionOpened(mode="resume", options=options, plan_digest=prepared.plan.digest, **_who())
        more = _retries(state) if failed_hosts else ()
        return session.carry(writer, state, opened, *more, guided=guided, on_failure=on_failure, takeover=take_over)


def _given_to(state: RunState, approver: Unattended) -> Unattended:
    """Return the approver with what this same run was given at its start and by `decide`."""
    first = state.opened.options if state.opened is not None else {}
    approvals, answers = given_before(state.decisions)
    written, replies = first.get("approvals"), first.get("answers")
    return approver.knows_also(
        (*approvals, *(str(name) for name in (written if isinstance(written, list) else []))),
        {**(replies if isinstance(replies, dict) else {}), **answers},
    )


def _retries(state: RunState) -> tuple[f.Fact, ...]:
    """Return the decisions that retry every step where it failed."""
    bad: dict[str, list[str]] = {}
    for (step, target), at in state.steps.items():
        if at.status in ("failed", "timed_out", "cancelled", "unreachable", "refused") and not at.orphan:
            bad.setdefault(step, []).append(target)
    return tuple(
        f.DecisionMade(
            question=f"failure/{step}",
            kind="failure",
            step=step,
            places=places,
            choice="retry_failed",
            reason="--failed-hosts",
            source="command-line",
        )
        for step, places in bad.items()
    )


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
    """Walk the undo stack of a run, all of it or one step. Raises UsageError if nothing stands."""
    writer, state = reopen(Layout(settings.state), run)
    with writer:
        if state.opened is None:
            raise UsageError(f"run {run} has no beginning on record")
        prepared = from_snapshot(state.opened)
        chosen = [c for c in state.standing if (not step or c[0] == step) and (not target or c[1] == target)]
        if not chosen:
            what = f"{step}: nothing" if step else "nothing"
            raise UsageError(f"{what} stands that could be undone", where=run, remedy="`runbook audit show` tells why")
        session = _Session(settings, prepared, approver, listeners, control or Control())
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


class _Session:
    """One session: everything that is built for it, and its way from the opening to the head in the ledger."""

    def __init__(
        self,
        settings: Settings,
        prepared: Prepared,
        approver: Approver,
        listeners: tuple[Listener, ...],
        control: Control,
    ) -> None:
        self.layout = Layout(settings.state)
        self._prepared = prepared
        self._approver = approver
        self._listeners = listeners
        self._control = control
        self._masker = Masker()
        self._transports = transports()

    def carry(
        self,
        writer: Writer,
        state: RunState,
        opened: f.SessionOpened,
        *more: f.Fact,
        guided: bool = False,
        on_failure: str = "",
        takeover: str = "",
        missing: tuple[Missing, ...] = (),
    ) -> Result:
        """Carry the run to a rest and close the session."""
        with writer:
            inbox = FileInbox(self.layout.inbox(writer.run))
            self._control.connect(inbox)
            run = Run(self._services(writer, inbox, guided, on_failure, takeover), state)
            repaired = _repair_fact(writer)
            for fact in (opened, *repaired, *more):
                run.record(fact)
            status, why = self._to_rest(run, missing)
            return self._close(writer, run, status, why, opened, missing)

    def _services(self, writer: Writer, inbox: FileInbox, guided: bool, on_failure: str, takeover: str) -> Services:
        prepared = self._prepared
        secrets = fetch_secrets(prepared.values, self._approver, self._control.cancel_token)
        for name, secret in secrets.items():
            self._masker.add(secret, name)
        return Services(
            run_id=writer.run,
            owner=owner(),
            plan=prepared.plan,
            recorder=JournalRecorder(writer),
            outputs=SideFiles(self.layout, writer.run),
            catalogue=prepared.actions,
            transports=self._transports,
            approver=self._approver,
            inbox=inbox,
            masker=self._masker,
            cancel=self._control.cancel_token,
            params=revealed(prepared.values.common, secrets),
            host_params={h: revealed(v, secrets) for h, v in prepared.values.per_host.items()},
            include_params=prepared.include_params,
            secrets=secrets,
            listeners=self._listeners,
            guided=guided,
            on_failure=on_failure,
            takeover=takeover,
            failpoint=failpoint.crash,
        )

    def _to_rest(self, run: Run, missing: tuple[Missing, ...]) -> tuple[RunStatus, str]:
        if missing:
            lacking = ", ".join(f"{m.step} ({m.what})" for m in missing)
            return "waiting", f"nothing was run: {lacking}"
        try:
            rest = run.until_rest()
        except RefusedError as refused:
            return ("refused" if not run.state.changes else "failed"), str(refused)
        except JournalError:
            raise
        except TransportError as unreachable:
            return ("unreachable" if not run.state.changes else "failed"), str(unreachable)
        except RunbookError as failed:
            return "failed", str(failed)
        finally:
            run.catch_up()
        return rest.status, rest.why

    def _close(
        self,
        writer: Writer,
        run: Run,
        status: RunStatus,
        why: str,
        opened: f.SessionOpened,
        missing: tuple[Missing, ...],
    ) -> Result:
        if status not in KEEPS_LEASE:
            run.give_back_leases()
        run.catch_up()
        state = run.state
        for file in leaked(self._masker, self.layout.folder(writer.run)):
            run.record(f.SecretFound(file=file))
        standing_unverified = state.unverified
        run.record(
            f.RunFinished(
                status=status,
                verified=status == "succeeded" and standing_unverified == 0,
                deviated=state.deviated,
                unverified=standing_unverified,
                why=why,
            ),
        )
        run.record(f.SessionClosed(status=status))
        run.catch_up()
        self._transports.close()
        writer.close(status)
        first = run.state.opened or opened
        return Result(
            run=writer.run,
            playbook=str(first.playbook.get("id", "")),
            status=status,
            state=run.state,
            plan=self._prepared.plan,
            why=why,
            started=_started(self.layout, writer.run),
            missing=missing,
        )


def _repair_fact(writer: Writer) -> tuple[f.Fact, ...]:
    if writer.repair is None:
        return ()
    repair = writer.repair
    return (f.JournalRepaired(size=repair.size, sha256=repair.sha256, offset=repair.offset),)


def _started(layout: Layout, run: str) -> str:
    try:
        return next(iter(read(layout, run))).time
    except (StopIteration, RunbookError, OSError):
        return ""
