"""Moments that people write: `m:ss`, `h:mm:ss`, or seconds."""

from __future__ import annotations

from runbook.text import duration_text


def moment_of(text: str) -> float | None:
    """Return the seconds of a moment; None if it is none."""
    parts = text.strip().split(":")
    if not 1 <= len(parts) <= 3 or not all(part.isascii() and part.isdigit() for part in parts):
        return None
    seconds = 0
    for part in parts:
        seconds = seconds * 60 + int(part)
    return float(seconds)


def wrong_moment(span: float, text: str) -> str:
    """Say what is wrong with a moment of a run of so many seconds, and what to write; nothing if it is good."""
    at = moment_of(text)
    if at is None:
        return f"{text or 'Nothing'} is no time. Write 0:42 or 42."
    if at > span + 1:
        return f"The recording lasts {duration_text(span)}. Write a time up to that."
    return ""
