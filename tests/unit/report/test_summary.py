"""The one line about the outcome."""

import pytest

from runbook.events import fact as f
from runbook.events.fold import fold_all
from runbook.report import outcome_sentence
from tests.builders import broken, changed, ended, opened, read, rollback, undoing


def test_a_success_counts_steps_changes_and_what_is_left_unverified() -> None:
    assert outcome_sentence(fold_all(rollback())) == "succeeded: 5 steps, 6 changes, 0 left unverified"


def test_one_is_singular() -> None:
    state = fold_all([opened(), *changed("restart", "order-1"), *ended()])

    assert outcome_sentence(state) == "succeeded: 1 step, 1 change, 0 left unverified"


def test_a_completed_change_without_a_check_is_left_unverified() -> None:
    state = fold_all([opened(), *changed("drop", "order-1", verified=False), *ended()])

    assert outcome_sentence(state) == "succeeded: 1 step, 1 change, 1 left unverified"


def test_what_did_not_go_the_plain_way_is_counted_by_place() -> None:
    state = fold_all(
        [
            opened(),
            *broken("restart", "order-1"),
            *broken("restart", "order-2", status="in_doubt"),
            f.StepFinished(step="restart", target="order-3", attempt=1, status="unreachable", dispatched=False),
            f.StepSkipped(step="soak", target="*", why="when"),
            *ended("in_doubt"),
        ]
    )

    assert outcome_sentence(state) == (
        "in doubt: 1 step, 2 changes, 2 left unverified, 1 in doubt, 1 failed, 1 unreachable, 1 skipped"
    )


def test_a_deviation_is_told() -> None:
    mark = f.DecisionMade(
        question="q",
        kind="failure",
        step="restart",
        places=["order-1"],
        choice="done",
        reason="seen",
        source="operator",
    )
    state = fold_all([opened(), *broken("restart", "order-1"), mark, *ended()])

    assert outcome_sentence(state) == (
        "succeeded: 1 step, 1 change, 1 left unverified, 1 marked done by hand; deviated from the playbook"
    )


def test_an_undone_run_leaves_nothing_unverified() -> None:
    state = fold_all([*rollback(), *undoing()])

    assert outcome_sentence(state) == ("undone: 5 steps, 6 changes, 0 left unverified, 6 undone")


def test_a_change_without_a_way_back_stays_unverified_after_an_undo() -> None:
    passed_by = f.UndoFinished(step="drop", target="order-1", attempt=1, status="none", error="no way back")
    state = fold_all([opened(), *changed("drop", "order-1", verified=False), passed_by, *ended("undone")])

    assert outcome_sentence(state) == "0 of 1 change undone: 1 step, 1 change, 1 left unverified"


def test_readings_are_no_changes() -> None:
    state = fold_all([opened(), *read("compare", "order-1"), *ended()])

    assert outcome_sentence(state) == "succeeded: 1 step, 0 changes, 0 left unverified"


def test_no_fact_is_no_success() -> None:
    assert outcome_sentence(fold_all([])) == "nothing is on record"


@pytest.mark.parametrize(("status", "word"), [("undo_incomplete", "undo incomplete"), ("waiting", "waiting")])
def test_a_caller_may_know_the_status_better(status: str, word: str) -> None:
    sentence = outcome_sentence(fold_all([opened()]), status=status)  # type: ignore[arg-type]

    assert sentence.startswith(f"{word}: ")
