"""The report of a run on a hundred hosts: a page that can be read, in which no host is lost."""

from __future__ import annotations

from runbook.events import fact as f
from runbook.events.status import Status
from runbook.report import markdown_report
from tests.builders import opened, timed

HUNDRED = [f"web{n:03}" for n in range(1, 101)]
AWAY = "web042"


def page(*more: f.Fact) -> str:
    facts: list[f.Fact] = [opened()]
    for host in HUNDRED:
        facts.append(f.AttemptStarted(step="mark", target=host, attempt=1, effect="change", plan_digest=""))
        status: Status = "failed" if host == AWAY else "succeeded"
        done = f.StepFinished(step="mark", target=host, attempt=1, status=status, effect="change", changed=True,
                              verified=status == "succeeded", error="exit 1" if host == AWAY else "")  # fmt: skip
        facts.append(done)
    return markdown_report("01JF2K", timed([*facts, *more], seconds=0.01), now="2023-11-14T04:00:00Z")


def test_hosts_that_ended_alike_stand_in_one_row_and_the_others_by_name() -> None:
    text = page()
    assert "| mark | web\\[001-041\\], web\\[043-100\\] | ✓ succeeded |" in text
    assert "| mark | web042 | ✗ failed |" in text
    assert sum("web" in line for line in text.splitlines()) < 12


def test_a_way_back_over_many_hosts_is_told_in_its_order_with_ranges() -> None:
    back = [[step, host] for step in ("start", "mark") for host in reversed(HUNDRED)]
    text = page(f.UndoAsked(steps=[*back, ["mark", "web007", "again"]], reason="enough"))
    assert "start on web\\[001-100\\], mark on web\\[001-100\\], mark on web007 \\(run again\\)" in text
