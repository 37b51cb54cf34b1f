"""One row per step and place: when it began, how long it took, whether it was verified, and who decided."""

from msgspec.structs import replace

from runbook.events import fact as f
from runbook.report import Row, rows
from tests.builders import (
    HOSTS,
    approval,
    began,
    broken,
    changed,
    decided,
    opened,
    planned,
    read,
    rollback,
    timed,
    undoing,
)


def row(facts: list[f.Fact], step: str, target: str) -> Row:
    [found] = [each for each in rows(timed(facts)) if (each.step, each.target) == (step, target)]
    return found


def test_rows_stand_in_the_order_in_which_steps_came_up() -> None:
    assert [(each.step, each.target) for each in rows(timed(rollback()))] == [
        ("freeze", "*"),
        *(("compare", host) for host in HOSTS),
        *(("restore", host) for host in HOSTS),
        *(("restart", host) for host in HOSTS),
        ("soak", "*"),
    ]


def test_a_change_says_when_it_began_how_long_it_took_and_that_it_was_verified() -> None:
    assert row([opened(), *changed("restart", "order-1", ms=31_000)], "restart", "order-1") == Row(
        step="restart",
        target="order-1",
        status="succeeded",
        began="2023-11-14T03:15:24.000000Z",
        ms=31_000,
        attempts=1,
        effect="change",
        changed=True,
        verified=True,
    )


def test_completed_without_a_good_check_is_not_verified() -> None:
    assert row([opened(), *changed("drop", "order-1", verified=False)], "drop", "order-1").verified is False


def test_a_good_check_without_an_outcome_is_not_verified() -> None:
    facts = [opened(), *changed("restart", "order-1")[:-1]]

    assert row(facts, "restart", "order-1").status == "verifying"
    assert row(facts, "restart", "order-1").verified is False


def test_the_times_of_all_attempts_are_added() -> None:
    found = row(rollback(), "restart", "order-2")

    assert (found.attempts, found.ms) == (2, 121_000)


def test_a_step_by_hand_takes_as_long_as_the_answer() -> None:
    found = row(rollback(), "freeze", "*")

    assert (found.ms, found.on_word, found.decided_by) == (4_000, True, "kim@laptop: done")


def test_the_clock_of_another_session_measures_nothing() -> None:
    finished = changed("restart", "order-1")[-1]
    assert isinstance(finished, f.StepFinished)
    facts: list[f.Fact] = [opened(), *began("restart", "order-1"), opened("resume"), replace(finished, ms=0)]

    assert row(facts, "restart", "order-1").ms is None


def test_an_approval_decides_about_every_step_that_it_covers() -> None:
    question = approval(["order-1"])
    facts: list[f.Fact] = [
        opened(),
        planned("restore", "order-1"),
        planned("restart", "order-1"),
        question,
        decided(question, "approve", actor="olga"),
    ]

    assert [(each.step, each.decided_by) for each in rows(timed(facts))] == [
        ("restore", "olga: approve"),
        ("restart", "olga: approve"),
    ]


def test_what_was_undone_is_no_longer_verified() -> None:
    found = row([*rollback(), *undoing()], "restore", "order-1")

    assert (found.status, found.verified) == ("undone", False)


def test_a_change_marked_done_by_hand_is_not_verified() -> None:
    failed = broken("restart", "order-1")
    mark = f.DecisionMade(
        question="q",
        kind="failure",
        step="restart",
        places=["order-1"],
        choice="done",
        reason="seen",
        source="operator",
    )
    found = row([opened(), *failed, mark], "restart", "order-1")

    assert (found.status, found.by_hand, found.verified) == ("succeeded", True, False)


def test_a_reading_changes_nothing() -> None:
    found = row([opened(), *read("compare", "order-1", "alike")], "compare", "order-1")

    assert (found.effect, found.changed, found.status) == ("read", False, "succeeded")


def test_nothing_on_record_gives_no_row() -> None:
    assert rows(()) == ()
