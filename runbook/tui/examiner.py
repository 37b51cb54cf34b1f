"""One preflight at a time: begun, followed while hosts answer, stopped, and out of date after a change.

Knows no screen: whoever runs `look` on a thread of its own asks here how far it is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from msgspec.structs import replace

from runbook.errors import RunbookError
from runbook.session.control import Control
from runbook.session.doctor import Checkup
from runbook.session.order import Order
from runbook.tui.backend import Backend
from runbook.tui.presenter.preflight import Preflight

Checked = tuple[Checkup, ...] | str
"""What was found on all hosts, or why nobody could look."""


class Examiner:
    """Looks whether targets are fit."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.found = Preflight()
        """How far it is."""
        self._heard: list[Checkup] = []
        self._control: Control | None = None
        self._turn = 0

    @property
    def is_looking(self) -> bool:
        """Whether hosts are asked now."""
        return self.found.state == "running"

    def begin(self, order: Order, ended: Callable[[int, Checked], None]) -> Callable[[], None]:
        """Begin, and return what has to be run on a thread; `ended` is told there, with the turn that it was."""
        self.stop()
        self._turn += 1
        self._control, self._heard = Control(), []
        self.found = Preflight("running")
        return partial(self._look, self._turn, order, self._control, self._heard, ended)

    def _look(
        self,
        turn: int,
        order: Order,
        control: Control,
        heard: list[Checkup],
        ended: Callable[[int, Checked], None],
    ) -> None:
        try:
            found: Checked = self._backend.examine(order, heard.append, control)
        except (RunbookError, OSError) as error:
            found = str(error)
        ended(turn, found)

    def take(self, turn: int, found: Checked) -> None:
        """Take what was found, unless it was stopped or begun again since."""
        if turn != self._turn or not self.is_looking:
            return
        self._control = None
        if isinstance(found, str):
            self.found = Preflight("failed", tuple(self._heard), found)
        else:
            self.found = Preflight("done", found)

    def catch_up(self) -> bool:
        """Take what was heard since the last call; return whether there was anything."""
        if not self.is_looking or len(self._heard) == len(self.found.checkups):
            return False
        self.found = replace(self.found, checkups=tuple(self._heard))
        return True

    def stop(self) -> None:
        """Look no longer."""
        if self._control is not None:
            self._control.cancel("nobody waits for the preflight any more")
            self._control = None
            self.found = replace(self.found, state="stopped")

    def outdate(self) -> None:
        """Say that the targets are others now; what was found on a host stays true until it is looked at again."""
        if self.is_looking:
            self.stop()
        elif self.found.state == "done":
            self.found = replace(self.found, state="stale")

    def forget(self) -> None:
        """Begin with nothing."""
        self.stop()
        self.found = Preflight()
