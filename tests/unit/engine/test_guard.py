"""Deciding about guards and baselines, on paper."""

from __future__ import annotations

import pytest

from runbook.engine import move as m
from runbook.engine.guard import is_armed
from runbook.events import fact as f
from runbook.events.status import Status
from tests.unit.engine.paper import Paper, act, changed, opened, plan_of, read, stage

QUERY = 'uses: metric.query, with: {url: "http://127.0.0.1:1", query: errors}'
HOSTS = tuple(f"h{n}" for n in range(1, 11))
WAVES = "    rollout: {waves: [10%, 50%, 100%], max_unavailable: 10%}\n"


def guard(more: str = "", threshold: int = 3) -> str:
    return f'guards:\n  - {{id: errors, {QUERY}, fail_when: "value > 1", threshold: {threshold}{more}}}\n'


BASELINE = f"baseline:\n  - {{id: normal, {QUERY}, at: -2h}}\n  - {{id: present, {QUERY}}}\n"


def sampled(*states: str, name: str = "errors") -> tuple[f.GuardSampled, ...]:
    return tuple(f.GuardSampled(guard=name, state=state, value=2.0) for state in states)  # type: ignore[arg-type]


def ends(step: str, host: str, status: Status) -> tuple[f.Fact, ...]:
    if status == "skipped":
        return (f.StepSkipped(step=step, target=host, why="when"),)
    return changed(step, host, status)


def canary(on_breach: str = "pause", arm_after: str = "") -> Paper:
    """Return ten hosts that are changed in waves of 1, 5 and 10."""
    more = f", on_breach: {on_breach}" + (f", arm_after: {arm_after}" if arm_after else "")
    body = stage("roll", act("one") + act("two"), "    on: all\n" + WAVES)
    return Paper(
        plan_of(
            'targets:\n  all: {hosts: "all"}\n' + guard(more) + "steps:\n" + body + read("after", "    on: all\n"),
            *HOSTS,
        )
    )


def breached(paper: Paper) -> m.Breach:
    (move,) = paper.next()
    assert isinstance(move, m.Breach), move
    return move


def test_what_is_lacking_is_taken_before_anything_else() -> None:
    paper = Paper(plan_of(BASELINE + "steps:\n" + read("look")))

    assert paper.next() == (m.TakeBaseline("normal"), m.TakeBaseline("present"))


def test_a_normal_value_that_could_not_be_had_does_not_hold_the_run_back() -> None:
    paper = Paper(plan_of(BASELINE + "steps:\n" + read("look")))

    paper.tell(
        f.BaselineTaken(baseline="normal", state="no data"), f.BaselineTaken(baseline="present", state="good", value=1)
    )

    assert paper.next() == (m.Begin("look", "local", 1),)


def test_a_resumed_run_keeps_normal_values_and_asks_again_for_those_it_never_had() -> None:
    paper = Paper(plan_of(BASELINE + "steps:\n" + read("look")))
    paper.tell(
        f.BaselineTaken(baseline="normal", state="no data"), f.BaselineTaken(baseline="present", state="good", value=1)
    )

    paper.tell(opened("resume"))

    assert paper.next() == (m.TakeBaseline("normal"),)


def test_a_guard_is_armed_from_the_start_unless_it_names_a_step() -> None:
    paper = canary()

    assert is_armed(paper.plan, paper.plan.guards[0], paper.state)


def test_no_guard_is_armed_before_what_it_compares_with_is_taken() -> None:
    paper = Paper(plan_of(BASELINE + guard() + "steps:\n" + read("look")))
    paper.tell(f.BaselineTaken(baseline="normal", state="no data"))
    before = is_armed(paper.plan, paper.plan.guards[0], paper.state)

    paper.tell(f.BaselineTaken(baseline="present", state="good", value=1))

    assert (before, is_armed(paper.plan, paper.plan.guards[0], paper.state)) == (False, True)


@pytest.mark.parametrize("status", ["succeeded", "skipped"])
def test_a_guard_is_armed_by_the_end_of_its_step_in_the_first_wave(status: Status) -> None:
    paper = canary(arm_after="one")
    before = is_armed(paper.plan, paper.plan.guards[0], paper.state)

    paper.tell(*ends("one", "h1", status))

    assert (before, is_armed(paper.plan, paper.plan.guards[0], paper.state)) == (False, True)


@pytest.mark.parametrize("status", ["failed", "timed_out", "in_doubt", "unreachable"])
def test_a_step_that_ended_badly_everywhere_arms_nothing(status: Status) -> None:
    paper = canary(arm_after="one")

    paper.tell(*ends("one", "h1", status))

    assert not is_armed(paper.plan, paper.plan.guards[0], paper.state)


def test_a_host_that_is_spared_does_not_keep_a_guard_asleep() -> None:
    text = 'targets:\n  all: {hosts: "all"}\n' + guard(", arm_after: one")
    body = stage("roll", act("one"), "    on: all\n    rollout: {max_unavailable: 50%}\n")
    paper = Paper(plan_of(text + "steps:\n" + body, "h1", "h2", "h3"))
    paper.tell(*ends("one", "h1", "failed"), *ends("one", "h2", "succeeded"))
    before = is_armed(paper.plan, paper.plan.guards[0], paper.state)

    paper.tell(*ends("one", "h3", "succeeded"))

    assert (before, is_armed(paper.plan, paper.plan.guards[0], paper.state)) == (False, True)


def test_as_many_bad_samples_in_a_row_as_the_threshold_says_are_a_breach() -> None:
    paper = canary("stop")
    paper.tell(*sampled("bad", "bad", "good", "bad", "no data", "bad", "bad"))
    assert not any(isinstance(move, m.Breach) for move in paper.next())

    paper.tell(*sampled("bad"))

    assert breached(paper) == m.Breach("errors", "bad", "stop", "value > 1 held 3 times in a row")


@pytest.mark.parametrize("on_breach", ["pause", "stop", "{undo: run}"])
def test_samples_without_data_pause_whatever_a_breach_asks_for(on_breach: str) -> None:
    paper = canary(on_breach)

    paper.tell(*sampled("no data", "no data", "no data"))

    assert breached(paper) == m.Breach("errors", "no data", "pause", "3 samples in a row gave no data")


def test_a_pause_rests_and_says_which_guard() -> None:
    paper = canary()

    paper.tell(f.GuardBreached(guard="errors", cause="bad", response="pause", why="why"))

    assert paper.next() == (m.Rest("paused", "guard errors was breached"),)


def test_a_stop_rests_as_failed_and_says_which_guard() -> None:
    paper = canary("stop")

    paper.tell(f.GuardBreached(guard="errors", cause="bad", response="stop", why="why"))

    assert paper.next() == (m.Rest("failed", "guard errors was breached"),)


def three_waves_begun(on_breach: str) -> Paper:
    paper = canary(on_breach)
    for host in HOSTS[:5]:
        paper.tell(*changed("one", host, "succeeded"), *changed("two", host, "succeeded"))
    paper.tell(*changed("one", "h6", "succeeded"), *changed("one", "h7", "succeeded"))
    return paper


@pytest.mark.parametrize(
    ("scope", "response", "expected"),
    [
        ("wave", "undo wave", {("one", "h6"), ("one", "h7")}),
        ("stage", "undo stage", {(s, h) for s in ("one", "two") for h in HOSTS[:5]} | {("one", "h6"), ("one", "h7")}),
        ("run", "undo run", {(s, h) for s in ("one", "two") for h in HOSTS[:5]} | {("one", "h6"), ("one", "h7")}),
    ],
)
def test_a_breach_goes_back_as_far_as_it_says(scope: str, response: str, expected: set[tuple[str, str]]) -> None:
    paper = three_waves_begun(f"{{undo: {scope}}}")
    paper.tell(*sampled("bad", "bad", "bad"))
    found = breached(paper)
    paper.tell(f.GuardBreached(guard="errors", cause="bad", response=found.response, why=found.why))

    (move,) = paper.next()

    assert found.response == response
    assert isinstance(move, m.GoBack)
    assert ({entry[:2] for entry in move.steps}, move.abort) == (expected, True)


def test_a_stage_before_stays_when_the_present_one_is_undone() -> None:
    body = stage("early", act("zero"), "    on: all\n") + stage("late", act("one"), "    on: all\n")
    paper = Paper(
        plan_of('targets:\n  all: {hosts: "all"}\n' + guard(", on_breach: {undo: stage}") + "steps:\n" + body, "h1")
    )
    paper.tell(*changed("zero", "h1", "succeeded"), *changed("one", "h1", "succeeded"))

    paper.tell(f.GuardBreached(guard="errors", cause="bad", response="undo stage", why="why"))

    assert paper.next() == (m.GoBack((("one", "h1"),), True, "guard errors: why"),)


def test_a_breach_before_any_change_ends_the_run_with_nothing_to_undo() -> None:
    paper = canary("{undo: run}")
    paper.tell(f.GuardBreached(guard="errors", cause="bad", response="undo run", why="why"))
    (move,) = paper.next()
    assert isinstance(move, m.GoBack)

    paper.tell(f.UndoAsked(steps=[list(e) for e in move.steps], abort=move.abort, reason=move.reason))

    assert paper.rests() == "aborted"


def test_a_breach_is_told_once_and_counted_anew_in_the_next_session() -> None:
    paper = canary()
    paper.tell(*sampled("bad", "bad", "bad"))
    paper.tell(f.GuardBreached(guard="errors", cause="bad", response="pause", why="why"), *sampled("bad"))
    assert paper.rests() == "paused"

    paper.tell(opened("resume"), *sampled("bad", "bad"))
    again = paper.next()
    paper.tell(*sampled("bad"))

    assert not any(isinstance(move, (m.Breach, m.Rest)) for move in again)
    assert isinstance(breached(paper), m.Breach)


def test_two_guards_are_both_told() -> None:
    two = guard() + f'  - {{id: slow, {QUERY}, fail_when: "value > 1"}}\n'
    paper = Paper(plan_of(two + "steps:\n" + read("look")))

    paper.tell(*sampled("no data", "no data", "no data"), *sampled("bad", name="slow"))

    assert [move.guard for move in paper.next() if isinstance(move, m.Breach)] == ["errors", "slow"]
