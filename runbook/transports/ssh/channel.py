"""One command on a channel: both streams drained by one reader, input fed as the window allows, a deadline on all.

Owns the loop. What is sent, and what is done when the loop ends early, is known to the callers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from threading import Event
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TypeAlias

from runbook.ports.cancel import Cancel
from runbook.ports.target import Stream

if TYPE_CHECKING:
    from paramiko.channel import Channel

    from runbook.transports.ssh.link import Link

BLOCK = 65536
DRAIN = 0.25
"""Seconds for what is on its way when the command has ended and somebody else holds its output."""
_FEED = 32768
_RETRY = 0.01  # seconds until a full window is looked at again

Why: TypeAlias = Literal["closed", "held", "deadline", "cancel", "lost"]
"""`held`: ended, and its output is held open by somebody else. `lost`: the connection went away."""

Taker: TypeAlias = Callable[[Stream, bytes], None]


class _Status(Event):
    """The event of the exit status, which wakes the reader as well."""

    def __init__(self, wake: Event) -> None:
        super().__init__()
        self._wake = wake

    def set(self) -> None:
        super().set()
        self._wake.set()


class Running:
    """A command that was sent."""

    def __init__(self, link: Link, channel: Channel, take: Taker) -> None:
        from runbook.transports.ssh.pipe import Pipe

        self._link = link
        self._channel = channel
        self._take = take
        self._wake = Event()
        self._source: Callable[[], bytes] | None = None
        self._pending = b""
        channel.settimeout(0.0)
        channel.status_event = _Status(self._wake)
        buffers: Any = (Pipe(self._wake), Pipe(self._wake))
        # Nothing has come yet: no command was asked for.
        channel.in_buffer, channel.in_stderr_buffer = buffers

    def start(self, command: str, feed: bytes = b"", stream: BinaryIO | None = None) -> None:
        """Ask for the command; its input is `feed` and then `stream`, and ends there.

        Whether it arrived at all is not known here: on a connection that breaks meanwhile `run` says `lost`.
        """
        if stream is not None or len(feed) > _FEED:
            self._start(command, feed, stream)
            return
        with self._link.wire.together():
            self._start(command, feed, None)

    def start_alone(self, command: str) -> None:
        """Ask for a command that does not read its input; the same holds for it."""
        self._link.execute(self._channel, command)

    def _start(self, command: str, feed: bytes, stream: BinaryIO | None) -> None:
        if not self._link.execute(self._channel, command):
            return
        rest = [feed] if feed else []

        def source() -> bytes:
            if rest:
                return rest.pop()
            return stream.read(BLOCK) if stream is not None else b""

        self._source = source
        self._push()

    @property
    def granted(self) -> bool:
        """Tell whether the host has begun the command at all."""
        return bool(self._channel.event_ready)

    @property
    def exit(self) -> int | None:
        """Return the exit status, 128 + n for a signal; None if none came."""
        known = self._channel.status_event.is_set() and self._channel.exit_status >= 0
        return self._channel.exit_status if known else None

    def run(self, deadline: float, cancel: Cancel | None = None) -> Why:
        """Pass on output until the end, the deadline (monotonic), or the cancel; say which."""
        if cancel is None:
            return self._run(deadline, lambda: False)
        with cancel.calling(self._wake.set):
            return self._run(deadline, cancel.is_set)

    def _run(self, deadline: float, cancelled: Callable[[], bool]) -> Why:
        held_until = 0.0
        while True:
            self._wake.clear()
            moved = self._pull()
            if self._channel.eof_received or self._channel.closed:
                if not moved:
                    return self._end()
                continue
            fed = self._push()
            if cancelled():
                return "cancel"
            now = time.monotonic()
            if self.exit is not None and not held_until:
                held_until = now + DRAIN
            if held_until and now >= held_until:
                return "held"
            if now >= deadline:
                return "deadline"
            if not moved:
                left = (held_until or deadline) - now
                self._wake.wait(left if fed else min(left, _RETRY))

    def _end(self) -> Why:
        """Tell how a stream without more to come has ended; the status may come a moment after it."""
        until = time.monotonic() + DRAIN
        while not self._channel.closed and self.exit is None and time.monotonic() < until:
            self._wake.wait(_RETRY)
            self._wake.clear()
        return "closed" if self.exit is not None or self._link.is_active() else "lost"

    def close(self) -> None:
        """Give the channel back."""
        with suppress(*self._link.breaks):
            self._channel.close()

    def _pull(self) -> bool:
        moved = False
        for stream, ready, receive in (
            ("out", self._channel.recv_ready, self._channel.recv),
            ("err", self._channel.recv_stderr_ready, self._channel.recv_stderr),
        ):
            if ready():
                data = receive(BLOCK)
                if data:
                    self._take(stream, data)  # type: ignore[arg-type]
                    moved = True
        return moved

    def _push(self) -> bool:
        """Feed what the window takes; tell whether nothing is left to feed."""
        while self._source is not None:
            if not self._pending:
                self._pending = self._source()
            try:
                if not self._pending:
                    self._source = None
                    self._channel.shutdown_write()
                    break
                sent = self._channel.send(self._pending[:_FEED])
                self._pending = self._pending[sent:]
            except TimeoutError:
                return False
            except self._link.breaks:
                # It has read as much as it wanted, or the connection is gone, which the reader sees.
                self._source = None
                self._pending = b""
        return True
