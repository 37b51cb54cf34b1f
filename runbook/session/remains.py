"""What job folders tell of a run to whoever finds them: the cards that it left there, and what they come to.

Owns the reading of cards, with care: anybody with that login could have written them. What becomes of it is left to
`recover`.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from runbook.events import fact as f
from runbook.model.built import built
from runbook.ports.target import FoundJob
from runbook.session.record import FACTS

MOST = 16 << 20
"""Bytes that one card may unpack to."""


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


def remains_of(run: str, jobs: tuple[FoundJob, ...]) -> Remains:
    """Return what jobs of a run tell of it."""
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


def facts_from(jobs: Sequence[FoundJob]) -> list[f.Fact]:
    """Return the facts of all cards in the order in which they were left, each plan and beginning once."""
    known: set[tuple[str, str, str, int]] = set()
    facts: list[f.Fact] = []
    cards = sorted(cards_of(jobs), key=lambda card: card.at)
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


def cards_of(jobs: Sequence[FoundJob]) -> list[Card]:
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
