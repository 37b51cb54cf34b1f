"""Putting a run together from what lies on its hosts, where the machine that began it is gone with its journal.

Every job folder keeps a card with the facts behind its operation. They make a journal of their own: it begins anew,
says so, and leaves all outcomes to be looked for when the run is resumed or undone.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from runbook.config import Settings
from runbook.errors import RunbookError, UsageError
from runbook.events import fact as f
from runbook.events.plain import freeze
from runbook.events.state import RunState
from runbook.events.status import RunStatus
from runbook.journal import Disk, Layout, Writer, is_run_id
from runbook.loader import match
from runbook.model.host import LOCAL, Host
from runbook.model.scalar import Json
from runbook.ports.approver import Approver
from runbook.ports.target import FoundJob
from runbook.session.carry import KEEPS_LEASE
from runbook.session.prepare import load_hosts, snapshot_of
from runbook.session.provenance import actor, boot_id, owner, versions
from runbook.session.record import JournalRecorder
from runbook.session.remains import Remains, facts_from, remains_of
from runbook.session.run import reopen
from runbook.session.visit import jobs_on, parted, take_over, visit
from runbook.text import counted
from runbook.text.hostlist import told as told_names

SHORTEST = 12
"""Digits of a digest that have to be given."""
_QUESTION = "failure/adopt"
"""What leaves out hosts of which nothing is known, and takes them in again."""


class Search(Struct, frozen=True):
    """What was found, and who could not be asked."""

    runs: tuple[Remains, ...]
    silent: Mapping[str, str]
    """Hosts that gave no answer, and why."""
    left_out: tuple[str, ...] = ()
    """Hosts of a run that was put together of which no job folder speaks: it goes no further on them."""
    taken_in: tuple[str, ...] = ()
    """Hosts that were left out of a run so far, and of which job folders speak by now."""


def search(
    settings: Settings, inventory: Path | None, on: str, run: str = "", approver: Approver | None = None
) -> Search:
    """Look on hosts for job folders, of one run or of all. Raises UsageError, InventoryError, NoTargetError."""
    answers = visit(settings, match(load_hosts(inventory), on), lambda target: jobs_on(target, run), approver)
    found, silent = parted(answers)
    jobs: dict[str, list[FoundJob]] = {}
    for job in (job for some in found.values() for job in some):
        jobs.setdefault(job.op.run, []).append(job)
    remains = [remains_of(name, tuple(some)) for name, some in sorted(jobs.items()) if is_run_id(name)]
    return Search(tuple(remains), silent)


def recover(
    settings: Settings,
    inventory: Path | None,
    on: str,
    run: str,
    reason: str,
    approver: Approver | None = None,
    *,
    playbook: str = "",
    accept: str = "",
) -> Search:
    """Take over a run of which only its hosts know; return what they said of it.

    What hosts say is not to be trusted with the others: their playbook has to be one that is here, `playbook` or the
    one of its id, or its digest has to be accepted. What they hold for the run is held by this copy from then on, so
    that a first session which still lives begins nothing there. A run that was put together here before takes in
    those of its hosts that were left out then and tell of it by now.

    Raises UsageError if the run is here already and whole, if no reason is given, if no host tells enough of it, or if
    what they tell is not the same or not known here.
    """
    if not reason.strip():
        raise UsageError(
            "nothing proves that the first machine has let go of the run", where=run,
            remedy="make sure that nobody carries it on there, and say so with --reason",
        )  # fmt: skip
    layout = Layout(settings.state)
    layout.prepare(Disk())
    hosts = {host.name: host for host in match(load_hosts(inventory), on)}
    mine = {host.name: host for host in load_hosts(inventory).hosts}
    if layout.folder(run).exists():
        return _take_in(settings, run, hosts, {"from": on, "reason": reason}, approver)
    first, silent = parted(visit(settings, hosts.values(), lambda target: jobs_on(target, run), approver))
    openings = _openings(first)
    if not openings:
        told = f"; {', '.join(silent)} could not be asked" if silent else ""
        raise UsageError(f"no host tells what this run is{told}", where=run, remedy="name all hosts of the run")
    _check(settings, openings, run, playbook, accept)
    copy = secrets.token_hex(4)
    options: dict[str, Json] = {"from": on, "reason": reason, "copy": copy}
    seen = _hold(settings, run, hosts, first, copy, approver, rests=True)
    opened = _merged(_openings(seen.jobs), mine)
    left_out = _unheard(_openings(seen.jobs), opened)
    facts = facts_from([job for some in seen.jobs.values() for job in some])
    rest = [fact for fact in facts if not isinstance(fact, f.SessionOpened)]
    with Writer.create(layout, run) as writer:
        recorder = JournalRecorder(writer)
        for fact in (
            opened, *rest, f.SessionClosed(status="interrupted"),
            _adopting(options), *seen.claims, _told_of(seen), *_gone_round(left_out),
            f.SessionClosed(status="interrupted"),
        ):  # fmt: skip
            recorder.record(fact)
        writer.close("interrupted")
    return Search((remains_of(run, _all(seen)),), silent | seen.silent, left_out)


def _take_in(
    settings: Settings, run: str, hosts: Mapping[str, Host], options: dict[str, Json], approver: Approver | None
) -> Search:
    """Take in the hosts that a run which was put together here has left out, if they tell of it by now."""
    writer, state = reopen(Layout(settings.state), run)
    with writer:
        left = _left_out(state)
        if state.opened is None or not left:
            raise UsageError("this run is here already", where=run, remedy=f"runbook resume {run}")
        hosts = {name: host for name, host in hosts.items() if name in left}
        if not hosts:
            raise UsageError(
                "none of these hosts is left out of it", where=run, remedy=f"left out: {told_names(sorted(left))}"
            )
        first, silent = parted(visit(settings, hosts.values(), lambda target: jobs_on(target, run), approver))
        openings = _openings(first)
        _agree(run, state.opened, openings)
        seen = _hold(settings, run, hosts, first, state.copy, approver, rests=state.status in KEEPS_LEASE)
        heard = {name: _openings({name: some}) for name, some in seen.jobs.items()}
        taken_in = tuple(name for name, told in heard.items() if told)
        if not seen.claims and not taken_in:
            return Search((), silent | seen.silent, tuple(sorted(left)))
        facts = facts_from([job for name in taken_in for job in seen.jobs[name]])
        known = {name: values for name in taken_in for values in [heard[name][0].host_params.get(name)] if values}
        adopting = replace(
            _adopting(options | {"copy": state.copy}),
            hosts=[freeze(hosts[name]) for name in taken_in],
            host_params=known,
        )
        # What was led back stays so: what stands on those hosts is led back by another undo.
        goes_back = state.status in ("undone", "aborted", "undo_incomplete")
        as_it_was = goes_back or (not taken_in and state.status != "running")
        status: RunStatus = state.status if as_it_was else "interrupted"
        recorder = JournalRecorder(writer)
        for fact in (
            adopting, *seen.claims, *(fact for fact in facts if not isinstance(fact, f.SessionOpened)),
            *_back_in(taken_in), _told_of(seen), f.SessionClosed(status=status),
        ):  # fmt: skip
            recorder.record(fact)
        writer.close(status)
    left_out = tuple(sorted(left - set(taken_in)))
    return Search((remains_of(run, _all(seen)),), silent | seen.silent, left_out, taken_in)


class _Seen(Struct, frozen=True):
    """What hosts say once the run holds them: nobody else begins anything there any more."""

    jobs: Mapping[str, tuple[FoundJob, ...]]
    claims: tuple[f.LeaseClaimed | f.LeaseReturned, ...]
    silent: dict[str, str]


def _hold(
    settings: Settings,
    run: str,
    hosts: Mapping[str, Host],
    first: Mapping[str, tuple[FoundJob, ...]],
    copy: str,
    approver: Approver | None,
    *,
    rests: bool,
) -> _Seen:
    """Hold what the run holds on the hosts that have answered, and look again.

    Of one that falls silent meanwhile it counts what it said before.
    """
    asked = [hosts[name] for name in first]
    answers = visit(settings, asked, lambda target: take_over(target, run, copy, rests=rests), approver)
    held, silent = parted(answers)
    jobs = {name: held[name].jobs if name in held else first[name] for name in first}
    claims = [fact for one in held.values() for fact in one.claims]
    return _Seen(jobs, tuple(claims), silent)


def _all(seen: _Seen) -> tuple[FoundJob, ...]:
    return tuple(job for some in seen.jobs.values() for job in some)


def _openings(jobs: Mapping[str, tuple[FoundJob, ...]]) -> list[f.SessionOpened]:
    facts = facts_from([job for some in jobs.values() for job in some])
    return [fact for fact in facts if isinstance(fact, f.SessionOpened)]


def _adopting(options: dict[str, Json]) -> f.SessionOpened:
    return f.SessionOpened(mode="adopt", actor=actor(), boot_id=boot_id(), versions=versions(), options=options)


def _told_of(seen: _Seen) -> f.NoteWritten:
    jobs = _all(seen)
    told = f"put together from {counted(len(jobs), 'job folder')} on {', '.join(sorted({j.op.target for j in jobs}))}"
    if not jobs:
        told = f"no job folder was found on {', '.join(sorted(seen.jobs))}"
    lost = "reads, decisions, output and the chain of the first record are not here"
    return f.NoteWritten(text=f"{told}; {lost}", actor="runbook")


def _left_out(state: RunState) -> frozenset[str]:
    """Return the hosts that were left out when the run was put together, and are so still."""
    made = (made for made in state.decisions if made.question == _QUESTION and made.choice == "exclude")
    return state.excluded & {place for one in made for place in one.places}


def _agree(run: str, known: f.SessionOpened, openings: list[f.SessionOpened]) -> None:
    """Raise UsageError if hosts tell of another playbook, or other values, than those with which the run goes on."""
    digest = content_digest(known.playbook)
    if any(content_digest(told.playbook) != digest or told.params != known.params for told in openings):
        raise UsageError(
            "what a host tells of this run is not what the others told: one of them may have been tampered with",
            where=run, remedy="name only those with --on that you trust",
        )  # fmt: skip


def _check(settings: Settings, openings: list[f.SessionOpened], run: str, playbook: str, accept: str) -> None:
    """Raise UsageError unless all hosts tell of the same playbook and values, and the playbook is known here."""
    first = openings[0]
    digests = {content_digest(opened.playbook) for opened in openings}
    if len(digests) > 1 or any(opened.params != first.params for opened in openings):
        raise UsageError(
            "hosts tell different things of this run: one of them may have been tampered with", where=run,
            remedy="name only those with --on that you trust",
        )  # fmt: skip
    digest = digests.pop()
    if len(accept) >= SHORTEST and digest.startswith(accept):
        return
    name = playbook or str(first.playbook.get("id", ""))
    try:
        if content_digest(snapshot_of(settings, name)) == digest:
            return
        told = f"the playbook {name} is another one here"
    except RunbookError as error:
        told = f"the playbook {name} is not here: {error.message}"
    raise UsageError(
        told, where=run,
        remedy=f"name the right file with --playbook, or take what the hosts tell with --accept {digest[:SHORTEST]}",
    )  # fmt: skip


def content_digest(playbook: Mapping[str, Any]) -> str:
    """Return the digest of what a recorded playbook does, wherever its file lay."""
    told = {name: playbook[name] for name in ("text", "adhoc") if name in playbook}
    includes = playbook.get("includes")
    inner = {name: content_digest(each) for name, each in includes.items()} if isinstance(includes, dict) else {}
    return hashlib.sha256(msgspec.json.encode([told, inner], order="sorted")).hexdigest()


def _merged(openings: list[f.SessionOpened], mine: Mapping[str, Host]) -> f.SessionOpened:
    """Return how the run began, with all its hosts; how they are reached from here says the inventory of who asks.

    Those of which no folder speaks are among them: without them the waves would be others, and nobody would miss them.
    """
    hosts: dict[str, Any] = {}
    params: dict[str, Any] = {}
    for opened in openings:
        for host in opened.hosts:
            name = str(host.get("name")) if isinstance(host, dict) else ""
            hosts[name] = freeze(mine[name]) if name in mine else host
        params.update(opened.host_params)
    for name in (name for names in openings[0].targets.values() for name in names):
        hosts.setdefault(name, freeze(mine.get(name) or Host(name, "local" if name == LOCAL else "ssh")))
    return replace(openings[0], hosts=list(hosts.values()), host_params=params)


def _unheard(openings: list[f.SessionOpened], merged: f.SessionOpened) -> tuple[str, ...]:
    """Return the hosts of a run of which no folder speaks: nothing is known of what the run did to them."""
    names = [[str(host.get("name")) for host in one.hosts if isinstance(host, dict)] for one in (*openings, merged)]
    heard = {name for told in names[:-1] for name in told}
    return tuple(name for name in names[-1] if name not in heard)


def _gone_round(names: tuple[str, ...]) -> tuple[f.Fact, ...]:
    """Return the decision that leaves these hosts out: their values are not known here, nor whether they were begun."""
    return _decided(names, "exclude", "no job folder that was found speaks of them")


def _back_in(names: tuple[str, ...]) -> tuple[f.Fact, ...]:
    """Return the decision that takes these hosts in again."""
    return _decided(names, "include", "their job folders have been found")


def _decided(names: tuple[str, ...], choice: str, reason: str) -> tuple[f.Fact, ...]:
    if not names:
        return ()
    made = f.DecisionMade(
        question=_QUESTION,
        kind="failure",
        places=list(names),
        choice=choice,
        reason=reason,
        source="policy",
        actor=owner(),
    )
    return (made,)
