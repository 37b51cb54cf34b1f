"""The one thin vertical line of a screen."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget

from runbook.tui.look import Look


class Rule(Widget):
    """Draws it; it carries no meaning."""

    def __init__(self, look: Look, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._sign = look.own("│")

    def render(self) -> Content:
        """As high as there is room."""
        return Content.styled("\n".join([self._sign] * max(self.size.height, 1)), "$rule")
