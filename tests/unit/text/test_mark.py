"""The table of marks."""

from runbook.events.status import RUN_STATUSES, STATUSES
from runbook.text.mark import MARKS, mark_of, status_word


def test_every_status_has_a_mark() -> None:
    assert set(STATUSES) | set(RUN_STATUSES) == set(MARKS)


def test_every_mark_has_a_stand_in_of_its_own_width() -> None:
    assert all(mark.ascii.isascii() and len(mark.ascii) == len(mark.symbol) == 1 for mark in MARKS.values())


def test_the_word_is_the_status_itself() -> None:
    assert (status_word("timed_out"), mark_of("never heard of").symbol) == ("timed out", "◦")
