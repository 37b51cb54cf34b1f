"""What a switch between normal operation and a degraded one must offer, whatever stands behind it.

A driver looks at the switch, turns it in operations that the journal knows, settles an interrupted turn by looking,
and turns it back to exactly what it was. Whether it may be turned is decided by the actions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, Protocol

from msgspec import Struct

from runbook.actions.file_state import FileState
from runbook.model.scalar import Json
from runbook.ports.action import Done, OpenOp, Refuse, Settlement, Verdict, Work
from runbook.ports.cancel import Cancel
from runbook.ports.target import Cmd, Finished, OpKey, Reader, Sink, Target

TURN = "switch"
"""The name of the operation that turns the switch."""
NOTES = ("opens", "closes")
"""Keys under which that operation says what it degrades or puts back; see `runbook.events.degradation`."""


class Position(Struct, frozen=True):
    """A switch as it was seen."""

    state: Literal["normal", "degraded", "other"]
    at: str
    """When, by the clock of the target: RFC 3339, UTC."""
    until: str = ""
    """The expiry that it carries, if the driver can tell."""
    file: FileState | None = None
    """The switch file; None if there is none, or if the switch is no file."""
    kept: str = ""
    """Path of the copy of the file; empty if there is nothing to copy."""
    key_text: str | None = None
    """What a key of Redis held; None if there is none."""


class Turn(Struct, frozen=True):
    """What is to be done to a switch."""

    text: str
    """What it is to say; empty: there is to be no switch file."""
    note: dict[str, Json]
    """What the operation says in its intent and its receipt."""
    seconds: float = 0.0
    """How long it holds, where the keeper of the switch can end it by itself; 0: until it is turned."""


class Shown(Struct, frozen=True):
    """How a turn looks in a plan."""

    commands: tuple[str, ...]
    notes: tuple[str, ...] = ()


class Switch(Protocol):
    """One kind of switch; every method but `turn` and `turn_back` only reads."""

    @property
    def what(self) -> str:
        """The switch in words: the same for the same switch, in every run."""

    def look(self, t: Reader) -> Position:
        """Return its position. Raises ActionError if it cannot be told."""

    def refuse(self, position: Position, t: Reader) -> Refuse | None:
        """Say why it cannot be turned from there; None if it can."""

    def shown(self, position: Position, text: str) -> Shown:
        """Return what turning it will do, in a form that does not change from look to look."""

    def turn(self, position: Position, turn: Turn, work: Work) -> dict[str, Json]:
        """Turn it, unless the journal holds the receipt; return the receipt, with the note in it."""

    def holds(self, position: Position, digest: str | None, t: Reader) -> Verdict:
        """Look whether it says what this step made it say (SHA-256); None: anything that this step may have left."""

    def turn_back(self, position: Position, digest: str | None, work: Work) -> None:
        """Turn it back to what was seen. Raises ActionError if it is not as the step left it."""

    def is_back(self, position: Position, t: Reader) -> Verdict:
        """Look whether it is as it was seen."""

    def settle(self, position: Position, o: OpenOp, t: Reader) -> Settlement:
        """Tell what became of an operation of `turn` or `turn_back`."""


class Noted:
    """A `Work` whose operations carry a note in their intents and receipts, so that facts alone tell what is open."""

    def __init__(self, work: Work, note: Mapping[str, Json]) -> None:
        self._work = work
        self._note = note

    @property
    def target(self) -> Target:
        """The target."""
        return self._work.target

    @property
    def sink(self) -> Sink:
        """Where output goes."""
        return self._work.sink

    @property
    def cancel(self) -> Cancel:
        """Ends work early."""
        return self._work.cancel

    @property
    def receipts(self) -> Mapping[str, dict[str, Json]]:
        """Receipts of `apply`."""
        return self._work.receipts

    @property
    def rate(self) -> float | None:
        """What an operator has set."""
        return self._work.rate

    def op(self, name: str, intent: Mapping[str, Json], body: Callable[[OpKey], Mapping[str, Json]]) -> dict[str, Json]:
        """Carry out one operation with the note."""
        return self._work.op(name, {**intent, **self._note}, lambda key: {**body(key), **self._note})

    def run(self, name: str, cmd: Cmd) -> Finished:
        """Run one changing command as one operation; it carries no note."""
        return self._work.run(name, cmd)

    def progress(self, done: int, total: int, unit: str) -> None:
        """Tell how far it is."""
        self._work.progress(done, total, unit)


def with_note(found: Settlement, o: OpenOp) -> Settlement:
    """Return a settlement whose receipt has the note of the intent, as the operation itself would have written it."""
    if not isinstance(found, Done):
        return found
    note = {key: o.intent[key] for key in (*NOTES, "text_sha256") if key in o.intent}
    return Done({**found.receipt, **note}, found.evidence)
