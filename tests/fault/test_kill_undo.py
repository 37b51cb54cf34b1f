"""An undo is killed at every write; gone on with it ends as an undo, and nothing is led back twice."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from runbook.session.steer import cancel
from tests.engine.desk import Desk, touch
from tests.nursery import nursery

pytestmark = pytest.mark.fault

CHILD = """
import sys
from pathlib import Path
from runbook.config import settings
from runbook.session.run import undo
from runbook.session.unattended import Unattended
undo(settings(Path(sys.argv[1])), sys.argv[2], Unattended())
"""


def killed_undo(desk: Desk, run: str, point: str) -> int:
    """Undo a run in a process of its own that dies at a point, and return how it ended."""
    return nursery().start(CHILD, str(desk.folder), run, cwd=desk.folder, failpoint=point).wait()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def two(desk: Desk) -> str:
    """Return a run of two changes that can be undone."""
    for name in ("log", "one", "two"):
        desk.path(name).unlink(missing_ok=True)
    result = desk.start("steps:\n" + touch("one") + touch("two"))
    assert result.status == "succeeded"
    return result.run


def writes_of_an_undo(desk: Desk) -> int:
    """Return how many lines a whole undo of two changes adds to the journal."""
    run = two(desk)
    before = len(desk.facts(run))
    assert desk.undo(run).status == "undone"
    return len(desk.facts(run)) - before


def test_an_undo_that_is_killed_at_its_end_is_gone_on_with_as_an_undo(desk: Desk) -> None:
    """The last lines are: the second way back is done, the lease is given back, the run ends, the session closes."""
    total = writes_of_an_undo(desk)
    for count in range(total - 4, total):
        run = two(desk)
        assert killed_undo(desk, run, f"after-write:{count}") == -signal.SIGKILL

        result = None if desk.state(run).status == "undone" else desk.resume(run)

        assert result is None or result.status == "undone"
        assert desk.state(run).status == "undone"
        assert desk.lines("log") == ["one", "two", "un-two", "un-one"]
    assert desk.holds()


def test_an_undo_that_is_killed_before_it_was_asked_for_leaves_the_run_as_it_was(desk: Desk) -> None:
    run = two(desk)
    assert killed_undo(desk, run, "after-write:1") == -signal.SIGKILL

    assert desk.resume(run).status == "succeeded"
    assert desk.lines("log") == ["one", "two"]


def test_a_cancel_closes_a_run_whose_process_was_killed(desk: Desk) -> None:
    run = two(desk)
    assert killed_undo(desk, run, "after-write:2") == -signal.SIGKILL

    assert "2 changes stand" in cancel(desk.settings, run, "enough")

    assert desk.state(run).status == "aborted"
    assert desk.undo(run).status == "undone"
