"""The line about what runs now: how long it takes, and how long it has been silent.

A terminal gets one line that ticks once a second after the first; a pipe gets a line now and then, so that a long
wait in a log has a sign of life.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from runbook.cli.crowd import MANY
from runbook.cli.stream import Stream
from runbook.events.signal import Progressed
from runbook.text import duration_text, one_line

QUIET = 30.0
"""Seconds between signs of life where lines cannot be written over."""

SILENT = 5.0
"""Seconds without output before silence is told."""


class _Active:
    """One step in one place that runs now."""

    def __init__(self, now: float, phase: str) -> None:
        self.began = now
        self.heard: float | None = None
        self.told = now
        self.phase = phase
        self.progress = ""
        self.first: tuple[float, int] | None = None
        """When progress was told first, and how far it was: what was done before says nothing of the speed."""
        self.rate: float | None = None

    def speed(self, now: float, done: int, total: int) -> str:
        """Return rate and time left, as far as they can be told."""
        if self.first is None:
            self.first = (now, done)
        seconds, count = now - self.first[0], done - self.first[1]
        if seconds < 1 or count <= 0:
            return ""
        rate = count / seconds
        left = f", {duration_text((total - done) / rate)} left" if total > done else ""
        return f", {rate:.0f}/s{left}"


class Clock:
    """Shows elapsed time while something runs; its thread begins with the first step and ends with `close`."""

    def __init__(self, stream: Stream, now: Callable[[], float] = time.monotonic) -> None:
        self._to = stream
        self._now = now
        self._lock = threading.Lock()
        self._active: dict[tuple[str, str], _Active] = {}
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, step: str, target: str, phase: str, ago: float = 0.0) -> None:
        """Note that something begins, or began so many seconds ago."""
        with self._lock:
            self._active[step, target] = _Active(self._now() - ago, phase)
            if self._thread is None:
                self._thread = threading.Thread(target=self._tick, name="clock", daemon=True)
                self._thread.start()

    def phase(self, step: str, target: str, phase: str, words: str = "") -> None:
        """Note what it is doing, and what it saw; looking at a target counts as running too."""
        with self._lock:
            active = self._active.get((step, target))
        if active is not None:
            active.phase = phase
            if phase == "sampling":
                active.progress = f" · saw {words}" if words else ""
        elif phase in ("inspecting", "settling", "sampling"):
            self.begin(step, target, phase)

    def heard(self, step: str, target: str) -> None:
        """Note that output came."""
        active = self._active.get((step, target))
        if active is not None:
            active.heard = self._now()

    def progress(self, event: Progressed) -> None:
        """Note how far it is."""
        active = self._active.get((event.step, event.target))
        if active is not None:
            of = f" of {event.total}" if event.total else ""
            if event.rate != active.rate:
                # What was moved at another rate says nothing of the time left.
                active.rate, active.first = event.rate, None
            speed = active.speed(self._now(), event.done, event.total)
            bound = "" if event.rate is None else f", set to {event.rate:g}/s" if event.rate else ", set to no limit"
            active.progress = f" · {event.done}{of} {one_line(event.unit, 20)}{speed}{bound}"

    def end(self, step: str, target: str) -> None:
        """Note that it is over."""
        with self._lock:
            self._active.pop((step, target), None)
            empty = not self._active
        if empty:
            self._to.live("")

    def close(self) -> None:
        """End the thread and take the line away."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join(timeout=2)
        self._to.live("")

    def _tick(self) -> None:
        while not self._closed.wait(1.0):
            with self._lock:
                active = dict(self._active)
            if self._to.is_held:
                continue
            if self._to.style.live:
                self._to.live(self.line(active))
            else:
                self._now_and_then(active)

    def _now_and_then(self, active: dict[tuple[str, str], _Active]) -> None:
        now = self._now()
        due: dict[tuple[str, str], list[tuple[str, _Active]]] = {}
        for (step, target), each in active.items():
            if now - each.told >= QUIET:
                each.told = now
                due.setdefault((step, each.phase), []).append((target, each))
        for (step, phase), places in due.items():
            if len(places) > MANY:
                longest = max(now - each.began for _, each in places)
                self._to.line(f"  {step} on {len(places)} hosts still {phase}, {duration_text(longest)}")
                continue
            for target, each in places:
                self._to.line(
                    f"  {_name(step, target)} still {phase}, {duration_text(now - each.began)}{each.progress}"
                )

    def line(self, active: dict[tuple[str, str], _Active]) -> str:
        """Return the line for what is active; empty if nothing has run for a second."""
        now = self._now()
        long = {key: each for key, each in active.items() if now - each.began >= 1}
        if not long:
            return ""
        (step, target), oldest = min(long.items(), key=lambda item: item[1].began)
        places = sum(1 for other, _ in long if other == step)
        name = _name(step, target) if places == 1 else f"{step} on {places} hosts"
        text = f"{oldest.phase}  {name}  {duration_text(now - oldest.began)}{oldest.progress}"
        if oldest.heard is not None and now - oldest.heard >= SILENT:
            text += f" · silent for {int(now - oldest.heard)} s"
        mark = self._to.style.mark("running")
        return f"{mark} {self._to.style.plain(text)[: self._to.style.width - 4]}"


def _name(step: str, target: str) -> str:
    return step if target.startswith("*") else f"{step} on {one_line(target, 60)}"
