"""`queue.inspect`: how much waits in a queue, for how long, who consumes it, and whether it grows."""

from __future__ import annotations

import time
from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from runbook.actions.queue_choice import QueueWith, driver_of
from runbook.actions.queue_driver import Choice, QueueState
from runbook.errors import ActionError
from runbook.model.scalar import Effect, Seconds, Template
from runbook.ports.action import Good, NoData, Observation
from runbook.ports.target import Reader, Sink
from runbook.text import one_line


class InspectWith(QueueWith, frozen=True, kw_only=True):
    """Which queue to look into."""

    queue: Annotated[Template, Meta(description="Name of the queue")]
    over: Annotated[Seconds, Meta(description="Time between two looks, for the rate of growth; 0: one look")] = 1.0
    sample: Annotated[int, Meta(description="How many ids to show, oldest first; never bodies", ge=0, le=1000)] = 5


class InspectResult(Struct, frozen=True):
    """The queue at the last look."""

    queue: str
    depth: int = 0
    in_flight: int = 0
    consumers: int = 0
    oldest: float = 0.0
    """Age of the oldest message in seconds; 0 if there is none."""
    growth: float = 0.0
    """Messages per second between the two looks; negative if it shrinks."""
    sample: tuple[str, ...] = ()


class QueueInspect:
    """Looks twice into a queue; good if it can be asked, whatever it holds."""

    name: ClassVar[str] = "queue.inspect"
    summary: ClassVar[str] = "Look how much waits in a queue, how old it is, who consumes it, and whether it grows"
    effect: ClassVar[Effect] = "read"
    once: ClassVar[bool] = False
    model = InspectWith
    result = InspectResult

    def observe(self, w: InspectWith, t: Reader, sink: Sink) -> Observation[InspectResult]:
        """Look, wait, and look again; no data if the queue cannot be asked."""
        try:
            driver = driver_of(w, w.queue)
            (first,) = driver.look(t, (w.queue,), Choice())
            begun = time.monotonic()
            last, seconds = first, 0.0
            if w.over > 0:
                time.sleep(w.over)
                (last,) = driver.look(t, (w.queue,), Choice())
                seconds = time.monotonic() - begun
            sample = driver.ids(t, w.queue, Choice(), "", w.sample).ids if w.sample else ()
        except ActionError as error:
            return NoData((str(error),))
        growth = (last.depth - first.depth) / seconds if seconds else 0.0
        found = InspectResult(
            last.queue, last.depth, last.in_flight, last.consumers, last.oldest or 0.0, round(growth, 1), sample
        )
        lines = _lines(last, growth, found)
        sink.write("out", "".join(f"{line}\n" for line in lines).encode())
        return Good(found, lines)


def _lines(state: QueueState, growth: float, found: InspectResult) -> tuple[str, ...]:
    ids = ", ".join(one_line(id_, 60) for id_ in found.sample)
    return (f"{state.line()}, {growth:+.1f} a second", *((f"oldest ids: {ids}",) if ids else ()))
