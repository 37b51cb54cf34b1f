"""A replay of queues by the shipped playbook: killed again and again and resumed, nothing is lost or booked twice."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook.config import Settings, settings
from runbook.demo.payment import Book
from runbook.events import fact as f
from runbook.journal import Layout, list_runs
from runbook.session.record import facts_of
from runbook.session.rehearse import rehearse
from runbook.session.result import Result
from runbook.session.unattended import Unattended
from tests.engine.desk import until
from tests.fault.replay import ROOT, begin, go_on, order
from tests.nursery import Child, nursery
from tests.unit.actions.queues import DEAD, LIVE, Queues

pytestmark = pytest.mark.fault

SENT = 360

CHILD = """
import sys
from pathlib import Path
from tests.fault.replay import begin, go_on
folder, run = Path(sys.argv[1]), sys.argv[2]
go_on(folder, run) if run else begin(folder)
"""
CONSUMER = """
import sys, time
from pathlib import Path
from runbook.demo.payment import Book
from runbook.demo.queue import Consumer, Store
home = Path(sys.argv[1])
consumer, book = Consumer(Store(home), "payments"), Book(home / "payments.db")
while True:
    ids = [message.id for message in consumer.take(40)]
    if ids:
        book.add(ids)
        consumer.acknowledge(ids)
    else:
        time.sleep(0.02)
"""


class World:
    """A backlog, a consumer that lives, and an operator's settings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.queues = Queues(folder)
        self.queues.fill(SENT)
        self.book = Book(self.queues.home / "payments.db")
        self.settings: Settings = settings(folder)
        (folder / "inventory.yaml").write_text(
            "hosts:\n  mq-1: {transport: local}\ngroups:\n  queue: {hosts: [mq-1]}\n"
        )
        self.consumer = subprocess.Popen(
            [sys.executable, "-c", CONSUMER, str(self.queues.home)], cwd=ROOT, start_new_session=True
        )
        until(lambda: self.queues.store.consumers(LIVE) == 1)

    def child(self, run: str = "", failpoint: str = "") -> Child:
        return nursery().start(CHILD, str(self.folder), run, cwd=self.folder, failpoint=failpoint)

    @property
    def run(self) -> str:
        (run,) = list_runs(Layout(self.settings.state))
        return run

    def facts(self) -> list[f.Fact]:
        return list(facts_of(Layout(self.settings.state), self.run))

    def wait_for(self, left: int) -> None:
        """Wait until so many messages are left in the source, or fewer."""
        until(lambda: len(self.queues.held(DEAD)) <= left)

    def close(self) -> None:
        self.consumer.kill()
        self.consumer.wait()
        self.queues.store.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def all_is_right(world: World, result: Result) -> None:
    assert (result.status, result.why) == ("succeeded", "")
    assert (world.queues.held(DEAD), world.queues.held(LIVE)) == ([], [])
    assert world.book.totals() == (SENT, 0)
    receipts = [fact.receipt for fact in world.facts() if isinstance(fact, f.OperationDone)]
    sums = [sum(int(str(receipt[key])) for receipt in receipts) for key in ("moved", "already", "missing")]
    assert sums == [SENT, 0, 0]


def test_the_playbook_replays_the_backlog(world: World) -> None:
    all_is_right(world, begin(world.folder))


def test_killed_at_named_points_again_and_again_it_is_resumed_to_the_right_end(world: World) -> None:
    points = ["after-intent:3", "before-receipt:2", "before-intent:2", "after-receipt:2", "before-receipt:1"]
    for number, point in enumerate(points):
        child = world.child(world.run if number else "", point)
        assert child.wait(60) == -signal.SIGKILL

    all_is_right(world, go_on(world.folder, world.run))


def test_killed_from_outside_at_some_moments_it_is_resumed_to_the_right_end(world: World) -> None:
    for number, left in enumerate((310, 210, 110)):
        child = world.child(world.run if number else "")
        world.wait_for(left)
        child.kill()
        child.wait(60)

    all_is_right(world, go_on(world.folder, world.run))


def test_a_rehearsal_tells_what_would_go_and_changes_nothing(world: World) -> None:
    start_of_all = world.queues.world()

    found = rehearse(world.settings, order(world.folder), Unattended())

    (canary,) = (step for step in found.steps if step.step == "canary")
    assert (found.refused, canary.state) == (False, "known")
    assert any("10 of 360 messages go" in note for note in canary.notes)
    assert (world.queues.world(), world.book.totals()) == (start_of_all, (0, 0))
    assert not list_runs(Layout(world.settings.state))
