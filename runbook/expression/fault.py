"""Faults on their way out of an evaluation: they know an offset, and become an ExpressionError at the border.

Owns the difference between "this makes no sense" and "there is no value", on which three-valued verdicts rest.
"""

from __future__ import annotations

from runbook.errors import ExpressionError

UNPLACED = -1


class Fault(Exception):
    """Something that cannot be evaluated, at an offset of its source."""

    def __init__(self, message: str, *, at: int = UNPLACED, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.at = at
        """Offset in characters; UNPLACED until somebody who knows it says so."""
        self.remedy = remedy

    def placed(self, source: str, base: int = 0) -> ExpressionError:
        """Return the error for the caller; `base` is where in `source` the offset counts from."""
        line, column = place_of(source, base + max(self.at, 0))
        return ExpressionError(self.message, line=line, column=column, remedy=self.remedy)


class NoValue(Fault):
    """A value is needed and there is none: null, not a number, nothing to divide by."""


class UnknownName(Fault):
    """A name that nothing stands behind."""

    def __init__(self, message: str, *, at: int, remedy: str, is_root: bool) -> None:
        super().__init__(message, at=at, remedy=remedy)
        self.is_root = is_root
        """The very first part is unknown: a misspelling, never a value that happens to be absent."""


def place_of(source: str, offset: int) -> tuple[int, int]:
    """Return line and column, both counted from 1, of an offset in characters."""
    before = source[:offset]
    return before.count("\n") + 1, len(before) - before.rfind("\n")
