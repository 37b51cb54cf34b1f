"""Putting a run together from what lies on its hosts, where the machine that began it is gone with its journal.

Every job folder keeps a card with the facts behind its operation. They make a journal of their own: it begins anew,
says so, and leaves all outcomes to be looked for when the run is resumed or undone.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from runbook.config import Settings
from runbook.engine.spread import spread
from runbook.errors import RunbookError, UsageError
from runbook.events import fact as f
from runbook.events.plain import freeze
from runbook.journal import Disk, Layout, Writer, is_run_id
from runbook.loader import match
from runbook.model.built import built
from runbook.model.host import LOCAL, Host
from runbook.model.scalar import Json
from runbook.ports.approver import Approver
from runbook.ports.cancel import Cancel
from runbook.ports.target import FoundJob, Noting
from runbook.session.prepare import load_hosts, snapshot_of
from runbook.session.provenance import actor, boot_id, owner, versions
from runbook.session.record import FACTS, JournalRecorder
from runbook.session.way import ways

MOST = 16 << 20
"""Bytes that one card may unpack to."""
SHORTEST = 12
"""Digits of a digest that have to be given."""


class Card(Struct, frozen=True):
    """What one job folder tells."""

    at: int
    """Nanoseconds since 1970, by the clock of the machine that is gone."""
    facts: tuple[f.Fact, ...]


class Remains(Struct, frozen=True):
    """What lies on hosts of one run."""

    run: str
    playbook: str
    began: str
    by: str
    jobs: tuple[FoundJob, ...]


class Search(Struct, frozen=True):
    """What was found, and who could not be asked."""

    runs: tuple[Remains, ...]
    silent: Mapping[str, str]
    """Hosts that gave no answer, and why."""
    left_out: tuple[str, ...] = ()
    """Hosts of a run that was put together of which no job folder speaks: it goes no further on them."""


def search(
    settings: Settings, inventory: Path | None, on: str, run: str = "", approver: Approver | None = None
) -> Search:
    """Look on hosts for job folders, of one run or of all. Raises UsageError, InventoryError, NoTargetError."""
    hosts = {host.name: host for host in match(load_hosts(inventory), on)}
    reached = ways(settings, approver)

    def ask(name: str) -> tuple[FoundJob, ...] | str:
        try:
            target = reached[hosts[name].transport].target(hosts[name], Cancel())
            return target.jobs(run) if isinstance(target, Noting) else ()
        except RunbookError as error:
            return str(error)

    try:
        answers = spread(hosts, ask)
    finally:
        reached.close()
    jobs: dict[str, list[FoundJob]] = {}
    for answer in answers.values():
        for job in answer if not isinstance(answer, str) else ():
            jobs.setdefault(job.op.run, []).append(job)
    found = [_remains(name, tuple(some)) for name, some in sorted(jobs.items()) if is_run_id(name)]
    return Search(tuple(found), {name: answer for name, answer in answers.items() if isinstance(answer, str)})


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
    one of its id, or its digest has to be accepted.

    Raises UsageError if the run is here already, if no reason is given, if no host tells enough of it, or if what they
    tell is not the same or not known here.
    """
    if not reason.strip():
        raise UsageError(
            "nothing proves that the first machine has let go of the run", where=run,
            remedy="make sure that nobody carries it on there, and say so with --reason",
        )  # fmt: skip
    layout = Layout(settings.state)
    layout.prepare(Disk())
    if layout.folder(run).exists():
        raise UsageError("this run is here already", where=run, remedy=f"runbook resume {run}")
    found = search(settings, inventory, on, run, approver)
    jobs = [job for remains in found.runs if remains.run == run for job in remains.jobs]
    facts = _facts(jobs)
    openings = [fact for fact in facts if isinstance(fact, f.SessionOpened)]
    if not openings:
        silent = f"; {', '.join(found.silent)} could not be asked" if found.silent else ""
        raise UsageError(f"no host tells what this run is{silent}", where=run, remedy="name all hosts of the run")
    _check(settings, openings, run, playbook, accept)
    opened = _merged(openings, {host.name: host for host in load_hosts(inventory).hosts})
    left_out = _unheard(openings, opened)
    rest = [fact for fact in facts if not isinstance(fact, f.SessionOpened)]
    told = f"put together from {len(jobs)} job folders on {', '.join(sorted({job.op.target for job in jobs}))}"
    lost = "reads, decisions, output and the chain of the first record are not here"
    options: dict[str, Json] = {"from": on, "reason": reason, "copy": secrets.token_hex(4)}
    adopted = f.SessionOpened(mode="adopt", actor=actor(), boot_id=boot_id(), versions=versions(), options=options)
    with Writer.create(layout, run) as writer:
        recorder = JournalRecorder(writer)
        for fact in (
            opened, *rest, f.SessionClosed(status="interrupted"),
            adopted, f.NoteWritten(text=f"{told}; {lost}", actor="runbook"), *_gone_round(left_out),
            f.SessionClosed(status="interrupted"),
        ):  # fmt: skip
            recorder.record(fact)
        writer.close("interrupted")
    return replace(found, left_out=left_out)


def _remains(run: str, jobs: tuple[FoundJob, ...]) -> Remains:
    cards = [card for job in jobs if (card := read_card(job.card)) is not None]
    opened = next((fact for card in cards for fact in card.facts if isinstance(fact, f.SessionOpened)), None)
    began = min((card.at for card in cards), default=0)
    return Remains(
        run,
        str(opened.playbook.get("id", "")) if opened is not None else "",
        datetime.fromtimestamp(began / 1e9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if began else "",
        str(opened.actor.get("user", "")) if opened is not None else "",
        jobs,
    )


def read_card(text: str) -> Card | None:
    """Return what a card says; None if it cannot be read: anybody with that login could have written it."""
    try:
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(base64.b64decode(text, validate=True), MOST)
        told = msgspec.json.decode(data)
        facts = tuple(msgspec.convert(fields, built(FACTS[kind])) for kind, fields in told["facts"])
        return Card(int(told["at"]), facts)  # type: ignore[arg-type]
    except (binascii.Error, zlib.error, msgspec.MsgspecError, KeyError, TypeError, ValueError):
        return None


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


def _facts(jobs: list[FoundJob]) -> list[f.Fact]:
    """Return the facts of all cards in the order in which they were left, each plan and beginning once."""
    known: set[tuple[str, str, str, int]] = set()
    facts: list[f.Fact] = []
    cards = sorted(_cards(jobs), key=lambda card: card.at)
    for fact in (fact for card in cards for fact in card.facts):
        match fact:
            case f.StepPlanned() | f.AttemptStarted() | f.UndoStarted():
                key = (fact.type, fact.step, fact.target, fact.attempt)
                if key not in known:
                    known.add(key)
                    facts.append(fact)
            case _:
                facts.append(fact)
    return facts


def _cards(jobs: list[FoundJob]) -> list[Card]:
    """Return the cards of jobs, of each only what it says of itself.

    One without was kept from beginning: that counts as a try that was made, beside those that came after it.
    """
    cards: list[Card] = []
    begun: dict[tuple[str, str, int], int] = {}
    for job in jobs:
        card = read_card(job.card)
        if card is not None:
            place = (job.op.step, job.op.target, job.op.attempt)
            begun[place] = min(card.at, begun.get(place, card.at))
            cards.append(replace(card, facts=tuple(fact for fact in card.facts if _is_of(fact, job))))
    for job in jobs:
        place = (job.op.step, job.op.target, job.op.attempt)
        if not job.card and place in begun:
            name, undo = job.op.name.partition("~")[0], job.op.name.startswith("undo-")
            tried = f.OperationIntended(
                step=place[0], target=place[1], attempt=place[2], operation=name.removeprefix("undo-"), undo=undo
            )
            cards.append(Card(begun[place] + 1, (tried,)))
    return cards


def _is_of(fact: f.Fact, job: FoundJob) -> bool:
    """Tell whether a fact is one that this job may speak of: how the run began, and its own step on its own host."""
    if isinstance(fact, f.SessionOpened):
        return True
    known = isinstance(fact, (f.StepPlanned, f.AttemptStarted, f.UndoStarted, f.OperationIntended))
    return known and (fact.step, fact.target) == (job.op.step, job.op.target)  # type: ignore[union-attr]


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
    if not names:
        return ()
    made = f.DecisionMade(
        question="failure/adopt",
        kind="failure",
        places=list(names),
        choice="exclude",
        reason="no job folder that was found speaks of them",
        source="policy",
        actor=owner(),
    )
    return (made,)
