from __future__ import annotations

from typing import get_args

import pytest

from runbook import errors as e
from runbook.cli.exit_codes import Ending, Exit, of_error, of_interrupt, of_rehearsal, of_run, outcome, word
from runbook.events.status import RunStatus


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        (Ending(status="succeeded"), 0),
        (Ending(status="undone"), 0),
        (Ending(status="failed"), 1),
        (Ending(status="failed", pending_undo=2, effect=True), 1),
        (Ending(status="unreachable"), 4),
        (Ending(status="refused"), 5),
        (Ending(status="waiting"), 6),
        (Ending(status="paused", effect=True), 6),
        (Ending(status="partial"), 7),
        (Ending(status="in_doubt", in_doubt=True), 8),
        (Ending(status="aborted", effect=True, going_back=True), 9),
        (Ending(status="aborted", effect=True, going_back=True, pending_undo=1), 10),
        (Ending(status="aborted", effect=True, pending_undo=1), 10),
        (Ending(status="aborted"), 1),
        (Ending(status="undo_incomplete", effect=True), 10),
        (Ending(status="interrupted"), 130),
        (Ending(status="interrupted", terminated=True), 143),
        (Ending(status="interrupted", effect=True), 1),
        (Ending(status="interrupted", effect=True, terminated=True), 1),
    ],
)
def test_every_rest_of_a_run_has_its_code(ending: Ending, code: int) -> None:
    assert of_run(ending) == code


@pytest.mark.parametrize("status", get_args(RunStatus))
def test_doubt_comes_before_everything(status: RunStatus) -> None:
    assert of_run(Ending(status=status, in_doubt=True, pending_undo=1, effect=True)) == Exit.IN_DOUBT


@pytest.mark.parametrize("status", get_args(RunStatus))
def test_every_status_has_a_code_and_a_word(status: RunStatus) -> None:
    assert word(of_run(Ending(status=status)))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (e.UsageError("x"), 2),
        (e.PlaybookError("x"), 3),
        (e.InventoryError("x"), 3),
        (e.ConfigError("x"), 3),
        (e.ExpressionError("x"), 3),
        (e.NoTargetError("x"), 4),
        (e.ConnectError("x"), 4),
        (e.HostKeyError("x"), 4),
        (e.AuthError("x"), 4),
        (e.RefusedError("x"), 5),
        (e.JournalFull("x"), 5),
        (e.JournalLocked("x"), 5),
        (e.ApprovalDenied("x"), 6),
        (e.ActionError("x"), 1),
        (e.RunbookError("x"), 1),
        (ValueError("x"), 1),
    ],
)
def test_every_error_has_its_code(error: Exception, code: int) -> None:
    assert of_error(error) == code


def test_a_journal_lost_after_a_change_is_no_refusal() -> None:
    assert of_error(e.JournalFull("x"), effect=True) == Exit.FAILED


def test_an_interruption_without_effect_tells_the_signal() -> None:
    assert (of_interrupt(), of_interrupt(terminated=True), of_interrupt(effect=True)) == (130, 143, 1)


@pytest.mark.parametrize(
    ("refused", "unreachable", "code"), [(False, False, 0), (True, False, 5), (False, True, 4), (True, True, 5)]
)
def test_a_rehearsal_tells_obstacles(refused: bool, unreachable: bool, code: int) -> None:
    assert of_rehearsal(refused=refused, unreachable=unreachable) == code


def test_the_outcome_is_the_word_of_the_code_where_that_says_more() -> None:
    assert outcome(Ending(status="aborted", pending_undo=1)) == "undo_incomplete"
    assert outcome(Ending(status="paused")) == "paused"
    assert outcome(Ending(status="interrupted")) == "interrupted"
