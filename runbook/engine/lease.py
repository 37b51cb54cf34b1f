"""Leases: before its first change a run claims every target that it is going to change."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from runbook.engine.services import Services
from runbook.errors import RefusedError, RunbookError
from runbook.events import fact as f
from runbook.model.host import Host
from runbook.model.plan import PlannedStep
from runbook.ports.cancel import Cancel
from runbook.ports.target import Lease, LeaseHeld, Target


def claim(
    services: Services, record: Callable[..., None], steps: Mapping[str, PlannedStep], asked: tuple[str, ...]
) -> None:
    """Take the leases of all targets that this plan changes, and record them.

    Raises RefusedError if another run holds one: then none is kept.
    """
    changed = {host for step in steps.values() if step.effect != "read" for host in step.hosts}
    names = tuple(h for h in services.plan.hosts if h in changed or h in asked)
    taken: list[str] = []
    for name in names:
        target = _target(services, services.plan.hosts[name])
        lease = Lease(services.run_id, services.owner, "")
        answer = target.take_lease(lease)
        over = ""
        if isinstance(answer, LeaseHeld) and services.takeover and not answer.live_jobs:
            over = answer.lease.run
            answer = target.take_lease(lease, over=over)
        if isinstance(answer, LeaseHeld):
            for mine in taken:
                _release(services, record, mine)
            raise RefusedError(_held(name, answer), remedy=_remedy(answer))
        record(f.LeaseClaimed(target=name, over=over, reason=services.takeover if over else ""))
        taken.append(name)


def _held(name: str, held: LeaseHeld) -> str:
    return f"{name} is held by run {held.lease.run} of {held.lease.owner} since {held.lease.since}"


def _remedy(held: LeaseHeld) -> str:
    if held.live_jobs:
        return f"a job of it lives or is in doubt ({', '.join(held.live_jobs)}): settle that run first"
    return f"end it with `runbook cancel {held.lease.run}`, or take over with --take-over REASON"


def give_back(services: Services, record: Callable[..., None], names: tuple[str, ...]) -> None:
    """Return leases; one that cannot be returned stays and is told by the next run."""
    for name in names:
        _release(services, record, name)


def _release(services: Services, record: Callable[..., None], name: str) -> None:
    try:
        _target(services, services.plan.hosts[name]).release_lease(services.run_id)
        record(f.LeaseReturned(target=name))
    except (RunbookError, KeyError):
        return


def _target(services: Services, host: Host) -> Target:
    # A cancelled run must still give its leases back, so this does not listen to its token.
    return services.transports[host.transport].target(host, Cancel())
