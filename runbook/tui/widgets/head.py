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
        # A colour in reverse video is a block of that colour: there the row has one colour alone.
        one = self.app.current_theme.ansi
        here, other = ("bold underline", "") if one else ("bold underline $accent", "$muted")
        right = Content(self.right.plain) if one else self.right
        path = Content(f" {self._look.own('›')} ").join(
            Content.styled(name, here if name == self._mode else other) for name in PATH
        )
        left = Content.assemble((" runbook", "bold"), "  ", path)
        if self._gap(left, right) < 1:
            left = Content.assemble((" runbook", "bold"), "  ", (self._mode, here))
        return Content.assemble(left, " " * max(self._gap(left, right), 1), right)

    def _gap(self, left: Content, right: Content) -> int:
        return self.size.width - left.cell_length - right.cell_length - 1
