"""A run that is resumed with nobody there looks first: what can be told by now is told, and nothing is run twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from runbook.engine.context import StepContext
from runbook.events import fact as f
from runbook.model.question import Answer
from runbook.session.steer import decide
from runbook.testing import ScriptedApprover
from tests.engine.desk import Desk, change, until
from tests.sshd import MISSING, PROGRAM, Sshd

pytestmark = pytest.mark.fault

LOST = """  - id: lost
    shell: echo $$ > DIR/pid; echo x >> DIR/counter; kill -9 "$PPID"
    effect: change
    verify: [{command: [test, -e, DIR/seen]}]
    undo: [{shell: echo undone >> DIR/counter}]
"""


@pytest.fixture
def own(tmp_path: Path, home: Path) -> Iterator[Sshd]:
    """An sshd that may be stopped."""
    if PROGRAM is None:
        pytest.skip(MISSING)
    one = Sshd(tmp_path / "own")
    one.start()
    one.know(home)
    yield one
    one.stop()


def lost(desk: Desk) -> str:
    result = desk.start("steps:\n" + LOST)
    assert result.status == "in_doubt"
    until(lambda: not psutil.pid_exists(int(desk.text("pid"))))
    return result.run


def test_a_doubt_that_the_check_settles_is_settled_without_a_person(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    run = lost(desk)
    desk.path("seen").touch()

    result = desk.resume(run)

    assert result.status == "succeeded"
    assert desk.lines("counter") == ["x"]
    finished = [fact for fact in desk.facts(run) if isinstance(fact, f.StepFinished)][-1]
    assert (finished.adopted, finished.verified) == (True, True)


def test_a_doubt_that_a_person_has_settled_is_not_looked_at_again(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    run = lost(desk)
    decide(desk.settings, run, "lost", "", "done", reason="the graph says so")

    result = desk.resume(run)

    assert (result.status, result.state.deviated) == ("succeeded", True)
    assert desk.lines("counter") == ["x"]


def test_what_is_to_be_led_back_is_not_gone_on_with(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    run = lost(desk)
    decide(desk.settings, run, "lost", "", "undo")
    desk.path("seen").touch()

    desk.resume(run, ScriptedApprover({"failure": Answer(choice="abort")}))

    assert desk.lines("counter") == ["x", "undone"]


@pytest.mark.parametrize("failed_hosts", [False, True], ids=["resumed", "its failed hosts"])
def test_what_could_not_be_verified_is_verified_on_resume_and_not_run_again(
    tmp_path: Path, own: Sshd, monkeypatch: pytest.MonkeyPatch, failed_hosts: bool
) -> None:
    desk = Desk(tmp_path)
    line = f"{{address: 127.0.0.1, port: {own.port}, user: {own.user}, key_file: {own.key}}}"
    desk.path("hosts.yaml").write_text(f"hosts:\n  web1: {line}\n")
    step = change("act", "[sh, -c, 'echo x >>DIR/counter']", "[test, -s, DIR/counter]")

    entered = StepContext.phase

    def gone_before_it_is_looked_at(self: StepContext, phase: str, *more: Any) -> None:
        if phase == "verifying":
            own.stop()
        entered(self, phase, *more)

    with monkeypatch.context() as patch:
        patch.setattr(StepContext, "phase", gone_before_it_is_looked_at)
        first = desk.start("targets:\n  app: {hosts: all, min: 1}\nsteps:\n" + step, inventory=desk.path("hosts.yaml"))
    assert desk.statuses(first.run) == {"act@web1": "failed"}
    assert "cannot be verified" in first.state.at("act", "web1").error

    own.start()
    result = desk.resume(first.run, failed_hosts=failed_hosts)

    assert result.status == "succeeded"
    assert desk.lines("counter") == ["x"]
