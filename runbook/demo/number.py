"""The shop's own numbers and what they mean.

Owns the reading of the `/metrics` pages into one value and the thresholds of *healthy* and *broken*. No data is never
good: what could not be read makes the shop neither healthy nor broken.
"""

from __future__ import annotations

import msgspec

from runbook.demo.inventory_number import Stock, make_stock
from runbook.demo.label_number import Labels, make_labels
from runbook.demo.layout import CALLBACKS, DEAD_CALLBACKS, Ports
from runbook.demo.metric import Samples, scrape

RATE = 40.0
"""Orders per second that the shoppers send."""
MOST_FAILURES = 0.01
"""Healthy: fewer orders than this part fail (1 %); at the least healthy rate that is one failure in the window."""
LEAST_RATE = 0.85 * RATE
"""Healthy: at least this many orders per second succeed."""
LONGEST_P99_MS = 500.0
"""Healthy: 99 of 100 orders are answered within this many milliseconds."""
BROKEN_FAILURES = 0.8
"""Broken: more orders than this part fail (80 %)."""


class Payments(msgspec.Struct, frozen=True):
    """What the payment consumer says of the callbacks."""

    sent: int
    """Callbacks of the gateway since the shop was opened."""
    booked: int
    """Payments, each callback once."""
    duplicates: int
    """Callbacks that were consumed once more."""
    waiting: int
    """In the live queue."""
    dead: int
    """In the dead-letter queue."""
    consumers: int


class Numbers(msgspec.Struct, frozen=True):
    """What shoppers and order service say, over the last three seconds."""

    orders_per_s: float
    """Orders that succeeded per second; 0 if unknown, and then `failure_rate` is None."""
    failure_rate: float | None
    """Part of the orders that failed, 0 to 1; None if unknown."""
    p99_ms: float | None
    """99th percentile of the time per order, failed ones too, in milliseconds; None if unknown."""
    pool_in_use: int | None
    """Places of the pool handed out to orders now; None if the order service does not answer."""
    pool_max: int | None
    """Places in the pool."""
    pool_open: int | None
    """Connections to the database that are open."""
    payments: Payments | None = None
    """None if the payment consumer does not answer."""
    stock: Stock | None = None
    """None if the inventory service does not answer."""
    labels: Labels | None = None
    """None if the label service does not answer, or is not staged."""


def read_numbers(ports: Ports) -> Numbers:
    """Ask the shoppers, the order service, the payment consumer, the inventory and the labels for their numbers."""
    orders = make_numbers(scrape(ports.load) or {}, scrape(ports.order) or {}, scrape(ports.payment) or {})
    stock = make_stock(scrape(ports.checkout) or {}, scrape(ports.inventory) or {})
    return msgspec.structs.replace(orders, stock=stock, labels=make_labels(scrape(ports.labels) or {}))


def make_numbers(load: Samples, order: Samples, payment: Samples | None = None) -> Numbers:
    """Put the samples of the pages together."""
    latency = load.get('shop_latency_seconds{quantile="0.99"}')
    return Numbers(
        orders_per_s=load.get('shop_orders_per_second{result="ok"}', 0.0),
        failure_rate=load.get("shop_failure_ratio"),
        p99_ms=None if latency is None else latency * 1000,
        pool_in_use=_whole(order.get("pool_in_use")),
        pool_max=_whole(order.get("pool_max")),
        pool_open=_whole(order.get("pool_open")),
        payments=_payments(payment or {}),
    )


def is_healthy(numbers: Numbers) -> bool:
    """Tell whether orders succeed, at the usual rate, in the usual time, and the service answers."""
    return (
        numbers.failure_rate is not None
        and numbers.failure_rate < MOST_FAILURES
        and numbers.orders_per_s >= LEAST_RATE
        and numbers.p99_ms is not None
        and numbers.p99_ms < LONGEST_P99_MS
        and numbers.pool_max is not None
    )


def is_broken(numbers: Numbers) -> bool:
    """Tell whether most orders fail."""
    return numbers.failure_rate is not None and numbers.failure_rate > BROKEN_FAILURES


def is_settled(numbers: Numbers) -> bool:
    """Tell whether orders are healthy, and every callback that was sent is booked, once."""
    found = numbers.payments
    if found is None or not is_healthy(numbers):
        return False
    return (found.booked, found.duplicates, found.waiting, found.dead) == (found.sent, 0, 0, 0)


def _payments(samples: Samples) -> Payments | None:
    names = {
        "sent": f'queue_published_total{{queue="{CALLBACKS}"}}',
        "booked": "payments_booked_total",
        "duplicates": "payments_duplicate_total",
        "waiting": f'queue_depth{{queue="{CALLBACKS}"}}',
        "dead": f'queue_depth{{queue="{DEAD_CALLBACKS}"}}',
        "consumers": f'queue_consumers{{queue="{CALLBACKS}"}}',
    }
    if not all(name in samples for name in names.values()):
        return None
    return Payments(**{field: int(samples[name]) for field, name in names.items()})


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
