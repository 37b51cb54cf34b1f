"""A listener that keeps what the end of a run and its questions need to know."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock

from runbook.cli.front import Front
from runbook.events import fact as f
from runbook.events.signal import OutputReceived, Signal
from runbook.model.scalar import Json

KEPT = 1024 * 1024
"""Characters of one stream of one host that the object of an ad-hoc command may hold."""


class Witness:
    """Remembers the latest arguments, whether anything was changed, and how the run finished."""

    def __init__(self, front: Front, *, keep_output: bool = False) -> None:
        self._front = front
        self._keep_output = keep_output
        self._lock = Lock()
        self._arguments: dict[str, Mapping[str, Json]] = {}
        self._open: set[tuple[str, str]] = set()
        self.finished: f.RunFinished | None = None
        self.output: dict[tuple[str, str], str] = {}
        """Text by host and stream, if it is kept."""

    def hear(self, event: f.Fact | Signal) -> None:
        """Take note of one event."""
        match event:
            case f.StepPlanned():
                with self._lock:
                    self._arguments[event.step] = event.arguments
            case f.AttemptStarted(effect="change" | "destructive") | f.UndoStarted():
                self._front.effect = True
                with self._lock:
                    self._open.add((event.step, event.target))
            case f.StepFinished() | f.UndoFinished():
                with self._lock:
                    self._open.discard((event.step, event.target))
            case f.RunFinished():
                self.finished = event
            case OutputReceived() if self._keep_output:
                with self._lock:
                    self._keep(event)
            case _:
                pass

    def arguments(self, step: str) -> Mapping[str, Json]:
        """Return the arguments of the latest plan of a step."""
        with self._lock:
            return self._arguments.get(step, {})

    def open_changes(self) -> list[tuple[str, str]]:
        """Return the steps and places whose change has begun and not come to an outcome, in order of their names."""
        with self._lock:
            return sorted(self._open)

    def _keep(self, event: OutputReceived) -> None:
        key = (event.target, event.stream)
        self.output[key] = (self.output.get(key, "") + event.text)[:KEPT]
