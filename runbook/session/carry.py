"""One session of a run: everything that is built for it, and its way from the opening to the head in the ledger."""

from __future__ import annotations

from collections.abc import Mapping

from runbook.config import Settings
from runbook.engine import failpoint
from runbook.engine.run import Run
from runbook.engine.services import Services
from runbook.errors import JournalError, RefusedError, RunbookError, TargetHeld, TransportError
from runbook.events import fact as f
from runbook.events.state import RunState
from runbook.events.status import RunStatus
from runbook.journal import Layout, Writer, read
from runbook.ports.approver import Approver
from runbook.ports.recorder import Listener
from runbook.secret import Masker, Secret
from runbook.session.canary import leaked
from runbook.session.control import Control
from runbook.session.health import Watch
from runbook.session.inbox import FileInbox
from runbook.session.prepare import Prepared
from runbook.session.provenance import owner
from runbook.session.record import JournalRecorder, SideFiles
from runbook.session.result import Held, Result
from runbook.session.unattended import Missing
from runbook.session.value import fetch_secrets, revealed
from runbook.session.way import ways

KEEPS_LEASE: frozenset[RunStatus] = frozenset({"waiting", "paused", "interrupted", "in_doubt", "undo_incomplete"})
"""A run that rests in one of these still claims its targets."""


class Session:
    """One session: everything that is built for it, and its way from the opening to the head in the ledger."""

    def __init__(
        self,
        settings: Settings,
        prepared: Prepared,
        approver: Approver,
        listeners: tuple[Listener, ...],
        control: Control,
        keys: Mapping[str, str] | None = None,
    ) -> None:
        self.layout = Layout(settings.state)
        self._prepared = prepared
        self._approver = approver
        self._listeners = listeners
        self._control = control
        self._masker = Masker()
        self._transports = ways(settings, approver, self._masker.mask, new_hosts=True, keys=keys)
        self._secrets: dict[str, Secret] | None = None
        self._held: Held | None = None

    def load(self) -> None:
        """Begin to load what the hosts of the plan are reached by, while the journal is made."""
        self._transports.load(host.transport for host in self._prepared.plan.hosts.values())

    def fetch(self) -> None:
        """Fetch the secrets, before anything is on record. Raises UsageError if one cannot be had."""
        self._secrets = fetch_secrets(self._prepared.values, self._approver, self._control.cancel_token)

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
            self._control.connect(inbox, writer.run)
            run = Run(self._services(writer, inbox, guided, on_failure, takeover), state)
            repaired = _repair_fact(writer)
            for fact in (opened, *repaired, *more):
                run.record(fact)
            run.catch_up()
            first = run.state.opened or opened
            steps = tuple(step.id for unit in self._prepared.plan.units for step in unit.steps)
            self._control.begun(str(first.playbook.get("id", "")), _started(self.layout, writer.run), steps)
            self._control.watch(Watch(self._transports, self._prepared.plan.hosts))
            try:
                status, why = self._to_rest(run, missing)
            finally:
                self._control.watch(None)
            result = self._close(writer, run, status, why, missing)
            self._control.begun("", "", ())
            return result

    def _services(self, writer: Writer, inbox: FileInbox, guided: bool, on_failure: str, takeover: str) -> Services:
        prepared = self._prepared
        if self._secrets is None:
            self.fetch()
        secrets = self._secrets or {}
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
        except TargetHeld as refused:
            self._held = Held(refused.run, refused.message, refused.free)
            return _broken_off(run.state, "refused"), str(refused)
        except RefusedError as refused:
            return _broken_off(run.state, "refused"), str(refused)
        except JournalError:
            raise
        except TransportError as unreachable:
            return _broken_off(run.state, "unreachable"), str(unreachable)
        except RunbookError as failed:
            return _broken_off(run.state, "failed"), str(failed)
        finally:
            run.catch_up()
        return rest.status, rest.why

    def _close(
        self,
        writer: Writer,
        run: Run,
        status: RunStatus,
        why: str,
        missing: tuple[Missing, ...],
    ) -> Result:
        run.forget_output()
        if status not in KEEPS_LEASE or _was_refused(run.state, status):
            run.give_back_leases()
        elif status == "undo_incomplete":
            # What is led back is free again; only where the way back is not at its end the claim stays.
            run.give_back_leases(frozenset(target for _, target, _ in run.state.undo_left))
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
            f.SessionClosed(status=status),
        )
        run.catch_up()
        self._transports.close()
        writer.close(status)
        return Result(
            run=writer.run,
            playbook=self._control.playbook,
            status=status,
            state=run.state,
            plan=self._prepared.plan,
            why=why,
            started=self._control.started,
            missing=missing,
            held=self._held,
        )


def _was_refused(state: RunState, status: RunStatus) -> bool:
    """Tell whether an undo stopped before it did anything: then it claims nothing, as before it was asked for."""
    if status != "undo_incomplete" or state.sessions[-1].mode != "undo":
        return False
    attempts = [attempt for at in state.steps.values() for attempt in at.attempts]
    ends = {attempt.undone.status for attempt in attempts if attempt.undone is not None}
    return ends <= {"drifted"} and not any(attempt.undo_open for attempt in attempts)


def _broken_off(state: RunState, unchanged: RunStatus) -> RunStatus:
    """Return the status of a run that could not go on; an attempt that is still open outweighs all else."""
    if any(at.orphan or at.status == "in_doubt" for at in state.steps.values()):
        return "in_doubt"
    return "failed" if state.changes else unchanged


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
