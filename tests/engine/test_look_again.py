"""A step that was planned early is looked at again if an earlier step has changed its target meanwhile."""

from __future__ import annotations

import pytest

from runbook.session.unattended import Unattended
from tests.engine.desk import Desk

TWO_SWAPS = """steps:
  - stage: swap
    approve: operator
    steps:
      - {id: away, uses: file.restore, with: {path: DIR/config, backup: DIR/other, keep_in: DIR/one}}
      - {id: back, uses: file.restore, with: {path: DIR/config, backup: DIR/good, keep_in: DIR/two}}
"""


@pytest.fixture(autouse=True)
def _folders(desk: Desk) -> None:
    # Two copies of one file in one second would have the same name.
    desk.path("one").mkdir()
    desk.path("two").mkdir()


def test_what_was_already_so_at_the_approval_is_done_if_it_is_so_no_more(desk: Desk) -> None:
    for name, text in {"config": "good\n", "good": "good\n", "other": "other\n"}.items():
        desk.path(name).write_text(text)

    result = desk.start(TWO_SWAPS, Unattended(("swap",)), approvals=("swap",))

    assert result.status == "succeeded"
    assert desk.text("config") == "good\n"
    assert [change[0] for change in result.state.changes] == ["away", "back"]


def test_undo_leads_back_to_what_was_right_before_each_step(desk: Desk) -> None:
    for name, text in {"config": "first\n", "good": "good\n", "other": "other\n"}.items():
        desk.path(name).write_text(text)
    result = desk.start(TWO_SWAPS, Unattended(("swap",)), approvals=("swap",))

    undone = desk.undo(result.run)

    assert undone.status == "undone"
    assert desk.text("config") == "first\n"


def test_what_needed_no_change_is_checked_all_the_same(desk: Desk) -> None:
    for name in ("config", "config.good"):
        desk.path(name).write_text("good\n")
    body = (
        "steps:\n  - id: file\n    uses: file.restore\n    with: {path: DIR/config, backup: DIR/config.good}\n"
        "    verify: [{command: [test, -e, DIR/ok]}]\n"
    )

    bad = desk.start(body)
    assert (bad.status, bad.state.at("file", "local").verified) == ("failed", False)
    assert "but its check is bad: exit 1" in bad.why
    assert (bad.state.standing, bad.state.unverified) == ((), 0)

    desk.path("ok").touch()
    good = desk.resume(bad.run)
    assert (good.status, good.state.at("file", "local").verified) == ("succeeded", True)
