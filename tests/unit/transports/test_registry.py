"""Transports by name: built when they are asked for, or begun to be loaded before."""

from __future__ import annotations

import sys
from pathlib import Path
from threading import Event

import pytest

from runbook.transports.given import Given
from runbook.transports.registry import Transports

SLOW = """
class Slow:
    @classmethod
    def made(cls, given):
        return cls()

    def load(self):
        given.set()

    def close(self):
        pass
"""


def test_what_is_loaded_ahead_is_there_and_what_cannot_be_is_told_to_who_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = Event()
    (tmp_path / "slow_transport.py").write_text(SLOW)
    monkeypatch.syspath_prepend(str(tmp_path))
    import slow_transport  # type: ignore[import-not-found]

    slow_transport.given = begun
    found = Transports({"slow": "slow_transport:Slow", "lost": "no_such_module:Lost"}, Given())

    found.load(["lost", "slow", "slow", "unknown"])

    assert begun.wait(60)
    assert type(found["slow"]) is slow_transport.Slow
    with pytest.raises(ModuleNotFoundError):
        found["lost"]
    found.close()
    del sys.modules["slow_transport"]
