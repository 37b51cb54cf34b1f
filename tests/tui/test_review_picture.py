"""What the review looks like: pictures to compare with, at a fixed time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.tui.recorded import RUN
from tests.tui.test_review import Stage, opened


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let local times be the same on every machine."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("size", "theme"), [((80, 24), "runbook-dark"), ((120, 36), "runbook-dark"), ((120, 36), "runbook-light")]
)
def test_a_run_at_one_of_its_moments(snap_compare: Callable[..., bool], size: tuple[int, int], theme: str) -> None:
    app = Stage()
    app.theme = theme

    async def at_the_failure(pilot: Pilot[Any]) -> None:
        await opened(pilot, app, RUN)
        await pilot.press("t", *"8:12", "enter")
        await pilot.pause()

    assert snap_compare(app, terminal_size=size, run_before=at_the_failure)
