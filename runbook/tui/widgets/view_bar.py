"""The views of a screen on one line, for terminals where they do not fit side by side."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget


class ViewBar(Widget, can_focus=True):
    """Goes from view to view."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "turn(-1)", "view", show=False, id="views.left", tooltip="The view before"),
        Binding("right", "turn(1)", "view", id="views.right", key_display="←→", tooltip="The next view"),
        Binding("l", "turn(1)", "view", show=False, id="views.on", tooltip="The next view"),
    ]

    view: reactive[int] = reactive(0)
    flags: reactive[tuple[str, ...]] = reactive(())
    """A style for the number of each view, where something in it wants to be seen."""

    class Turned(Message):
        """Another view is wanted."""

        def __init__(self, view: int) -> None:
            super().__init__()
            self.view = view

    def __init__(self, names: tuple[str, ...], id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self._names = names

    def action_turn(self, by: int) -> None:
        """Go to the next view, round and round."""
        self.post_message(self.Turned((self.view + by) % len(self._names)))

    def on_click(self, event: events.Click) -> None:
        """Go to the view that was clicked."""
        at = 2
        for number, name in enumerate(self._names):
            end = at + len(name) + 2 + self._gap
            if at <= event.x < end:
                self.post_message(self.Turned(number))
            at = end

    @property
    def _gap(self) -> int:
        """Cells between two names: fewer where the last one would be cut."""
        room = self.size.width - 2 - sum(len(name) + 2 for name in self._names)
        return min(max(room // max(len(self._names) - 1, 1), 1), 3)

    def render(self) -> Content:
        """Draw the names."""
        parts = []
        for number, name in enumerate(self._names):
            flag = self.flags[number] if number < len(self.flags) else ""
            here = number == self.view
            style = ("bold reverse $accent" if self.has_focus else "bold underline $accent") if here else "$muted"
            parts.append(Content.assemble((str(number + 1), flag or "bold $accent"), " ", (name, style)))
        return Content.assemble("  ", Content(" " * self._gap).join(parts))
