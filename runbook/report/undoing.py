"""The section about the way back: what was asked to be undone, and how each undo ended."""

from __future__ import annotations

from runbook.events import fact as f
from runbook.events.state import Attempt
from runbook.events.way_back import is_untellable, needed_none
from runbook.report.block import item, part, section, table
from runbook.report.decision import about
from runbook.report.happened import intent, receipt
from runbook.report.story import Story
from runbook.report.timeline import Row
from runbook.report.word import at, moment, places, took
from runbook.text import markdown

_ENDS = {
    "undone": "↶ undone",
    "undo_failed": "✗ undo failed",
    "drifted": "⊘ left alone, changed by somebody else since",
    "none": "◦ no way back",
    "in_doubt": "? in doubt",
    "unreachable": "✗ not reached, it stands as it was",
}


def undo(story: Story) -> list[str]:
    """Return the section about undo; one sentence if nothing was undone."""
    walked = [
        (row, attempt)
        for row in story.rows
        for attempt in story.state.at(row.step, row.target).attempts
        if attempt.undone is not None or attempt.undo_open
    ]
    blocks = [
        "\n".join(_asked(story)),
        table(
            ("Step", "Where", "Attempt", "Result", "Took", "Error"),
            (_line(row, attempt) for row, attempt in walked),
        ),
        *part("Operations of the undo", [_operations(walked)]),
        *part("Evidence of the undo", _evidence(walked)),
    ]
    return section("Undo", [b for b in blocks if b] or ["Nothing was undone."])


def _asked(story: Story) -> list[str]:
    lines: list[str] = []
    for told in story.told:
        if isinstance(told.fact, f.UndoAsked):
            head = f"{markdown(moment(told.time))} UTC, in this order"
            reason = f" ({told.fact.reason})" if told.fact.reason else ""
            lines.append(item(head, f"{about(told) or 'nothing was left to undo'}{reason}"))
    return lines


def _line(row: Row, attempt: Attempt) -> tuple[str, ...]:
    ended = attempt.undone
    end = _end(attempt)
    if attempt.again and ended is not None and ended.status == "undone":
        end = "↶ run again, so that the undo takes effect"
    ms = ended.ms if ended is not None else None
    return (
        row.step,
        places((row.target,)),
        str(attempt.number),
        end,
        took(ms) if ms else "",
        ended.error if ended is not None else "",
    )


def _end(attempt: Attempt) -> str:
    ended = attempt.undone
    if ended is None:
        return "► began, its end is not on record"
    if ended.covered_by:
        return f"↶ undone with attempt {ended.covered_by}"
    if is_untellable(ended):
        return "⊘ left alone, it cannot be told whether it was changed since"
    return f"{_ENDS[ended.status]}{', no way back needed' if needed_none(attempt) else ''}"


def _operations(walked: list[tuple[Row, Attempt]]) -> str:
    return table(
        ("Step", "Where", "Operation", "Intent", "Receipt"),
        (
            (row.step, places((row.target,)), op.name, intent(op), receipt(op))
            for row, attempt in walked
            for op in attempt.undo_operations
        ),
    )


def _evidence(walked: list[tuple[Row, Attempt]]) -> list[str]:
    lines = [
        item(markdown(f"{at(row.step, row.target)}, attempt {attempt.number}"), "; ".join(attempt.undone.evidence))
        for row, attempt in walked
        if attempt.undone is not None and attempt.undone.evidence
    ]
    return ["\n".join(lines)]
