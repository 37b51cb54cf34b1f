"""Reads run ahead of the disk, and nothing else does: the order of what is written, on disk, heard and done."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from runbook.errors import JournalError
from runbook.events import fact as f
from runbook.events.signal import Signal
from runbook.journal import Disk, list_runs
from tests.engine.desk import PATIENCE, Desk, Ear, change, touch, until

PLAIN_SYNC = Disk.sync


def read(name: str, script: str = "", more: str = "") -> str:
    return f"  - {{id: {name}, command: [sh, -c, 'echo {name} >> DIR/log; {script}'], effect: read{more}}}\n"


class Medium:
    """Knows how much of the journal is on disk, and lets a test hold or fail its syncs."""

    def __init__(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        self.desk = desk
        self.gate = threading.Event()
        self.gate.set()
        self.fails = False
        monkeypatch.setattr(Disk, "sync", self._sync)

    def _sync(self, descriptor: int) -> None:
        journals = [os.stat(self.journal(run)).st_ino for run in list_runs(self.desk.layout)]
        if os.fstat(descriptor).st_ino not in journals:
            PLAIN_SYNC(Disk(), descriptor)
            return
        size = os.fstat(descriptor).st_size
        self.gate.wait(PATIENCE)
        if self.fails:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        PLAIN_SYNC(Disk(), descriptor)
        draft = self.desk.path("durable.new")
        draft.write_text(str(size))
        draft.rename(self.desk.path("durable"))

    def journal(self, run: str) -> Path:
        return self.desk.layout.journal(run)

    def durable(self) -> int:
        return int(self.desk.text("durable"))

    def ends(self) -> list[int]:
        """Return where the record of every fact ends."""
        (run,) = list_runs(self.desk.layout)
        ends, end = [], 0
        for line in self.journal(run).read_bytes().splitlines(keepends=True):
            end += len(line)
            ends.append(end)
        return ends


class Witness(Ear):
    """Notes facts that were heard before they were on disk."""

    def __init__(self, medium: Medium, heard: Callable[[f.Fact | Signal], None] | None = None) -> None:
        super().__init__(heard)
        self.medium = medium
        self.too_early: list[f.Fact] = []

    def hear(self, event: f.Fact | Signal) -> None:
        if isinstance(event, f.Base) and event.durable:
            end = self.medium.ends()[len(self.facts())]
            if end > self.medium.durable():
                self.too_early.append(event)
        super().hear(event)

    def facts(self) -> list[f.Fact]:
        return [event for event in self.events if isinstance(event, f.Base)]

    def finished(self) -> list[str]:
        return [fact.step for fact in self.facts() if isinstance(fact, f.StepFinished)]


@pytest.fixture
def medium(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Medium:
    return Medium(desk, monkeypatch)


REST = "".join(read(f"r{number}") for number in range(4))
FLEET = "targets: {app: {hosts: all}}\nsteps:\n"
PLAYBOOKS = {
    "reads": f"steps:\n{REST}",
    "a change between": f"steps:\n{read('a')}{read('b')}{touch('c')}{read('d')}",
    "a read that fails": f"steps:\n{read('a')}{read('b', 'exit 1', ', on_failure: continue')}{read('c')}",
    "hosts": f"{FLEET}{read('a')}{read('b')}{touch('c')}",
}


@pytest.mark.parametrize("body", PLAYBOOKS.values(), ids=PLAYBOOKS)
def test_what_is_heard_stands_in_the_order_of_the_journal_and_is_on_disk(desk: Desk, medium: Medium, body: str) -> None:
    ear = Witness(medium)
    inventory = desk.inventory("one", "two", "three") if body.startswith("targets") else None

    result = desk.start(body, ear=ear, inventory=inventory)

    assert result.status in ("succeeded", "partial")
    assert ear.facts() == desk.facts(result.run)
    assert ear.too_early == []


def test_reads_go_on_while_the_disk_hangs_but_nobody_hears_of_them_and_no_change_begins(
    desk: Desk, medium: Medium
) -> None:
    ear = Witness(medium, lambda event: medium.gate.clear() if isinstance(event, f.SessionOpened) else None)
    thread = threading.Thread(target=lambda: desk.start(f"steps:\n{REST}{touch('change')}", ear=ear))
    thread.start()
    until(lambda: len(desk.lines("log")) == 4)
    heard = ear.finished()
    begun = desk.lines("log")

    medium.gate.set()
    thread.join(PATIENCE)

    assert heard == []
    assert begun == ["r0", "r1", "r2", "r3"]
    assert ear.finished() == [*begun, "change"]
    assert desk.lines("log") == [*begun, "change"]
    assert ear.too_early == []


def test_a_change_begins_when_the_outcomes_of_reads_before_it_are_on_disk(desk: Desk, medium: Medium) -> None:
    step = change("change", "[cp, DIR/durable, DIR/seen]", "[test, -e, DIR/seen]")
    result = desk.start(f"steps:\n{REST}{step}")

    facts = desk.facts(result.run)
    intent = next(number for number, fact in enumerate(facts) if isinstance(fact, f.OperationIntended))
    assert int(desk.text("seen")) >= medium.ends()[intent]
    assert [fact.step for fact in facts[:intent] if isinstance(fact, f.StepFinished)] == ["r0", "r1", "r2", "r3"]


def test_a_question_is_put_when_the_outcomes_of_reads_before_it_are_on_disk(desk: Desk, medium: Medium) -> None:
    seen: list[bool] = []

    class Watching:
        def ask(self, question: object, cancel: object) -> object:
            facts = desk.facts(list_runs(desk.layout)[0])
            seen.append(medium.durable() >= medium.ends()[len(facts) - 1])
            seen.append(ear.finished() == ["r0", "r1", "r2", "r3"])
            raise RuntimeError("asked enough")

    ear = Witness(medium)
    with pytest.raises(RuntimeError, match="asked enough"):
        desk.start(f"steps:\n{REST}  - {{id: look, manual: Look.}}\n", Watching(), ear=ear)  # type: ignore[arg-type]

    assert seen == [True, True]


def test_when_the_disk_fails_behind_a_read_no_further_step_begins_and_nothing_of_it_is_heard(
    desk: Desk, medium: Medium
) -> None:
    def fail(event: f.Fact | Signal) -> None:
        medium.fails = medium.fails or isinstance(event, f.SessionOpened)

    ear = Witness(medium, fail)
    # The second read would take a minute; that the journal is lost ends it.
    body = f"steps:\n{read('a')}{read('b', 'exec sleep 60')}{read('c')}{touch('change')}"

    with pytest.raises(JournalError, match="cannot be written"):
        desk.start(body, ear=ear)

    assert desk.lines("log") == ["a", "b"]
    assert ear.finished() == []
    assert ear.too_early == []
