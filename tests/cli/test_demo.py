from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Call


@pytest.mark.slow
def test_the_demo_without_a_terminal_heals_the_shop_and_leaves_only_its_run(call: Call) -> None:
    said = call("demo", "--unattended", "--output", "json")

    assert (said.code, said.json["outcome"], said.json["healthy"]) == (0, "succeeded", True)
    assert said.json["before"]["failure_rate"] < said.json["broken"]["failure_rate"]
    assert "before: " in said.err
    assert "the shop is gone: no process, no folder; the run stays in the journal" in said.err
    assert call("audit", "list", "--output", "json").json[0]["id"] == said.json["id"]
    assert call("audit", "verify").code == 0


def test_what_is_no_shop_is_not_stopped(call: Call, place: Path) -> None:
    (place / "mine").mkdir()

    said = call("demo", "--stop", "mine")

    assert said.code != 0
    assert said.err.startswith("runbook: ")
    assert (place / "mine").exists()
