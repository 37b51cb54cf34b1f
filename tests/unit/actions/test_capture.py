"""Keeping output within a limit, and telling failures from doubts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.actions.capture import Keep, answer, capture, failure, require_exit
from runbook.errors import ActionError, DeadlineError
from runbook.ports.target import Cmd, Finished
from runbook.testing import Bench


@given(st.lists(st.binary(max_size=20), max_size=10), st.integers(0, 60))
def test_exactly_the_first_bytes_are_kept_and_all_are_passed_on(pieces: list[bytes], limit: int) -> None:
    onward = Keep(10_000)
    keep = Keep(limit, onward)
    for piece in pieces:
        keep.write("out", piece)
    whole = b"".join(pieces)

    assert keep.data("out") == whole[:limit]
    assert keep.truncated == (len(whole) > limit)
    assert onward.data("out") == whole
    assert keep.data("err") == b""


def test_both_streams_are_kept_apart() -> None:
    got = capture(Bench(), Cmd(("sh", "-c", "echo out; echo err >&2; exit 2")))

    assert (got.exit, got.out, got.err) == (2, "out\n", "err\n")


def test_an_answer_has_to_end() -> None:
    assert answer(Bench(), Cmd(("false",))).exit == 1
    with pytest.raises(DeadlineError):
        answer(Bench(), Cmd(("sleep", "30"), timeout=0.1))


def test_the_last_words_of_a_target_are_one_safe_line() -> None:
    got = capture(Bench(), Cmd(("sh", "-c", r"printf 'first\n\033[31mred\033[0m\rline\n\n' >&2; exit 1")))

    assert "\033" not in got.why
    assert "red" in got.why
    with pytest.raises(ActionError) as caught:
        require_exit(got, "the look")
    assert "the look failed with exit 1" in caught.value.message


@pytest.mark.parametrize(
    ("finished", "words"),
    [
        (Finished(1, 0.0), "it failed with exit 1"),
        (Finished(None, 61.0, "timeout"), "it was stopped at its time limit after 61 s; all that it started is dead"),
        (Finished(None, 2.0, "cancel"), "it was cancelled after 2 s; all that it started is dead"),
    ],
)
def test_every_end_has_its_words(finished: Finished, words: str) -> None:
    assert failure("it", Keep().captured(finished)) == words


def test_that_sudo_wants_a_password_may_be_a_rule_that_is_missing() -> None:
    got = capture(Bench(), Cmd(("sh", "-c", "echo 'sudo: a password is required' >&2; exit 1")))

    told = failure("it", got)

    assert told.startswith("it failed with exit 1: sudo: a password is required, or its rules do not allow this")
    assert "`sudo -l`" in told
