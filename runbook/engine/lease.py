"""Leases: before its first change a run claims every target that it is going to change.

All targets are claimed at the same time, with a bound, so that one which does not answer costs its own time limit and
no more. If another run holds one of them none is kept. A target that cannot be reached is not claimed: its steps end
`unreachable` when it is their turn, and it counts as a failure policy and `max_unavailable` want it.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from threading import Event

from runbook.engine.move import Away
from runbook.engine.services import Services
from runbook.engine.spread import spread
from runbook.engine.survey import meet, refuse_twins
from runbook.errors import JournalError, RefusedError, RunbookError
from runbook.events import fact as f
from runbook.events.state import RunState
from runbook.model.host import Host
from runbook.model.plan import PlannedStep
from runbook.ports.cancel import Cancel
from runbook.ports.target import Keyed, Lease, LeaseHeld, Survey, Surveyed, Target

_NEAR = 2  # seconds; a lease tells whole ones, and is some time on its way


def claim(
    services: Services,
    record: Callable[..., None],
    steps: Mapping[str, PlannedStep],
    asked: tuple[str, ...],
    state: RunState,
) -> dict[str, Away]:
    """Take the leases of these targets and record them; the first time, of all that this plan is yet to change.

    Returns those that could not be claimed now, and why. Raises RefusedError if another run holds one at the first
    claim of a session, or two are one machine: then none is kept.
    """
    wanted = set(asked)
    if not state.claimed:
        wanted |= _to_be_changed(steps, state)
        wanted -= (state.excluded | _gone(state)) - set(asked)
    lost = _look(services, record, steps, wanted) if not state.claimed and not state.undo_left else {}
    over = Event()

    def take(name: str) -> LeaseHeld | RunbookError | bool:
        """Tell whether it was claimed: not if the claim of another one has failed by now."""
        if over.is_set():
            return False
        try:
            held = _take(services, record, name, fresh=name not in state.leases)
        except JournalError:
            over.set()
            raise
        except RunbookError as error:
            return error
        if held is not None and not state.claimed:
            over.set()
        return held or True

    answers = spread((name for name in services.plan.hosts if name in wanted and name not in lost), take)
    held = {name: answer for name, answer in answers.items() if isinstance(answer, LeaseHeld)}
    if held and not state.claimed:
        give_back(services, record, tuple(name for name, answer in answers.items() if answer is True))
        name = next(iter(held))
        more = f" (and {len(held) - 1} more)" if len(held) > 1 else ""
        raise RefusedError(_held(name, held[name]) + more, remedy=_remedy(held[name]))
    away = {name: Away("refused", _held(name, answer)) for name, answer in held.items()}
    lost |= {
        name: Away("unreachable", str(answer)) for name, answer in answers.items() if isinstance(answer, RunbookError)
    }
    return away | lost


def _look(
    services: Services, record: Callable[..., None], steps: Mapping[str, PlannedStep], wanted: Container[str]
) -> dict[str, Away]:
    """Look at these targets before any of them is claimed; returns those that could not be reached.

    Raises RefusedError if two of them turn out to be one machine that a step would change twice.
    """

    def survey(name: str) -> Survey | RunbookError:
        try:
            target = meet(services, record, _target(services, services.plan.hosts[name]))
            return target.survey() if isinstance(target, Surveyed) else Survey()
        except JournalError:
            raise
        except RunbookError as error:
            return error

    found = spread((name for name in services.plan.hosts if name in wanted), survey)
    refuse_twins(steps.values(), {name: one.machine for name, one in found.items() if isinstance(one, Survey)})
    return {name: Away("unreachable", str(one)) for name, one in found.items() if isinstance(one, RunbookError)}


def away_after(away: dict[str, Away], fact: f.Fact, hosts: Container[str]) -> dict[str, Away]:
    """Return who is away after one more fact: who was not reached, until somebody decides about it."""
    match fact:
        case f.StepFinished(status="unreachable") if fact.target in hosts:
            return away | {fact.target: Away("unreachable", fact.error)}
        case f.DecisionMade():
            return {name: why for name, why in away.items() if name not in fact.places}
        case _:
            return away


def _to_be_changed(steps: Mapping[str, PlannedStep], state: RunState) -> set[str]:
    """Return the hosts that are yet to be changed, or led back: a run does not hold those that it is through with."""
    if state.undo_left:
        return {target for _, target, _ in state.undo_left}
    over = ("succeeded", "skipped", "undone")
    changing = (step for step in steps.values() if step.effect != "read")
    return {host for step in changing for host in step.hosts if state.at(step.id, host).status not in over}


def _gone(state: RunState) -> set[str]:
    """Return the hosts that could not be reached in this run: to wait for them once more holds up all others."""
    return {place for (_, place), at in state.steps.items() if at.status == "unreachable"}


def _take(services: Services, record: Callable[..., None], name: str, *, fresh: bool) -> LeaseHeld | None:
    """Take one lease and record it; returns who holds it if that is another run. Raises TransportError.

    A fresh one bears the time of the target, which tells how far its clock is off.
    """
    target = _target(services, services.plan.hosts[name])
    lease = Lease(services.run_id, services.owner, "")
    answer = target.take_lease(lease)
    over = ""
    if isinstance(answer, LeaseHeld) and services.takeover and not answer.live_jobs:
        over = answer.lease.run
        answer = target.take_lease(lease, over=over)
    if isinstance(answer, LeaseHeld):
        return answer
    record(
        f.LeaseClaimed(
            target=name,
            over=over,
            reason=services.takeover if over else "",
            host_key=target.host_key if isinstance(target, Keyed) else "",
            clock_offset=_offset(answer.lease) if fresh else None,
            anew=not fresh and not answer.kept,
            boot=answer.boot,
        )
    )
    return None


def _offset(lease: Lease) -> int | None:
    """Return the seconds that the clock behind a lease is ahead of this one; 0 within what the way there takes."""
    with suppress(ValueError):
        seconds = round((datetime.fromisoformat(lease.since) - datetime.now(UTC)).total_seconds())
        return seconds if abs(seconds) > _NEAR else 0
    return None


def _held(name: str, held: LeaseHeld) -> str:
    return f"{name} is held by run {held.lease.run} of {held.lease.owner} since {held.lease.since}"


def _remedy(held: LeaseHeld) -> str:
    if held.live_jobs:
        return f"a job of it lives or is in doubt ({', '.join(held.live_jobs)}): settle that run first"
    return f"end it with `runbook cancel {held.lease.run}`, or take over with --take-over REASON"


def give_back(services: Services, record: Callable[..., None], names: tuple[str, ...]) -> None:
    """Return leases; one that cannot be returned stays and is told by the next run."""
    spread(names, lambda name: _release(services, record, name))


def _release(services: Services, record: Callable[..., None], name: str) -> None:
    try:
        _target(services, services.plan.hosts[name]).release_lease(services.run_id)
        record(f.LeaseReturned(target=name))
    except (RunbookError, KeyError):
        return


def _target(services: Services, host: Host) -> Target:
    # A cancelled run must still give its leases back, so this does not listen to its token.
    return services.transports[host.transport].target(host, Cancel())
