"""Checks of baselines and guards."""

from __future__ import annotations

import pytest

from runbook.actions import catalogue
from runbook.loader import diagnose, load_playbook
from runbook.model.playbook import UndoScope

ASK = 'uses: metric.query, with: {url: "http://127.0.0.1:1", query: up}'
HEAD = """schema: runbook/v1
id: watch
title: Watch
params:
  top: {type: int, default: 5}
  key: {type: secret, from: "env:KEY"}
"""
STEPS = """steps:
  - id: restart
    command: ["true"]
    effect: change
    verify: [{command: ["true"]}]
    undo: {none: "a test"}
    capture: {seen: "exit"}
"""


def faults(baseline: str = "", guard: str = "") -> list[tuple[int, str]]:
    """Return the faults, with the column in the line of the baseline or guard."""
    text = HEAD
    text += f"baseline:\n  - {{{baseline}}}\n" if baseline else ""
    text += f"guards:\n  - {{{guard}}}\n" if guard else ""
    return [(each.column, each.sentence()) for each in diagnose(text + STEPS, catalogue())]


NORMAL = f"id: normal, {ASK}, at: -2h"


def errors(more: str, fail_when: str = "value > 1") -> str:
    return f'id: errors, {ASK}, fail_when: "{fail_when}"{more}'


def test_the_policy_of_an_automatic_rollback_becomes_a_value() -> None:
    policy = errors(", threshold: 3, every: 30s, arm_after: restart, on_breach: {undo: wave}", "value > params.top")
    text = f"{HEAD}guards:\n  - {{{policy}}}\n{STEPS}"

    (guard,) = load_playbook(text, catalogue()).playbook.guards

    assert (guard.threshold, guard.every, guard.arm_after, guard.on_breach) == (3, 30.0, "restart", UndoScope("wave"))


@pytest.mark.parametrize(
    "fail_when", ["value > 2 * baseline.normal", "value > params.top", "result.value > 1", "not (value <= 3)"]
)
def test_a_guard_may_compare_with_normal_values_and_parameters(fail_when: str) -> None:
    assert faults(NORMAL, errors("", fail_when)) == []


@pytest.mark.parametrize(
    ("guard", "said"),
    [
        (errors(", arm_after: restrat"), "there is no step restrat; expected restart; did you mean restart?"),
        (errors("", "value > 2 * baseline.norma"), "norma"),
        (errors("", "vlaue > 2"), "vlaue"),
        (errors("", "value > steps.restart.seen"), "steps"),
        (errors("", "host.name == 'a'"), "host"),
        (errors("", "value > params.key"), "the secret key would stand in an expression"),
        (errors("", "value >"), "value >"),
        (errors(", every: 0s"), "every is not positive"),
        (errors(", every: 30"), "30 what?"),
        (errors(", threshold: 0"), "threshold"),
        (errors(", on_breach: undo"), "undo"),
        (errors(", on_breach: {undo: all}"), "all"),
        (errors(", treshold: 3"), "threshold"),
        ('id: errors, uses: metric.query, fail_when: "value > 1", with: {url: "http://x"}', "query"),
        ('id: errors, uses: metric.qeury, fail_when: "value > 1"', "there is no action or probe metric.qeury"),
        ('id: errors, uses: service.restart, with: {unit: a}, fail_when: "value > 1"', "changes its target"),
        ('id: errors, uses: shell, with: {script: "exit 1"}, fail_when: "exit > 0"', "only claims to read"),
    ],
)
def test_a_guard_that_makes_no_sense_is_told_once(guard: str, said: str) -> None:
    ((_, sentence),) = faults(NORMAL, guard)

    assert said in sentence


@pytest.mark.parametrize(
    ("baseline", "said"),
    [
        ("id: normal, uses: tcp, with: {port: 80}, at: -2h", "tcp only tells how it is at this moment"),
        ("id: normal, uses: service.restart, with: {unit: a}", "changes its target"),
        (f"id: normal, {ASK}, at: yesterday", "duration"),
        (f"id: two-words, {ASK}", "two-words"),
    ],
)
def test_a_normal_value_that_makes_no_sense_is_told_once(baseline: str, said: str) -> None:
    ((_, sentence),) = faults(baseline)

    assert said in sentence


def test_two_of_one_name_are_told() -> None:
    assert [said for _, said in faults(f"{NORMAL}}}\n  - {{{NORMAL}", f"{errors('')}}}\n  - {{{errors('')}")] == [
        "normal stands twice; expected an id of its own",
        "errors stands twice; expected an id of its own",
    ]


@pytest.mark.parametrize("at", ["-2h", "2h", "2026-11-20T14:00:00Z", "2026-11-20T14:00+01:00", '"{{ params.top }}"'])
def test_a_baseline_is_taken_ago_or_at_a_time(at: str) -> None:
    assert faults(f"id: normal, {ASK}, at: {at}") == []


@pytest.mark.parametrize("at", ["yesterday", "2026-11-20T14:00:00", "2026-11-20T25:00:00Z", "120"])
def test_what_is_no_moment_is_told(at: str) -> None:
    ((_, told),) = faults(f"id: normal, {ASK}, at: {at}")

    assert "how long ago, such as -2h, or a time with its zone, such as 2026-11-20T14:00:00Z" in told
