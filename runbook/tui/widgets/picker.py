"""One of a few words, on one line: the arrow keys go along them, and nothing opens over the form."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from runbook.tui.look import line


class Picker(Widget, can_focus=True):
    """Shows all words if they fit, else the chosen one and how many there are."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "turn(-1)", "choose", show=False, id="picker.left", tooltip="The word before"),
        Binding("right", "turn(1)", "choose", id="picker.right", key_display="←→", tooltip="The next word"),
        Binding("l,space", "turn(1)", "choose", show=False, id="picker.on", tooltip="The next word"),
    ]

    value: reactive[str] = reactive("")

    class Changed(Message):
        """Another word was chosen."""

        def __init__(self, picker: Picker, value: str) -> None:
            super().__init__()
            self.picker = picker
            self.value = value

    def __init__(self, words: tuple[str, ...], value: str, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._words = words
        self.set_reactive(Picker.value, value)

    def action_turn(self, by: int) -> None:
        """Choose the next word, round and round."""
        at = self._words.index(self.value) if self.value in self._words else (-1 if by > 0 else 0)
        self.value = self._words[(at + by) % len(self._words)]
        self.post_message(self.Changed(self, self.value))

    def on_click(self, event: events.Click) -> None:
        """Choose the word that was clicked."""
        at = 1
        for word in self._words:
            end = at + len(line(word)) + 2
            if self._fits and at <= event.x < end:
                self.value = word
                self.post_message(self.Changed(self, word))
                return
            at = end

    @property
    def _fits(self) -> bool:
        return sum(len(line(word)) + 2 for word in self._words) <= self.size.width

    def render(self) -> Content:
        """Draw the line."""
        style = "bold reverse" if self.has_focus else "bold underline"
        if self._fits:
            parts = [Content.styled(line(word), style if word == self.value else "$muted") for word in self._words]
            return Content.assemble(" ", Content("  ").join(parts))
        at = self._words.index(self.value) + 1 if self.value in self._words else 0
        return Content.assemble(" ", (line(self.value, 40), style), (f"  {at} of {len(self._words)}", "$muted"))
