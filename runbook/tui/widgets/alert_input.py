"""The field for the text of an alert: what is pasted into it, however many lines, becomes one."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input

from runbook.text import one_line

MOST = 2000
"""Characters that are kept of an alert."""


class AlertInput(Input):
    """One line of text, in which the arrow keys up and down lead out."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "prepare", id="alert.prepare", tooltip="Values, targets, what would change"),
        Binding("down", "leave(1)", "list", id="alert.down", tooltip="To the list of playbooks"),
        Binding("ctrl+q", "app.leave", "leave", id="alert.quit", tooltip="Leave; q is a letter here"),
        Binding("up", "leave(-1)", "open loops", show=False, id="alert.up", tooltip="To what is open"),
    ]

    class Left(Message):
        """The operator wants to go on, upwards (-1) or downwards (1)."""

        def __init__(self, by: int) -> None:
            super().__init__()
            self.by = by

    def __init__(self, placeholder: str, id: str) -> None:  # noqa: A002
        super().__init__(placeholder=placeholder, id=id, compact=True, select_on_focus=False)

    def action_leave(self, by: int) -> None:
        """Tell."""
        self.post_message(self.Left(by))

    def on_paste(self, event: events.Paste) -> None:
        """Take all lines of what was pasted, as one."""
        event.prevent_default()
        event.stop()
        # A terminal sends what was pasted with the line ends of a typist.
        text = one_line("\n".join(event.text.splitlines()), MOST, mark=" ")
        if self.selection.is_empty:
            before = self.value[: self.cursor_position]
            self.insert_text_at_cursor(f" {text}" if before and not before.endswith(" ") else text)
        else:
            self.replace(text, *self.selection)
