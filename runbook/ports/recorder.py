"""The ports for telling: the recorder that comes first, and everybody who listens after it."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from runbook.events.fact import Fact, Output
from runbook.events.signal import Signal
from runbook.model.scalar import Json
from runbook.ports.target import Stream


class Recorder(Protocol):
    """Where facts go first."""

    def put(self, *facts: Fact) -> int:
        """Write the facts in one piece; they outlive this process, and a loss of power once `sync` has returned.

        Returns the sequence number of the first one. Raises JournalFull if they could not be written: then
        nothing may be done that they announce.
        """

    def sync(self) -> None:
        """Return when all that was put before is on disk.

        Raises JournalFull if it is not: then nothing of it may be shown, and nothing done that it announces.
        """


class OutputWriter(Protocol):
    """The side file of one attempt; takes masked bytes."""

    def write(self, stream: Stream, data: bytes, at_ms: int) -> None:
        """Append; `at_ms` counts from the start of the attempt. Raises JournalFull if it cannot be kept."""

    def close(self) -> Output | None:
        """Finish the file and return its reference; None if nothing was written."""


class OutputStore(Protocol):
    """Where the output of steps is kept."""

    def open(self, step: str, target: str, attempt: int, *, undo: bool = False) -> OutputWriter:
        """Open the side file of an attempt."""


class Listener(Protocol):
    """A screen, a printer, a follower: hears facts after they are recorded, and signals."""

    def hear(self, event: Fact | Signal) -> None:
        """Take note; must return soon. What it raises is told once and never reaches the run."""


class Mail(Struct, frozen=True):
    """Something that was asked of a live run from another process."""

    kind: str
    """decide, pause, cancel, interrupt, note or pace."""
    step: str = ""
    target: str = ""
    choice: str = ""
    values: dict[str, Json] = {}
    reason: str = ""
    actor: str = ""


class Inbox(Protocol):
    """Where a live run finds what others ask of it."""

    def take(self) -> tuple[Mail, ...]:
        """Return what has come since the last call, oldest first, and remove it."""
