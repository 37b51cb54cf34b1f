"""What has come of one stream and was not read yet: whole parts, none of which is copied.

Stands in for paramiko's own buffer, which moves all that it keeps for each part that is read.
"""

from __future__ import annotations

from collections import deque
from threading import Event

from paramiko.buffered_pipe import PipeTimeout


class Pipe:
    """A buffer as a channel of paramiko knows it; wakes its reader at each part and at the end."""

    def __init__(self, wake: Event) -> None:
        self._wake = wake
        self._parts: deque[bytes] = deque()
        self._closed = False

    def feed(self, data: bytes) -> None:
        """Keep a part."""
        if data:
            self._parts.append(data)
            # Who reads puts the sign down before it looks: while it is up, this part will be seen.
            if not self._wake.is_set():
                self._wake.set()

    def close(self) -> None:
        """End the stream."""
        self._closed = True
        self._wake.set()

    def read_ready(self) -> bool:
        """Tell whether there is a part to read."""
        return bool(self._parts)

    def read(self, size: int, timeout: float | None = None) -> bytes:
        """Return the next bytes without waiting; none after the end. Raises PipeTimeout if there is nothing yet."""
        if not self._parts:
            if self._closed:
                return b""
            raise PipeTimeout
        taken, total = [], 0
        while self._parts and total + len(self._parts[0]) <= size:
            taken.append(self._parts.popleft())
            total += len(taken[-1])
        if taken:
            return b"".join(taken)
        first = self._parts[0]
        self._parts[0] = first[size:]
        return first[:size]

    def empty(self) -> bytes:
        """Return all that is there."""
        taken = []
        while self._parts:
            taken.append(self._parts.popleft())
        return b"".join(taken)

    def __len__(self) -> int:
        return sum(len(part) for part in tuple(self._parts))
