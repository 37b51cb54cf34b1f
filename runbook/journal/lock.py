"""Who writes a run: one exclusive flock(2) per run, with its holder in words beside it.

Owns taking, naming and asking. The kernel drops the lock with the process, so there are no stale ones; the text in
the file is for people and for the search after a crash, never the lock itself.
"""

import contextlib
import fcntl
import os
import time
from pathlib import Path

import msgspec

from runbook.errors import JournalLocked
from runbook.journal.disk import FILE_MODE
from runbook.journal.layout import Layout
from runbook.journal.record import system_clock, timestamp

_PATIENCE = 0.2
"""Seconds; somebody who only asks holds the lock for microseconds, and must not turn a writer away."""
_PAUSE = 0.01
_TEXT_SIZE = 256


class Holder(msgspec.Struct, frozen=True):
    """The process that writes a run; the three together name it beyond the reuse of its pid."""

    pid: int
    boot: str
    """The kernel's id of this boot."""
    start: str
    """When the process began, in the kernel's count."""
    since: str
    """When it took the lock, RFC 3339; empty if it left no word."""


class Lock:
    """An exclusive lock on a file, held until released or until the process ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, path: Path, *, patience: float = _PATIENCE) -> "Lock":
        """Take the lock; JournalLocked, naming the holder, if it is not free within `patience` seconds."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, FILE_MODE)
        try:
            if not _lock_within(descriptor, patience):
                raise _locked(path, _read_holder(descriptor))
            moment, _ = system_clock()
            _put_text(descriptor, _describe(this_process(timestamp(moment))))
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor)

    def release(self) -> None:
        """Give the lock back; harmless the second time."""
        if self._descriptor >= 0:
            _put_text(self._descriptor, b"")
            os.close(self._descriptor)
            self._descriptor = -1


def holder(layout: Layout, run: str) -> Holder | None:
    """Tell which process writes a run at this moment; None if nobody does."""
    try:
        descriptor = os.open(layout.lock(run), os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read_holder(descriptor)
    else:
        return None
    finally:
        os.close(descriptor)


def this_process(since: str = "") -> Holder:
    """Name this process as a holder; Linux tells by proc(5), other systems by psutil."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        # The name in parentheses may hold anything; the start time is the 20th field after it.
        start = Path("/proc/self/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[19]
    except OSError:
        import psutil

        boot, start = str(int(psutil.boot_time())), str(psutil.Process().create_time())
    return Holder(os.getpid(), boot, start, since)


def _lock_within(descriptor: int, patience: float) -> bool:
    end = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(_PAUSE)


def _put_text(descriptor: int, text: bytes) -> None:
    """Replace the text in place: a full disk has no new block to give, and the lock holds without its text, too."""
    with contextlib.suppress(OSError):
        os.pwrite(descriptor, text.ljust(_TEXT_SIZE - 1) + b"\n", 0)


def _describe(process: Holder) -> bytes:
    return f"pid {process.pid}\nboot {process.boot}\nstart {process.start}\nsince {process.since}\n".encode("ascii")


def _read_holder(descriptor: int) -> Holder:
    lines = os.pread(descriptor, _TEXT_SIZE, 0).decode("ascii", "replace").splitlines()
    words = {key: value for key, _, value in (line.partition(" ") for line in lines)}
    pid = words.get("pid", "")
    return Holder(int(pid) if pid.isdecimal() else 0, *(words.get(key, "") for key in ("boot", "start", "since")))


def _locked(path: Path, process: Holder) -> JournalLocked:
    name = f"process {process.pid}" if process.pid else "another process"
    since = f" since {process.since}" if process.since else ""
    return JournalLocked(
        f"{name} writes this run{since}", where=str(path), remedy="`runbook watch` follows it; wait until it ends"
    )
