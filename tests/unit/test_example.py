"""The examples of the documentation are valid, and say what their prose says."""

from pathlib import Path

import pytest

from runbook.actions import catalogue
from runbook.loader import diagnose, load_playbook
from runbook.model.playbook import Stage, UndoScope

FOLDER = Path(__file__).parent.parent.parent / "docs"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_an_example_has_no_fault(path: Path) -> None:
    assert [each.sentence() for each in diagnose(path, catalogue())] == []


def test_the_guarded_canary_says_the_policy_in_the_words_of_the_language() -> None:
    playbook = load_playbook(FOLDER / "guarded-canary.yaml", catalogue()).playbook

    (guard,) = playbook.guards
    (stage,) = playbook.steps
    assert isinstance(stage, Stage)
    assert (guard.threshold, guard.every) == (3, "{{ params.monitor_interval }}")
    assert (playbook.params["monitor_interval"].default, guard.on_breach) == ("30s", UndoScope("wave"))
    assert [str(wave) for wave in stage.rollout.waves] == ["10%", "50%", "100%"]
    assert str(stage.rollout.max_unavailable) == "10%"
