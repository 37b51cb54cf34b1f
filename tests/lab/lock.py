"""Locks between processes that the kernel gives back when their holder dies."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STEP = 0.02


class Lock:
    """One open lock file; let go when closed, or with the process."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self, *, shared: bool = False, seconds: float = 0) -> bool:
        """Take the lock, or change its kind, within some seconds; return whether it is held."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(self._fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    return False
                time.sleep(STEP)
            else:
                return True

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


@contextmanager
def hold(path: Path, *, seconds: float) -> Iterator[None]:
    """Hold a lock alone; raises TimeoutError if others do not let go of it in time."""
    lock = Lock(path)
    try:
        if not lock.take(seconds=seconds):
            raise TimeoutError(f"{path} was not let go of within {seconds:g} s")
        yield
    finally:
        lock.close()


def is_held(path: Path) -> bool:
    """Return whether some process holds the lock."""
    lock = Lock(path)
    try:
        return not lock.take()
    finally:
        lock.close()
