"""The shoppers: a steady stream of orders, and what they see of the shop.

Owns the load and the view from outside. New orders come at a fixed rate whether or not the earlier ones were answered,
because shoppers do not wait for each other. The numbers cover the last few seconds.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import socket
import threading
import time
from collections import deque

from runbook.demo.metric import Registry, Samples
from runbook.demo.process import Handler, WebServer, say, settle_in

WINDOW = 3.0
"""Seconds that the rolling numbers cover."""
_PATIENCE = 3.0
_OPENING = 2.0
"""Seconds that the first shoppers wait for the shop to open; afterwards a closed shop is a failed order."""
_CROWD = 400
_CUSTOMERS = 1_000_000
_ITEMS = ("umbrella", "kettle", "lamp", "scarf")


class Tally:
    """What became of the orders that ended in the last `WINDOW` seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended: deque[tuple[float, float, bool]] = deque()
        self._began = time.monotonic()

    def begin(self) -> None:
        """Count from this moment on."""
        with self._lock:
            self._began = time.monotonic()

    def add(self, seconds: float, ok: bool) -> None:
        """Count an order that ended just now."""
        with self._lock:
            self._ended.append((time.monotonic(), seconds, ok))

    def _recent(self) -> tuple[list[tuple[float, float, bool]], float]:
        now = time.monotonic()
        with self._lock:
            while self._ended and self._ended[0][0] < now - WINDOW:
                self._ended.popleft()
            return list(self._ended), min(WINDOW, now - self._began)

    def rates(self) -> Samples:
        """Orders per second by result; nothing during the first second."""
        recent, span = self._recent()
        if span < 1.0:
            return {}
        good = sum(ok for _, _, ok in recent)
        return {'{result="ok"}': good / span, '{result="failed"}': (len(recent) - good) / span}

    def failure_ratio(self) -> float | None:
        """Part of the orders that failed, 0 to 1; None if none ended."""
        recent, span = self._recent()
        if not recent or span < 1.0:
            return None
        return sum(not ok for _, _, ok in recent) / len(recent)

    def quantiles(self) -> Samples:
        """Median and 99th percentile of the time per order, in seconds."""
        times = sorted(seconds for _, seconds, _ in self._recent()[0])
        if not times:
            return {}
        return {f'{{quantile="{q}"}}': times[min(len(times) - 1, int(q * len(times)))] for q in (0.5, 0.95, 0.99)}


class Shoppers:
    """Sends orders to the order service and counts what comes back."""

    def __init__(self, port: int, rate: float) -> None:
        self.tally = Tally()
        self.registry = Registry()
        self.registry.counter("shop_orders_total", "Orders sent, by result.", '{result="ok"}', '{result="failed"}')
        self.registry.gauge("shop_orders_per_second", f"Orders ended, last {WINDOW:g} s.", self.tally.rates)
        self.registry.gauge("shop_failure_ratio", f"Orders failed, last {WINDOW:g} s.", self.tally.failure_ratio)
        self.registry.gauge("shop_latency_seconds", f"Time per order, last {WINDOW:g} s.", self.tally.quantiles)
        self.registry.gauge("shop_rate_wanted", "Orders per second that the shoppers send.", lambda: rate)
        self._port = port
        self._rate = rate
        self._crowd = threading.BoundedSemaphore(_CROWD)

    def stream(self) -> None:
        """Send orders for ever, evenly spaced, once the shop has opened or it is past the hour."""
        self._wait_for_opening()
        self.tally.begin()
        due = time.monotonic()
        while True:
            due += 1 / self._rate
            pause = due - time.monotonic()
            if pause > 0:
                time.sleep(pause)
            elif pause < -1.0:
                due = time.monotonic()
            if self._crowd.acquire(blocking=False):
                threading.Thread(target=self._order, daemon=True).start()
            else:
                self._count(0.0, ok=False)

    def _wait_for_opening(self) -> None:
        deadline = time.monotonic() + _OPENING
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self._port), 1.0).close()
            except OSError:
                time.sleep(0.02)
            else:
                return

    def _order(self) -> None:
        began = time.monotonic()
        try:
            ok = self._send()
            self._count(time.monotonic() - began, ok=ok)
        finally:
            self._crowd.release()

    def _send(self) -> bool:
        order = {"customer": random.randrange(_CUSTOMERS), "item": random.choice(_ITEMS), "count": 1}
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_PATIENCE)
        try:
            connection.request("POST", "/orders", json.dumps(order))
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return response.status == 201

    def _count(self, seconds: float, *, ok: bool) -> None:
        self.tally.add(seconds, ok)
        self.registry.count("shop_orders_total", '{result="ok"}' if ok else '{result="failed"}')


class LoadHandler(Handler):
    """Publishes the numbers."""

    registry: Registry

    def do_GET(self) -> None:  # noqa: N802 (the name that http.server calls)
        if self.path == "/metrics":
            self.answer(200, self.registry.render(), "text/plain; version=0.0.4")
        else:
            self.answer(404, '{"error": "no such page"}')


def main() -> None:
    """Shop until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True, help="own port, for /metrics")
    parser.add_argument("--shop", type=int, required=True, help="port of the order service")
    parser.add_argument("--rate", type=float, required=True, help="orders per second")
    options = parser.parse_args()
    settle_in()
    shoppers = Shoppers(options.shop, options.rate)
    LoadHandler.registry = shoppers.registry
    with WebServer(options.port, LoadHandler) as server:
        threading.Thread(target=shoppers.stream, name="stream", daemon=True).start()
        say(f"{options.rate:g} orders a second go to port {options.shop}")
        server.serve_forever(poll_interval=5.0)


if __name__ == "__main__":
    main()
