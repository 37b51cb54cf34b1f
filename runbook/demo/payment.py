"""The payment consumer: takes the gateway's callbacks from the queue and books each payment once.

Owns the book of payments. A batch of callbacks is settled with the order service first; if that fails, the batch goes
to the dead-letter queue, and a circuit breaker lets the following ones go there at once. A callback that comes twice is
booked once and counted: that is what makes this consumer idempotent, and duplicates visible.

    GET /metrics    the queues, the payments, and the breaker, as Prometheus text
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from runbook.demo.layout import CALLBACKS, DEAD_CALLBACKS
from runbook.demo.metric import Registry, Samples
from runbook.demo.process import Complaint, Handler, WebServer, say, settle_in
from runbook.demo.queue import Consumer, Store
from runbook.demo.queue_move import show

BATCH = 500
_UNASKED = 2500
"""Callbacks that are rejected at once while the breaker is open."""
_IDLE = 0.1
_PATIENCE = 3.0
_OPEN_FOR = 2.0
_CUSTOMERS = 1_000_000


class Book:
    """The payments, one row per callback, on disk before the callback is acknowledged."""

    def __init__(self, file: Path) -> None:
        self._db = sqlite3.connect(file, timeout=30.0, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("CREATE TABLE IF NOT EXISTS payment (id TEXT PRIMARY KEY, times INTEGER) WITHOUT ROWID")
        self._lock = threading.Lock()

    def add(self, ids: Sequence[str]) -> None:
        """Book payments; one that is booked already is only counted."""
        text = "INSERT INTO payment VALUES (?, 1) ON CONFLICT (id) DO UPDATE SET times = times + 1"
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(text, [(id_,) for id_ in ids])
            self._db.execute("COMMIT")

    def totals(self) -> tuple[int, int]:
        """Return how many payments are booked, and how many callbacks came more than once."""
        with self._lock:
            row = self._db.execute("SELECT count(*), coalesce(sum(times), 0) FROM payment").fetchone()
        return int(row[0]), int(row[1] - row[0])


class Breaker:
    """Settles batches with the order service, and asks no more for a while once that has failed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._closed_at = 0.0
        self._why = ""
        self._complaint = Complaint()

    @property
    def why(self) -> str:
        """Why nobody is asked now; empty if the breaker is closed."""
        return self._why if time.monotonic() < self._closed_at else ""

    def settle(self, count: int) -> str:
        """Settle so many payments; return why not, empty if it is done."""
        self._why = self._ask(count)
        if self._why:
            self._closed_at = time.monotonic() + _OPEN_FOR
            self._complaint.say(f"callbacks are rejected: {self._why}")
        return self._why

    def _ask(self, count: int) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_PATIENCE)
        try:
            body = json.dumps({"customer": random.randrange(_CUSTOMERS), "count": count})
            connection.request("POST", "/payments", body)
            response = connection.getresponse()
            answer = response.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            return f"order-service does not answer: {error}"
        finally:
            connection.close()
        return "" if response.status == 200 else f"order-service failed: {response.status} {answer}"


def work(consumer: Consumer, breaker: Breaker, book: Book) -> None:
    """Consume for ever."""
    while True:
        why = breaker.why
        ids = [message.id for message in consumer.take(_UNASKED if why else BATCH)]
        if not ids:
            time.sleep(_IDLE)
            continue
        why = why or breaker.settle(len(ids))
        if why:
            consumer.reject(ids, why)
        else:
            book.add(ids)
            consumer.acknowledge(ids)


def render(home: Path, breaker: Breaker, book: Book) -> str:
    """Write the numbers of the queues and of the payments, all of one look."""
    store = Store(home, "read")
    try:
        states = [show(store, name) for name in (CALLBACKS, DEAD_CALLBACKS)]
    finally:
        store.close()
    booked, duplicates = book.totals()

    def queues(key: str) -> Samples:
        return {f'{{queue="{state["queue"]}"}}': float(state[key]) for state in states}

    registry = Registry()
    registry.gauge("queue_depth", "Messages that were not acknowledged.", lambda: queues("depth"))
    registry.gauge("queue_consumers", "Consumers that live.", lambda: queues("consumers"))
    registry.gauge("queue_published_total", "Messages of producers.", lambda: queues("published"))
    registry.gauge("queue_replayed_total", "Messages of replays.", lambda: queues("replayed"))
    registry.gauge("payments_booked_total", "Payments booked, each callback once.", lambda: booked)
    registry.gauge("payments_duplicate_total", "Callbacks that came once more.", lambda: duplicates)
    registry.gauge("payments_breaker_open", "1 while callbacks are rejected unasked.", lambda: float(bool(breaker.why)))
    return registry.render()


class PaymentHandler(Handler):
    """Publishes the numbers."""

    numbers: Callable[[], str]

    def do_GET(self) -> None:  # noqa: N802 (the name that http.server calls)
        if self.path == "/metrics":
            self.answer(200, type(self).numbers(), "text/plain; version=0.0.4")
        else:
            self.answer(404, '{"error": "no such page"}')


def main() -> None:
    """Consume and serve until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True, help="own port, for /metrics")
    parser.add_argument("--shop", type=int, required=True, help="port of the order service")
    parser.add_argument("--queue", type=Path, required=True, help="folder of the queues")
    options = parser.parse_args()
    settle_in()
    store = Store(options.queue, "create")
    store.declare(DEAD_CALLBACKS)
    store.declare(CALLBACKS, DEAD_CALLBACKS)
    book, breaker = Book(options.queue / "payments.db"), Breaker(options.shop)
    PaymentHandler.numbers = lambda: render(options.queue, breaker, book)
    with WebServer(options.port, PaymentHandler) as server:
        threading.Thread(target=server.serve_forever, args=(5.0,), name="metrics", daemon=True).start()
        say(f"callbacks of {CALLBACKS} are settled with port {options.shop}")
        work(Consumer(store, CALLBACKS), breaker, book)


if __name__ == "__main__":
    main()
