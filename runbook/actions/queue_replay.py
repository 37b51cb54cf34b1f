"""`queue.replay`: messages go from one queue to another in batches, each a journalled operation.

Owns the order of a replay. It is bounded by what the source holds at the start, so that a message which is rejected
again is not replayed for ever. After a crash it goes on where it was: a batch without a receipt is asked after by its
name, and what it did not move still lies in the source, for the next batch. There is no undo: what consumers have taken
cannot be taken back.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from typing import Annotated, ClassVar

from msgspec import Meta, Struct, field

from runbook.actions.file_operation import still_open
from runbook.actions.form import With
from runbook.actions.queue_choice import QueueWith, driver_of
from runbook.actions.queue_driver import Batch, Choice, Driver, Moved, QueueState
from runbook.actions.queue_watch import Pace, PauseOn, Watch
from runbook.errors import ActionError
from runbook.model.scalar import Effect, Json, Seconds, Template
from runbook.ports.action import (
    Already,
    Done,
    Inspection,
    NotDone,
    OpenOp,
    Proceed,
    Refuse,
    Settlement,
    StepPlan,
    Verdict,
    Work,
)
from runbook.ports.target import OpKey, Reader
from runbook.text import counted

_PAGE = 10
"""Batches of ids that are fetched at once."""
_NAMED = 20
"""Most ids that a receipt or a result names."""
_LOOK_EVERY = 0.5


class Consumed(With, frozen=True, kw_only=True):
    """How the built-in check waits for the consumers."""

    consumed_within: Annotated[
        Seconds, Meta(description="Time in which the consumers must have taken all that was moved; 0: do not wait")
    ] = 0.0


class ReplayWith(QueueWith, frozen=True, kw_only=True):
    """Which messages go where, and how fast."""

    source: Annotated[Template, Meta(description="Queue that they come from, such as the dead-letter queue")]
    destination: Annotated[Template, Meta(description="Queue that they go to")]
    idempotent_consumers: Annotated[
        bool, Meta(description="Confirms that consumers can get a message twice without harm; must be true")
    ]
    limit: Annotated[int, Meta(description="Most messages of this step, for a canary; 0: no limit", ge=0)] = 0
    batch: Annotated[int, Meta(description="Messages per operation", ge=1, le=10_000)] = 1000
    rate: Annotated[
        float,
        Meta(description="Most messages per second, which can be lowered while it runs; 0: as fast as it goes", ge=0),
    ] = 0.0
    filter: Annotated[
        dict[str, Template], Meta(description="Only messages whose headers match these shell patterns")
    ] = field(default_factory=dict)
    max_age: Annotated[Seconds, Meta(description="Leave older messages where they are; 0: any age")] = 0.0
    pause_on: PauseOn = PauseOn()
    verify: Consumed = Consumed()


class ReplayBefore(Struct, frozen=True):
    """Both queues as they were, which messages are meant, and how many go at most."""

    source: QueueState
    destination: QueueState
    choice: Choice
    bound: int


class ReplayResult(Struct, frozen=True):
    """What was moved, and what was not."""

    moved: int
    already: int
    """Were at the destination before, or consumed: duplicates that were prevented."""
    missing: int
    """Were gone from the source when it was their turn."""
    batches: int
    prefix: str
    """Beginning of the names of the batches, by which the queue tells what became of them."""
    duplicates: tuple[str, ...] = ()
    """The first ids of `already`."""


class QueueReplay:
    """Moves messages from one queue to another, watched, in batches that are moved whole or not at all."""

    name: ClassVar[str] = "queue.replay"
    summary: ClassVar[str] = "Replay messages from one queue into another, in watched batches that survive a crash"
    effect: ClassVar[Effect] = "change"
    once: ClassVar[bool] = False
    brings_verify: ClassVar[bool] = True
    brings_undo: ClassVar[bool] = False
    paced: ClassVar[bool] = True
    model = ReplayWith
    before = ReplayBefore
    result = ReplayResult

    def inspect(self, w: ReplayWith, t: Reader) -> Inspection[ReplayBefore]:
        """Refuse unless consumers are there and said to be idempotent; count what is meant."""
        if not w.idempotent_consumers:
            why = "nobody confirmed that the consumers are idempotent"
            return Refuse(why, "a message may arrive twice: ask the owner, then set idempotent_consumers")
        if w.source == w.destination:
            return Refuse("source and destination are the same queue", "name two queues")
        choice = Choice(w.filter, w.max_age)
        try:
            source, destination = _look(driver_of(w, w.source, w.destination), w, t, choice)
        except ActionError as error:
            return Refuse(error.message, error.remedy)
        if destination.consumers < w.pause_on.consumers:
            why = f"{w.destination} has {counted(destination.consumers, 'consumer')}, {w.pause_on.consumers} wanted"
            return Refuse(why, "start its consumers first")
        bound = min(w.limit or source.matching, source.matching)
        before = ReplayBefore(source, destination, Choice(w.filter, w.max_age, source.end), bound)
        return Proceed(before) if bound else Already(before, f"nothing to replay: {source.line()}, none is meant")

    def plan(self, w: ReplayWith, b: ReplayBefore) -> StepPlan:
        """Say it without the numbers of this moment: those are notes, or looking again would make another plan."""
        what = f"at most {w.limit} of the messages" if w.limit else "the messages"
        some = f" whose {', '.join(f'{name} is {glob}' for name, glob in w.filter.items())}" if w.filter else ""
        young = f" and that are younger than {w.max_age:.0f} s" if w.max_age else ""
        pace = f", {w.rate:g} a second" if w.rate else ""
        return StepPlan(
            words=f"Replay {what} that {w.source} holds{some}{young} to {w.destination}, {w.batch} a batch{pace}",
            commands=driver_of(w).typed(w.source, w.destination),
            notes=(
                f"{b.bound} of {b.source.matching} messages go; what comes later does not",
                f"now: {b.source.line()}; {b.destination.line()}",
                "A message that the destination has, or has had, is not published again",
            ),
        )

    def apply(self, w: ReplayWith, b: ReplayBefore, work: Work) -> ReplayResult:
        """Move batch after batch until the bound, each as one operation."""
        driver = driver_of(w)
        tally = _Tally(work.receipts)
        feed = _Feed(driver, work.target, w, b)
        watch = Watch(w.pause_on, (b.source, b.destination), lambda: _look(driver, w, work.target, Choice()), work)
        pace = Pace(w.rate, work)
        work.progress(tally.taken, b.bound, "messages")
        while tally.taken < b.bound:
            pace.wait()
            watch.hold(tally.left_source)
            ids = feed.take(min(pace.most(w.batch), b.bound - tally.taken))
            if not ids:
                break
            pace.spend(len(ids))
            tally.add(_one_batch(driver, work, w, ids, tally.batches + 1))
            work.progress(tally.taken, b.bound, "messages")
        return tally.result()

    def settle(self, w: ReplayWith, b: ReplayBefore, o: OpenOp, t: Reader) -> Settlement:
        """Ask the queue what became of the batch; it moved whole or not at all."""
        pending = still_open(o, t)
        if pending is not None:
            return pending
        found = driver_of(w).outcome(t, o.key)
        if found is None:
            return NotDone((f"{w.source} knows no batch {o.key.name}: nothing of it was moved",))
        return Done(_receipt(o.key, found), (f"batch {o.key.name}: {found.moved} messages were moved",))

    def verify(self, w: ReplayWith, b: ReplayBefore, r: ReplayResult | None, t: Reader) -> Verdict:
        """Count: what was meant has left the source, and every moved message waits, was consumed, or came back."""
        driver = driver_of(w)
        try:
            left = driver.look(t, (w.source,), b.choice)[0].matching
            wanted = b.source.matching - b.bound
            lines = (f"{w.source} holds {left} of the {b.source.matching} messages that were meant",)
            if left > wanted or r is None:
                return Verdict("good" if left <= wanted else "bad", lines)
            return _accounted(driver, w, r, t, lines)
        except ActionError as error:
            return Verdict("no data", (str(error),))

    def drift(self, w: ReplayWith, b: ReplayBefore, r: ReplayResult | None, t: Reader) -> Verdict:
        """There is no way back that it could stand in the way of."""
        return Verdict("no data", ("a replay has no way back",))

    def undo(self, w: ReplayWith, b: ReplayBefore, r: ReplayResult | None, work: Work) -> None:
        """Raise ActionError: what consumers have taken cannot be taken back."""
        raise ActionError("a replay has no way back", remedy="correct what the consumers did with the messages")

    def undone(self, w: ReplayWith, b: ReplayBefore, r: ReplayResult | None, t: Reader) -> Verdict:
        """It never is."""
        return Verdict("no data", ("a replay has no way back",))


class _Tally:
    """What the batches so far have done, by their receipts."""

    def __init__(self, receipts: Mapping[str, Mapping[str, Json]]) -> None:
        self.batches = self.moved = self.already = self.missing = 0
        self._prefix = ""
        self._duplicates: tuple[str, ...] = ()
        for receipt in receipts.values():
            self.add(receipt)

    def add(self, receipt: Mapping[str, Json]) -> None:
        """Add the receipt of a batch."""
        self.batches += 1
        self.moved += _number(receipt, "moved")
        self.already += _number(receipt, "already")
        self.missing += _number(receipt, "missing")
        self._prefix = str(receipt["batch"]).rpartition(".")[0] + "."
        named = receipt.get("duplicates")
        self._duplicates += tuple(map(str, named)) if isinstance(named, list) else ()

    @property
    def taken(self) -> int:
        """How many ids had their turn."""
        return self.moved + self.already + self.missing

    @property
    def left_source(self) -> int:
        """How many messages have left the source by this step."""
        return self.moved + self.already

    def result(self) -> ReplayResult:
        """Return the sum."""
        sums = (self.moved, self.already, self.missing, self.batches)
        return ReplayResult(*sums, self._prefix, self._duplicates[:_NAMED])


class _Feed:
    """Ids of the source, oldest first; fetched for some batches at once."""

    def __init__(self, driver: Driver, t: Reader, w: ReplayWith, b: ReplayBefore) -> None:
        self._driver, self._target, self._source, self._choice = driver, t, w.source, b.choice
        self._count = min(w.batch * _PAGE, b.bound)
        self._after = ""
        self._held: tuple[str, ...] = ()

    def take(self, count: int) -> tuple[str, ...]:
        """Return the next ids, `count` of them or what there is."""
        if len(self._held) < count:
            page = self._driver.ids(self._target, self._source, self._choice, self._after, self._count)
            self._held += page.ids
            self._after = page.next
        ids, self._held = self._held[:count], self._held[count:]
        return ids


def _one_batch(driver: Driver, work: Work, w: ReplayWith, ids: tuple[str, ...], number: int) -> dict[str, Json]:
    payload = json.dumps(ids).encode()
    batch = Batch(w.source, w.destination, payload, hashlib.sha256(payload).hexdigest())
    intent: dict[str, Json] = {
        "do": "move",
        "from": w.source,
        "to": w.destination,
        "count": len(ids),
        "sha256": batch.sha256,
        "first": ids[0],
        "last": ids[-1],
    }
    return work.op(f"batch-{number:05}", intent, lambda key: _receipt(key, driver.move(work, key, batch)))


def _receipt(key: OpKey, found: Moved) -> dict[str, Json]:
    return {
        "batch": key.text(),
        "moved": found.moved,
        "already": len(found.already),
        "missing": len(found.missing),
        "duplicates": list(found.already[:_NAMED]),
    }


def _look(driver: Driver, w: ReplayWith, t: Reader, choice: Choice) -> tuple[QueueState, QueueState]:
    source, destination = driver.look(t, (w.source, w.destination), choice)
    return source, destination


def _accounted(driver: Driver, w: ReplayWith, r: ReplayResult, t: Reader, lines: tuple[str, ...]) -> Verdict:
    """Look what became of the moved messages, for as long as consumers are waited for."""
    deadline = time.monotonic() + w.verify.consumed_within
    while True:
        found = driver.account(t, r.prefix)
        if not r.moved:
            return Verdict("good", (*lines, "no message was moved"))
        is_over = found.waiting == 0 or w.verify.consumed_within <= 0
        if is_over or time.monotonic() >= deadline:
            break
        time.sleep(_LOOK_EVERY)
    lines = (*lines, found.line(), *_named(r))
    is_whole = found.moved == r.moved and found.lost == 0 and found.returned < w.pause_on.returned
    return Verdict("good" if is_whole and is_over else "bad", lines)


def _named(r: ReplayResult) -> tuple[str, ...]:
    missing = f"{r.missing} were gone from the source when it was their turn"
    already = f"{r.already} were at the destination before and were not published again: {', '.join(r.duplicates)}"
    return ((already,) if r.already else ()) + ((missing,) if r.missing else ())


def _number(receipt: Mapping[str, Json], key: str) -> int:
    value = receipt.get(key)
    return value if isinstance(value, int) else 0
