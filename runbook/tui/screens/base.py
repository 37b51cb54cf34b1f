"""What all screens share: head, now line, body, key bar, in the same rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import ClassVar

from textual.app import ComposeResult
from textual.screen import Screen
from textual.widget import Widget

from runbook.text import counted
from runbook.tui.look import Look
from runbook.tui.size import HEIGHTS, WIDTHS
from runbook.tui.widgets.head import Head
from runbook.tui.widgets.key_bar import KeyBar
from runbook.tui.widgets.now_line import Now, NowLine


class Frame(Screen[None]):
    """A screen in the common grid; the body is the subclass's."""

    MODE: ClassVar[str] = ""
    """Its word in the path of modes."""

    AUTO_FOCUS = ""

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.HORIZONTAL_BREAKPOINTS = WIDTHS
        self.VERTICAL_BREAKPOINTS = HEIGHTS
        self.look = look
        self.sight = 0.0
        """When this came in sight, in seconds of the monotonic clock: what was typed before was not meant for it."""
        self.carried: Callable[[], str] = str
        """Gives the run that goes on in this interface; empty if none does."""

    def compose(self) -> ComposeResult:
        """Build the rows."""
        yield Head(self.MODE, self.look)
        yield self.now_line()
        yield from self.body()
        yield KeyBar(self.look)

    def now_line(self) -> NowLine:
        """Return what stands in rows 1 and 2."""
        return NowLine(self.look.own("▌"))

    def body(self) -> Iterable[Widget]:
        """Return what stands between now line and key bar."""
        raise NotImplementedError

    def say(self, now: Now) -> None:
        """Set the now line."""
        self.query_one(NowLine).now = now

    def conceal(self) -> None:
        """Take nothing that is typed until `reveal`: what will stand here is not there yet."""
        self.sight = float("inf")

    def reveal(self) -> None:
        """Take what is typed from the moment on when all of this is drawn."""
        if self.sight == float("inf"):
            self.call_after_refresh(self._came_in_sight)

    def _came_in_sight(self) -> None:
        self.sight = time.monotonic()

    def on_screen_suspend(self) -> None:
        """Step back behind what lies over it; the head stays legible: the seal of the journal is always in sight."""
        self.add_class("-under")

    def on_screen_resume(self) -> None:
        """Come to the front again."""
        self.remove_class("-under")

    @property
    def head(self) -> Head:
        """Row 0."""
        return self.query_one(Head)

    def copy(self, text: str) -> None:
        """Give words of the output to the clipboard of the terminal (OSC 52), and say so."""
        if not text:
            self.notify("There is no output in sight to copy.", markup=False)
            return
        self.app.copy_to_clipboard(text)
        lines = text.count("\n") + 1
        self.notify(f"{counted(lines, 'line')} given to the terminal's clipboard.", markup=False)
