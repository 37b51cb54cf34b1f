"""The line of events between a journal and its listeners, over a journal whose disk can be held or broken."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.engine.telling import LIMIT, Telling
from runbook.errors import JournalFull
from runbook.events import fact as f
from runbook.events.signal import PhaseEntered, Signal

PATIENCE = 10.0

Event = f.Fact | Signal


class Paper:
    """A journal in memory: facts are written at once, and on disk when a sync has come through."""

    def __init__(self) -> None:
        self.written: list[f.Fact] = []
        self.on_disk = 0
        self.syncs = 0
        self.gate = threading.Event()
        self.gate.set()
        self.is_broken = False
        self._lock = threading.Lock()

    def put(self, *facts: f.Fact) -> int:
        with self._lock:
            if self.is_broken:
                raise JournalFull("full")
            self.written += facts
            return len(self.written) - len(facts)

    def sync(self) -> None:
        with self._lock:
            covered = len(self.written)
        self.gate.wait(PATIENCE)
        with self._lock:
            self.syncs += 1
            if self.is_broken:
                raise JournalFull("full")
            self.on_disk = max(self.on_disk, covered)


class Room:
    """A telling over a paper, with one listener who checks what he may hear."""

    def __init__(self, heard: Callable[[Event], None] | None = None) -> None:
        self.paper = Paper()
        self.heard: list[Event] = []
        self.too_early: list[Event] = []
        self.errors: list[BaseException] = []
        self.telling = Telling(self.paper, heard or self.hear, self.errors.append)

    def hear(self, event: Event) -> None:
        if isinstance(event, f.Base) and event.durable and self.paper.written.index(event) >= self.paper.on_disk:
            self.too_early.append(event)
        self.heard.append(event)

    def facts(self) -> list[Event]:
        return [event for event in self.heard if isinstance(event, f.Base)]


def outcome(name: str) -> f.StepFinished:
    return f.StepFinished(step=name, target="local", attempt=1, status="succeeded")


def begun(name: str) -> f.ReadStarted:
    return f.ReadStarted(step=name, target="local", attempt=1)


def sign(name: str) -> PhaseEntered:
    return PhaseEntered(name, "local", "applying", "")


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it did not come"
        threading.Event().wait(0.001)


def test_who_waits_for_a_fact_returns_when_it_is_on_disk_and_told() -> None:
    room = Room()
    room.telling.put(outcome("a"))
    assert room.heard == []

    room.telling.flush()

    assert room.heard == [outcome("a")]
    assert room.paper.on_disk == 1


def test_what_needs_no_disk_is_told_at_once_unless_a_fact_that_does_stands_before_it() -> None:
    room = Room()
    room.paper.gate.clear()
    room.telling.tell(sign("a"))
    room.telling.put(begun("a"))
    room.telling.soon()
    before = list(room.heard)
    room.telling.put(outcome("a"))
    room.telling.soon()
    room.telling.tell(sign("b"))
    assert room.heard == before == [sign("a"), begun("a")]

    room.paper.gate.set()
    until(lambda: len(room.heard) == 4)
    room.telling.stop()

    assert room.heard[2:] == [outcome("a"), sign("b")]
    assert room.too_early == []


def test_facts_that_nobody_waits_for_share_one_sync() -> None:
    room = Room()
    room.paper.gate.clear()
    for number in range(50):
        room.telling.put(outcome(str(number)))
        room.telling.soon()
    room.paper.gate.set()
    until(lambda: len(room.heard) == 50)
    room.telling.stop()

    assert room.heard == [outcome(str(number)) for number in range(50)]
    assert room.paper.syncs <= 2


def test_the_end_does_not_wait_for_facts_to_gather() -> None:
    room = Room()
    room.telling.put(outcome("a"))
    room.telling.soon()
    room.telling.stop()

    assert room.heard == [outcome("a")]


def test_a_failed_sync_that_nobody_waits_for_is_passed_on_and_nothing_of_it_is_told() -> None:
    room = Room()
    room.telling.put(outcome("a"))
    room.paper.is_broken = True
    room.telling.soon()
    until(lambda: bool(room.errors))
    room.telling.tell(sign("after"))
    room.telling.stop()

    assert isinstance(room.errors[0], JournalFull)
    assert room.heard == [sign("after")]
    with pytest.raises(JournalFull):
        room.telling.flush()


def test_everybody_who_waits_hears_of_a_failed_sync() -> None:
    room = Room()
    room.paper.gate.clear()
    caught: list[BaseException] = []

    def record(name: str) -> None:
        try:
            room.telling.put(outcome(name))
            room.telling.flush()
        except JournalFull as error:
            caught.append(error)

    threads = [threading.Thread(target=record, args=(str(number),)) for number in range(5)]
    for thread in threads:
        thread.start()
    until(lambda: len(room.paper.written) == 5)
    room.paper.is_broken = True
    room.paper.gate.set()
    for thread in threads:
        thread.join(PATIENCE)

    assert len(caught) == 5
    assert room.heard == []


def test_a_listener_that_has_something_to_tell_is_told_after_what_is_told_now() -> None:
    heard: list[Event] = []

    def hear(event: Event) -> None:
        heard.append(event)
        if event == outcome("a"):
            room.telling.put(f.NoteWritten(text="from the listener"))
            room.telling.flush()

    room = Room(hear)
    room.telling.put(outcome("a"), outcome("b"))
    room.telling.flush()
    room.telling.flush()

    assert heard == [outcome("a"), outcome("b"), f.NoteWritten(text="from the listener")]


def test_what_waits_is_bounded() -> None:
    room = Room()
    room.paper.gate.clear()
    room.telling.put(outcome("a"))
    told = threading.Event()

    def talk() -> None:
        for number in range(2 * LIMIT):
            room.telling.tell(sign(str(number)))
        told.set()

    thread = threading.Thread(target=talk)
    thread.start()
    until(lambda: len(room.telling._line) >= LIMIT or room.telling._teller != 0)
    assert not told.is_set()
    room.paper.gate.set()
    thread.join(PATIENCE)
    room.telling.flush()

    assert room.heard == [outcome("a"), *(sign(str(number)) for number in range(2 * LIMIT))]


ACTS = st.lists(st.sampled_from(["record", "soon", "begin", "tell"]), max_size=12)


@given(st.lists(ACTS, min_size=1, max_size=5))
def test_whoever_tells_what_facts_are_heard_in_the_order_of_the_journal_and_never_before_the_disk(
    scripts: list[list[str]],
) -> None:
    room = Room()

    def play(who: int, script: list[str]) -> None:
        for number, act in enumerate(script):
            name = f"{who}/{number}"
            match act:
                case "record":
                    room.telling.put(outcome(name))
                    room.telling.flush()
                    assert outcome(name) in room.heard
                case "soon":
                    room.telling.put(begun(name), outcome(name))
                    room.telling.soon()
                case "begin":
                    room.telling.put(begun(name))
                    room.telling.soon()
                case _:
                    room.telling.tell(sign(name))

    threads = [threading.Thread(target=play, args=(who, script)) for who, script in enumerate(scripts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    room.telling.stop()

    assert room.facts() == room.paper.written
    assert room.too_early == []
    signals = [event for event in room.heard if isinstance(event, PhaseEntered)]
    for who, script in enumerate(scripts):
        mine = [event.step for event in signals if event.step.startswith(f"{who}/")]
        assert mine == [f"{who}/{number}" for number, act in enumerate(script) if act == "tell"]
