"""Rehearsing an order: what would change, what the probes see now, how far it reaches. Leaves no record."""

from __future__ import annotations

from msgspec import Struct

from runbook.config import Settings
from runbook.engine.rehearsal import Rehearsed
from runbook.engine.rehearsal import rehearse as walk
from runbook.engine.services import Services
from runbook.events import fact as f
from runbook.model.plan import Plan
from runbook.ports.approver import Approver
from runbook.ports.recorder import Listener, Mail
from runbook.ports.target import Stream
from runbook.secret import Masker
from runbook.session.control import Control
from runbook.session.order import Order
from runbook.session.prepare import prepare
from runbook.session.provenance import owner
from runbook.session.unattended import Missing, Unattended
from runbook.session.value import fetch_secrets, revealed, settled
from runbook.session.way import ways


class Rehearsal(Struct, frozen=True, kw_only=True):
    """What a rehearsal found."""

    playbook: str
    plan: Plan
    steps: tuple[Rehearsed, ...]
    missing: tuple[Missing, ...]
    """What an unattended run would still need."""

    @property
    def refused(self) -> bool:
        """Whether a precheck said no, or a plan could not be made."""
        return any(step.state in ("refused", "failed") for step in self.steps)

    @property
    def unreachable(self) -> bool:
        """Whether a target could not be asked."""
        return any(step.state == "unreachable" for step in self.steps)

    @property
    def blast_radius(self) -> dict[str, int]:
        """Return the number of hosts, and of changes and destructive changes over all hosts."""
        changing = [step for step in self.steps if step.effect != "read" and step.state != "skipped"]
        return {
            "hosts": len({step.target for step in changing}),
            "changes": len(changing),
            "destructive": sum(1 for step in changing if step.effect == "destructive"),
        }


class _Nowhere:
    """Takes what a rehearsal would put on record and keeps none of it."""

    def put(self, *facts: f.Fact) -> int:
        """Take facts."""
        return 0

    def sync(self) -> None:
        """Keep nothing."""

    def take(self) -> tuple[Mail, ...]:
        """Return no mail."""
        return ()

    def open(self, step: str, target: str, attempt: int, *, undo: bool = False) -> _Nowhere:
        """Open nothing."""
        return self

    def write(self, stream: Stream, data: bytes, at_ms: int) -> None:
        """Drop output."""

    def close(self) -> None:
        """Close nothing."""


def rehearse(
    settings: Settings,
    order: Order,
    approver: Approver,
    listeners: tuple[Listener, ...] = (),
    control: Control | None = None,
    *,
    run_reads: bool = False,
) -> Rehearsal:
    """Rehearse a playbook. Raises RunbookError if it cannot be prepared."""
    prepared = prepare(settings, order)
    control = control or Control()
    nowhere = _Nowhere()
    masker = Masker()
    secrets = fetch_secrets(prepared.values, approver, control.cancel_token)
    for name, secret in secrets.items():
        masker.add(secret, name)
    reached = ways(settings, approver, masker.mask)
    try:
        steps = walk(
            Services(
                run_id="rehearsal",
                owner=owner(),
                plan=prepared.plan,
                recorder=nowhere,
                outputs=nowhere,
                catalogue=prepared.actions,
                transports=reached,
                approver=approver,
                inbox=nowhere,
                masker=masker,
                cancel=control.cancel_token,
                params=revealed(prepared.values.common, secrets),
                host_params={h: revealed(v, secrets) for h, v in prepared.values.per_host.items()},
                include_params=prepared.include_params,
                secrets=secrets,
                listeners=listeners,
            ),
            run_reads=run_reads,
        )
    finally:
        reached.close()
    missing = Unattended(order.approvals).missing(prepared.plan, settled(prepared.values))
    return Rehearsal(playbook=prepared.plan.playbook, plan=prepared.plan, steps=steps, missing=missing)
