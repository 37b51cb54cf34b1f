"""Planning: waves, counts, groups, includes and limits, before any target is asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.engine.plan import count_of, waves_of
from runbook.errors import NoTargetError
from tests.unit.engine.paper import act, plan_of, read, stage

HOSTS = tuple(f"h{n}" for n in range(10))


@pytest.mark.parametrize(
    ("size", "total", "count"),
    [
        (1, 10, 1),
        ("10%", 10, 1),
        ("10%", 11, 2),
        ("50%", 3, 2),
        ("100%", 7, 7),
        ("1%", 3, 1),
        (0, 5, 1),
        ("34%", 50, 17),
    ],
)
def test_counts_are_rounded_up_and_at_least_one(size: int | str, total: int, count: int) -> None:
    assert count_of(size, total) == count


def test_waves_are_cumulative() -> None:
    waves = waves_of(HOSTS, (1, "10%", "50%", "100%"))

    # 10 % of ten hosts is the one that the first wave took.
    assert waves == (HOSTS[:1], HOSTS[1:5], HOSTS[5:])


def test_the_last_wave_takes_the_rest() -> None:
    assert waves_of(HOSTS, (3,)) == (HOSTS[:3], HOSTS[3:])
    assert waves_of((), (1, "50%")) == ()


sizes = st.one_of(st.integers(0, 30), st.integers(0, 150).map("{}%".format))


@given(st.integers(0, 30), st.lists(sizes, max_size=6))
def test_waves_share_out_all_hosts_in_their_order_and_none_is_empty(total: int, written: list[int | str]) -> None:
    hosts = tuple(f"h{n}" for n in range(total))

    waves = waves_of(hosts, tuple(written))

    assert tuple(host for wave in waves for host in wave) == hosts
    assert all(waves)


def test_without_targets_a_step_runs_on_this_machine() -> None:
    plan = plan_of("steps:\n" + read("look"))

    assert [(unit.id, unit.hosts, unit.waves) for unit in plan.units] == [("look", ("local",), (("local",),))]


def test_pick_one_takes_the_first_and_the_bounds_are_kept() -> None:
    picked = plan_of("targets: {app: {hosts: all, pick: one}}\nsteps:\n" + read("look"), "a", "b")
    assert picked.units[0].hosts == ("a",)
    assert list(picked.hosts) == ["a"]

    with pytest.raises(NoTargetError, match="at least 3 are needed"):
        plan_of("targets: {app: {hosts: all, min: 3}}\nsteps:\n" + read("look"), "a", "b")
    with pytest.raises(NoTargetError, match="at most 1 are allowed"):
        plan_of("targets: {app: {hosts: all, max: 1}}\nsteps:\n" + read("look"), "a", "b")


def test_a_limit_leaves_the_named_hosts() -> None:
    plan = plan_of("targets: {app: {hosts: all}}\nsteps:\n" + read("look"), "a", "b", "c", limit="b,c")
    assert plan.units[0].hosts == ("b", "c")

    with pytest.raises(NoTargetError, match="match no host"):
        plan_of("targets: {app: {hosts: a}}\nsteps:\n" + read("look"), "a", "b", limit="b")


def test_a_stage_takes_the_hosts_of_all_its_steps_through_its_waves() -> None:
    body = stage("roll", act("one") + act("two", "    on: db\n"), "    on: app\n    rollout: {waves: [1, 100%]}\n")
    plan = plan_of("targets: {app: {hosts: 'a,b'}, db: {hosts: c}}\nsteps:\n" + body, "a", "b", "c")

    (unit,) = plan.units
    assert unit.waves == (("a",), ("b", "c"))
    assert [step.hosts for step in unit.steps] == [("a", "b"), ("c",)]


def test_a_stage_counts_what_may_break() -> None:
    body = stage("roll", act("one"), "    rollout: {max_unavailable: 10%}\n")

    assert plan_of("targets: {app: {hosts: all}}\nsteps:\n" + body, *HOSTS, "h10").units[0].max_unavailable == 2


def test_an_include_is_flattened_with_its_scope_and_its_condition() -> None:
    part = "steps:\n" + read("look", "    on_failure: goto:end\n") + read("again", "")
    plan = plan_of(
        'steps:\n  - {id: sub, when: "params.x == 1", playbook: part}\n'.replace("params.x", "run.id"),
        includes={"part": part},
    )

    assert [(unit.id, unit.outer) for unit in plan.units] == [
        ("sub/look", (("", "run.id == 1"),)),
        ("sub/again", (("", "run.id == 1"),)),
    ]
    assert [unit.steps[0].scope for unit in plan.units] == ["sub", "sub"]


def test_a_goto_inside_an_include_names_the_step_of_the_include() -> None:
    part = "steps:\n" + read("look", "    on_failure: goto:again\n") + read("again")
    plan = plan_of("steps:\n  - {id: sub, playbook: part}\n", includes={"part": part})

    assert plan.units[0].steps[0].on_failure == "goto:sub/again"


def test_a_limit_in_time_comes_from_the_step_or_the_playbook() -> None:
    plan = plan_of("defaults: {timeout: 5s}\nsteps:\n" + read("own", "    timeout: 2s\n") + read("general"))

    assert [unit.steps[0].with_["timeout"] for unit in plan.units] == ["2s", "5s"]


def test_the_digest_tells_plans_apart() -> None:
    one = plan_of("steps:\n" + read("look"))

    assert one.digest == plan_of("steps:\n" + read("look")).digest
    assert one.digest != plan_of("steps:\n" + act("look")).digest
    assert one.digest != plan_of("targets: {app: {hosts: all}}\nsteps:\n" + read("look"), "a", "b").digest


def test_a_change_that_nothing_checks_is_planned_without_checks_if_it_says_why() -> None:
    body = '  - {id: a, shell: "true", effect: change, verify: {none: it cannot fail}, undo: {none: nothing to do}}\n'
    (unit,) = plan_of("steps:\n" + body).units

    assert (unit.steps[0].checks, unit.steps[0].source.unchecked) == ((), "it cannot fail")
    assert "verify" not in unit.steps[0].with_
