"""A screen that looks at targets before a run: preflight and rehearsal, each on a thread, neither waited for."""

from __future__ import annotations

from datetime import UTC, datetime

from textual.app import App

from runbook.session.order import Order
from runbook.tui.backend import Backend
from runbook.tui.examiner import Checked, Examiner
from runbook.tui.look import Look, muted
from runbook.tui.presenter.ago import clock
from runbook.tui.presenter.preflight import Preflight
from runbook.tui.presenter.rehearsal import Look as Found
from runbook.tui.rehearser import End, Rehearser
from runbook.tui.screens.base import Frame


class LookingFrame(Frame):
    """Begins looks, follows them and takes what they found; drawing is left to who has the widgets."""

    app: App[int]

    def __init__(self, look: Look, backend: Backend) -> None:
        super().__init__(look)
        self._backend = backend
        self._rehearser = Rehearser(backend)
        self._examiner = Examiner(backend)

    def _draw(self) -> None:
        """Draw what is new."""
        raise NotImplementedError

    def _tell_time(self) -> None:
        """Keep the clock in sight true, however long somebody thinks here."""
        said = muted(f"nothing changed so far   {clock(datetime.now(UTC))}")
        if said != self.head.right:
            self.head.right = said

    @property
    def _found(self) -> Found:
        return self._rehearser.found

    @property
    def _checked(self) -> Preflight:
        return self._examiner.found

    def _look_at(self, order: Order) -> None:
        """Begin both; what was looked at before does not count any more."""
        rehearse = self._rehearser.begin(order, self._looked)
        examine = self._examiner.begin(order, self._examined)
        self.run_worker(examine, thread=True, group="preflight", exit_on_error=False)
        self.run_worker(rehearse, thread=True, group="rehearsal", exit_on_error=False)
        self._draw()

    def _stop_looking(self, why: str) -> None:
        self._rehearser.stop(why)
        self._examiner.stop()

    def _outdate(self, *, targets: bool) -> None:
        """Say that the order is another one now; what is true of a host does not hang on values."""
        self._rehearser.outdate()
        if targets or self._examiner.is_looking:
            self._examiner.outdate()

    def _forget(self) -> None:
        self._rehearser.forget()
        self._examiner.forget()

    def _looked(self, turn: int, found: End) -> None:
        if self.app.is_running:
            self.app.call_from_thread(self._take_rehearsal, turn, found)

    def _take_rehearsal(self, turn: int, found: End) -> None:
        self._rehearser.take(turn, found)
        self._draw()

    def _examined(self, turn: int, found: Checked) -> None:
        if self.app.is_running:
            self.app.call_from_thread(self._take_preflight, turn, found)

    def _take_preflight(self, turn: int, found: Checked) -> None:
        self._examiner.take(turn, found)
        self._draw()

    def _catch_up(self) -> None:
        """Draw what came since the last call."""
        heard = (self._rehearser.catch_up(), self._examiner.catch_up())
        if any(heard):
            self._draw()
        if self.is_current:
            self._tell_time()
