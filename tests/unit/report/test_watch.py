"""What a report tells of guards and normal values."""

from __future__ import annotations

import re
from html import unescape

from runbook.events import fact as f
from runbook.events.plain import freeze
from runbook.report import markdown_report
from tests.builders import changed, opened, timed

NORMAL = (
    f.BaselineTaken(baseline="latency", state="good", value=freeze(0.25)),
    f.BaselineTaken(baseline="errors", state="good", value=freeze(90.0), during_incident=True),
    f.BaselineTaken(baseline="depth", state="no data", evidence=["0 series match, *one* is wanted"]),
)


def sampled(state: str, value: float | None = None, guard: str = "errors") -> f.GuardSampled:
    return f.GuardSampled(guard=guard, state=state, value=None if value is None else freeze(value))  # type: ignore[arg-type]


def report(*facts: f.Fact) -> str:
    return markdown_report("01JF2K", timed([opened(), *facts]), now="2023-11-14T04:00:00Z")


def plain(quoted: str) -> str:
    """Return what quoted text renders as."""
    return unescape(re.sub(r"\\(.)", r"\1", quoted))


def cells(page: str, first: str) -> list[str]:
    (line,) = (line for line in page.splitlines() if line.startswith(f"| {first} |"))
    return [plain(cell.strip()) for cell in line.strip("|").split("|")]


def test_normal_values_say_whether_they_are_from_before_the_incident() -> None:
    page = report(*NORMAL)

    assert [(cells(page, name)[1], cells(page, name)[3]) for name in ("latency", "errors", "depth")] == [
        ("0.25", "history"),
        ("90", "during the incident"),
        ("unknown", "no data: 0 series match, *one* is wanted"),
    ]


def test_samples_of_a_guard_are_counted_and_their_ends_told() -> None:
    page = report(
        *(sampled("good", value) for value in (3.0, 1.5)),
        sampled("bad", 90.0),
        sampled("no data"),
        sampled("no data", guard="silent"),
    )

    assert cells(page, "errors") == ["errors", "2", "1", "1", "1.5", "90", "no"]
    assert cells(page, "silent") == ["silent", "0", "0", "1", "unknown", "unknown", "no"]


def test_a_breach_leads_the_deviations_and_says_what_was_done() -> None:
    page = report(
        sampled("bad", 90.0),
        f.GuardBreached(guard="errors", cause="bad", response="undo wave", why="value > 1 held 3 times in a row"),
    )
    deviations = page.split("### Deviations from the playbook\n\n")[1].splitlines()

    assert deviations[0].startswith("- **Guard breached**: errors, answered by undo wave, 14 Nov ")
    assert plain(deviations[0]).endswith("Reason: value > 1 held 3 times in a row")
    assert cells(page, "errors")[-1] == "yes"


def test_a_run_without_guards_has_no_such_part() -> None:
    assert "Guards and normal values" not in report(*changed("restore", "h1"))


def test_the_way_back_that_the_playbook_asked_for_is_not_told_as_that_of_a_person() -> None:
    back = f.UndoAsked(steps=[["restart", "order-1"]], abort=True, reason="errors failed")

    for on_failure, who in (("", "the playbook"), ("undo", "kim@laptop")):
        facts = timed([opened(options={"on_failure": on_failure}), back])
        page = plain(markdown_report("01JF2K", facts, now="2023-11-14T04:00:00Z"))
        assert f"| {who} | undo, and end the run |" in page
        assert "- Who: kim@laptop\n" in page


def test_the_way_back_that_a_guard_asked_for_is_its_own_decision_and_that_of_a_person_is_not() -> None:
    breached = f.GuardBreached(guard="errors", cause="bad", response="undo run", why="value > 1")
    back = f.UndoAsked(steps=[["restart", "order-1"]], abort=True, reason="guard errors: value > 1")
    later = f.UndoAsked(steps=[["restart", "order-1"]], reason="undo was asked for")

    page = report(breached, back, later)

    lines = [line for line in page.splitlines() if "undo" in line and "restart" in line]
    assert ["guard errors" in plain(line).replace("guard errors: value", "") for line in lines[:2]] == [True, False]
