"""The table: what was measured, in Markdown, with the verdict on every goal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.measure import Sample, median_seconds, paired_cpu_ratio, paired_ratio, peak_mib, spread
from bench.row import NAMES, Goal, Row

Samples = Mapping[str, tuple[Sample, ...]]


def head(others: Sequence[str]) -> str:
    """Return the first two lines of a table that compares Runbook with these."""
    titles = ["work", "Runbook s", *(f"{NAMES[name]} s (× wall, × CPU)" for name in others), "goal: holds", "peak MiB"]
    return _line(titles) + "\n" + _line(["---", "---:", *["---:" for _ in others], "---", "---:"])


def line(row: Row, taken: Samples, others: Sequence[str]) -> str:
    """Return the line of one row; a ratio says how much longer Runbook took, and how much more processor time."""
    verdicts = [f"{goal.words}: {_verdict(goal, taken)}" for goal in row.goals if goal.against in taken]
    cells = [
        row.name,
        _seconds(taken["runbook"]),
        *(_compared(row, name, taken) for name in others),
        "; ".join(verdicts) or "–",
        " / ".join(f"{peak_mib(taken[name]):.0f}" for name in ("runbook", *others) if name in taken),
    ]
    return _line(cells)


def holds(goal: Goal, taken: Samples) -> bool:
    """Whether a ratio is within its goal; being ahead means less, not equal."""
    ratio = paired_ratio(taken["runbook"], taken[goal.against])
    return ratio < 1 if goal.limit == 1 else ratio <= goal.limit


def _verdict(goal: Goal, taken: Samples) -> str:
    return "yes" if holds(goal, taken) else "**no**"


def _compared(row: Row, name: str, taken: Samples) -> str:
    if name not in taken:
        return "–"
    wall, cpu = paired_ratio(taken["runbook"], taken[name]), paired_cpu_ratio(taken["runbook"], taken[name])
    words = f", {row.floor_words}" if name == "floor" else ""
    return f"{_seconds(taken[name])} ({wall:.2f}, {cpu:.2f}{words})"


def _seconds(samples: Sequence[Sample]) -> str:
    found = spread(samples)
    told = f"±{found * 50:.0f} %" if found is not None else f"of {len(samples)}"
    return f"{median_seconds(samples):.3f} {told}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
