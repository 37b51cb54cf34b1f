"""Prepare: values, targets, what would change; nothing is executed here."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from runbook.errors import RunbookError
from runbook.session.library import Page
from runbook.session.order import Order
from runbook.tui.backend import Backend
from runbook.tui.look import Look, bold, line
from runbook.tui.messages import BeginWanted
from runbook.tui.screens.base import Frame
from runbook.tui.widgets.now_line import Now


class PrepareScreen(Frame):
    """One playbook before its run."""

    MODE = "Prepare"
    CSS_PATH = "prepare.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "begin", "begin", id="prepare.begin"),
        Binding("escape", "app.go('library')", "library", id="prepare.back"),
    ]

    def __init__(self, look: Look, backend: Backend) -> None:
        super().__init__(look)
        self._backend = backend
        self.order = Order(playbook="")

    def body(self) -> Iterable[Widget]:
        """Values and plan."""
        yield VerticalScroll(Static(id="page"))

    def open(self, order: Order) -> None:
        """Show another playbook, with what is known of its values already."""
        self.order = order
        if self.is_attached:
            self._load()

    def on_mount(self) -> None:
        """Show what was chosen before the screen was there."""
        self._load()

    def _load(self) -> None:
        if self.order.playbook:
            self.run_worker(partial(self._look, self.order), thread=True, exclusive=True, exit_on_error=False)

    def _look(self, order: Order) -> None:
        try:
            page: Page | RunbookError = self._backend.page(order)
        except RunbookError as error:
            page = error
        self.app.call_from_thread(partial(self._found, page))

    def _found(self, page: Page | RunbookError) -> None:
        if isinstance(page, RunbookError):
            self.say(Now("bad", first=Content(line(str(page)))))
            return
        self.say(Now("good", first=bold(line(page.playbook.title)), second=Content(line(page.trouble))))
        rows = [f"{value.name:<14} {line(value.value)}   {line(value.source)}" for value in page.values]
        self.query_one("#page", Static).update(Content("\n".join(rows)))

    def action_begin(self) -> None:
        """Open the run."""
        if self.order.playbook:
            self.post_message(BeginWanted(self.order))
