"""What is degraded is in sight: at the end of the run, in its JSON, in every list, until it is led back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Call

DEGRADE = """\
schema: runbook/v1
id: to-cache
title: To the cache
steps:
  - id: degrade
    uses: cache.degrade
    with: {switch: file, path: SWITCH, expires: 10m}
"""


@pytest.fixture
def switch(place: Path) -> Path:
    path = place / "switch.json"
    (place / "playbooks/to-cache.yaml").write_text(DEGRADE.replace("SWITCH", str(path)))
    return path


def test_the_end_of_the_run_and_every_list_show_it_until_it_is_undone(call: Call, switch: Path) -> None:
    said = call("replay", "to-cache")
    assert said.code == 0
    assert f"Open: file {switch} is degraded until " in said.out + said.err

    listed = call("--output", "json", "list")
    assert "to-cache" in [row["id"] for row in listed.json]
    (told,) = [line for line in listed.err.splitlines() if line.startswith("still open: ")]
    assert f"local: file {switch} is degraded until " in told
    undo = told.rpartition("to lead it back: runbook ")[2].split()

    assert call(*undo).code == 0
    assert not switch.exists()
    assert "still open" not in call("list").err


def test_the_json_of_the_run_names_it_with_its_end(call: Call, switch: Path) -> None:
    (found,) = call("--output", "json", "replay", "to-cache").json["degraded"]

    assert (found["step"], found["target"], found["what"]) == ("degrade", "local", f"file {switch}")
    assert found["until"] in switch.read_text()
    assert found["at_expiry"] == "alarm"


def test_what_was_led_back_by_hand_is_closed_by_undo(call: Call, switch: Path) -> None:
    call("replay", "to-cache")
    switch.unlink()
    told = call("list").err

    assert call(*told.rpartition("to lead it back: runbook ")[2].split()).code == 0
    assert "still open" not in call("list").err


def test_the_report_says_what_happens_at_the_expiry(call: Call, switch: Path) -> None:
    run = call("--output", "json", "replay", "to-cache").json["id"]

    report = call("audit", "report", run).out

    assert "### Still degraded" in report
    assert "nothing restores it by itself" in report
