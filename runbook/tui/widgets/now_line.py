"""Rows 1 and 2 of every screen: status, what, where, how long silent; the first of two glances."""

from __future__ import annotations

from msgspec import Struct
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

NOTHING = Content("")


class Now(Struct, frozen=True):
    """What the two rows say, each with a left and a right part, and the tone of the bar beside them."""

    tone: str = "rule"
    first: Content = NOTHING
    first_right: Content = NOTHING
    second: Content = NOTHING
    second_right: Content = NOTHING


class NowLine(Widget):
    """Draws what is now."""

    now: reactive[Now] = reactive(Now())

    def __init__(self, bar: str) -> None:
        """Prepare; `bar` is the sign at the left."""
        super().__init__()
        self._bar = bar

    def render(self) -> Content:
        """Draw both rows; where they do not fit, the right part goes first."""
        now = self.now
        return Content("\n").join(
            [
                self._row(now.first, now.first_right),
                self._row(Content.assemble("   ", now.second) if now.second else NOTHING, now.second_right),
            ]
        )

    def _row(self, left: Content, right: Content) -> Content:
        bar = Content.styled(self._bar, f"${self.now.tone}")
        room = self.size.width - 4
        gap = room - left.cell_length - right.cell_length
        if gap < 2:
            return Content.assemble(bar, " ", left.truncate(room, ellipsis=True))
        return Content.assemble(bar, " ", left, " " * gap, right)
