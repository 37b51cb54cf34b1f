"""The watch over a replay between its batches: its rate, and when it pauses or stops.

Owns what counts as too much at the destination, as loss of consumers, and as messages that come back. A pause ends by
itself when the queues are well again; one that lasts too long ends the step, with what was moved on record.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Annotated

from msgspec import Meta, Struct

from runbook.actions.queue_driver import QueueState
from runbook.errors import ActionError
from runbook.model.scalar import Seconds
from runbook.ports.action import Work
from runbook.text import counted

LOOK_EVERY = 0.5
"""Seconds between two looks in a pause."""

SLICE = 0.2
"""Seconds in which a changed rate is noticed."""

Look = Callable[[], tuple[QueueState, QueueState]]
"""Gives the source and the destination as they are."""


class PauseOn(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When a replay waits between two batches, and when it gives up."""

    growth: Annotated[
        int, Meta(description="Pause while the destination holds so many more messages than at the start", ge=1)
    ] = 20_000
    consumers: Annotated[int, Meta(description="Pause while the destination has fewer consumers", ge=0)] = 1
    returned: Annotated[
        int,
        Meta(description="Stop when so many messages came into the source meanwhile: they are rejected again", ge=1),
    ] = 100
    within: Annotated[Seconds, Meta(description="Stop when a pause lasts longer")] = 60.0


class Watch:
    """Looks at both queues before every batch."""

    def __init__(self, on: PauseOn, start: tuple[QueueState, QueueState], look: Look, work: Work) -> None:
        self._on = on
        self._source, self._destination = start
        self._look = look
        self._work = work

    def hold(self, left: int) -> None:
        """Return when the next batch may go; `left` is how many have left the source.

        Raises:
            ActionError: messages come back, a pause lasts too long, or the end was asked for.
        """
        deadline = monotonic() + self._on.within
        told = ""
        while True:
            source, destination = self._look()
            self._stop_at_returned(source, left)
            why = self._why_wait(destination)
            if not why:
                if told:
                    self._tell("goes on")
                return
            if not told:
                self._tell(f"pauses: {why}")
                told = why
            if monotonic() >= deadline:
                remedy = "look after the consumers, then try again: the rest is still in the source"
                raise ActionError(f"the replay waited {self._on.within:.0f} s: {why}", remedy=remedy)
            if self._work.cancel.wait(LOOK_EVERY):
                raise ActionError(f"stopped in a pause: {self._work.cancel.reason}")

    def _stop_at_returned(self, source: QueueState, left: int) -> None:
        came = source.depth - (self._source.depth - left)
        if came >= self._on.returned:
            raise ActionError(
                f"{came} messages came into {source.queue} since the start: what is replayed is rejected again",
                remedy="find out why the consumers reject, then try again",
            )

    def _why_wait(self, destination: QueueState) -> str:
        if destination.consumers < self._on.consumers:
            return f"{destination.queue} has {counted(destination.consumers, 'consumer')}, {self._on.consumers} wanted"
        grown = destination.depth - self._destination.depth
        if grown >= self._on.growth:
            return f"{destination.queue} has grown by {grown} to {destination.depth}: its consumers do not keep up"
        return ""

    def _tell(self, words: str) -> None:
        self._work.sink.write("out", f"the replay {words}\n".encode())


class Pace:
    """Spreads messages evenly over time; an operator can change how fast they go meanwhile."""

    def __init__(self, rate: float, work: Work) -> None:
        """Set the most messages per second; 0: no limit."""
        self._written = rate
        self._work = work
        self._since = monotonic()
        self._count = 0

    @property
    def rate(self) -> float:
        """What holds at this moment; never more than what was written."""
        asked = self._work.rate
        if asked is None:
            return self._written
        return min(asked, self._written) if self._written > 0 else asked

    def most(self, batch: int) -> int:
        """Return how many may go at once: never more than a second's worth."""
        rate = self.rate
        return min(batch, max(1, int(rate))) if rate > 0 else batch

    def wait(self) -> None:
        """Wait until the next batch is due, by whatever rate holds meanwhile, or the end is asked for."""
        while (pause := self._due() - monotonic()) > 0 and not self._work.cancel.wait(min(pause, SLICE)):
            pass

    def spend(self, count: int) -> None:
        """Note that so many go now; lost time is not made up for."""
        self._since, self._count = max(self._due(), monotonic()), count

    def _due(self) -> float:
        rate = self.rate
        return self._since + self._count / rate if rate > 0 else self._since
