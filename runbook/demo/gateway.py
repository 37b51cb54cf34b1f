"""The payment gateway: sends callbacks for paid orders into the shop's queue, then ends.

Owns the ids of callbacks: one number after the other, over all its runs.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator
from pathlib import Path

from runbook.demo.layout import CALLBACKS
from runbook.demo.process import say, settle_in
from runbook.demo.queue import Message, Store
from runbook.demo.queue_move import show

_AT_ONCE = 2000


def callbacks(first: int, count: int) -> Iterator[Message]:
    """Make callbacks for orders with consecutive numbers."""
    for number in range(first, first + count):
        body = {"order": number, "amount": random.randrange(100, 90_000), "currency": "EUR", "status": "paid"}
        yield Message(f"cb-{number:08}", {"type": "payment.paid", "gateway": "east"}, json.dumps(body).encode())


def send(store: Store, count: int) -> None:
    """Send so many callbacks, each batch durable before the next."""
    first = int(show(store, CALLBACKS)["published"])
    for begin in range(first, first + count, _AT_ONCE):
        store.publish(CALLBACKS, callbacks(begin, min(_AT_ONCE, first + count - begin)))


def main() -> None:
    """Send and end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--queue", type=Path, required=True, help="folder of the queues")
    parser.add_argument("--count", type=int, required=True, help="callbacks to send")
    options = parser.parse_args()
    settle_in()
    send(Store(options.queue), options.count)
    say(f"{options.count} callbacks were sent")


if __name__ == "__main__":
    main()
