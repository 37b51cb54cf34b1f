"""The way out of the interface: the screens end, the run comes to its rest, and it is told how."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from msgspec import Struct

from runbook.events.state import RunState
from runbook.session.order import Order
from runbook.tui.app import RunbookApp
from runbook.tui.backend import Backend
from runbook.tui.carrier import Carrier, Ended
from runbook.tui.look import look_of, theme_now


class Left(Struct, frozen=True, eq=False):
    """How the interface was left."""

    code: int
    demo: str | None = None
    """The incident that is to be staged, empty for the first one; None if nothing is wanted."""
    last: Ended | None = None
    """How the last session that was carried ended; None if none was, or it was left behind."""
    was_live: bool = False
    """That session had not come to its rest when the screens ended."""
    failure: BaseException | None = None
    """What ended the screens against the will of their user."""
    signal: str = ""
    """The signal that ended them."""
    run: str = ""
    """The run that was carried last."""
    state: RunState | None = None
    """What was known of it when the screens ended."""
    at_once: bool = False
    """It is left behind as it is: nobody has waited for its rest."""

    @property
    def open_changes(self) -> list[tuple[str, str]]:
        """The steps and places whose change has begun and not come to an outcome."""
        steps = self.state.steps.items() if self.state is not None else ()
        return [
            key for key, at in steps if at.attempt is not None and at.attempt.is_open and at.attempt.effect != "read"
        ]


def _wait(carrier: Carrier) -> None:
    carrier.join()


def open_tui(
    backend: Backend, orders: tuple[Order, ...] = (), rest: Callable[[Carrier], None] = _wait, *, stakes: str = ""
) -> Left:
    """Open the interface and return when it is left and the run it carried is at rest.

    Whatever ends the screens, the engine comes to its rest and closes the journal before this returns, unless the
    user wants to leave at once.

    Args:
        backend: the use cases.
        orders: what to prepare at once, and after each run that succeeded.
        rest: waits until a session of a run is at rest; called when the terminal is given back.
        stakes: what ends with the interface, so that it is asked about while a run is not over.

    Raises:
        RunbookError: the preferences cannot be read.
    """
    preferences = backend.preferences()
    app = RunbookApp(backend, look_of(symbols=preferences.symbols), theme_now(preferences.theme), orders)
    app.prefer(preferences)
    app.owns_process = True
    app.stakes = stakes
    # The loop is closed last: until then a signal that comes again, as a shell sends it to its jobs after the terminal
    # itself, finds somebody who takes it.
    with asyncio.Runner() as runner:
        return _carried_through(app, runner.get_loop(), rest)


def _carried_through(app: RunbookApp, loop: asyncio.AbstractEventLoop, rest: Callable[[Carrier], None]) -> Left:
    try:
        app.run(loop=loop)
    except Exception as error:  # noqa: BLE001
        # The border of the screens: the run that they carry comes to its rest all the same.
        app.failure = app.failure or error
    carrier = app.carrier
    # It may have come to its rest while the screens were closing.
    was_live = carrier is not None and (app.was_told or carrier.is_live)
    if carrier is not None and carrier.is_live and not app.at_once:
        if not app.was_told:
            carrier.control.interrupt("the terminal interface ended")
        rest(carrier)
    return Left(
        app.return_code or 0,
        app.demo,
        carrier.ended if carrier is not None else None,
        was_live=was_live,
        failure=app.failure,
        signal=app.left_by,
        run=carrier.control.run if carrier is not None else "",
        state=app.scene.state,
        at_once=app.at_once,
    )
