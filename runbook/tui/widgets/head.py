"""Row 0 of every screen: where one is, and the seal of the journal."""

from __future__ import annotations

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from runbook.tui.look import Look

PATH = ("Library", "Prepare", "Run", "Review")


class Head(Widget):
    """The path of modes at the left, and what has to be in sight at the right."""

    right: reactive[Content] = reactive(Content(""), always_update=True)
    """Incident, user, clock and seal, as far as they fit."""

    def __init__(self, mode: str, look: Look) -> None:
        super().__init__()
        self._mode = mode
        self._look = look

    def render(self) -> Content:
        """Draw the row."""
        sign = f" {self._look.own('›')} "
        path = Content(sign).join(
            Content.styled(name, "bold underline $accent" if name == self._mode else "$muted") for name in PATH
        )
        left = Content.assemble((" runbook", "bold"), "  ", path)
        gap = self.size.width - left.cell_length - self.right.cell_length - 1
        if gap < 1:
            left = Content.assemble((" runbook", "bold"), "  ", (self._mode, "bold underline $accent"))
            gap = self.size.width - left.cell_length - self.right.cell_length - 1
        return Content.assemble(left, " " * max(gap, 1), self.right)
