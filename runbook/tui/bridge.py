"""Between the threads of the engine and the one of the screens: events one way, answers the other.

The engine never waits for a screen. Facts and questions are all kept; output over a bound is dropped from the
display in the middle of what waits, and counted (the side file has it). The screens drain what came at their own pace.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from datetime import UTC, datetime

from msgspec import Struct

from runbook.events import fact as f
from runbook.events.signal import OutputReceived, Signal
from runbook.events.timed import Timed
from runbook.model.plan import Plan
from runbook.model.question import Answer, NoAnswer, Question
from runbook.ports.cancel import Cancel
from runbook.tui.scene import Began, Event

SLICE = 0.1
"""Seconds between looks whether a question was taken back."""

MOST_OUTPUT = 16 * 1024 * 1024
"""Characters of output that may wait for the screens."""

TAIL = MOST_OUTPUT // 4
"""Of these, so many are the latest when there is more: the end of an output is what people look for."""

AT_ONCE = 96 * 1024
"""Characters of output that are handed over in one piece: a few milliseconds of work for the screens."""


class Asked(Struct, frozen=True, eq=False):
    """A question on its way to the screens, and the answer on its way back."""

    question: Question
    reply: Future[Answer | NoAnswer]


class Batch(Struct, frozen=True):
    """What came since the last look."""

    events: tuple[Event, ...]
    asked: tuple[Asked, ...]
    withdrawn: tuple[Asked, ...]
    """Questions that need no answer any more."""
    dropped: int
    """Characters of output that were dropped because the screens did not keep up."""
    more: bool = False
    """More waits: it would have been too much at once."""


class _Slot(Struct):
    """A place in the queue; output that is dropped leaves it empty, so that all else keeps its order."""

    event: Event | None


class Bridge:
    """Listens to a run and asks for it, on the threads of the engine."""

    def __init__(
        self,
        plan_of: Callable[[f.SessionOpened], Plan],
        run_of: Callable[[], str],
        wake: Callable[[], None],
        seq: int = 0,
    ) -> None:
        """Stand between.

        Args:
            plan_of: reads the plan from the fact that opens a run.
            run_of: gives the id of the run once its journal is open.
            wake: tells the screens that something came; safe from any thread, and quick.
            seq: how many records the run has already.
        """
        self._plan_of = plan_of
        self._run_of = run_of
        self._wake = wake
        self._lock = threading.Lock()
        self._events: deque[_Slot] = deque()
        self._late: deque[_Slot] = deque()
        """Output over the first part of the bound, of which the oldest gives way."""
        self._asked: deque[Asked] = deque()
        self._withdrawn: deque[Asked] = deque()
        self._waiting = 0
        self._dropped = 0
        self._seq = seq

    def hear(self, event: f.Fact | Signal) -> None:
        """Take note of an event; never waits."""
        if isinstance(event, OutputReceived):
            self._hear_output(event)
            return
        if isinstance(event, f.Base):
            began = self._begun(event)
            now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            with self._lock:
                if began is not None:
                    self._events.append(_Slot(began))
                self._events.append(_Slot(Timed(self._seq, now, 0, event)))
                self._seq += 1
        else:
            with self._lock:
                self._events.append(_Slot(event))
        self._wake()

    def _begun(self, fact: f.Base) -> Began | None:
        if isinstance(fact, f.SessionOpened) and fact.playbook:
            return Began(self._run_of(), self._plan_of(fact))
        return None

    def _hear_output(self, event: OutputReceived) -> None:
        slot = _Slot(event)
        with self._lock:
            self._waiting += len(event.text)
            self._events.append(slot)
            if self._waiting > MOST_OUTPUT - TAIL:
                self._late.append(slot)
            while self._waiting > MOST_OUTPUT and len(self._late) > 1:
                self._drop(self._late.popleft())

    def _drop(self, slot: _Slot) -> None:
        if isinstance(slot.event, OutputReceived):
            self._dropped += len(slot.event.text)
            self._waiting -= len(slot.event.text)
            slot.event = None

    def ask(self, question: Question, cancel: Cancel) -> Answer | NoAnswer:
        """Put a question to whoever sits before the screens, and wait for the answer or for the token."""
        asked = Asked(question, Future())
        with self._lock:
            self._asked.append(asked)
        self._wake()
        while True:
            try:
                return asked.reply.result(timeout=SLICE)
            except NotYet:
                if not cancel.is_set():
                    continue
            # An answer that came at the same moment counts no more: the engine has moved on.
            with self._lock:
                if asked in self._asked:
                    # Nobody has seen it, and it would stay for ever: a question comes behind what is taken back.
                    self._asked.remove(asked)
                else:
                    self._withdrawn.append(asked)
            self._wake()
            return NoAnswer(cancel.reason or "the question was taken back")

    def drain(self, most: int = AT_ONCE) -> Batch:
        """Return what came since the last call, in order, about so many characters of output at most.

        Called by the thread of the screens.
        """
        events: list[Event] = []
        room = most
        with self._lock:
            while self._events and room > 0:
                slot = self._events.popleft()
                if self._late and self._late[0] is slot:
                    self._late.popleft()
                if isinstance(slot.event, OutputReceived):
                    self._waiting -= len(slot.event.text)
                    # Each text is some work, however short it is.
                    room -= len(slot.event.text) + 100
                if slot.event is not None:
                    events.append(slot.event)
            more = bool(self._events)
            # A question is about what was shown before it: it waits until all of that is handed over.
            asked = () if more else tuple(self._asked)
            if not more:
                self._asked.clear()
            batch = Batch(tuple(events), asked, tuple(self._withdrawn), self._dropped, more)
            self._withdrawn.clear()
            self._dropped = 0
        return batch
