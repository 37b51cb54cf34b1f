"""Real embedded queues with their real control program, for the tests of what works on queues."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from runbook.actions.queue_replay import ReplayWith
from runbook.actions.queue_watch import PauseOn
from runbook.demo.callback import write_queue_control
from runbook.demo.queue import Consumer, Message, Store

DEAD, LIVE = "payments.dead", "payments"
ALONE = PauseOn(consumers=0)


class Queues:
    """A live queue with its dead-letter queue in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "queue of 100% 'ours'"
        self.store = Store(self.home, "create")
        self.store.declare(DEAD)
        self.store.declare(LIVE, DEAD)
        self.control = folder / "queue-ctl"
        write_queue_control(self.control, self.home)

    def fill(self, count: int, *, first: int = 0, **headers: str) -> None:
        """Put messages into the dead-letter queue the way that they come there: they are rejected."""
        ids = range(first, first + count)
        self.store.publish(LIVE, [Message(f"cb-{n:06}", headers, f"body of {n}".encode()) for n in ids])
        self.reject(count)

    def reject(self, count: int) -> None:
        """Take messages from the live queue and reject them."""
        consumer = Consumer(self.store, LIVE)
        consumer.reject([m.id for m in consumer.take(count)], "order service failed")
        consumer.close()

    def consume(self, count: int = 100_000) -> list[str]:
        """Take messages from the live queue and acknowledge them; return their ids."""
        consumer = Consumer(self.store, LIVE)
        ids = [m.id for m in consumer.take(count)]
        consumer.acknowledge(ids)
        consumer.close()
        return ids

    def age(self, seconds: float, ids: Iterable[str]) -> None:
        """Make messages older than they are."""
        with self.store.writing():
            text = "UPDATE message SET at = at - ? WHERE id = ?"
            self.store.db.executemany(text, [(seconds, id_) for id_ in ids])

    def held(self, queue: str) -> list[str]:
        """Return the ids in a queue, oldest first."""
        text = "SELECT id FROM message WHERE queue = ? ORDER BY seq"
        return [row[0] for row in self.store.db.execute(text, (queue,))]

    def world(self) -> object:
        """Return both queues with all that a message carries, without the name of its batch and the time."""
        text = "SELECT queue, id, json_remove(headers, '$.x-replay'), body FROM message ORDER BY queue, seq"
        return self.store.db.execute(text).fetchall()

    def replay(self, **given: object) -> ReplayWith:
        """Return the arguments of a replay from the dead-letter queue to the live one."""
        usual: dict[str, object] = {"batch": 10, "pause_on": ALONE, "idempotent_consumers": True}
        return ReplayWith(control=str(self.control), source=DEAD, destination=LIVE, **(usual | given))  # type: ignore[arg-type]
