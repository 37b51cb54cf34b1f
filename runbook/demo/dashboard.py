"""The dashboard of a running shop as plain values: what matters, how it went in the last minute, whether it is well.

Owns which numbers are shown, by which queries to the shop's own metrics, and from where on they are bad. Drawing is
left to the front ends: `look` gives a frame, `spark` a line of its course.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from typing import Any, Literal
from urllib.parse import urlencode

import msgspec

from runbook.demo.layout import CALLBACKS, DEAD_CALLBACKS, Ports

SPAN = 60
"""Seconds of the course."""
_BLOCKS, _ASCII = "▁▂▃▄▅▆▇█", "_.-=+*%#"

State = Literal["good", "bad", "unknown"]
Course = tuple[float | None, ...]
"""One value a second, oldest first; None where nobody knew."""


class Spec(msgspec.Struct, frozen=True):
    """One number of the dashboard."""

    name: str
    query: str
    unit: str = ""
    is_good: Callable[[float], bool] = lambda _: True
    of: str = ""
    """Query for what it is a part of."""


SPECS: tuple[Spec, ...] = (
    Spec("orders", 'shop_orders_per_second{result="ok"}', "/s", lambda value: value >= 34),
    Spec("order success", "100 - 100 * shop_failure_ratio", "%", lambda value: value > 99),
    Spec("order p95", '1000 * shop_latency_seconds{quantile="0.95"}', "ms", lambda value: value < 500),
    Spec("pool in use", "pool_in_use", "", of="pool_max"),
    Spec("connections open", "pool_open", "", lambda value: value < 100),
    Spec("callbacks waiting", f'queue_depth{{queue="{CALLBACKS}"}}', "", lambda value: value < 20_000),
    Spec("dead letters", f'queue_depth{{queue="{DEAD_CALLBACKS}"}}', "", lambda value: value == 0),
    Spec("consumers", f'queue_consumers{{queue="{CALLBACKS}"}}', "", lambda value: value >= 1),
    Spec("payments booked", "rate(payments_booked_total[5s])", "/s"),
    Spec("deductions", 'stock_deductions_per_second{result="ok"}', "/s", lambda value: value >= 17),
    Spec(
        "cache hits",
        '100 * sum(rate(inventory_deductions_total{source="cache"}[10s])) / sum(rate(inventory_deductions_total[10s]))',
        "%",
    ),
    Spec("stock mismatches", "inventory_cached_left - inventory_database_left", "", lambda value: value == 0),
    Spec("promises unbooked", "inventory_unbooked"),
    Spec("labels", "labels_per_second", "/s", lambda value: value >= 8),
)


class Panel(msgspec.Struct, frozen=True):
    """One number with its course."""

    name: str
    value: float | None
    unit: str
    state: State
    course: Course
    of: float | None = None

    @property
    def text(self) -> str:
        """Return the number as people read it."""
        if self.value is None:
            return "unknown"
        number = f"{self.value:,.1f}" if abs(self.value) < 1000 and self.value % 1 else f"{self.value:,.0f}"
        return f"{number} of {self.of:,.0f}" if self.of is not None else f"{number} {self.unit}".rstrip()


class Frame(msgspec.Struct, frozen=True):
    """The dashboard at one moment."""

    time: float
    """Seconds since 1970."""
    panels: tuple[Panel, ...]
    is_there: bool = True
    """Whether the metrics of the shop answer."""
    shop: str = ""
    """The name of its folder: more than one may run."""


def look(ports: Ports, now: float) -> Frame:
    """Ask the metrics of a shop for a frame; what they do not tell is unknown."""
    connection = http.client.HTTPConnection("127.0.0.1", ports.metrics, timeout=2.0)
    try:
        found = [panel(spec, _course(connection, spec.query, now), _last(connection, spec.of, now)) for spec in SPECS]
    except (OSError, http.client.HTTPException, ValueError):
        return Frame(now, tuple(panel(spec, ()) for spec in SPECS), is_there=False)
    finally:
        connection.close()
    return Frame(now, tuple(found))


def panel(spec: Spec, course: Course, of: float | None = None) -> Panel:
    """Judge a number by its course: the last value is what it is now."""
    value = course[-1] if course else None
    state: State = "unknown" if value is None else "good" if spec.is_good(value) else "bad"
    return Panel(spec.name, value, spec.unit, state, course, of)


def spark(course: Course, width: int, *, unicode: bool = True) -> str:
    """Draw the end of a course in so many characters, from its least to its greatest; a gap where nobody knew."""
    shown = course[-width:] if width > 0 else ()
    known = [value for value in shown if value is not None]
    if not known:
        return " " * len(shown)
    low, high = min(0.0, *known), max(known)
    blocks = _BLOCKS if unicode else _ASCII
    step = (high - low) / (len(blocks) - 1) or 1.0
    return "".join(" " if value is None else blocks[round((value - low) / step)] for value in shown)


def _course(connection: http.client.HTTPConnection, query: str, now: float) -> Course:
    start = now - SPAN + 1
    asked = {"query": query, "start": f"{start:.3f}", "end": f"{now:.3f}", "step": "1"}
    series = _ask(connection, "/api/v1/query_range", asked)
    if len(series) != 1:
        return (None,) * SPAN
    known = {round(at - start): float(text) for at, text in series[0]["values"]}
    return tuple(value if (value := known.get(second)) == value else None for second in range(SPAN))


def _last(connection: http.client.HTTPConnection, query: str, now: float) -> float | None:
    if not query:
        return None
    series = _ask(connection, "/api/v1/query", {"query": query, "time": f"{now:.3f}"})
    return float(series[0]["value"][1]) if len(series) == 1 else None


def _ask(connection: http.client.HTTPConnection, path: str, asked: dict[str, str]) -> list[dict[str, Any]]:
    connection.request("GET", f"{path}?{urlencode(asked)}")
    response = connection.getresponse()
    body = response.read(1_000_000)
    if response.status != 200:
        raise ValueError(f"HTTP {response.status}")
    found: list[dict[str, Any]] = json.loads(body)["data"]["result"]
    return found
