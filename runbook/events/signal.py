"""Signals: what is shown while it happens and may be dropped from a display."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct


class OutputReceived(Struct, frozen=True):
    """Some output of a step: masked and sanitised text, usually several lines."""

    step: str
    target: str
    attempt: int
    stream: Literal["out", "err"]
    text: str
    at_ms: int
    """Since the attempt began."""
    removed: int = 0
    """Controls of a terminal that were dropped from it."""


class Progressed(Struct, frozen=True):
    """How far a step is."""

    step: str
    target: str
    done: int
    total: int
    unit: str
    rate: float | None = None
    """Units a second that somebody has set; None: as the playbook says."""


class PhaseEntered(Struct, frozen=True):
    """What a step is doing in a place."""

    step: str
    target: str
    phase: Literal["inspecting", "planning", "applying", "verifying", "settling", "undoing", "waiting", "sampling"]
    words: str = ""
    limit: float = 0.0
    """Seconds from the beginning of the attempt after which it gives up; 0: as the plan says."""


Signal: TypeAlias = OutputReceived | Progressed | PhaseEntered
