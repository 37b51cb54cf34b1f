"""The order of steps: decisions, includes, messages, and failure policies, in whole runs."""

from __future__ import annotations

import pytest

from runbook.errors import UsageError
from runbook.events import fact as f
from runbook.model.question import Answer
from runbook.testing import ScriptedApprover
from tests.engine.desk import Desk, touch

CHOOSE = """  - id: decide
    choose:
      question: How bad is it?
      options:
        - {id: mild, title: "Only slow", goto: three}
        - {id: stop, title: "Not at all", goto: end}
        - {id: full, title: "Very bad"}
"""


@pytest.mark.parametrize(
    ("choice", "log"),
    [("mild", ["one", "three"]), ("stop", ["one"]), ("full", ["one", "two", "three"])],
)
def test_a_decision_goes_on_where_its_option_says(desk: Desk, choice: str, log: list[str]) -> None:
    body = "steps:\n" + touch("one") + CHOOSE + touch("two") + touch("three")

    result = desk.start(body, given={"decide": choice})

    assert result.status == "succeeded"
    assert desk.lines("log") == log
    skipped = {(x.step, x.why) for x in desk.facts(result.run) if isinstance(x, f.StepSkipped)}
    assert skipped == {(step, "goto") for step in ("two", "three") if step not in log}


def test_a_failure_goes_on_at_a_later_step_and_the_run_is_partial(desk: Desk) -> None:
    body = '  - {id: bad, command: ["false"], effect: read, on_failure: "goto:three"}\n'
    result = desk.start("steps:\n" + body + touch("two") + touch("three"))

    assert result.status == "partial"
    assert desk.lines("log") == ["three"]


def test_the_command_line_makes_a_goto_a_stop(desk: Desk) -> None:
    body = '  - {id: bad, command: ["false"], effect: read, on_failure: "goto:three"}\n'
    result = desk.start("steps:\n" + body + touch("two") + touch("three"), on_failure="stop")

    assert result.status == "failed"
    assert desk.lines("log") == []


def test_continue_goes_on_and_the_run_is_partial(desk: Desk) -> None:
    body = '  - {id: bad, command: ["false"], effect: read, on_failure: continue}\n'

    assert desk.start("steps:\n" + body + touch("two")).status == "partial"
    assert desk.lines("log") == ["two"]
    assert desk.start("steps:\n" + body + touch("two"), on_failure="stop").status == "failed"


def test_an_include_runs_with_its_own_parameters_and_sees_its_own_steps(desk: Desk) -> None:
    desk.playbook(
        """
params: {word: {type: string, required: true}}
steps:
  - id: look
    command: [echo, "inner {{ params.word }}"]
    effect: read
    capture: {said: "stdout"}
  - id: say
    command: [sh, -c, 'printf %s "$1" >> DIR/log', sh, "{{ steps.look.said }}"]
    effect: change
    verify: [{command: [test, -s, DIR/log]}]
    undo: {none: "a test"}
""",
        name="part",
    )
    result = desk.start("""
params: {who: {type: string, default: world}}
steps:
  - id: look
    command: [echo, "outer"]
    effect: read
    capture: {said: "stdout"}
  - id: first
    playbook: {id: part, params: {word: "{{ params.who }}"}}
  - id: second
    playbook: {id: part, params: {word: other}}
""")

    assert result.status == "succeeded"
    assert desk.lines("log") == ["inner world", "inner other"]
    assert set(desk.statuses(result.run)) == {"look", "first/look", "first/say", "second/look", "second/say"}


@pytest.mark.parametrize(("word", "log"), [("yes", ["inside"]), ("no", [])])
def test_the_condition_of_an_include_sees_the_steps_around_it(desk: Desk, word: str, log: list[str]) -> None:
    desk.playbook("steps:\n" + touch("inside"), name="part")
    result = desk.start(f"""
steps:
  - id: look
    command: [printf, {word!r}]
    effect: read
    capture: {{said: "stdout"}}
  - id: sub
    when: "steps.look.said == 'yes'"
    playbook: part
""")

    assert result.status == "succeeded"
    assert desk.lines("log") == log


def test_a_message_is_recorded_and_given_to_its_command(desk: Desk) -> None:
    result = desk.start("""
params: {who: {type: string, default: world}}
steps:
  - id: tell
    notify: {message: "hello {{ params.who }}", command: [sh, -c, "cat > DIR/told"]}
""")

    assert result.status == "succeeded"
    assert desk.text("told") == "hello world"
    assert result.state.at("tell", "*").result == {"message": "hello world"}


def test_a_command_for_a_message_that_fails_is_a_failure(desk: Desk) -> None:
    result = desk.start('steps:\n  - {id: tell, notify: {message: "hello", command: ["false"]}}\n')

    assert result.status == "failed"


def test_a_form_gives_its_fields_to_later_steps(desk: Desk) -> None:
    body = """
steps:
  - id: form
    ask: {size: {type: int, required: true}, part: {type: float, default: 0.5}}
  - id: check
    command: ["true"]
    effect: read
    expect: "steps.form.size == 7 and steps.form.part == 0.5"
"""
    assert desk.start(body, given={"form": {"size": 7}}).status == "succeeded"


def test_nothing_runs_while_an_answer_is_missing(desk: Desk) -> None:
    result = desk.start("steps:\n" + touch("one") + "  - {id: hand, manual: Freeze the release.}\n")

    assert result.status == "waiting"
    assert [(m.step, m.what) for m in result.missing] == [("hand", "manual")]
    assert desk.lines("log") == []


BRANCHES = """steps:
  - id: cause
    choose:
      question: What is it?
      options:
        - {id: file, title: "The file", goto: by-hand}
        - {id: host, title: "The host", goto: last}
        - {id: more, title: "Something else"}
        - {id: none, title: "Nothing", goto: end}
WHEN  - id: deeper
    choose: {question: And?, options: [{id: yes, title: "Yes", goto: last}, {id: no, title: "No"}]}
  - {id: by-hand, manual: Mend it.}
  - stage: last
    approve: operator
    steps:
      - id: note
        manual: Write it down.
      - {id: act, command: [touch, DIR/x], effect: change, verify: [{command: ["true"]}], undo: {none: "a test"}}
"""


@pytest.mark.parametrize(
    ("given", "when", "missing"),
    [
        ({}, "", ["cause", "deeper", "by-hand", "last", "note"]),
        ({"cause": "file"}, "", ["by-hand", "last", "note"]),
        ({"cause": "host"}, "", ["last", "note"]),
        ({"cause": "none"}, "", []),
        ({"cause": "more"}, "", ["deeper", "by-hand", "last", "note"]),
        ({"cause": "more", "deeper": "yes"}, "", ["last", "note"]),
        ({"cause": "more", "deeper": "no"}, "", ["by-hand", "last", "note"]),
        # A decision that may be skipped does not close the way behind it.
        ({"cause": "host"}, "steps.look.exit == 0", ["deeper", "by-hand", "last", "note"]),
        ({"cause": "host"}, "params.wanted", ["last", "note"]),
        ({"cause": "host"}, "not params.wanted", ["deeper", "by-hand", "last", "note"]),
    ],
)
def test_what_lies_beside_the_way_of_an_answer_is_not_asked_for(
    desk: Desk, given: dict[str, str], when: str, missing: list[str]
) -> None:
    look = '  - {id: look, command: ["true"], effect: read, capture: {exit: exit}}\n'
    body = BRANCHES.replace("WHEN", f'    when: "{when}"\n' if when else "").replace("steps:\n", f"steps:\n{look}", 1)

    result = desk.start("params: {wanted: {type: bool, default: true}}\n" + body, given=given)

    assert [m.step for m in result.missing] == missing


def test_a_step_that_a_failure_leads_to_is_asked_for_whatever_is_answered(desk: Desk) -> None:
    look = '  - {id: look, command: ["true"], effect: read, on_failure: "goto:by-hand"}\n'

    result = desk.start(BRANCHES.replace("WHEN", "").replace("steps:\n", f"steps:\n{look}", 1), given={"cause": "host"})

    assert [m.step for m in result.missing] == ["by-hand", "last", "note"]


def test_a_retry_of_the_playbook_is_on_record(desk: Desk) -> None:
    result = desk.start("""
steps:
  - id: flaky
    shell: echo x >> DIR/looks; [ "$(wc -l < DIR/looks)" -ge 3 ] || exit 75
    effect: read
    retry: {limit: 5, delay: 10ms, on: ["exit:75"]}
""")

    assert result.status == "succeeded"
    assert len(desk.lines("looks")) == 3
    decided = [(x.choice, x.source) for x in desk.facts(result.run) if isinstance(x, f.DecisionMade)]
    assert decided == [("retry", "policy"), ("retry", "policy")]


def test_a_change_that_was_sent_is_not_retried_unless_it_may_be(desk: Desk) -> None:
    step = """  - id: act
    shell: echo x >> DIR/log; exit 75
    effect: change
    verify: [{command: ["true"]}]
    undo: {none: "a test"}
    retry: {limit: 2, delay: 10ms, on: ["exit:75"]}
"""
    assert desk.start("steps:\n" + step).status == "failed"
    assert desk.lines("log") == ["x"]
    assert desk.start("steps:\n" + step + "    idempotent: true\n").status == "failed"
    assert desk.lines("log") == ["x", "x", "x", "x"]


def test_a_retry_comes_before_continue(desk: Desk) -> None:
    result = desk.start("""
steps:
  - id: flaky
    shell: echo x >> DIR/looks; [ "$(wc -l < DIR/looks)" -ge 2 ] || exit 75
    effect: read
    on_failure: continue
    retry: {limit: 1, delay: 10ms, on: ["exit:75"]}
""")

    assert result.status == "succeeded"


def test_a_run_that_failed_at_a_look_goes_on_when_it_is_resumed(desk: Desk) -> None:
    body = "steps:\n" + touch("one") + "  - {id: look, command: [test, -e, DIR/healed], effect: read}\n" + touch("two")
    first = desk.start(body)
    assert first.status == "failed"
    assert desk.resume(first.run).status == "failed"
    desk.path("healed").touch()

    assert desk.resume(first.run).status == "succeeded"
    assert desk.lines("log") == ["one", "two"]


def test_a_failure_that_was_put_aside_is_asked_about_again_and_leads_back_to_the_change_before_it(desk: Desk) -> None:
    body = (
        "steps:\n" + touch("one") + "  - {id: look, command: [sh, -c, 'echo x >> DIR/looks; exit 1'], effect: read}\n"
    )
    first = desk.guided(body, ScriptedApprover({"proceed": "run", "failure": "pause"}))
    assert (first.status, desk.lines("looks")) == ("paused", ["x"])

    again = ScriptedApprover({"failure": ["undo", "pause"]})
    assert desk.resume(first.run, again, guided=True).status == "paused"
    assert [question.step for question in again.asked] == ["look", "one"]
    assert desk.lines("looks") == ["x"]
    assert desk.lines("log") == ["one", "un-one"]


def test_a_refused_change_is_refused_before_anything_and_can_be_resumed(desk: Desk) -> None:
    body = "steps:\n  - id: save\n    uses: file.backup\n    with: {path: DIR/config}\n"
    first = desk.start(body)
    assert first.status == "refused"
    desk.path("config").write_text("x\n")

    assert desk.resume(first.run).status == "succeeded"


def test_a_wrong_confirmation_executes_nothing(desk: Desk) -> None:
    body = (
        "steps:\n  - id: wipe\n    command: [touch, DIR/wiped]\n    effect: destructive\n"
        '    verify: [{command: [test, -e, DIR/wiped]}]\n    undo: {none: "a test"}\n'
    )
    with pytest.raises(UsageError, match=r"write wipe: {confirm: .local 1.}"):
        desk.start(body, given={"wipe": {"confirm": "all 1"}})
    assert not desk.path("wiped").exists()
    unread = desk.guided(body, ScriptedApprover({"confirm": Answer(choice="confirm")}))
    assert unread.status == "waiting"
    assert not desk.path("wiped").exists()

    (missing,) = desk.start(body).missing
    assert missing.remedy == 'wipe: {confirm: "local 1"}'
    right = desk.start(body, given={"wipe": {"confirm": "local 1"}})
    assert right.status == "succeeded"
    assert desk.path("wiped").exists()
