"""How values go from step to step, and what a condition makes of them."""

from runbook.events import fact as f
from tests.engine.desk import Desk, indented, touch


def test_a_later_step_sees_what_an_earlier_one_captured(desk: Desk) -> None:
    result = desk.start("""
steps:
  - id: look
    command: [echo, "five"]
    effect: read
    capture: {word: "stdout", size: "len(stdout)"}
  - id: say
    command: [echo, "{{ steps.look.word }}:{{ steps.look.size }}"]
    effect: read
    capture: {said: stdout}
""")

    assert result.status == "succeeded"
    said = result.state.at("say", "local").values["said"]
    assert isinstance(said, str)
    assert said.split() == ["five", ":5"]


def test_a_condition_that_does_not_hold_skips_and_yields_null(desk: Desk) -> None:
    result = desk.start("""
steps:
  - id: look
    command: [echo, "no"]
    effect: read
    capture: {said: "stdout"}
  - id: never
    when: "'yes' in steps.look.said"
    command: [touch, DIR/never]
    effect: change
    verify: [{command: [test, -e, DIR/never]}]
    undo: {none: "a test"}
    capture: {made: "exit"}
  - id: after
    when: "steps.never.made == null"
    command: ["true"]
    effect: read
""")

    assert result.status == "succeeded"
    assert desk.statuses(result.run) == {"look": "succeeded", "never": "skipped", "after": "succeeded"}
    assert not desk.path("never").exists()


def test_a_condition_that_cannot_be_told_is_a_failure_and_sends_nothing(desk: Desk) -> None:
    result = desk.start("""
steps:
  - id: look
    command: ["true"]
    effect: read
    capture: {number: "json"}
  - id: act
    when: "steps.look.number > 5"
    command: [touch, DIR/made]
    effect: change
    verify: [{command: [test, -e, DIR/made]}]
    undo: {none: "a test"}
""")

    assert result.status == "failed"
    assert "cannot be told" in result.why
    assert not desk.path("made").exists()
    assert not any(isinstance(fact, f.AttemptStarted) for fact in desk.facts(result.run))


def test_the_condition_of_a_step_in_an_approved_stage_is_asked_when_it_is_its_turn(desk: Desk) -> None:
    """The approval looks at all steps of the stage before the first one has run."""
    result = desk.start(
        "steps:\n  - stage: both\n    approve: operator\n    steps:\n"
        + indented(
            touch("first", "    capture: {made: exit}\n") + touch("second", '    when: "steps.first.made == 7"\n')
        ),
        approvals=("both",),
    )

    assert result.status == "succeeded"
    assert desk.statuses(result.run) == {"first": "succeeded", "second": "skipped"}
    assert desk.lines("log") == ["first"]


def test_a_step_of_an_approved_stage_is_planned_again_with_the_values_of_its_turn(desk: Desk) -> None:
    result = desk.start(
        "steps:\n  - stage: both\n    approve: operator\n    steps:\n"
        + indented(
            touch("first", "    capture: {name: \"'from-first'\"}\n")
            + """  - id: second
    command: [touch, "DIR/{{ steps.first.name }}"]
    effect: change
    verify: [{command: [test, -e, "DIR/{{ steps.first.name }}"]}]
    undo: {none: "a test"}
"""
        ),
        approvals=("both",),
    )

    assert result.status == "succeeded"
    assert desk.path("from-first").exists()


def test_an_object_that_looks_like_a_frozen_number_comes_back_as_it_was(desk: Desk) -> None:
    result = desk.start("""
steps:
  - id: look
    command: [echo, '{"float": "abc"}']
    effect: read
    capture: {said: "json", quarter: "1 / 4"}
  - id: check
    command: ["true"]
    effect: read
    expect: "steps.look.said.float == 'abc' and steps.look.quarter == 0.25"
""")

    assert result.status == "succeeded"


def test_a_probe_waits_until_it_holds_steadily(desk: Desk) -> None:
    result = desk.start("""
steps:
  - id: wait-for-it
    shell: echo x >> DIR/looks; [ "$(wc -l < DIR/looks)" -ge 3 ]
    effect: read
    until: {every: 50ms, within: 10s, for: 100ms}
""")

    assert result.status == "succeeded"
    assert len(desk.lines("looks")) >= 4


def test_the_last_look_of_a_time_does_not_wait_for_the_next_sample(desk: Desk) -> None:
    result = desk.start("""
steps:
  - id: steady
    shell: echo x >> DIR/looks
    effect: read
    until: {every: 60s, within: 10m, for: 100ms}
""")

    assert result.status == "succeeded"
    assert desk.lines("looks") == ["x", "x"]
    (finished,) = (x for x in desk.facts(result.run) if isinstance(x, f.StepFinished))
    assert finished.ms < 60_000


def test_a_probe_that_does_not_hold_in_time_fails(desk: Desk) -> None:
    result = desk.start("""
steps:
  - id: never
    command: ["false"]
    effect: read
    until: {every: 50ms, within: 200ms}
""")

    assert (result.status, result.state.at("never", "local").error) == ("failed", "it did not hold in time: exit 1")


def test_a_probe_that_began_to_hold_too_late_is_bad(desk: Desk) -> None:
    result = desk.start("""
steps:
  - id: late
    shell: echo x >> DIR/looks; [ "$(wc -l < DIR/looks)" -ge 2 ]
    effect: read
    until: {every: 100ms, within: 300ms, for: 300ms}
""")

    assert result.status == "failed"
    assert "it held for" in result.why
