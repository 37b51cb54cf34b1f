"""The closed sets of statuses of steps and runs."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

Status: TypeAlias = Literal[
    "pending",
    "skipped",
    "refused",
    "waiting",
    "running",
    "verifying",
    "succeeded",
    "failed",
    "timed_out",
    "cancelled",
    "unreachable",
    "in_doubt",
    "undoing",
    "undone",
    "undo_failed",
]
"""Status of a step in one place. `unreachable` only if the command was provably never sent."""

RunStatus: TypeAlias = Literal[
    "running",
    "waiting",
    "paused",
    "interrupted",
    "succeeded",
    "partial",
    "failed",
    "refused",
    "unreachable",
    "in_doubt",
    "aborted",
    "undone",
    "undo_incomplete",
]
"""Status of a run."""

STATUSES: tuple[Status, ...] = get_args(Status)
RUN_STATUSES: tuple[RunStatus, ...] = get_args(RunStatus)

BAD: frozenset[Status] = frozenset({"failed", "timed_out", "cancelled", "unreachable", "refused"})
"""Ended, and not as it should: the failure policy of the step decides."""

SETTLED: frozenset[Status] = frozenset({"skipped", "succeeded", "undone"})
"""Ended in a way that lets the run go on."""

RESUMABLE: frozenset[RunStatus] = frozenset(
    {
        "running",
        "waiting",
        "paused",
        "interrupted",
        "failed",
        "partial",
        "in_doubt",
        "unreachable",
        "undo_incomplete",
        "refused",
    }
)
"""A run in one of these may be taken up again."""
