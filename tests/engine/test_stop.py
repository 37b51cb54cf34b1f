"""Stopping: time limits, cancel, pause and interrupt, and what is left of the step that ran."""

from __future__ import annotations

import threading
from pathlib import Path

import psutil
import pytest

from runbook.events import fact as f
from runbook.events.signal import Signal
from runbook.session.control import Control
from runbook.session.result import Result
from runbook.testing import ScriptedApprover
from tests.engine.desk import Desk, Ear, touch, until


def sleeping(mark: str) -> list[int]:
    """Return the processes that sleep for this odd number of seconds."""
    return [p.pid for p in psutil.process_iter(["cmdline"]) if mark in (p.info["cmdline"] or [])]


def lives(pid_file: Path) -> bool:
    return psutil.pid_exists(int(pid_file.read_text()))


def slow(verify: str = "[test, -e, DIR/never]", more: str = "") -> str:
    return f"""  - id: slow
    shell: echo $$ > DIR/pid.new; mv DIR/pid.new DIR/pid; touch DIR/begun; exec sleep 60
    effect: change
    verify: [{{command: {verify}}}]
    undo: [{{command: [touch, DIR/undone]}}]
{more}"""


def in_background(desk: Desk, body: str, control: Control) -> tuple[threading.Thread, list[Result]]:
    results: list[Result] = []
    thread = threading.Thread(target=lambda: results.append(desk.start(body, control=control)))
    thread.start()
    return thread, results


def finished(desk: Desk, run: str, step: str) -> f.StepFinished:
    return [x for x in desk.facts(run) if isinstance(x, f.StepFinished) and x.step == step][-1]


def test_a_change_over_its_limit_is_killed_and_fails_if_its_check_is_bad(desk: Desk) -> None:
    result = desk.start("steps:\n" + slow(more="    timeout: 1s\n"))

    assert result.status == "failed"
    assert desk.statuses(result.run) == {"slow": "timed_out"}
    assert not lives(desk.path("pid"))
    assert finished(desk, result.run, "slow").changed


def test_a_change_over_its_limit_has_succeeded_if_its_check_holds(desk: Desk) -> None:
    result = desk.start("steps:\n" + slow("[test, -e, DIR/begun]", "    timeout: 1s\n"))

    assert result.status == "succeeded"
    assert finished(desk, result.run, "slow").verified
    assert not lives(desk.path("pid"))


def test_the_limit_of_the_playbook_holds_for_checks_and_reads(desk: Desk) -> None:
    result = desk.start("""
defaults: {timeout: 1s}
steps:
  - id: look
    command: [sleep, "60.25"]
    effect: read
""")

    assert desk.statuses(result.run) == {"look": "timed_out"}
    assert sleeping("60.25") == []


def test_cancel_kills_the_step_proves_it_and_leaves_the_run_resumable(desk: Desk) -> None:
    control = Control()
    thread, results = in_background(desk, "steps:\n" + touch("before") + slow() + touch("after"), control)
    until(desk.path("pid").exists)
    control.cancel("enough")
    thread.join(30)

    assert results[0].status == "interrupted"
    run = results[0].run
    assert desk.statuses(run) == {"before": "succeeded", "slow": "cancelled"}
    assert not lives(desk.path("pid"))
    assert finished(desk, run, "slow").changed
    retried = desk.resume(run, ScriptedApprover({"failure": "pause"}), guided=False)
    assert retried.status == "paused"
    assert desk.lines("log") == ["before"]
    assert desk.holds()


def test_a_cancelled_change_that_did_its_work_has_succeeded(desk: Desk) -> None:
    control = Control()
    thread, results = in_background(desk, "steps:\n" + slow("[test, -e, DIR/begun]") + touch("after"), control)
    until(desk.path("begun").exists)
    control.cancel("enough")
    thread.join(30)

    assert results[0].status == "interrupted"
    assert desk.statuses(results[0].run) == {"slow": "succeeded"}
    resumed = desk.resume(results[0].run)
    assert resumed.status == "succeeded"
    assert desk.lines("log") == ["after"]


def test_a_cancelled_read_is_made_again_on_resume(desk: Desk) -> None:
    control = Control()
    body = """
steps:
  - id: look
    shell: touch DIR/looking; test -e DIR/free || exec sleep 60
    effect: read
"""
    thread, results = in_background(desk, body + touch("after"), control)
    until(desk.path("looking").exists)
    control.cancel("enough")
    thread.join(30)
    assert results[0].status == "interrupted"
    assert desk.statuses(results[0].run) == {"look": "cancelled"}

    desk.path("free").touch()
    assert desk.resume(results[0].run).status == "succeeded"
    assert desk.lines("log") == ["after"]


def test_cancel_ends_a_wait_and_the_resumed_run_waits_again(desk: Desk) -> None:
    control = Control()
    ear = Ear()
    body = "steps:\n  - {id: rest, wait: 60s}\n" + touch("after")
    results: list[Result] = []
    thread = threading.Thread(target=lambda: results.append(desk.start(body, control=control, ear=ear)))
    thread.start()
    until(lambda: any(isinstance(event, f.ReadStarted) for event in ear.events))
    control.cancel("enough")
    thread.join(30)

    assert results[0].status == "interrupted"
    assert desk.statuses(results[0].run) == {"rest": "cancelled"}
    again = desk.state(results[0].run)
    assert again.status == "interrupted"


@pytest.mark.parametrize(("ask", "status"), [("pause", "paused"), ("interrupt", "interrupted")])
def test_what_runs_comes_to_its_end_and_nothing_new_begins(desk: Desk, ask: str, status: str) -> None:
    control = Control()

    def heard(event: f.Fact | Signal) -> None:
        if isinstance(event, f.AttemptStarted) and event.step == "first":
            getattr(control, ask)("a moment")

    first = desk.start("steps:\n" + touch("first") + touch("second"), ear=Ear(heard), control=control)

    assert first.status == status
    assert desk.statuses(first.run) == {"first": "succeeded"}
    assert desk.resume(first.run).status == "succeeded"
    assert desk.lines("log") == ["first", "second"]


def test_a_listener_that_fails_is_told_once_and_does_not_touch_the_run(desk: Desk) -> None:
    def heard(event: f.Fact | Signal) -> None:
        raise OSError("the screen is gone")

    ear = Ear(heard)
    result = desk.start("steps:\n" + touch("first"), ear=ear)

    assert result.status == "succeeded"
    assert len(ear.events) == 1
    told = [fact for fact in desk.facts(result.run) if isinstance(fact, f.ListenerFailed)]
    assert [fact.listener for fact in told] == ["Ear"]


def test_a_lost_process_of_ours_does_not_stay_behind(desk: Desk) -> None:
    """Everything that a killed step has started in its session is found and ended."""
    result = desk.start("""
steps:
  - id: family
    shell: (sleep 61.5 & sleep 61.5 & wait) & echo $! > DIR/pid; wait
    effect: change
    timeout: 1s
    verify: [{command: ["false"]}]
    undo: {none: "a test"}
""")

    assert desk.statuses(result.run) == {"family": "timed_out"}
    assert sleeping("61.5") == []
