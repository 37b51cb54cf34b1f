"""The lines about guards and baselines."""

import pytest

from runbook.cli.watching import watch_words
from runbook.events import fact as f
from runbook.events.plain import freeze


@pytest.mark.parametrize(
    ("fact", "words"),
    [
        (f.BaselineTaken(baseline="latency", state="good", value=freeze(0.25)), "baseline latency: 0.25"),
        (
            f.BaselineTaken(baseline="latency", state="good", value=90, during_incident=True),
            "baseline latency: 90, taken during the incident",
        ),
        (
            f.BaselineTaken(baseline="latency", state="no data", evidence=["no\x1b[2J answer"]),
            "baseline latency: unknown: no answer",
        ),
        (f.GuardSampled(guard="errors", state="bad", value=90, evidence=["value 90"]), "guard errors: bad, 90"),
        (
            f.GuardSampled(guard="errors", state="no data", evidence=["0 series match"]),
            "guard errors: no data, unknown: 0 series match",
        ),
        (
            f.GuardBreached(guard="errors", cause="bad", response="undo wave", why="value > 1 held 3 times in a row"),
            "guard errors was breached, undo wave: value > 1 held 3 times in a row",
        ),
    ],
)
def test_each_fact_is_one_line(fact: f.BaselineTaken | f.GuardSampled | f.GuardBreached, words: str) -> None:
    assert watch_words(fact) == words
