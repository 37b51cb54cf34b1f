"""What all tests of shipped playbooks have in common."""

import pytest


@pytest.fixture(autouse=True)
def quick_glance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a service that was well before be believed after a moment."""
    monkeypatch.setattr("runbook.actions.service.GLANCE", 0.3)
