"""Workers: a bounded number of threads that are made when work comes and nobody is free.

The standard executor brings futures, which nobody here asks for, and `logging` with them, which every start would pay.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable

Work = Callable[[], None]

LEAST = 32
MOST = 128
"""Each thread takes memory, and the processors have their limits."""


def size_for(at_once: Iterable[int]) -> int:
    """Return how many threads serve steps that run on so many hosts at once."""
    return max(LEAST, min(MOST, max(at_once, default=0)))


class Pool:
    """Carries out work on at most `size` threads, in the order in which it came."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._work: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._free = threading.Semaphore(0)
        self._threads: list[threading.Thread] = []

    def submit(self, work: Work) -> None:
        """Have the work done, which must not raise; called by one thread only."""
        self._work.put(work)
        if self._free.acquire(blocking=False) or len(self._threads) == self._size:
            return
        thread = threading.Thread(target=self._carry_out, name=f"worker_{len(self._threads)}")
        self._threads.append(thread)
        thread.start()

    def shutdown(self, *, wait: bool) -> None:
        """Let the threads end once all work is done; the process ends after them, waited for here or not."""
        for _ in self._threads:
            self._work.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def _carry_out(self) -> None:
        while (work := self._next()) is not None:
            work()

    def _next(self) -> Work | None:
        try:
            return self._work.get_nowait()
        except queue.Empty:
            # Only who finds no work is free: else two pieces of work could count on one thread.
            self._free.release()
            return self._work.get()
