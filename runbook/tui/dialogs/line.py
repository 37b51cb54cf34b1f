"""A sheet for one line of text that is checked before it is taken: a moment to go to, a file to write."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input

from runbook.tui.dialogs.prompt import PromptSheet
from runbook.tui.look import Look, muted


class LineSheet(PromptSheet[str]):
    """Gives the line, or nothing."""

    def __init__(self, title: str, look: Look, *, hint: str, value: str = "", check: Callable[[str], str]) -> None:
        """Prepare.

        Args:
            title: clean text.
            look: what the terminal can draw.
            hint: what to write.
            value: what stands there at first.
            check: says what is wrong with a line, and what to write; nothing if it is good.
        """
        super().__init__(title, look)
        self._hint = hint
        self._value = value
        self._check = check

    def fields(self) -> Iterable[Widget]:
        """One line."""
        yield Input(self._value, classes="field", max_length=4000)

    def on_mount(self) -> None:
        """Say what to write."""
        super().on_mount()
        self.say(muted(self._hint))

    def action_accept(self) -> None:
        """Take the line if it is good."""
        text = self.query_one(Input).value.strip()
        if wrong := self._check(text):
            self.say(Content.styled(wrong, "$wait"))
            return
        self.dismiss(text)
