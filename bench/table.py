"""The table: what was measured, in Markdown, with the verdict on every goal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.measure import Sample, median_seconds, paired_cpu_ratio, paired_ratio, peak_mib, spread
from bench.work import Row

Samples = Mapping[str, tuple[Sample, ...]]

TITLES = (
    "work",
    "Runbook s",
    "Chaos Toolkit s",
    "floor s",
    "to peer",
    "CPU to peer",
    "to floor",
    "goal",
    "holds",
    "peak MiB",
)


def head() -> str:
    """Return the first two lines."""
    return _line(TITLES) + "\n" + _line(["---"] + ["---:"] * 6 + ["---", "---", "---:"])


def line(row: Row, taken: Samples) -> str:
    """Return the line of one row."""
    floor = f"{_seconds(taken, 'floor')} ({row.floor_words})" if "floor" in taken else "–"
    verdict = ("yes" if holds(row, taken) else "**no**") if is_judged(row, taken) else "–"
    cells = [
        row.name,
        _seconds(taken, "runbook"),
        _seconds(taken, "chaos"),
        floor,
        _ratio(taken, "chaos"),
        f"{paired_cpu_ratio(taken['runbook'], taken['chaos']):.2f}" if "chaos" in taken else "–",
        _ratio(taken, "floor"),
        row.goal.words if row.goal else "–",
        verdict,
        " / ".join(f"{peak_mib(taken[name]):.0f}" for name in ("runbook", "chaos") if name in taken),
    ]
    return _line(cells)


def is_judged(row: Row, taken: Samples) -> bool:
    """Whether the row has a goal, and the one it is measured against was there."""
    return row.goal is not None and row.goal.against in taken


def holds(row: Row, taken: Samples) -> bool:
    """Whether the ratio of a judged row is within its goal; being ahead means less, not equal."""
    assert row.goal is not None
    ratio = paired_ratio(taken["runbook"], taken[row.goal.against])
    return ratio < row.goal.limit if row.goal.against == "chaos" else ratio <= row.goal.limit


def _seconds(taken: Samples, name: str) -> str:
    if name not in taken:
        return "–"
    return f"{median_seconds(taken[name]):.3f} ±{spread(taken[name]) * 50:.0f} %"


def _ratio(taken: Samples, name: str) -> str:
    return f"{paired_ratio(taken['runbook'], taken[name]):.2f}" if name in taken else "–"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
