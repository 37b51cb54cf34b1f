"""What is still degraded is told by the facts: opened, closed, undone, in doubt, and over several runs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from runbook.events import fact as f
from runbook.events.degradation import Degradation, open_after, still_open
from runbook.events.fold import fold_all
from runbook.events.state import RunState

WHAT = "file /srv/switch.json"
UNTIL = "2026-11-01T04:00:00Z"
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def begun(step: str, word: str, at: str, *, what: str = WHAT, attempt: int = 1) -> list[f.Fact]:
    """A change whose operation was begun, and whose end is not on record."""
    said: dict[str, Any] = {"what": what, "at": at, "until": UNTIL, "at_expiry": "alarm"}
    key: dict[str, Any] = {"step": step, "target": "stock-1", "attempt": attempt}
    return [
        f.AttemptStarted(**key, effect="change"),
        f.OperationIntended(**key, operation="switch", intent={"do": "write", word: said}),
    ]


def turned(
    step: str, word: str, at: str, *, what: str = WHAT, attempt: int = 1, status: Any = "succeeded"
) -> list[f.Fact]:
    """A change that came to its end."""
    key: dict[str, Any] = {"step": step, "target": "stock-1", "attempt": attempt}
    return [
        *begun(step, word, at, what=what, attempt=attempt),
        f.OperationDone(**key, operation="switch", receipt={"sha256": "0"}),
        f.StepFinished(**key, status=status, effect="change", changed=True),
    ]


def undone(step: str, status: Any = "undone", attempt: int = 1) -> list[f.Fact]:
    key: dict[str, Any] = {"step": step, "target": "stock-1", "attempt": attempt}
    return [f.UndoStarted(**key), f.UndoFinished(**key, status=status)]


def state(*parts: list[f.Fact]) -> RunState:
    return fold_all(fact for part in parts for fact in part)


def time(minute: int) -> str:
    return f"2026-11-01T03:{minute:02}:00Z"


DEGRADED = turned("degrade", "opens", time(10))


def test_a_degradation_is_open_with_its_end() -> None:
    assert still_open(state(DEGRADED)) == (
        Degradation("degrade", "stock-1", WHAT, UNTIL, time(10), "alarm", is_certain=True),
    )


def test_one_that_was_undone_or_restored_is_not() -> None:
    assert still_open(state(DEGRADED, undone("degrade"))) == ()
    assert still_open(state(DEGRADED, turned("restore", "closes", time(20)))) == ()


def test_an_undo_that_came_to_no_good_end_leaves_it_open() -> None:
    for status in ("undo_failed", "drifted", "in_doubt", "none"):
        assert len(still_open(state(DEGRADED, undone("degrade", status)))) == 1


def test_a_failed_check_does_not_close_it_and_a_killed_turn_may_be_open() -> None:
    assert len(still_open(state(turned("degrade", "opens", time(10), status="failed")))) == 1
    (found,) = still_open(state(begun("degrade", "opens", time(10))))
    assert found.is_certain is False
    assert "may be degraded" in found.words(NOON)


def test_a_restore_that_was_killed_or_undone_closes_nothing() -> None:
    assert len(still_open(state(DEGRADED, begun("restore", "closes", time(20))))) == 1
    assert len(still_open(state(DEGRADED, turned("restore", "closes", time(20)), undone("restore")))) == 1


def test_a_turn_that_provably_changed_nothing_opens_nothing() -> None:
    key: dict[str, Any] = {"step": "degrade", "target": "stock-1", "attempt": 1}
    failed = f.StepFinished(**key, status="failed", effect="change", changed=False)

    assert still_open(state(begun("degrade", "opens", time(10)), [failed])) == ()


def test_a_restore_that_found_it_restored_closes_it() -> None:
    key: dict[str, Any] = {"step": "restore", "target": "stock-1"}
    closes: dict[str, Any] = {"what": WHAT, "at": time(20)}
    found: list[f.Fact] = [
        f.StepPlanned(**key, answer="already", words="normal", digest="", form="", before={"closes": closes}),
        f.StepFinished(**key, attempt=1, status="succeeded", effect="change", dispatched=False),
    ]

    assert still_open(state(DEGRADED, found)) == ()


def test_another_run_closes_it_only_on_the_same_switch_and_later() -> None:
    first = ("01a", state(DEGRADED))
    assert open_after([first, ("01b", state(turned("restore", "closes", time(20))))]) == ()
    earlier = ("01b", state(turned("restore", "closes", time(5))))
    elsewhere = ("01c", state(turned("restore", "closes", time(20), what="file /srv/other")))
    assert [found.run for found in open_after([first, earlier, elsewhere])] == ["01a"]


def test_the_latest_of_two_degradations_counts_until_it_is_undone() -> None:
    first, second = ("01a", state(DEGRADED)), ("01b", state(turned("degrade", "opens", time(30))))
    back = ("01b", state(turned("degrade", "opens", time(30)), undone("degrade")))

    assert [found.run for found in open_after([first, second])] == ["01b"]
    assert [found.run for found in open_after([first, back])] == ["01a"]


def test_the_words_tell_what_happens_at_the_end() -> None:
    alarm = Degradation("s", "t", WHAT, UNTIL, at_expiry="alarm")
    itself = Degradation("s", "t", WHAT, UNTIL, at_expiry="restore_if_check")

    assert alarm.words(datetime(2026, 11, 1, 3, tzinfo=UTC)) == f"{WHAT} is degraded until {UNTIL}"
    assert "nothing restores it by itself" in alarm.words(NOON)
    assert "the service restores itself if its numbers agree" in itself.words(NOON)
    assert Degradation("s", "t", WHAT, "soon").words(NOON) == f"{WHAT} is degraded until soon"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_whatever_an_intent_says_is_read_or_passed_over(said: Any) -> None:
    key: dict[str, Any] = {"step": "a", "target": "b", "attempt": 1}
    facts: list[f.Fact] = [
        f.AttemptStarted(**key, effect="change"),
        f.OperationIntended(**key, operation="o", intent={"opens": said, "closes": said}),
    ]

    for found in still_open(fold_all(facts)):
        assert found.words(NOON)
