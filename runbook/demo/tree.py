"""Finding and ending whole process trees, with proof.

Owns the question "what of it still runs?". A process belongs to a tree if it is in the session of the leader, or if it
carries the tree's mark in its environment: children inherit the mark, so that one which left the session and was
orphaned is still found. Zombies count as dead. psutil, because Linux and macOS have no common way to ask.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

_PR_SET_PDEATHSIG = 1
_LOOK_EVERY = 0.02


def members(mark: tuple[str, str], session: int | None = None) -> list[psutil.Process]:
    """List the living processes of the user that carry `mark` (name, value) or belong to `session`."""
    import psutil

    return [
        process for process in psutil.process_iter() if process.pid != os.getpid() and _belongs(process, mark, session)
    ]


def _belongs(process: psutil.Process, mark: tuple[str, str], session: int | None) -> bool:
    import psutil

    try:
        if process.uids().real != os.getuid() or process.status() == psutil.STATUS_ZOMBIE:
            return False
        if session is not None and _session_of(process.pid) == session:
            return True
        return process.environ().get(mark[0]) == mark[1]
    except (psutil.Error, OSError):
        # Gone meanwhile, or not ours to look at.
        return False


def _session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        # POSIX allows a system to refuse this for a process of another session.
        return None


def send(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    """Signal processes; one that is gone, or whose pid somebody else has now, is left alone."""
    import psutil

    for process in processes:
        try:
            process.send_signal(number)
        except psutil.Error:
            continue


def end(mark: tuple[str, str], *, within: float) -> list[int]:
    """Kill everything that carries `mark` and look again until nothing is left.

    Returns:
        The pids that still live after `within` seconds; empty is the proof that all are dead.
    """
    deadline = time.monotonic() + within
    while alive := members(mark):
        if time.monotonic() >= deadline:
            return [process.pid for process in alive]
        send(alive, signal.SIGKILL)
        time.sleep(_LOOK_EVERY)
    return []


def die_with_parent() -> Callable[[], None] | None:
    """Return what a child has to call before exec so that the kernel kills it when its parent's thread ends.

    Only for a parent with a single thread: the signal comes with the end of the *thread* that forked. None where the
    kernel offers no such thing (macOS). Source: prctl(2), PR_SET_PDEATHSIG.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def arm() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return arm
