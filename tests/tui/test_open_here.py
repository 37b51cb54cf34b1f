"""A run that goes on in this very interface, looked at from its other screens; and keys that come before the eye."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from runbook.ports.approver import Approver
from runbook.ports.recorder import Listener
from runbook.session.control import Control
from runbook.session.library import OpenLoop
from runbook.session.order import Order
from runbook.session.result import Result
from runbook.tui.app import RunbookApp
from runbook.tui.carrier import Act
from runbook.tui.look import Look
from runbook.tui.presenter.loops import rows
from tests.tui.canned import LOOPS, NOW, Canned, at, holds, plain

RUN = "01khere"
LIVE = OpenLoop(
    run=RUN,
    playbook="config-rollback",
    status="waiting",
    since=at(minutes=3),
    why="runs now",
    next=f"runbook watch {RUN}",
    at="freeze",
)


class Carrying(Canned):
    """Carries a run until it is told to stop."""

    def start(self, order: Order) -> Act:
        """Run nothing."""

        def act(_approver: Approver, _listeners: tuple[Listener, ...], control: Control) -> Result:
            control.run = RUN
            self.held.wait(60)
            raise KeyboardInterrupt

        self.calls.append(("start", order))
        return act


@pytest.mark.parametrize(("status", "mark"), [("waiting", "waiting"), ("running", "running"), ("in_doubt", "in_doubt")])
def test_what_is_open_here_says_where_and_what_is_live_elsewhere_says_so(status: str, mark: str) -> None:
    live = replace(LIVE, status=status)

    here = rows((*LOOPS, live), NOW, RUN)[0]
    assert (here.status, here.what, here.rest) == (mark, "run is open here", "F4 shows it, at freeze")
    assert [row.what for row in rows((live,), NOW)] == ["run is live elsewhere"]


async def test_the_library_leads_to_the_run_that_goes_on_here() -> None:
    backend = Carrying(loops=(LIVE,))
    backend.held.clear()
    app = RunbookApp(backend, Look(), "runbook-dark")
    async with app.run_test(size=(80, 24)) as pilot:
        await holds(pilot, lambda: bool(app.library.entries))
        assert "run is live elsewhere" in plain(app.library)
        await pilot.press("f4")
        await holds(pilot, lambda: app.current_mode == "run")
        await app._carry(backend.start(Order(playbook="x")), app.scene)
        await holds(pilot, lambda: app._carried() == RUN)
        await pilot.press("f2")
        await holds(
            pilot, lambda: "run is open here" in plain(app.library) and "open here F4 shows it" in plain(app.library)
        )
        await pilot.press("ctrl+o", "enter")
        await holds(pilot, lambda: app.current_mode == "run")
        backend.held.set()
        await holds(pilot, lambda: app._carried() == "")
