"""A replay is killed at every named point, and at random ones; then it is resumed, and nothing has run twice."""

from __future__ import annotations

import os
import random
import re
import signal
import threading
from pathlib import Path

import pytest

from runbook.events import fact as f
from runbook.journal import list_runs
from tests.engine.desk import Desk, change, until
from tests.nursery import Child, nursery

pytestmark = pytest.mark.fault

PACKAGE = Path(__file__).parents[2] / "runbook"
CALL = re.compile(r"""(?:_crash|failpoint|crash)\(\s*["']([a-z-]+)["']\s*\)""")
NAMED = sorted({name for path in PACKAGE.rglob("*.py") for name in CALL.findall(path.read_text())})

CHILD = """
import sys
from pathlib import Path
from runbook.config import settings
from runbook.session.order import Order
from runbook.session.run import start
from runbook.session.unattended import Unattended
start(settings(Path(sys.argv[1]).parent), Order(playbook=sys.argv[1]), Unattended())
"""

COMMAND = """  - id: act
    shell: echo x >> DIR/counter
    effect: change
    verify: [{command: [test, -s, DIR/counter]}]
    undo: {none: "a test"}
"""
RESTORE = "  - id: act\n    uses: file.restore\n    with: {path: DIR/config, backup: DIR/config.good}\n"
BACKUP = "  - id: act\n    uses: file.backup\n    with: {path: DIR/config, to: DIR/kept}\n"
KINDS = {"command": COMMAND, "file.restore": RESTORE, "file.backup": BACKUP}
CERTAIN_WRITES = 10
"""Writes to the journal that a run of `COMMAND` and `LAST` has at least."""
LAST = "  - {id: last, command: [test, -e, DIR/config], effect: read}\n"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    (tmp_path / "config").write_text("bad\n")
    (tmp_path / "config.good").write_text("good\n")
    (tmp_path / "kept").mkdir()
    return Desk(tmp_path)


def replay(playbook: Path, failpoint: str = "") -> Child:
    return nursery().start(CHILD, str(playbook), cwd=playbook.parent, failpoint=failpoint)


def acknowledged(desk: Desk) -> list[f.Fact]:
    """Return what is on record now; a torn last line is not."""
    return [fact for run in list_runs(desk.layout) for fact in desk.facts(run)]


def resumed(desk: Desk) -> str:
    """Resume the one run and return its status; a run that never came to its first record has none."""
    (run,) = list_runs(desk.layout)
    before = acknowledged(desk)
    if not before:
        return ""
    if isinstance(before[-1], f.SessionClosed):
        # The run was over; only the process that told so is not.
        status: str = before[-1].status
    else:
        status = desk.resume(run).status
    after = acknowledged(desk)
    assert after[: len(before)] == before
    return status


def times_done(desk: Desk, kind: str) -> int:
    match kind:
        case "command":
            return len(desk.lines("counter"))
        case "file.restore":
            return int(desk.text("config") == "good\n")
        case _:
            return len([path for path in desk.path("kept").iterdir() if path.is_file()])


def test_every_named_point_is_known() -> None:
    assert {
        *("before-attempt", "after-attempt", "before-intent", "after-intent", "before-receipt", "after-receipt"),
        *("before-outcome", "after-outcome", "before-write", "after-write", "before-sync", "after-sync"),
        *("before-head", "after-head"),
    } == set(NAMED)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("point", NAMED)
def test_a_kill_at_a_named_point_runs_no_change_twice(desk: Desk, point: str, kind: str) -> None:
    playbook = desk.playbook("steps:\n" + KINDS[kind] + LAST)

    child = replay(playbook, point)

    assert child.wait(60) == -signal.SIGKILL
    status = resumed(desk)
    assert status == ("" if point == "before-write" else "succeeded")
    assert times_done(desk, kind) == int(status == "succeeded")
    assert desk.holds()


@pytest.mark.parametrize("count", range(2, 14))
def test_a_kill_at_any_later_write_runs_no_change_twice(desk: Desk, count: int) -> None:
    playbook = desk.playbook("steps:\n" + COMMAND + LAST)

    child = replay(playbook, f"{'after' if count % 2 else 'before'}-write:{count}")

    code = child.wait(60)
    # What waits is written together, so that one run has fewer writes than another.
    assert code == -signal.SIGKILL or (code == 0 and count > CERTAIN_WRITES)
    assert resumed(desk) == "succeeded"
    assert desk.lines("counter") == ["x"]
    assert desk.holds()


@pytest.mark.parametrize("point", ["after-intent", "before-receipt", "after-receipt", "before-sync"])
def test_a_kill_on_the_way_back_undoes_nothing_twice(desk: Desk, point: str) -> None:
    """The failpoint is counted past the way forward, which has as many intents and receipts."""
    step = change("act", "[touch, DIR/made]", "[test, -e, DIR/made]", "[sh, -c, 'echo x >> DIR/counter; rm DIR/made']")
    playbook = desk.playbook("steps:\n" + step + '  - {id: bad, command: ["false"], effect: read, on_failure: undo}\n')

    child = replay(playbook, f"{point}:{2 if point != 'before-sync' else 10}")

    assert child.wait(60) == -signal.SIGKILL
    assert resumed(desk) == "aborted"
    assert desk.lines("counter") == ["x"]
    assert not desk.path("made").exists()
    assert desk.holds()


def test_a_job_that_outlives_its_controller_is_waited_for_and_adopted(desk: Desk) -> None:
    slow = COMMAND.replace("echo x", "touch DIR/begun; while [ ! -e DIR/free ]; do sleep 0.05; done; echo x")
    child = replay(desk.playbook("steps:\n" + slow + LAST))
    until(desk.path("begun").exists)
    child.kill()
    child.wait(60)
    statuses: list[str] = []
    thread = threading.Thread(target=lambda: statuses.append(resumed(desk)))
    thread.start()
    desk.path("free").touch()
    thread.join(60)

    assert statuses == ["succeeded"]
    assert desk.lines("counter") == ["x"]
    (run,) = list_runs(desk.layout)
    finished = [x for x in desk.facts(run) if isinstance(x, f.StepFinished) and x.step == "act"]
    assert [x.adopted for x in finished] == [True]


@pytest.mark.parametrize("count", range(3, 7))
def test_a_kill_among_undo_and_the_second_run_of_an_activator(desk: Desk, count: int) -> None:
    """The intents are: keep and swap of the file, the activator, and then all of the way back."""
    activate = change(
        "activate",
        "[sh, -c, 'echo \"on $(cat DIR/config)\" >> DIR/counter']",
        "[test, -s, DIR/counter]",
        "[sh, -c, 'echo off >> DIR/counter']",
        "    activates: [act]\n",
    )
    bad = '  - {id: bad, command: ["false"], effect: read, on_failure: undo}\n'
    playbook = desk.playbook("steps:\n" + RESTORE + activate + bad)

    child = replay(playbook, f"after-receipt:{count}")

    assert child.wait(60) == -signal.SIGKILL
    assert resumed(desk) == "aborted"
    assert desk.lines("counter") == ["on good", "off", "on bad"]
    assert desk.text("config") == "bad\n"
    assert desk.holds()


MANY = "".join(
    f"""  - id: step-{n}
    shell: echo {n} >> DIR/counter
    effect: change
    verify: [{{command: [grep, -qx, "{n}", DIR/counter]}}]
    undo: {{none: "a test"}}
"""
    for n in range(6)
)


def random_kill(desk: Desk, seed: int) -> None:
    """Kill a run of six changes somewhere, resume it as often as it takes, and count the lines."""
    rng = random.Random(seed)
    playbook = desk.playbook("steps:\n" + MANY)
    child = replay(playbook)
    until(lambda: bool(list_runs(desk.layout)) or child.poll() is not None)
    threading.Event().wait(rng.uniform(0.0, 0.6))
    child.kill()
    child.wait(60)
    status = resumed(desk)
    assert desk.holds()
    wanted = [str(n) for n in range(6)]
    lines = desk.lines("counter")
    if status == "in_doubt":
        # Killed between the claim of a job folder and the first word of its wrapper: nobody can tell.
        (run,) = list_runs(desk.layout)
        doubtful = [at for at in desk.state(run).steps.values() if at.status == "in_doubt"]
        assert [bool(at.evidence) for at in doubtful] == [True]
        assert lines == wanted[: len(lines)]
    else:
        assert status in ("succeeded", "")
        assert lines == (wanted if status else [])


@pytest.mark.parametrize("seed", range(4))
def test_a_kill_at_a_random_moment_runs_no_change_twice(desk: Desk, seed: int) -> None:
    random_kill(desk, seed)


@pytest.mark.slow
@pytest.mark.skipif("RUNBOOK_SLOW" not in os.environ, reason="20 more random kills: set RUNBOOK_SLOW=1")
@pytest.mark.parametrize("seed", range(100, 121))
def test_many_more_kills_at_random_moments(desk: Desk, seed: int) -> None:
    random_kill(desk, seed)
