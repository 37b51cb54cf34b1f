"""A run that goes on in this very interface, looked at from its other screens; and keys that come before the eye."""

from __future__ import annotations

import re
import threading
from concurrent.futures import Future
from pathlib import Path

import pytest
from msgspec.structs import replace
from textual import events

from runbook.config import settings
from runbook.model.question import Choice, Question
from runbook.ports.approver import Approver
from runbook.ports.recorder import Listener
from runbook.session.control import Control
from runbook.session.draft import Draft
from runbook.session.library import OpenLoop
from runbook.session.order import Order
from runbook.session.result import Result
from runbook.tui.app import RunbookApp
from runbook.tui.bridge import Asked
from runbook.tui.carrier import Act
from runbook.tui.dialogs.reason import ReasonSheet
from runbook.tui.dialogs.sheet import Sheet
from runbook.tui.look import Look
from runbook.tui.presenter.loops import rows
from runbook.tui.widgets.field_row import FieldInput
from runbook.tui.widgets.pile import Pile
from tests.tui import scenes
from tests.tui.canned import LOOPS, NOW, Canned, at, holds, plain

CONFIG = Path(__file__).parents[2] / "playbooks/config-rollback.yaml"
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


FAILURE = Question(
    id="failure/restart",
    kind="failure",
    title="Restart failed. Nothing runs now",
    step="restart",
    places=("order-2",),
    choices=(Choice("skip", "skip", key="s", reason=True), Choice("pause", "pause", key="p")),
    safe="pause",
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


def clock(app: RunbookApp) -> list[str]:
    """Return what the terminal shows as the time that a step is silent."""
    words = "".join(re.findall(r">([^<]*)</text>", app.export_screenshot())).replace("&#160;", " ")
    return re.findall(r"silent for ([0-9:]+)", words)


async def test_the_library_leads_to_the_run_that_goes_on_here() -> None:
    backend = Carrying(loops=(LIVE,))
    backend.held.clear()
    app = RunbookApp(backend, Look(), "runbook-dark")
    async with app.run_test(size=(80, 24)) as pilot:
        await holds(pilot, lambda: bool(app.library.entries))
        assert "run is live elsewhere" in plain(app.library)
        await pilot.press("f4")
        await holds(pilot, lambda: app.current_mode == "run")
        await app._carry(backend.start(Order(playbook="x")), scenes.running())
        await holds(pilot, lambda: app._carried() == RUN)
        await pilot.press("f2")
        await holds(
            pilot, lambda: "run is open here" in plain(app.library) and "open here F4 shows it" in plain(app.library)
        )
        await pilot.press("ctrl+o", "enter")
        await holds(pilot, lambda: app.current_mode == "run")

        asked = Asked(FAILURE, Future())
        app._ask(asked)
        await holds(pilot, lambda: isinstance(app.screen, Sheet) and app.screen.sight > 0)
        await pilot.press("s")
        await holds(pilot, lambda: isinstance(app.screen, ReasonSheet) and app.screen.is_ready)
        before = clock(app)
        assert len(before) == 1
        await holds(pilot, lambda: clock(app) != before)

        await pilot.press("f2")
        await holds(pilot, lambda: app.screen is app.library)
        await pilot.press("f4")
        await holds(pilot, lambda: app.screen is app.run_screen)
        assert app.open_question is FAILURE
        app.action_question()
        await holds(pilot, lambda: isinstance(app.screen, Sheet))
        await pilot.press("escape")
        asked.reply.cancel()
        backend.held.set()
        await holds(pilot, lambda: app._carried() == "")


async def test_what_was_typed_before_the_form_stood_there_is_nothing_in_it() -> None:
    held = threading.Event()

    class Slow(Carrying):
        """Takes its time to read a playbook."""

        def draft(self, order: Order) -> Draft:
            """Wait."""
            held.wait(60)
            return super().draft(order)

    backend = Slow(settings=settings(), playbook=CONFIG, loops=())
    app = RunbookApp(backend, Look(), "runbook-dark")
    async with app.run_test(size=(80, 24)) as pilot:
        await holds(pilot, lambda: bool(app.library.entries) and app.library.query_one("#list", Pile).row is not None)
        await pilot.press("enter")
        await holds(pilot, lambda: app.current_mode == "prepare")
        # Without a field in sight q would leave, and a digit open a view.
        await pilot.press("q", "3", "enter")
        app.post_message(events.Paste("late"))
        held.set()
        await holds(pilot, lambda: isinstance(app.focused, FieldInput))
        await holds(pilot, lambda: 0 < app.prepare.sight < float("inf"))
        assert app.prepare._view == 0
        assert app.is_running
        assert isinstance(app.focused, FieldInput)
        assert app.focused.value == ""
        assert any("Paste it again" in note.message for note in app._notifications)
        await pilot.press("q")
        assert app.focused.value == "q"
