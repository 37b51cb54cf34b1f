"""A state folder of its own for each test, and runs in it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from runbook.journal import Entry, Layout, Writer

MakeRun = Callable[..., Layout]


def entry(number: int = 0, **data: object) -> Entry:
    """Return a plain entry; what tells it from others is its number."""
    return Entry("StepFinished", "step.finished", step="restart", target="app-1", data={"number": number, **data})


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "state")


@pytest.fixture
def make_run(layout: Layout) -> MakeRun:
    def make(run: str = "run-1", *, records: int = 4, outcome: str | None = "succeeded") -> Layout:
        with Writer.create(layout, run) as writer:
            for number in range(records):
                writer.append(entry(number), durable=True)
            if outcome:
                writer.close(outcome)
        return layout

    return make
