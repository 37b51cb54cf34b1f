"""Visits to hosts of a run whose journal may be elsewhere: what lies there of it, and who holds them for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from msgspec import Struct

from runbook.config import Settings
from runbook.engine.lease import clock_offset
from runbook.engine.spread import spread
from runbook.errors import RunbookError
from runbook.events import fact as f
from runbook.model.host import Host
from runbook.ports.approver import Approver
from runbook.ports.cancel import Cancel
from runbook.ports.target import Claimed, FoundJob, Keyed, Lease, LeaseHeld, Noting, Target
from runbook.session.provenance import owner
from runbook.session.way import ways

T = TypeVar("T")


class TakenOver(Struct, frozen=True):
    """What a host says once nobody else holds it for the run."""

    jobs: tuple[FoundJob, ...]
    claims: tuple[f.LeaseClaimed | f.LeaseReturned, ...] = ()


def visit(
    settings: Settings, hosts: Iterable[Host], ask: Callable[[Target], T], approver: Approver | None
) -> dict[str, T | RunbookError]:
    """Ask something of hosts, all at the same time, and return the answer of each, or why there is none."""
    known = {host.name: host for host in hosts}
    reached = ways(settings, approver)

    def answer(name: str) -> T | RunbookError:
        try:
            return ask(reached[known[name].transport].target(known[name], Cancel()))
        except RunbookError as error:
            return error

    try:
        return spread(known, answer)
    finally:
        reached.close()


def parted(answers: Mapping[str, T | RunbookError]) -> tuple[dict[str, T], dict[str, str]]:
    """Return the answers, and of those who gave none why."""
    found = {name: answer for name, answer in answers.items() if not isinstance(answer, RunbookError)}
    return found, {name: str(answer) for name, answer in answers.items() if isinstance(answer, RunbookError)}


def jobs_on(target: Target, run: str) -> tuple[FoundJob, ...]:
    """Return the jobs of a run on a target, or those of all."""
    return target.jobs(run) if isinstance(target, Noting) else ()


def take_over(target: Target, run: str, copy: str, *, rests: bool) -> TakenOver:
    """Hold a target for one copy of a run, if another copy of the same run holds it; then look for its jobs there.

    In this order: a session that still carries on another copy begins nothing there from then on, and what it had
    begun before has a folder. Where there is none a run that `rests` holds the target until it is over, so that nobody
    goes on there with another copy; one that is over by now gives it back.
    """
    name = target.host.name
    held = target.holder() if isinstance(target, Claimed) else None
    if held is None or held.lease.run != run or held.lease.host not in ("", name):
        return TakenOver(jobs_on(target, run))
    taken = target.take_lease(Lease(run, owner(), "", copy=copy), over=run)
    jobs = jobs_on(target, run)
    if isinstance(taken, LeaseHeld):
        return TakenOver(jobs)
    claimed = f.LeaseClaimed(
        target=name,
        host_key=target.host_key if isinstance(target, Keyed) else "",
        clock_offset=clock_offset(taken.lease),
        boot=taken.boot,
    )
    if jobs or rests:
        return TakenOver(jobs, (claimed,))
    target.release_lease(run, copy=copy)
    return TakenOver(jobs, (claimed, f.LeaseReturned(target=name)))
