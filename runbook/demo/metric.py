"""Counters, gauges and one histogram in the Prometheus text format, and the reading of such a text.

Owns the numbers that a shop process publishes under `/metrics`. Format: Prometheus documentation, "Exposition formats",
version 0.0.4.
"""

from __future__ import annotations

import http.client
import re
import threading
from collections.abc import Callable

Samples = dict[str, float]
"""Sample name with its labels as written, such as `orders_total{result="ok"}`, and its value."""

_SAMPLE = re.compile(r"^([A-Za-z_:][A-Za-z0-9_:]*(?:\{[^}]*\})?)\s+(\S+)(?:\s+-?\d+)?$")
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Registry:
    """The metrics of one process; safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kinds: dict[str, tuple[str, str]] = {}
        self._values: dict[str, Samples] = {}
        self._gauges: dict[str, Callable[[], Samples]] = {}
        self._buckets: dict[str, list[int]] = {}

    def counter(self, name: str, help_text: str, *labels: str) -> None:
        """Announce a counter; each of `labels` is one series, such as `{result="ok"}`, begun at zero."""
        self._kinds[name] = ("counter", help_text)
        self._values[name] = {name + label: 0.0 for label in labels or ("",)}

    def gauge(self, name: str, help_text: str, read: Callable[[], float | Samples | None]) -> None:
        """Announce a gauge read at every scrape; None, or no sample, publishes nothing: there is no data."""

        def samples() -> Samples:
            value = read()
            if isinstance(value, dict):
                return {name + label: number for label, number in value.items()}
            return {} if value is None else {name: value}

        self._kinds[name] = ("gauge", help_text)
        self._gauges[name] = samples

    def histogram(self, name: str, help_text: str) -> None:
        """Announce a histogram of seconds."""
        self._kinds[name] = ("histogram", help_text)
        self._values[name] = {f"{name}_sum": 0.0, f"{name}_count": 0.0}
        self._buckets[name] = [0] * len(_BUCKETS)

    def count(self, name: str, label: str = "", by: float = 1.0) -> None:
        """Add to a counter that was announced."""
        with self._lock:
            self._values[name][name + label] += by

    def observe(self, name: str, seconds: float) -> None:
        """Add one duration to a histogram."""
        with self._lock:
            self._values[name][f"{name}_sum"] += seconds
            self._values[name][f"{name}_count"] += 1
            for index, bound in enumerate(_BUCKETS):
                if seconds <= bound:
                    self._buckets[name][index] += 1

    def render(self) -> str:
        """Write all metrics as text."""
        lines: list[str] = []
        for name, (kind, help_text) in self._kinds.items():
            lines += [f"# HELP {name} {help_text}", f"# TYPE {name} {kind}"]
            if name in self._gauges:
                samples = self._gauges[name]()
            else:
                samples = self._snapshot(name)
            lines += [f"{sample} {value:.10g}" for sample, value in samples.items()]
        return "\n".join(lines) + "\n"

    def _snapshot(self, name: str) -> Samples:
        with self._lock:
            samples = dict(self._values[name])
            if name not in self._buckets:
                return samples
            total = samples[f"{name}_count"]
            bounds = {
                f'{name}_bucket{{le="{b}"}}': float(n) for b, n in zip(_BUCKETS, self._buckets[name], strict=True)
            }
            return {**bounds, f'{name}_bucket{{le="+Inf"}}': total, **samples}


def parse(text: str) -> Samples:
    """Read the samples of a metrics text; lines that are none are passed over."""
    samples: Samples = {}
    for line in text.splitlines():
        found = _SAMPLE.match(line)
        if found is None:
            continue
        try:
            samples[found[1]] = float(found[2])
        except ValueError:
            continue
    return samples


def scrape(port: int, *, timeout: float = 1.0) -> Samples | None:
    """Read `/metrics` on 127.0.0.1 within `timeout` seconds per wait; None if nobody answers well."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", "/metrics")
        response = connection.getresponse()
        body = response.read(1_000_000)
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return parse(body.decode("utf-8", "replace")) if response.status == 200 else None
