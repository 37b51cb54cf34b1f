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

from msgspec import Struct

from runbook.engine.move import Away
from runbook.engine.services import Services
from runbook.engine.spread import spread
from runbook.engine.survey import meet, refuse_twins
from runbook.engine.trace import jobs_of
from runbook.errors import JournalError, RunbookError, TargetHeld
from runbook.events import fact as f
from runbook.events.state import RunState
from runbook.model.host import ONCE, Host
from runbook.model.plan import PlannedStep
from runbook.ports.cancel import Cancel
from runbook.ports.target import Keyed, Lease, LeaseHeld, Noting, OpKey, Survey, Surveyed, Target


class _Held(Struct, frozen=True):
    """Why a target is not ours to claim, and what to do about it."""

    told: str
    remedy: str
    run: str = ""
    """The run that holds it."""
    free: bool = True
    """No job of it lives there."""


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

    def take(name: str) -> _Held | RunbookError | bool:
        """Tell whether it was claimed: not if the claim of another one has failed by now."""
        if over.is_set():
            return False
        try:
            held = _take(services, record, name, state)
        except JournalError:
            over.set()
            raise
        except RunbookError as error:
            return error
        if held is not None and not state.claimed:
            over.set()
        return held or True

    answers = spread((name for name in services.plan.hosts if name in wanted and name not in lost), take)
    held = {name: answer for name, answer in answers.items() if isinstance(answer, _Held)}
    if held and not state.claimed:
        give_back(services, record, tuple(name for name, answer in answers.items() if answer is True), state.copy)
        first = next(iter(held.values()))
        more = f" (and {len(held) - 1} more)" if len(held) > 1 else ""
        raise TargetHeld(first.told + more, remedy=first.remedy, run=first.run, free=first.free)
    away = {name: Away("refused", answer.told) for name, answer in held.items()}
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


def _take(services: Services, record: Callable[..., None], name: str, state: RunState) -> _Held | None:
    """Take one lease and record it; returns why not if it is not ours to take. Raises TransportError.

    A fresh one bears the time of the target, which tells how far its clock is off.
    """
    target = _target(services, services.plan.hosts[name])
    lease = Lease(services.run_id, services.owner, "", copy=state.copy)
    answer = target.take_lease(lease)
    over, kept = "", False
    if isinstance(answer, LeaseHeld):
        kept = answer.lease.run == services.run_id
        # Whoever has just adopted the run comes after all that claimed before.
        adopting = kept and _is_adopting(state, name)
        if adopting or (services.takeover and (kept or not answer.live_jobs)):
            over = "" if adopting else answer.lease.run
            answer = target.take_lease(lease, over=answer.lease.run)
    if isinstance(answer, LeaseHeld):
        return _held(name, answer, services.run_id)
    kept = kept or answer.kept
    passed = () if kept or _is_adopting(state, name) else _not_ours(target, services.run_id, state)
    if passed and not services.takeover:
        target.release_lease(services.run_id, copy=state.copy)
        return _passed(name, passed)
    over = over or (services.run_id if passed else "")
    fresh = name not in state.leases
    record(
        f.LeaseClaimed(
            target=name,
            over=over,
            reason=services.takeover if over else "",
            host_key=target.host_key if isinstance(target, Keyed) else "",
            clock_offset=clock_offset(answer.lease) if fresh else None,
            anew=not fresh and not kept,
            boot=answer.boot,
        )
    )
    return None


def _is_adopting(state: RunState, name: str) -> bool:
    """Tell whether this copy of the journal was adopted and has not claimed the target yet."""
    return bool(state.copy) and name not in state.held


def _not_ours(target: Target, run: str, state: RunState) -> tuple[str, ...]:
    """Return the steps of this run whose jobs lie on a target and are not on record: another copy went on with it.

    Asked of a run that is taken up again and finds no claim of its own.
    """
    if len(state.sessions) < 2 or not isinstance(target, Noting):
        return ()
    here = target.host.name
    known = {
        (job.step, job.attempt, job.name)
        for (step, place), at in state.steps.items()
        if place == here or place.startswith(ONCE)
        for attempt in at.attempts
        for job in jobs_of(OpKey(run, step, place, attempt.number, ""), attempt)
    }
    found = (job.op for job in target.jobs(run))
    return tuple(dict.fromkeys(op.step for op in found if (op.step, op.attempt, op.name) not in known))


def clock_offset(lease: Lease) -> int | None:
    """Return the seconds that the clock behind a lease is ahead of this one; 0 within what the way there takes."""
    with suppress(ValueError):
        seconds = round((datetime.fromisoformat(lease.since) - datetime.now(UTC)).total_seconds())
        return seconds if abs(seconds) > _NEAR else 0
    return None


def _held(name: str, held: LeaseHeld, run: str) -> _Held:
    lease = held.lease
    if lease.run == run:
        told = f"{name} is held by {lease.owner} since {lease.since}, who has taken this run over"
        return _Held(told, "leave it to them, or take it back with --take-over REASON", run)
    told, remedy = of_another(name, held)
    return _Held(f"{name} is {told}", remedy, lease.run, not held.live_jobs)


def of_another(name: str, held: LeaseHeld) -> tuple[str, str]:
    """Return in words by whom a target is held, to stand behind its name, and what to do about it."""
    lease = held.lease
    known_as = f" as {lease.host}" if lease.host not in ("", name) else ""
    told = f"held{known_as} by run {lease.run} of {lease.owner} since {lease.since}"
    gone = f"if the machine of that run is gone, `runbook adopt {lease.run} --on HOSTS`"
    if held.live_jobs:
        jobs = ", ".join(held.live_jobs)
        return told, f"a job of it lives or is in doubt ({jobs}): settle that run first; {gone}"
    return (
        told,
        f"end it where it was begun with `runbook cancel {lease.run}`, or take over with --take-over REASON; {gone}",
    )


def _passed(name: str, steps: tuple[str, ...]) -> _Held:
    more = f" and {len(steps) - 1} more" if len(steps) > 1 else ""
    told = f"somebody else has gone on with this run on {name}: its jobs there tell of {steps[0]}{more}"
    return _Held(
        f"{told}, of which nothing is on record here",
        f"see `runbook adopt --on {name}`, or go on from this record with --take-over REASON",
    )


def give_back(services: Services, record: Callable[..., None], names: tuple[str, ...], copy: str) -> None:
    """Return leases; one that cannot be returned stays and is told by the next run."""
    spread(names, lambda name: _release(services, record, name, copy))


def _release(services: Services, record: Callable[..., None], name: str, copy: str) -> None:
    try:
        _target(services, services.plan.hosts[name]).release_lease(services.run_id, copy=copy)
        record(f.LeaseReturned(target=name))
    except (RunbookError, KeyError):
        return


def _target(services: Services, host: Host) -> Target:
    # A cancelled run must still give its leases back, so this does not listen to its token.
    return services.transports[host.transport].target(host, Cancel())
