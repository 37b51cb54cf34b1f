"""Windows of `until`: durations, or templates over parameters that become durations."""

import pytest

from runbook.actions import catalogue
from runbook.loader import diagnose, load_playbook
from runbook.model.playbook import Step, Until

PLAYBOOK = """\
schema: runbook/v1
id: watch
title: Watch
params:
  soak: {{type: duration, default: 2m}}
  token: {{type: secret, from: "env:TOKEN"}}
steps:
  - id: look
    uses: http
    with: {{url: "http://127.0.0.1/"}}
    until: {until}
"""


def faults(until: str) -> list[tuple[int, int, str]]:
    found = diagnose(PLAYBOOK.format(until=until), catalogue())
    return [(each.line, each.column, each.sentence()) for each in found]


def test_a_parameter_may_give_a_window() -> None:
    text = PLAYBOOK.format(until='{every: 1s, within: 10m, for: "{{ params.soak }}"}')

    (step,) = load_playbook(text, catalogue()).playbook.steps

    assert isinstance(step, Step)
    assert step.until == Until(every=1.0, within=600.0, for_="{{ params.soak }}")


@pytest.mark.parametrize(
    ("until", "column", "words"),
    [
        ('{for: "{{ params.sook }}"}', 22, "params.sook"),
        ('{for: "{{ steps.look.seconds }}"}', 22, "only params are"),
        ('{for: "{{ params.token }}"}', 22, "secret"),
        ('{within: "soon"}', 21, "expected a duration"),
        ("{every: 5, within: 10s}", 20, "5 what? Write 5s or 5m"),
        ('{every: 0s, for: "{{ params.soak }}"}', 20, "every is not positive"),
        ("{within: 5s, for: 6s}", 30, "for is longer than within"),
    ],
)
def test_a_window_that_makes_no_sense_is_told_with_its_place(until: str, column: int, words: str) -> None:
    ((line, at, sentence),) = faults(until)

    assert (line, at) == (11, column)
    assert words in sentence
