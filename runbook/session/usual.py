"""What steps usually take: learnt from earlier runs of the same playbook, and nothing where there are none."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from statistics import median

from runbook.config import Settings
from runbook.errors import RunbookError
from runbook.events import fact as f
from runbook.journal import Layout, list_runs
from runbook.session.record import facts_of

RUNS = 5
"""Earlier runs that are asked, the latest first."""

LOOKED_AT = 100
"""Runs of any playbook that are opened in search of them."""


def usual_seconds(settings: Settings, playbook: str, apart_from: str = "") -> dict[str, float]:
    """Return the seconds that each step of a playbook usually takes in one place: the median of earlier runs.

    What failed or was skipped by a person tells nothing; what a condition ruled out each time takes none. A run that
    cannot be read is passed over.
    """
    layout = Layout(settings.state)
    found: dict[str, list[float]] = {}
    passed: set[str] = set()
    runs = (run for run in sorted(list_runs(layout), reverse=True) if run != apart_from)
    known = (facts for run in islice(runs, LOOKED_AT) if (facts := _of(layout, run, playbook)))
    for facts in islice(known, RUNS):
        for fact in facts:
            if isinstance(fact, f.StepSkipped):
                passed.add(fact.step)
            else:
                found.setdefault(fact.step, []).append(fact.ms / 1000)
    return dict.fromkeys(passed, 0.0) | {step: median(times) for step, times in found.items()}


def _of(layout: Layout, run: str, playbook: str) -> list[f.StepFinished | f.StepSkipped]:
    """Return what came to a good end in a run, or was passed by; nothing if it is one of another playbook."""
    found: list[f.StepFinished | f.StepSkipped] = []
    try:
        for fact in _within(layout, run, playbook):
            match fact:
                case f.StepFinished(status="succeeded") | f.StepSkipped(why="when" | "goto"):
                    found.append(fact)
                case _:
                    pass
    except (RunbookError, OSError):
        pass
    return found


def _within(layout: Layout, run: str, playbook: str) -> Iterator[f.Fact]:
    for number, fact in enumerate(facts_of(layout, run)):
        if not number and not (isinstance(fact, f.SessionOpened) and fact.playbook.get("id") == playbook):
            return
        yield fact
