"""The line under the now line: how much of the run is over, runs, and is to come."""

from __future__ import annotations

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from runbook.tui.look import Look
from runbook.tui.presenter.progress import Progress


class ProgressLine(Widget):
    """Heavy where something happened, thin where nothing has."""

    progress: reactive[Progress] = reactive(Progress())

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._look = look

    def render(self) -> Content:
        """Draw it."""
        room = self.size.width
        over, bad, active = self.progress.cells(room)
        heavy, thin = self._look.own("━"), self._look.own("─")
        return Content.assemble(
            (heavy * over, "$good"),
            (heavy * bad, "$bad"),
            (heavy * active, "$live"),
            (thin * (room - over - bad - active), "$rule"),
        )
