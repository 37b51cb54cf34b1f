"""The checkout: a steady stream of deductions, and what it sees of the inventory service.

Owns the load and the view from outside; the numbers cover the last few seconds, as those of the shoppers do.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import secrets
import threading
import time

from runbook.demo.inventory_cache import ITEMS
from runbook.demo.load import WINDOW, LoadHandler, Tally
from runbook.demo.metric import Registry
from runbook.demo.process import WebServer, say, settle_in

_PATIENCE = 3.0
_CROWD = 200
_OPENING = 2.0
"""Seconds during which a service that is still starting does not count."""
_OK, _FAILED = '{result="ok"}', '{result="failed"}'


class Checkout:
    """Sends deductions to the inventory service and counts what comes back."""

    def __init__(self, port: int, rate: float) -> None:
        self.tally = Tally()
        self.registry = Registry()
        self.registry.counter("stock_deductions_total", "Deductions sent, by result.", _OK, _FAILED)
        self.registry.gauge("stock_deductions_per_second", f"Deductions ended, last {WINDOW:g} s.", self.tally.rates)
        self.registry.gauge("stock_failure_ratio", f"Deductions failed, last {WINDOW:g} s.", self.tally.failure_ratio)
        self.registry.gauge("stock_latency_seconds", f"Time per deduction, last {WINDOW:g} s.", self.tally.quantiles)
        self._port = port
        self._rate = rate
        self._crowd = threading.BoundedSemaphore(_CROWD)

    def stream(self) -> None:
        """Send deductions for ever, evenly spaced, once the service answers or it is past the hour."""
        deadline = time.monotonic() + _OPENING
        while not self._send() and time.monotonic() < deadline:
            time.sleep(0.02)
        self.tally.begin()
        due = time.monotonic()
        while True:
            due = max(due + 1 / self._rate, time.monotonic() - 1.0)
            time.sleep(max(0.0, due - time.monotonic()))
            if self._crowd.acquire(blocking=False):
                threading.Thread(target=self._deduct, daemon=True).start()
            else:
                self._count(0.0, ok=False)

    def _deduct(self) -> None:
        began = time.monotonic()
        try:
            ok = self._send()
            self._count(time.monotonic() - began, ok=ok)
        finally:
            self._crowd.release()

    def _send(self) -> bool:
        asked = {"id": secrets.token_hex(8), "item": random.choice(ITEMS), "count": 1}
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_PATIENCE)
        try:
            connection.request("POST", "/deduct", json.dumps(asked))
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return response.status == 201

    def _count(self, seconds: float, *, ok: bool) -> None:
        self.tally.add(seconds, ok)
        self.registry.count("stock_deductions_total", _OK if ok else _FAILED)


def main() -> None:
    """Deduct until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True, help="own port, for /metrics")
    parser.add_argument("--inventory", type=int, required=True, help="port of the inventory service")
    parser.add_argument("--rate", type=float, required=True, help="deductions per second")
    options = parser.parse_args()
    settle_in()
    checkout = Checkout(options.inventory, options.rate)
    LoadHandler.registry = checkout.registry
    with WebServer(options.port, LoadHandler) as server:
        threading.Thread(target=checkout.stream, name="stream", daemon=True).start()
        say(f"{options.rate:g} deductions a second go to port {options.inventory}")
        server.serve_forever(poll_interval=5.0)


if __name__ == "__main__":
    main()
