"""Carrying a run beside the screens: one thread for one session of a run, and how to steer and to leave it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeAlias

from msgspec import Struct

from runbook.errors import RunbookError
from runbook.ports.approver import Approver
from runbook.ports.recorder import Listener
from runbook.session.control import Control
from runbook.session.result import Held, Result

Act: TypeAlias = Callable[[Approver, tuple[Listener, ...], Control], Result]
"""A use case of the session that still lacks its front end."""


class Ended(Struct, frozen=True, eq=False):
    """How carrying a run ended: with a result, or with an error before or in it."""

    result: Result | None
    error: BaseException | None = None

    @property
    def held(self) -> Held | None:
        """Who holds a target, if that is why it was refused."""
        return self.result.held if self.result is not None else None

    @property
    def words(self) -> str:
        """Say what went wrong; empty if nothing did."""
        if self.error is None:
            return ""
        if isinstance(self.error, RunbookError):
            return str(self.error)
        return f"internal error: {type(self.error).__name__}: {self.error}"


class Carrier:
    """Carries one session of a run on a thread of its own."""

    def __init__(self, act: Act, approver: Approver, listener: Listener, done: Callable[[Ended], None]) -> None:
        """Prepare to carry.

        Args:
            act: what is carried out.
            approver: answers its questions.
            listener: hears it.
            done: is told of the end, on the thread of the carrier.
        """
        self.control = Control()
        self._act = act
        self._approver = approver
        self._listener = listener
        self._done = done
        self.ended: Ended | None = None
        self._thread = threading.Thread(target=self._carry, name="carrier")

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    @property
    def is_live(self) -> bool:
        """Whether the run has not come to a rest."""
        return self.ended is None

    def join(self, seconds: float | None = None) -> bool:
        """Wait for the rest of the run, at most so many seconds; return whether it is there."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _carry(self) -> None:
        try:
            ended = Ended(self._act(self._approver, (self._listener,), self.control))
        except BaseException as error:  # noqa: BLE001
            # The border of the thread: the screens tell it.
            ended = Ended(None, error)
        self.ended = ended
        self._done(ended)
