"""What a message queue must offer so that it can be inspected and replayed, and the values that drivers answer with.

Owns the port; which driver serves a step is decided in `queue_choice`. Ids travel, bodies never: they go from queue to
queue inside the driver and enter neither the journal nor a receipt.

A driver moves a batch in the order publish → confirm → acknowledge the source, so that a crash leaves a duplicate at
worst, never a loss. One that can do all three at once (the embedded queue) leaves neither. One that works from here
through `Reader.tunnel` (a broker's client) consumes from the head of the source, publishes what is in the batch with a
confirm and `mandatory`, acknowledges it, and gives the rest back; what became of a batch it finds out by looking for
its ids on both sides.
"""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from runbook.ports.action import Work
from runbook.ports.target import OpKey, Reader
from runbook.text import counted


class Choice(Struct, frozen=True):
    """Which messages of the source are meant."""

    filter: dict[str, str] = {}
    """Header to a shell pattern."""
    max_age: float = 0.0
    """Seconds; 0: any age."""
    until: str = ""
    """A position: what came later is not meant. Empty: the driver has none, or all."""


class QueueState(Struct, frozen=True):
    """A queue at one moment."""

    queue: str
    depth: int
    """All messages that were not acknowledged."""
    matching: int = 0
    """Those that are meant and that nobody has taken."""
    in_flight: int = 0
    """Those in the hands of a consumer."""
    consumers: int = 0
    oldest: float | None = None
    """Age of the oldest in seconds; None if there is none."""
    end: str = ""
    """The present end as a position; empty if the driver knows none."""

    def line(self) -> str:
        """Return what matters on one line."""
        oldest = "" if self.oldest is None else f", oldest {self.oldest:.0f} s"
        return f"{self.queue}: {counted(self.depth, 'message')}{oldest}, {counted(self.consumers, 'consumer')}"


class Page(Struct, frozen=True):
    """Some ids, oldest first, and where the next page begins."""

    ids: tuple[str, ...]
    next: str


class Moved(Struct, frozen=True):
    """What became of a batch."""

    moved: int
    already: tuple[str, ...] = ()
    """Ids that the destination had or had consumed: not published again, and taken out of the source."""
    missing: tuple[str, ...] = ()
    """Ids that were no longer in the source, or in the hands of a consumer."""

    @property
    def taken(self) -> int:
        """How many ids of the batch were dealt with."""
        return self.moved + len(self.already) + len(self.missing)


class Account(Struct, frozen=True):
    """Where the messages are now that some batches have moved."""

    moved: int
    consumed: int
    waiting: int
    returned: int
    """In another queue: rejected again."""
    lost: int
    """Nowhere."""

    def line(self) -> str:
        """Return the sum as a sentence."""
        parts = f"{self.consumed} consumed, {self.waiting} waiting, {self.returned} came back, {self.lost} lost"
        return f"of {self.moved} moved: {parts}"


class Batch(Struct, frozen=True):
    """Ids that go together from one queue to another."""

    source: str
    destination: str
    payload: bytes
    """The ids as a JSON list, as the driver sends them."""
    sha256: str
    """Of the payload."""


class Driver(Protocol):
    """One kind of message queue."""

    @property
    def name(self) -> str:
        """The word of the playbook for it."""

    def look(self, t: Reader, queues: tuple[str, ...], choice: Choice) -> tuple[QueueState, ...]:
        """Return the state of each queue.

        Raises ActionError if there is no such queue or it cannot be asked, TransportError if the target is silent.
        """

    def ids(self, t: Reader, queue: str, choice: Choice, after: str, count: int) -> Page:
        """Return at most `count` ids that are meant, from a position on (empty: the beginning); they stay there."""

    def move(self, work: Work, key: OpKey, batch: Batch) -> Moved:
        """Move a batch as one operation.

        Raises ActionError if nothing of it was moved, TransportError if that is not known.
        """

    def outcome(self, t: Reader, key: OpKey) -> Moved | None:
        """Return what became of the batch of an operation; None if the queue never got it."""

    def account(self, t: Reader, prefix: str) -> Account:
        """Return where the messages are that batches have moved whose names begin so."""

    def typed(self, source: str, destination: str) -> tuple[str, ...]:
        """Return the commands of a replay as an operator would type them, with symbols for what changes."""
