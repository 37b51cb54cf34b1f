"""The way into a network namespace, for the thread that calls.

A network namespace belongs to a thread; threads and processes that a thread starts have its namespace. So a test that
enters before it starts anything runs wholly inside, with all that it starts: SSH connections in this process as well
as commands. Running a whole pytest inside instead would take every other test along, and would need the lab before
it is known whether any test wants it.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab.place import NAMESPACES

CLONE_NEWNET = 0x40000000


@contextmanager
def inside(namespace: str) -> Iterator[None]:
    """Have the calling thread in a named network namespace, and back in its own afterwards."""
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _enter(NAMESPACES / namespace)
        try:
            yield
        finally:
            _setns(own)
    finally:
        os.close(own)


def _enter(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _setns(fd)
    finally:
        os.close(fd)


def _setns(fd: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)  # os.setns came with Python 3.12
    if libc.setns(fd, CLONE_NEWNET) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"setns: {os.strerror(code)}")
