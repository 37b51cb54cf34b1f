"""How long a probe is waited for: written durations, and those that parameters give."""

import pytest

from runbook.engine.probe import Window, window
from runbook.errors import ActionError
from runbook.model.playbook import Until

NAMES = {"params": {"soak": "2m", "word": "soon", "none": None}}


def test_without_until_a_probe_looks_once() -> None:
    assert window(None, NAMES) is None


def test_written_durations_are_taken_as_they_are() -> None:
    assert window(Until(every=2.0, within=180.0, for_=20.0), NAMES) == Window(2.0, 180.0, 20.0)


def test_a_parameter_gives_a_duration() -> None:
    assert window(Until(within=600.0, for_="{{ params.soak }}"), NAMES) == Window(2.0, 600.0, 120.0)


@pytest.mark.parametrize("name", ["word", "none"])
def test_a_parameter_that_is_no_duration_is_refused_by_its_key(name: str) -> None:
    with pytest.raises(ActionError, match="for: "):
        window(Until(for_=f"{{{{ params.{name} }}}}"), NAMES)


def test_a_window_that_can_never_hold_is_refused_before_anybody_waits() -> None:
    with pytest.raises(ActionError, match=r"for \(120 s\) is longer than within \(60 s\)"):
        window(Until(within=60.0, for_="{{ params.soak }}"), NAMES)
