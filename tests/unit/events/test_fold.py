"""The fold: what the state of a run is after these facts."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from msgspec.structs import replace

from runbook.events import fact as f
from runbook.events.fold import fold_all
from runbook.events.state import RunState
from runbook.model.question import Question

Undo = Literal["undone", "undo_failed", "drifted", "none", "in_doubt"]
PLACE: dict[str, Any] = {"step": "one", "target": "a"}


def opened(mode: f.Mode = "run") -> f.SessionOpened:
    return f.SessionOpened(mode=mode, actor={}, boot_id="", versions={})


def begun(attempt: int = 1) -> tuple[f.Fact, ...]:
    return (
        f.StepPlanned(**PLACE, answer="proceed", words="Do it", digest="d", form="f"),
        f.AttemptStarted(**PLACE, attempt=attempt, effect="change"),
        f.OperationIntended(**PLACE, attempt=attempt, operation="run", intent={"do": "it"}),
    )


def ended(status: str = "succeeded", attempt: int = 1, **more: object) -> f.StepFinished:
    given: dict[str, Any] = {**PLACE, "attempt": attempt, "status": status, "effect": "change", "changed": True}
    return f.StepFinished(**{**given, **more})


def undone(status: Undo = "undone", attempt: int = 1) -> tuple[f.Fact, ...]:
    return (
        f.UndoStarted(**PLACE, attempt=attempt),
        f.UndoFinished(**PLACE, attempt=attempt, status=status),
    )


def state(*facts: f.Fact) -> RunState:
    return fold_all(facts)


def test_a_change_that_has_begun_stands_until_it_is_known_to_have_changed_nothing() -> None:
    assert state(*begun()).standing == (("one", "a", 1),)
    assert state(*begun(), ended()).standing == (("one", "a", 1),)
    assert state(*begun(), ended("failed", changed=False)).standing == ()
    assert state(*begun(), ended("in_doubt")).standing == (("one", "a", 1),)


@pytest.mark.parametrize("way", ["bundle", "copy"])
def test_a_copy_that_was_adopted_has_a_name_and_has_claimed_nothing_yet(way: str) -> None:
    claimed = f.LeaseClaimed(target="a")
    first = (opened(), claimed, f.LeaseReturned(target="a"))
    adopted = replace(opened("adopt"), options={way: "second"})

    assert (state(*first).copy, state(*first).held) == ("", frozenset({"a"}))
    assert (state(*first, adopted).copy, state(*first, adopted).held) == ("second", frozenset())
    again = state(*first, adopted, opened("resume"), claimed)
    assert (again.copy, again.held) == ("second", frozenset({"a"}))


def test_an_operation_is_open_until_its_receipt() -> None:
    (operation,) = state(*begun()).change("one", "a", 1).operations
    assert (operation.name, operation.receipt, operation.tries) == ("run", None, 1)

    done = state(*begun(), f.OperationDone(**PLACE, attempt=1, operation="run", receipt={"exit": 0}, settled=True))
    (operation,) = done.change("one", "a", 1).operations
    assert (operation.receipt, operation.settled) == ({"exit": 0}, True)


def test_an_operation_that_is_begun_again_counts_its_tries() -> None:
    again = f.OperationIntended(**PLACE, attempt=1, operation="run", intent={})

    (operation,) = state(*begun(), again).change("one", "a", 1).operations
    assert operation.tries == 2


def test_operations_of_the_way_back_are_kept_apart() -> None:
    back = f.OperationIntended(**PLACE, attempt=1, operation="run", intent={}, undo=True)
    attempt = state(*begun(), ended(), back).change("one", "a", 1)

    assert [op.name for op in attempt.operations] == ["run"]
    assert [op.name for op in attempt.undo_operations] == ["run"]


def test_a_new_session_orphans_what_was_open_and_forgets_plans_and_questions() -> None:
    question = f.QuestionAsked(question=Question(id="q", kind="failure", title="?", step="one", places=("a",)))
    after = state(opened(), *begun(), question, opened("resume"))

    assert after.at("one", "a").orphan
    assert after.at("one", "a").stale
    assert after.questions == {}


@pytest.mark.parametrize("mode", ["note", "decide", "handover"])
def test_a_session_that_only_writes_orphans_nothing_and_keeps_the_questions(mode: f.Mode) -> None:
    question = f.QuestionAsked(question=Question(id="q", kind="failure", title="?", step="one", places=("a",)))
    after = state(opened(), *begun(), question, opened(mode))

    assert not after.at("one", "a").orphan
    assert set(after.questions) == {"q"}


def test_a_place_stays_on_the_way_back_while_any_attempt_stands() -> None:
    two = (*begun(1), ended("failed"), *begun(2), ended(attempt=2), f.UndoAsked(steps=[["one", "a"]]))

    assert state(*two, *undone(attempt=2)).undo_left == (("one", "a", ""),)
    assert state(*two, *undone(attempt=2), *undone(attempt=1)).undo_left == ()


@pytest.mark.parametrize(("status", "bad"), [("undo_failed", True), ("in_doubt", True), ("drifted", False)])
def test_what_could_not_be_undone_stays_on_the_way_back(status: Undo, bad: bool) -> None:
    after = state(*begun(), ended(), f.UndoAsked(steps=[["one", "a"]]), *undone(status))

    assert after.undo_left == (("one", "a", ""),)
    assert after.undo_bad is bad
    assert after.standing == (("one", "a", 1),)


def test_a_step_without_a_way_back_leaves_the_way_back_and_stands_no_more() -> None:
    none = f.UndoFinished(**PLACE, attempt=1, status="none")
    after = state(*begun(), ended(), f.UndoAsked(steps=[["one", "a"]]), none)

    assert (after.undo_left, after.standing) == ((), ())
    assert after.at("one", "a").status == "succeeded"


def test_a_run_of_an_activator_after_an_undo_is_no_change_of_its_own() -> None:
    again = (f.UndoStarted(**PLACE, attempt=2), f.UndoFinished(**PLACE, attempt=2, status="undone"))
    asked = f.UndoAsked(steps=[["one", "a"], ["one", "a", "again"]])
    after = state(*begun(), ended(), asked, *undone(), *again)

    assert after.undo_left == ()
    assert after.standing == ()


def test_what_only_ran_again_is_not_undone() -> None:
    again = (f.UndoStarted(**PLACE, attempt=2), f.UndoFinished(**PLACE, attempt=2, status="undone"))
    after = state(*begun(), ended(), f.UndoAsked(steps=[["one", "a", "again"]]), *again)

    assert (after.at("one", "a").status, after.undone_of) == ("succeeded", (0, 1))


def test_a_claim_holds_for_its_session_and_is_remembered_for_the_return() -> None:
    claimed = f.LeaseClaimed(target="a")
    assert state(opened(), claimed).claimed == {"a"}

    later = state(opened(), claimed, opened("resume"))
    assert later.claimed == frozenset()
    assert later.leases == {"a"}
    assert state(opened(), claimed, f.LeaseReturned(target="a")).leases == frozenset()


def test_what_was_begun_before_the_claim_was_lost_or_the_target_started_anew_is_told_apart() -> None:
    claimed, begins = f.LeaseClaimed(target="a", boot="1"), begun()
    intent = f.OperationIntended(**PLACE, attempt=1, operation="run", intent={})

    def uprooted(claim: f.LeaseClaimed, *before: f.Fact) -> list[bool]:
        found = state(opened(), *before, *begins, intent, opened("resume"), claim)
        return [attempt.uprooted for at in found.steps.values() for attempt in at.attempts]

    assert uprooted(claimed, claimed) == [False]
    assert uprooted(replace(claimed, boot="2"), claimed) == [True]
    assert uprooted(replace(claimed, anew=True), claimed) == [True]
    assert uprooted(replace(claimed, boot=""), claimed) == [False]
    other = replace(claimed, target="b")
    assert uprooted(replace(other, anew=True), claimed) == [False]
    assert uprooted(replace(other, anew=True), claimed, other) == [False]


def test_a_change_without_a_good_check_is_counted_as_unverified() -> None:
    assert state(*begun(), ended(verified=True)).unverified == 0
    assert state(*begun(), ended(verified=False)).unverified == 1


def test_an_agreement_marks_what_it_covers_and_nothing_else() -> None:
    question = Question(id="q", kind="approve", title="?", step="stage", places=("a",), covers={"one@a": "d"})
    plan = begun()[0]
    made = f.DecisionMade(question="q", kind="approve", step="stage", places=["a"], choice="approve", source="operator")

    asked = state(plan, f.QuestionAsked(question=question))
    assert {key: at.status for key, at in asked.steps.items()} == {("one", "a"): "waiting"}
    agreed = state(plan, f.QuestionAsked(question=question), made)
    assert {key: (at.status, at.stale) for key, at in agreed.steps.items()} == {("one", "a"): ("pending", True)}
    assert agreed.agreed == {("one", "a"): "d"}


def test_a_repaired_journal_and_a_failed_listener_change_nothing() -> None:
    before = state(*begun())
    after = state(*begun(), f.JournalRepaired(size=1, sha256="", offset=1), f.ListenerFailed(listener="x", error="y"))

    assert (after.steps, after.changes, after.status) == (before.steps, before.changes, before.status)


@pytest.mark.parametrize(("mode", "known"), [("resume", {"load"}), ("undo", {"load", "errors"})])
def test_what_was_normal_is_asked_again_by_a_run_that_goes_on_where_it_was_not_known(
    mode: f.Mode, known: set[str]
) -> None:
    taken = (
        f.BaselineTaken(baseline="load", state="good", value=1),
        f.BaselineTaken(baseline="errors", state="no data"),
    )

    assert set(state(opened(), *taken, opened(mode)).baselines) == known


@pytest.mark.parametrize(("asked", "steering"), [((), "pause"), ((f.SteeringAsked(what="cancel"),), "cancel")])
def test_a_guard_that_pauses_takes_no_end_back(asked: tuple[f.Fact, ...], steering: str) -> None:
    breached = f.GuardBreached(guard="errors", cause="bad", response="pause", why="too many")

    assert state(opened(), *asked, breached).steering == steering


@pytest.mark.parametrize(("source", "is_fresh"), [("policy", True), ("operator", False), ("command-line", False)])
def test_a_run_that_a_person_takes_up_asks_before_its_next_change_until_a_person_has_decided(
    source: str, is_fresh: bool
) -> None:
    resumed = replace(opened("resume"), options={"guided": True})
    made = f.DecisionMade(
        question="failure/one", kind="failure", step="one", places=["a"], choice="retry_failed", source=source
    )
    assert fold_all((opened(), resumed, made)).taken_up is is_fresh
