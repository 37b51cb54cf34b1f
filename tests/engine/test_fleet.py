"""Several hosts: parallel work, waves, limits, exclusion, and groups."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from runbook.errors import UsageError
from runbook.events import fact as f
from runbook.model.question import Answer, NoAnswer, Question
from runbook.ports.cancel import Cancel
from runbook.session.result import Result
from runbook.testing import ScriptedApprover
from tests.engine.desk import Desk, Ear, indented

ALL = "targets: {app: {hosts: all}}\n"
HOSTS = ("a", "b", "c", "d")


def mark(name: str, fails_on: str = "", more: str = "") -> str:
    """Return a step that writes its name and host into the log, and fails on one host."""
    return f"""  - id: {name}
    shell: 'echo "{name} $HOST" >> DIR/log; [ "$HOST" != "{fails_on}" ] || [ -e DIR/healed ]'
    env: {{HOST: "{{{{ host.name }}}}"}}
    effect: change
    verify: [{{command: ["true"]}}]
    undo: [{{shell: 'echo "un-{name} $HOST" >> DIR/log', env: {{HOST: "{{{{ host.name }}}}"}}}}]
{more}"""


def stage(body: str, more: str = "") -> str:
    return f"steps:\n  - stage: all\n{more}    steps:\n{indented(body)}"


def start(desk: Desk, body: str, **more: Any) -> Result:
    return desk.start(ALL + body, inventory=desk.inventory(*HOSTS), limit="a,b,c,d", **more)


def test_each_wave_runs_all_its_steps_before_the_next_begins(desk: Desk) -> None:
    result = start(desk, stage(mark("one") + mark("two"), "    rollout: {waves: [1, 50%, 100%]}\n"))

    assert result.status == "succeeded"
    log = desk.lines("log")
    assert log[:4] == ["one a", "two a", "one b", "two b"]
    assert sorted(log[4:6]) == ["one c", "one d"]
    assert sorted(log[6:]) == ["two c", "two d"]
    with pytest.raises(UsageError, match="e names no host on which two has done anything; it was on a, b, c, d"):
        desk.undo(result.run, step="two", target="e")
    desk.undo(result.run, step="two", target="c,d")
    assert sorted(desk.lines("log")[8:]) == ["un-two c", "un-two d"]


def test_hosts_run_side_by_side_up_to_the_limit(desk: Desk) -> None:
    """Each host waits for a second one: alone it would not come to its end."""
    body = """steps:
  - id: meet
    shell: touch "DIR/here-$HOST"; while [ "$(ls DIR/here-* | wc -l)" -lt 2 ]; do sleep 0.02; done
    env: {HOST: "{{ host.name }}"}
    parallel: 2
    effect: read
    timeout: 20s
"""
    assert start(desk, body).status == "succeeded"


def test_with_parallel_one_a_host_begins_after_the_one_before_it(desk: Desk) -> None:
    result = start(desk, "steps:\n" + mark("one", more="    parallel: 1\n"))

    spans = [
        (type(fact).__name__, fact.target)
        for fact in desk.facts(result.run)
        if isinstance(fact, (f.AttemptStarted, f.StepFinished))
    ]
    assert spans == [(kind, host) for host in HOSTS for kind in ("AttemptStarted", "StepFinished")]


def test_hosts_within_the_limit_are_left_behind_and_the_run_is_partial(desk: Desk) -> None:
    rollout = "    rollout: {waves: [2, 100%], max_unavailable: 1}\n    on_failure: stop\n"
    result = start(desk, stage(mark("one", fails_on="b") + mark("two"), rollout))

    assert result.status == "partial"
    log = desk.lines("log")
    assert sorted(log) == ["one a", "one b", "one c", "one d", "two a", "two c", "two d"]


def test_beyond_the_limit_the_stage_stops(desk: Desk) -> None:
    rollout = "    rollout: {waves: [2, 100%], max_unavailable: 1}\n    on_failure: stop\n"
    body = mark("one", fails_on="a") + mark("two", fails_on="b")
    result = start(desk, stage(body, rollout))

    assert result.status == "failed"
    assert sorted(desk.lines("log")) == ["one a", "one b", "two b"]


def test_an_excluded_host_takes_no_further_part(desk: Desk) -> None:
    exclude = Answer(choice="exclude", reason="its disk is broken")
    approver = ScriptedApprover({"failure": exclude})

    result = start(desk, "steps:\n" + mark("one", fails_on="b") + mark("two"), approver=approver)

    assert result.status == "partial"
    assert approver.asked[0].evidence[1:] == ("a, c, d succeeded",)
    assert result.state.excluded == {"b"}
    assert sorted(x for x in desk.lines("log") if x.startswith("two")) == ["two a", "two c", "two d"]


def test_an_excluded_host_stays_out_until_the_failed_hosts_are_retried(desk: Desk) -> None:
    look = """  - id: look
    shell: '[ "$HOST" != b ] || [ -e DIR/healed ]'
    env: {HOST: "{{ host.name }}"}
    effect: read
"""
    approver = ScriptedApprover({"failure": Answer(choice="exclude", reason="its disk is broken")})
    first = start(desk, "steps:\n" + look + mark("two"), approver=approver)
    assert first.status == "partial"
    desk.path("healed").touch()

    assert desk.resume(first.run).status == "partial"
    assert sorted(desk.lines("log")) == ["two a", "two c", "two d"]
    guided = ScriptedApprover({"proceed": "run"})
    again = desk.resume(first.run, guided, guided=True)

    assert again.status == "succeeded"
    assert [(asked.step, asked.places) for asked in guided.asked] == [("look", ("b",)), ("two", ("b",))]
    assert again.state.excluded == frozenset()
    assert desk.lines("log")[3:] == ["two b"]


def test_a_retry_of_the_failed_hosts_leaves_the_others_alone(desk: Desk) -> None:
    class Healer(ScriptedApprover):
        def ask(self, question: Question, cancel: Cancel) -> Answer | NoAnswer:
            desk.path("healed").touch()
            return super().ask(question, cancel)

    approver = Healer({"failure": "retry_failed"})
    result = start(desk, "steps:\n" + mark("one", fails_on="b"), approver=approver)

    assert result.status == "succeeded"
    assert sorted(desk.lines("log")) == ["one a", "one b", "one b", "one c", "one d"]


def test_resume_with_failed_hosts_tries_them_again(desk: Desk) -> None:
    first = start(desk, "steps:\n" + mark("one", fails_on="b") + mark("two"))
    assert first.status == "failed"
    desk.path("healed").touch()

    assert desk.resume(first.run).status == "failed"
    again = desk.resume(first.run, failed_hosts=True)

    assert again.status == "succeeded"
    assert sorted(desk.lines("log")).count("one b") == 2
    assert sorted(desk.lines("log")).count("one a") == 1


def test_the_way_back_takes_step_by_step_on_all_hosts(desk: Desk) -> None:
    done = start(desk, "steps:\n" + mark("one") + mark("two"))

    assert desk.undo(done.run).status == "undone"
    back = desk.lines("log")[8:]
    assert {line.split()[0] for line in back[:4]} == {"un-two"}
    assert {line.split()[0] for line in back[4:]} == {"un-one"}


def test_a_step_of_a_stage_may_run_on_another_group(desk: Desk) -> None:
    body = "targets: {one: {hosts: a}, two: {hosts: b}}\n" + stage(
        mark("first") + mark("second", more="    on: two\n"), "    on: one\n"
    )
    result = desk.start(body, inventory=desk.inventory(*HOSTS))

    assert result.status == "succeeded"
    assert desk.lines("log") == ["first a", "second b"]


def test_values_per_host_are_those_of_the_host(desk: Desk) -> None:
    body = """steps:
  - id: look
    command: [echo, "{{ host.name }}"]
    effect: read
    capture: {name: "stdout"}
  - id: same
    shell: '[ "$SEEN" = "$HOST" ]'
    env: {SEEN: "{{ steps.look.name }}", HOST: "{{ host.name }}\\n"}
    effect: read
  - id: any
    when: "any(steps.look.name)"
    command: ["true"]
    effect: read
"""
    assert start(desk, body).status == "succeeded"


def test_listeners_hear_one_event_at_a_time(desk: Desk) -> None:
    inside = threading.Lock()
    overlaps: list[object] = []

    def heard(event: object) -> None:
        if not inside.acquire(blocking=False):
            overlaps.append(event)
            return
        threading.Event().wait(0.001)
        inside.release()

    result = start(desk, "steps:\n" + mark("one") + mark("two"), ear=Ear(heard))

    assert result.status == "succeeded"
    assert overlaps == []


def test_the_pause_between_waves_is_kept(desk: Desk) -> None:
    rollout = "    rollout: {waves: [1, 100%], pause: 300ms}\n"
    result = start(desk, stage(mark("one"), rollout))

    held = [x for x in desk.facts(result.run) if isinstance(x, f.StepFinished) and x.target == "#1"]
    assert result.status == "succeeded"
    assert [(x.step, x.status) for x in held] == [("all", "succeeded")]
    assert held[0].ms >= 299


def test_a_host_sees_the_answer_that_was_given_for_its_wave(desk: Desk) -> None:
    body = """  - id: form
    ask: {word: {type: string, required: true}}
  - id: say
    shell: 'echo "$HOST $WORD" >> DIR/log'
    env: {HOST: "{{ host.name }}", WORD: "{{ steps.form.word }}"}
    effect: change
    verify: [{command: ["true"]}]
    undo: {none: "a test"}
"""
    words = [Answer(choice="answer", values={"word": word}) for word in ("first", "second")]

    result = start(desk, stage(body, "    rollout: {waves: [1, 100%]}\n"), approver=ScriptedApprover({"form": words}))

    assert result.status == "succeeded"
    assert sorted(desk.lines("log")) == ["a first", "b second", "c second", "d second"]


def test_a_decision_in_a_wave_is_asked_once_for_the_wave(desk: Desk) -> None:
    body = "  - id: check\n    manual: Look at the graphs.\n"
    approver = ScriptedApprover({"manual": "done"})

    result = start(desk, stage(mark("one") + body, "    rollout: {waves: [1, 100%]}\n"), approver=approver)

    assert result.status == "succeeded"
    assert [question.places for question in approver.asked] == [("*1",), ("*2",)]
