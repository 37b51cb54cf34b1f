"""A field of one line: how it is left, what becomes of a paste, and what is typed behind Enter.

Enter leads elsewhere, and what is typed after it arrives before anybody knows where. So the field holds it until it is
told; who the field belongs to says what happens to it.
"""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input

from runbook.text import one_line

NOT_PASTED = "What was pasted is in no field: Enter had left it. Paste it again."
"""Said where a paste that was held has no place."""


class LineInput(Input):
    """A field of one line, left by the arrow keys up and down, that holds what is typed behind Enter."""

    most: ClassVar[int] = 65536
    """Characters that are kept of a paste."""

    class Left(Message):
        """The operator wants to go on, upwards (-1) or downwards (1)."""

        def __init__(self, by: int) -> None:
            super().__init__()
            self.by = by

    _held: list[events.Key | events.Paste] | None = None
    """What was typed since Enter, while nobody has said where that led; None while nobody has to."""

    async def on_key(self, event: events.Key) -> None:
        """Hold what is typed behind Enter: it is no part of what stands here."""
        if self._held is not None:
            self._held.append(event)
        elif event.key == "enter":
            self._held = []
            await self.action_submit()
        else:
            return
        event.stop()
        event.prevent_default()

    def on_paste(self, event: events.Paste) -> None:
        """Take all lines of what was pasted, as one clean line."""
        event.prevent_default()
        event.stop()
        if self._held is not None:
            self._held.append(event)
            return
        # A terminal sends what was pasted with the line ends of a typist.
        text = one_line("\n".join(event.text.splitlines()), self.most, mark=" ")
        if self.selection.is_empty:
            self.insert_pasted(text)
        else:
            self.replace(text, *self.selection)

    def insert_pasted(self, text: str) -> None:
        """Insert one line of text where the cursor is."""
        self.insert_text_at_cursor(text)

    def take_held(self) -> list[events.Key | events.Paste]:
        """Return what was typed since Enter, and hold nothing more."""
        held, self._held = self._held or [], None
        return held

    def action_leave(self, by: int) -> None:
        """Tell."""
        self.post_message(self.Left(by))


def give(event: events.Key | events.Paste, target: Widget) -> None:
    """Send an event that was held to where it belongs, as if it had just come."""
    event.stop(False)
    event.prevent_default(False)
    target.post_message(event)
