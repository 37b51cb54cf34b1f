"""One rehearsal at a time: begun, followed while it looks, stopped, and out of date after a change.

Knows no screen: whoever runs `look` on a thread of its own asks here how far it is.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from msgspec.structs import replace

from runbook.engine.rehearsal import Rehearsed
from runbook.errors import RunbookError
from runbook.session.control import Control
from runbook.session.order import Order
from runbook.session.rehearse import Rehearsal
from runbook.tui.backend import Backend
from runbook.tui.presenter.rehearsal import Look

End = Rehearsal | str
"""What a rehearsal found, or why it could not look."""


class Rehearser:
    """Rehearses orders."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.found = Look()
        """How far it is."""
        self._heard: list[Rehearsed] = []
        self._control: Control | None = None
        self._turn = 0

    @property
    def is_looking(self) -> bool:
        """Whether targets are asked now."""
        return self.found.state == "running"

    def begin(self, order: Order, ended: Callable[[int, End], None]) -> Callable[[], None]:
        """Begin, and return what has to be run on a thread; `ended` is told there, with the turn that it was."""
        self.stop("begun again")
        self._turn += 1
        self._control, self._heard = Control(), []
        self.found = Look("running")
        return partial(self._look, self._turn, order, self._control, self._heard, ended)

    def _look(
        self, turn: int, order: Order, control: Control, heard: list[Rehearsed], ended: Callable[[int, End], None]
    ) -> None:
        try:
            found: End = self._backend.rehearse(order, heard.append, control)
        except (RunbookError, OSError) as error:
            found = str(error)
        ended(turn, found)

    def take(self, turn: int, found: End) -> None:
        """Take what was found, unless it was stopped or begun again since."""
        if turn != self._turn or not self.is_looking:
            return
        self._control = None
        if isinstance(found, str):
            self.found = Look("failed", tuple(self._heard), error=found)
        else:
            self.found = Look("done", found.steps, at=datetime.now(UTC).astimezone().strftime("%H:%M:%S"))

    def catch_up(self) -> bool:
        """Take what was heard since the last call; return whether there was anything."""
        if not self.is_looking or len(self._heard) == len(self.found.steps):
            return False
        self.found = replace(self.found, steps=tuple(self._heard))
        return True

    def stop(self, why: str) -> None:
        """Look no longer."""
        if self._control is not None:
            self._control.cancel(why)
            self._control = None
            self.found = replace(self.found, state="stopped")

    def outdate(self) -> None:
        """Say that the order is another one now."""
        if self.is_looking:
            self.stop("values changed")
            self.found = replace(self.found, state="stale")
        elif self.found.state == "done":
            self.found = replace(self.found, state="stale")

    def forget(self) -> None:
        """Begin with nothing."""
        self.stop("another playbook was opened")
        self.found = Look()
