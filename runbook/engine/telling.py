"""Telling: listeners hear what happens in the order of the journal, and a fact only once it is on disk.

Owns the way from the journal to the listeners, and who waits for the disk. Leaves the state to the scheduler and the
sync to the recorder.

    put    written, in its place in the line; told when it is on disk, by whoever gets there first
    flush  returns when all that was put before is on disk and told
    soon   the same without waiting: a thread sees to it within `GATHER`, for many facts with one sync

Events that need no disk (signals, facts of no weight) are told at once, unless a fact that waits stands before them.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from runbook.errors import JournalError
from runbook.events.fact import Base, Fact
from runbook.events.signal import Signal
from runbook.ports.recorder import Recorder

GATHER = 0.05
"""Seconds for which facts that nobody waits for gather before one sync; too short for a person to see."""

LIMIT = 1000
"""Events that may wait; who brings more waits for the disk as well."""


class Telling:
    """The line of events between one journal and those who listen."""

    def __init__(
        self,
        recorder: Recorder,
        hear: Callable[[Fact | Signal], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        """Stand between a journal and its listeners.

        Args:
            recorder: takes every fact first.
            hear: tells all listeners of one event; called by one thread at a time.
            failed: takes the error of a sync that nobody waited for.
        """
        self._recorder = recorder
        self._hear = hear
        self._failed = failed
        self._turn = threading.Condition(threading.Lock())
        self._line: deque[Fact | Signal] = deque()
        self._put = self._told = 0
        self._teller = 0
        """The thread that tells now; 0 if none."""
        self._error: BaseException | None = None
        """Why facts were lost; they were never told."""
        self._wanted = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def put(self, *facts: Fact) -> int:
        """Write facts and put them into the line; returns the number of the first. Raises JournalFull."""
        # Under the lock, so that no other fact comes between the place in the journal and the place in the line.
        with self._turn:
            seq = self._recorder.put(*facts)
            self._line.extend(facts)
            self._put += len(facts)
        return seq

    def tell(self, signal: Signal) -> None:
        """Put a signal into the line and tell it if nothing stands before it."""
        with self._turn:
            self._line.append(signal)
            self._put += 1
            if not self._teller:
                self._tell(self._ready())
            crowded = len(self._line) > LIMIT
        if crowded:
            with suppress(JournalError):
                self.flush()

    def flush(self) -> None:
        """Return when all that was put before is on disk and told. Raises JournalFull if it is not."""
        with self._turn:
            wanted = self._put
            while self._told < wanted and not self._error:
                if self._teller == threading.get_ident():
                    # A listener that itself has something to tell: it is told after what is told now.
                    return
                if self._teller:
                    self._turn.wait()
                else:
                    self._tell(tuple(self._line))
            if self._error:
                raise self._error

    def soon(self) -> None:
        """See to it that all that was put before comes to disk and is told, and do not wait for it."""
        with self._turn:
            if not self._teller:
                self._tell(self._ready())
            if not self._line or self._wanted.is_set():
                return
            self._wanted.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._now_and_then, name="journal", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """End the thread and tell what can be told; what cannot be is known to whoever records next."""
        self._stopping.set()
        self._wanted.set()
        if self._thread is not None:
            self._thread.join()
        with suppress(JournalError):
            self.flush()

    def _now_and_then(self) -> None:
        while not self._stopping.is_set():
            self._wanted.wait()
            self._stopping.wait(GATHER)
            self._wanted.clear()
            try:
                self.flush()
            except BaseException as error:  # noqa: BLE001
                # The border of a thread: the scheduler ends the session and tells.
                self._failed(error)
                return

    def _ready(self) -> tuple[Fact | Signal, ...]:
        """Return the events at the front of the line that wait for no disk; called with the lock held."""
        count = next((at for at, event in enumerate(self._line) if _needs_disk(event)), len(self._line))
        return tuple(self._line)[:count] if count else ()

    def _tell(self, events: tuple[Fact | Signal, ...]) -> None:
        """Tell the front of the line; called and left with the lock held, while nobody tells."""
        if not events:
            return
        self._teller = threading.get_ident()
        try:
            while events:
                for _ in events:
                    self._line.popleft()
                try:
                    self._tell_unlocked(events)
                finally:
                    self._told += len(events)
                # What came meanwhile and needs no disk was put by somebody who does not wait for it.
                events = self._ready()
        finally:
            if self._error:
                self._told += len(self._line)
                self._line.clear()
            self._teller = 0
            self._turn.notify_all()

    def _tell_unlocked(self, events: tuple[Fact | Signal, ...]) -> None:
        self._turn.release()
        try:
            if any(map(_needs_disk, events)):
                self._sync()
            for event in events:
                self._hear(event)
        finally:
            self._turn.acquire()

    def _sync(self) -> None:
        try:
            self._recorder.sync()
        except BaseException as error:
            # What is not on disk is never told, and what stands behind it neither.
            self._error = error
            raise


def _needs_disk(event: Fact | Signal) -> bool:
    return isinstance(event, Base) and event.durable
