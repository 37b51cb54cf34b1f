"""Mail for live runs: one file per message, written whole, taken in order by the process that writes the run."""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from pathlib import Path

import msgspec

from runbook.journal import Layout
from runbook.model.built import built
from runbook.ports.recorder import Mail

_DECODER = msgspec.json.Decoder(built(Mail))


def post(layout: Layout, run: str, mail: Mail) -> None:
    """Leave a message for a live run."""
    folder = layout.inbox(run)
    name = f"{time.time_ns():020d}-{os.getpid()}"
    draft = folder / f".{name}"
    draft.write_bytes(msgspec.json.encode(mail))
    draft.rename(folder / f"{name}.json")


class FileInbox:
    """The inbox of one run, and what signal handlers of this process leave in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own: deque[Mail] = deque()

    def leave(self, mail: Mail) -> None:
        """Leave a message from this process; safe in a signal handler."""
        self._own.append(mail)

    def take(self) -> tuple[Mail, ...]:
        """Return what has come, oldest first; a message that cannot be read is dropped."""
        found: list[Mail] = []
        while self._own:
            found.append(self._own.popleft())
        try:
            names = sorted(name for name in os.listdir(self._folder) if name.endswith(".json"))
        except OSError:
            return tuple(found)
        for name in names:
            path = self._folder / name
            with contextlib.suppress(OSError, msgspec.MsgspecError):
                found.append(_DECODER.decode(path.read_bytes()))
            with contextlib.suppress(OSError):
                path.unlink()
        return tuple(found)
