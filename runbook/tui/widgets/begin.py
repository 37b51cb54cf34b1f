"""The one act that leads from preparing to a run; nothing is executed by it."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from runbook.tui.look import Look


class Begin(Widget, can_focus=True):
    """One row, live when nothing is left to fix."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "press", "begin", id="begin.press", tooltip="Open the run; nothing is executed by it"),
        Binding("up,k", "app.focus_previous", "back", show=False, id="begin.up", tooltip="The field above"),
        Binding("down,j", "app.focus_next", "on", show=False, id="begin.down", tooltip="The next area"),
    ]

    ready: reactive[bool] = reactive(False)

    class Pressed(Message):
        """The run is to be opened."""

    def __init__(self, look: Look) -> None:
        super().__init__(id="begin")
        self._look = look

    def allow_focus(self) -> bool:
        """Take the focus only when the run could begin."""
        return self.ready

    def action_press(self) -> None:
        """Open the run."""
        if self.ready:
            self.post_message(self.Pressed())

    def on_click(self, event: events.Click) -> None:
        """The same by mouse."""
        self.action_press()

    def render(self) -> Content:
        """Draw the row."""
        if not self.ready:
            return Content.styled("  begin  when nothing is left to fix", "$muted")
        bar = Content.styled(self._look.own("▌"), "$accent") if self.has_focus else Content(" ")
        style = "bold reverse $accent" if self.has_focus else "bold $accent"
        rest = "  opens the run at its first step; nothing is executed by it"
        return Content.assemble(bar, " ", (" begin ", style), (rest, "$muted"))
