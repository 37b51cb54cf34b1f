"""One line of text: a reason that goes on record, a note, a reference to evidence."""

from __future__ import annotations

from collections.abc import Iterable

from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input

from runbook.tui.dialogs.prompt import PromptSheet
from runbook.tui.look import Look, muted


class ReasonSheet(PromptSheet[str]):
    """Gives the text, or nothing."""

    def __init__(self, title: str, look: Look, *, optional: bool = False) -> None:
        """Prepare; an optional text may be empty, which is told apart from leaving."""
        super().__init__(title, look)
        self._optional = optional

    def fields(self) -> Iterable[Widget]:
        """One line."""
        yield Input(classes="field", max_length=2000)

    def on_mount(self) -> None:
        """Say what becomes of it."""
        super().on_mount()
        self.say(muted("goes on record with your name" + ("; may be empty" if self._optional else "")))

    def action_accept(self) -> None:
        """Take the text."""
        text = self.query_one(Input).value.strip()
        if not text and not self._optional:
            self.say(Content.styled("Without a reason nothing is done.", "$wait"))
            return
        self.dismiss(text)
