"""The numbers of the inventory and what they mean; `runbook.demo.number` puts them beside those of the orders."""

from __future__ import annotations

import msgspec

from runbook.demo.metric import Samples

RATE = 20.0
"""Deductions per second that the checkout sends."""
MOST_FAILURES = 0.01
LEAST_RATE = 0.85 * RATE
LONGEST_P99_MS = 500.0
BROKEN_FAILURES = 0.8
"""Broken: more deductions than this part fail (80 %)."""


class Stock(msgspec.Struct, frozen=True):
    """What the checkout and the inventory service say, over the last three seconds."""

    deductions_per_s: float
    failure_rate: float | None
    """Part of the deductions that failed, 0 to 1; None if unknown."""
    p99_ms: float | None
    degraded: bool
    """It answers from its cache."""
    agree: bool | None
    """Cache and database agree, and every promise is booked; None if that is not known."""
    unbooked: int
    """Promises that the database does not know yet: what another seller could oversell."""
    oversold: int
    """Promised items that were gone."""


def make_stock(checkout: Samples, inventory: Samples) -> Stock | None:
    """Put the samples of the two pages together; None if the inventory service does not answer."""
    if "inventory_degraded" not in inventory:
        return None
    latency, agree = checkout.get('stock_latency_seconds{quantile="0.99"}'), inventory.get("inventory_agree")
    return Stock(
        deductions_per_s=checkout.get('stock_deductions_per_second{result="ok"}', 0.0),
        failure_rate=checkout.get("stock_failure_ratio"),
        p99_ms=None if latency is None else latency * 1000,
        degraded=inventory["inventory_degraded"] > 0,
        agree=None if agree is None else agree > 0,
        unbooked=int(inventory.get("inventory_unbooked", 0)),
        oversold=int(inventory.get("inventory_oversold_total", 0)),
    )


def sells(stock: Stock | None) -> bool:
    """Tell whether deductions succeed, at the usual rate and in the usual time, wherever they come from."""
    return (
        stock is not None
        and stock.failure_rate is not None
        and stock.failure_rate < MOST_FAILURES
        and stock.deductions_per_s >= LEAST_RATE
        and stock.p99_ms is not None
        and stock.p99_ms < LONGEST_P99_MS
        and stock.oversold == 0
    )


def is_in_step(stock: Stock | None) -> bool:
    """Tell whether deductions succeed from the database, and its numbers and those of the cache agree."""
    return stock is not None and sells(stock) and not stock.degraded and stock.agree is True


def times_out(stock: Stock | None) -> bool:
    """Tell whether most deductions fail."""
    return stock is not None and stock.failure_rate is not None and stock.failure_rate > BROKEN_FAILURES
