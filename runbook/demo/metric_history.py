"""What the pages of the shop's processes said in the last hour, by name and labels.

Owns the samples and how long they are kept; asking for them by an expression is the business of `metric_expression`.
Where a page does not answer, or a series is no longer on it, the series ends there, as with Prometheus: what nobody
knows is never told as a number.
"""

from __future__ import annotations

import re
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator

from runbook.demo.metric import Samples

KEEP = 3600.0
"""Seconds of history: what was normal before it broke is known for as long as somebody looks around in a kept shop."""
STALE = 60.0
"""Seconds after which a sample says nothing of the present, should nobody look any more."""

Labels = dict[str, str]
Key = tuple[str, tuple[tuple[str, str], ...]]
"""A name and its sorted labels."""
Point = tuple[float, float]
"""Seconds since 1970, and the value."""

_LABEL = re.compile(r'([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)"')


class Series:
    """The samples of one name with one set of labels, oldest first."""

    def __init__(self, labels: Labels) -> None:
        self.labels = labels
        self.times: list[float] = []
        self.values: list[float | None] = []
        """None: it ended there."""

    def between(self, start: float, end: float) -> list[Point]:
        """Return the samples after `start` and until `end`."""
        first, last = bisect_right(self.times, start), bisect_right(self.times, end)
        points = zip(self.times[first:last], self.values[first:last], strict=True)
        return [(time, value) for time, value in points if value is not None]

    def at(self, time: float) -> float | None:
        """Return the last value until then; None if it has ended, or is too old."""
        index = bisect_right(self.times, time) - 1
        return self.values[index] if index >= 0 and time - self.times[index] < STALE else None

    def add(self, time: float, value: float | None) -> None:
        """Append a sample and forget old ones."""
        self.times.append(time)
        self.values.append(value)
        old = bisect_left(self.times, time - KEEP)
        if old > 60:
            # Not at every sample: to shift a list costs its length.
            del self.times[:old], self.values[:old]


class History:
    """All series."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        """Held while samples are added; whoever asks for several things of one moment holds it, too."""
        self._series: dict[Key, Series] = {}
        self._alive: dict[str, set[Key]] = {}
        """The series of the last look at each page."""
        self.looks: dict[str, int] = {}
        """How often a page was read, by the name of its process."""

    def add(self, job: str, samples: Samples | None, time: float) -> None:
        """Add one look at the page of a process; None: it does not answer."""
        with self.lock:
            seen = {self._add("up", {"job": job}, time, 0.0 if samples is None else 1.0)}
            for written, value in (samples or {}).items():
                name, labels = split(written)
                seen.add(self._add(name, {**labels, "job": job}, time, value))
            for key in self._alive.get(job, set()) - seen:
                self._series[key].add(time, None)
            self._alive[job] = seen
            self.looks[job] = self.looks.get(job, 0) + (samples is not None)

    def _add(self, name: str, labels: Labels, time: float, value: float) -> Key:
        key = (name, tuple(sorted(labels.items())))
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = Series({"__name__": name, **labels})
        series.add(time, value)
        return key

    def select(self, name: str, fits: Callable[[Labels], bool]) -> Iterator[Series]:
        """Yield the series of a name whose labels fit."""
        with self.lock:
            found = [series for (known, _), series in self._series.items() if known == name]
        yield from (series for series in found if fits(series.labels))


def split(written: str) -> tuple[str, Labels]:
    """Return the name and the labels of a sample as it is written on a page."""
    name, _, rest = written.partition("{")
    return name, {label: _unquoted(value) for label, value in _LABEL.findall(rest)}


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], value)
