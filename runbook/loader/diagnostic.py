"""Diagnostics: what is wrong in a file, where, what was expected, and what to write instead."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from runbook.errors import PlaybookError
from runbook.loader.mark import Marks, Place
from runbook.model.fault import Fault, ValuePath
from runbook.text.sanitise import one_line

MAX_FAULTS = 200
"""Told of one file."""

MAX_WORDS = 600
"""Longest message; longer ones end in an ellipsis."""


class Diagnostic(Struct, frozen=True, order=True):
    """One fault of one file."""

    file: str
    line: int
    """Counted from 1; 0 if the fault has no place."""
    column: int
    severity: Literal["error", "warning"]
    message: str
    expected: str = ""
    hint: str = ""

    def text(self) -> str:
        """Return the fault in one line: `file:line:column: error: message; expected …; hint`."""
        where = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        line = f"{where}: {self.severity}: {self.sentence()}"
        return line.removeprefix(": ")

    def sentence(self) -> str:
        """Return what is wrong, what was expected and the hint, without the place."""
        parts = (self.message, f"expected {self.expected}" if self.expected else "", self.hint)
        return "; ".join(part for part in parts if part)


class PlaybookFaults(PlaybookError):
    """All faults of a playbook and of what it includes; as an error it shows the first."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        first = diagnostics[0]
        more = len(diagnostics) - 1
        remedy = f"{more} more fault{'s' if more > 1 else ''}: runbook validate shows all" if more else ""
        super().__init__(first.sentence(), file=first.file, line=first.line, column=first.column, remedy=remedy)
        self.diagnostics = diagnostics


def from_error(error: PlaybookError, file: str = "") -> Diagnostic:
    """Return the diagnostic of a file that cannot even be read."""
    return _made(error.file or file, error.line, error.column, error.message, "", error.remedy)


class TooManyFaults(Exception):
    """The checks of one file end early: nobody reads on, and a hostile file would cost minutes."""


class Findings:
    """What the checks of one file have found so far."""

    def __init__(self, file: str, marks: Marks) -> None:
        self.file = file
        self.marks = marks
        self.found: list[Diagnostic] = []
        self._broken: set[ValuePath] = set()

    def add(self, path: ValuePath, message: str, expected: str = "", hint: str = "", *, at_key: bool = False) -> None:
        """Note a fault of the value at a path, or of its key."""
        self._note(self.marks.place(path, at_key=at_key), message, expected, hint)

    def add_inside(self, path: ValuePath, value: str, offset: int, message: str, hint: str = "") -> None:
        """Note a fault at a position inside a text."""
        self._note(self.marks.inside(path, value, offset), message, "", hint)

    def add_fault(self, fault: Fault) -> None:
        """Note a fault of the conversion."""
        self.add(fault.path, fault.got, fault.expected, fault.hint, at_key=fault.at_key)
        self._broken.update(fault.path[:length] for length in range(len(fault.path) + 1))

    def is_broken(self, path: ValuePath) -> bool:
        """Tell whether the conversion found a fault at or below a path: what is missing there may be misspelt."""
        return path in self._broken

    def _note(self, place: Place, message: str, expected: str, hint: str) -> None:
        if len(self.found) >= MAX_FAULTS:
            raise TooManyFaults
        self.found.append(_made(self.file, place.line, place.column, message, expected, hint))

    def close(self) -> None:
        """Say that there are more faults than are told."""
        last = self.found[-1]
        text = f"more than {MAX_FAULTS} faults; the rest is not told"
        self.found.append(_made(self.file, last.line, last.column, text, "", "mend these first"))


def _made(file: str, line: int, column: int, message: str, expected: str, hint: str) -> Diagnostic:
    # A quoted text in YAML can hold terminal control, and faults repeat what was written.
    words = (one_line(text, MAX_WORDS) for text in (message, expected, hint))
    return Diagnostic(file, line, column, "error", *words)
