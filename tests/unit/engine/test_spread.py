"""Small things on many hosts: at the same time, with a bound, and all of them even where some fail."""

from __future__ import annotations

import threading

import pytest

from runbook.engine.spread import spread

NAMES = [f"h{n}" for n in range(40)]


def test_as_many_work_at_once_as_are_allowed_and_no_more() -> None:
    together = threading.Barrier(4)
    inside = threading.Semaphore(4)

    def work(name: str) -> str:
        assert inside.acquire(blocking=False)
        together.wait(60)  # alone it would wait in vain
        inside.release()
        return name.upper()

    assert spread(NAMES, work, at_once=4) == {name: name.upper() for name in NAMES}


def test_one_that_does_not_answer_holds_up_no_other() -> None:
    others = threading.Semaphore(0)

    def work(name: str) -> None:
        if name == "h0":
            assert all(others.acquire(timeout=60) for _ in NAMES[1:])
        else:
            others.release()

    spread(NAMES, work, at_once=2)


def test_all_is_done_before_the_first_failure_is_raised() -> None:
    done: set[str] = set()

    def work(name: str) -> None:
        done.add(name)
        if name in ("h3", "h30"):
            raise ValueError(name)

    with pytest.raises(ValueError, match=r"^h3$"):
        spread(NAMES, work)
    assert done == set(NAMES)


def test_for_nobody_nothing_is_done() -> None:
    assert spread((), str) == {}
