"""A steady stream of requests to one service, and what is seen of it from outside.

Owns the load, the rolling numbers and their page. New requests come at a fixed rate whether or not the earlier ones
were answered, because people do not wait for each other. What is asked for belongs to each kind of stream.
"""

from __future__ import annotations

import argparse
import http.client
import json
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from typing import ClassVar

from runbook.demo.metric import Registry, Samples
from runbook.demo.process import Handler, WebServer, say, settle_in

WINDOW = 3.0
"""Seconds that the rolling numbers cover."""
_PATIENCE = 3.0
_OPENING = 2.0
"""Seconds that the first requests wait for a service that is still starting; afterwards a closed one is a failure."""
_OK, _FAILED = '{result="ok"}', '{result="failed"}'


class Tally:
    """What became of the requests that ended in the last `WINDOW` seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended: deque[tuple[float, float, bool]] = deque()
        self._began = time.monotonic()

    def begin(self) -> None:
        """Count from this moment on."""
        with self._lock:
            self._began = time.monotonic()

    def add(self, seconds: float, ok: bool) -> None:
        """Count a request that ended just now."""
        with self._lock:
            self._ended.append((time.monotonic(), seconds, ok))

    def _recent(self) -> tuple[list[tuple[float, float, bool]], float]:
        now = time.monotonic()
        with self._lock:
            while self._ended and self._ended[0][0] < now - WINDOW:
                self._ended.popleft()
            return list(self._ended), min(WINDOW, now - self._began)

    def rates(self) -> Samples:
        """Requests per second by result; nothing during the first second."""
        recent, span = self._recent()
        if span < 1.0:
            return {}
        good = sum(ok for _, _, ok in recent)
        return {_OK: good / span, _FAILED: (len(recent) - good) / span}

    def failure_ratio(self) -> float | None:
        """Part of the requests that failed, 0 to 1; None if none ended."""
        recent, span = self._recent()
        if not recent or span < 1.0:
            return None
        return sum(not ok for _, _, ok in recent) / len(recent)

    def quantiles(self) -> Samples:
        """Median and 99th percentile of the time per request, in seconds."""
        times = sorted(seconds for _, seconds, _ in self._recent()[0])
        if not times:
            return {}
        return {f'{{quantile="{q}"}}': times[min(len(times) - 1, int(q * len(times)))] for q in (0.5, 0.95, 0.99)}


class Stream(ABC):
    """Sends requests to a service and counts what comes back."""

    family: ClassVar[str]
    """How the names of the metrics begin."""
    noun: ClassVar[str]
    """What a request is for, as the metrics and the log call one."""
    path: ClassVar[str]
    crowd: ClassVar[int]
    """Requests that may be under way at once; one more is a failure."""

    def __init__(self, port: int, rate: float) -> None:
        """Aim at a port of this machine, with so many requests per second."""
        family, nouns = self.family, f"{self.noun}s"
        self.tally = Tally()
        self.registry = Registry()
        self._total = f"{family}_{nouns}_total"
        self.registry.counter(self._total, f"{nouns.capitalize()} sent, by result.", _OK, _FAILED)
        for name, what, value in (
            (f"{nouns}_per_second", f"{nouns.capitalize()} ended", self.tally.rates),
            ("failure_ratio", f"{nouns.capitalize()} failed", self.tally.failure_ratio),
            ("latency_seconds", f"Time per {self.noun}", self.tally.quantiles),
        ):
            self.registry.gauge(f"{family}_{name}", f"{what}, last {WINDOW:g} s.", value)
        self.port = port
        self.rate = rate
        self._crowd = threading.BoundedSemaphore(self.crowd)

    @abstractmethod
    def body(self) -> Mapping[str, object]:
        """Return what is asked for next."""

    def is_open(self) -> bool:
        """Tell whether the service is there."""
        try:
            socket.create_connection(("127.0.0.1", self.port), 1.0).close()
        except OSError:
            return False
        return True

    def run(self) -> None:
        """Send requests for ever, evenly spaced, once the service is there or it is past the hour."""
        deadline = time.monotonic() + _OPENING
        while not self.is_open() and time.monotonic() < deadline:
            time.sleep(0.02)
        self.tally.begin()
        due = time.monotonic()
        while True:
            due += 1 / self.rate
            pause = due - time.monotonic()
            if pause > 0:
                time.sleep(pause)
            elif pause < -1.0:
                due = time.monotonic()
            if self._crowd.acquire(blocking=False):
                threading.Thread(target=self._one, daemon=True).start()
            else:
                self._count(0.0, ok=False)

    def send(self) -> bool:
        """Send one request; return whether it did what it was for."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE)
        try:
            connection.request("POST", self.path, json.dumps(self.body()))
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return response.status == 201

    def _one(self) -> None:
        began = time.monotonic()
        try:
            ok = self.send()
            self._count(time.monotonic() - began, ok=ok)
        finally:
            self._crowd.release()

    def _count(self, seconds: float, *, ok: bool) -> None:
        self.tally.add(seconds, ok)
        self.registry.count(self._total, _OK if ok else _FAILED)


class _Page(Handler):
    """Publishes the numbers."""

    registry: Registry

    def do_GET(self) -> None:  # noqa: N802 (the name that http.server calls)
        if self.path == "/metrics":
            self.answer(200, self.registry.render(), "text/plain; version=0.0.4")
        else:
            self.answer(404, '{"error": "no such page"}')


def drive(kind: type[Stream], service: str) -> None:
    """Send a stream and publish its numbers until told to stop; `service` is the name of the option for its port."""
    nouns = f"{kind.noun}s"
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True, help="own port, for /metrics")
    parser.add_argument(f"--{service}", dest="to", type=int, required=True, help="port of the service")
    parser.add_argument("--rate", type=float, required=True, help=f"{nouns} per second")
    options = parser.parse_args()
    settle_in()
    stream = kind(options.to, options.rate)
    _Page.registry = stream.registry
    with WebServer(options.port, _Page) as server:
        threading.Thread(target=stream.run, name="stream", daemon=True).start()
        say(f"{options.rate:g} {nouns} a second go to port {options.to}")
        server.serve_forever(poll_interval=5.0)
