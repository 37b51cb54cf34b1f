"""The ground the application stands on: title and bell of the terminal, failures of the screens, the last filter.

A failure of the screens ends them and is kept for whoever opened them: the trace that Textual would print shows the
values of variables, and is no answer to somebody in an incident.
"""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Sequence

from rich.segment import Segment
from textual import events
from textual.app import App
from textual.cache import LRUCache
from textual.color import Color
from textual.css.stylesheet import Stylesheet
from textual.driver import Driver
from textual.filter import LineFilter, Monochrome, NoColor

from runbook.tui.ascii import Ascii

QUIET = 10.0
"""Seconds without a key after which a question rings: who types is there already."""

_TYPED = frozenset({"enter", "tab", "backspace", "delete", "up", "down", "left", "right"})
"""Keys that are typed into a form besides text."""

_NEVER = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


class Harmless(LineFilter):
    """Keeps what a terminal obeys, or an eye misses, out of every line, whichever widget forgot to."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Drop it from the texts; their widths stay, as none of it has one."""
        if all(text.isprintable() for text, _, control in segments if not control):
            return segments
        return [
            Segment("".join(c for c in text if unicodedata.category(c) not in _NEVER), style)
            for text, style, control in segments
            if not control
        ]


class ParsedOnce(Stylesheet):
    """Styles of which each source is parsed once for the same variables: at the start nothing takes longer."""

    def __init__(self, variables: dict[str, str]) -> None:
        super().__init__(variables=variables)
        self._parse_cache = LRUCache(1024)

    def set_variables(self, variables: dict[str, str]) -> None:
        """Forget what was parsed only if a variable is another one."""
        if variables != self._variables:
            super().set_variables(variables)

    def reparse(self) -> None:
        """Parse what is not parsed yet."""
        self.parse()


class Ground(App[int]):
    """An application that ends calmly."""

    failure: BaseException | None = None
    """What ended the screens against the will of their user."""
    is_ascii = False
    """The terminal draws no other signs."""

    def __init__(self) -> None:
        super().__init__()
        self.stylesheet = ParsedOnce(self.get_css_variables())
        self._harmless = Harmless()
        self._plain = NoColor()
        self._ascii = Ascii()
        self._last_key = time.monotonic()
        self.key_time = 0.0
        """When the key was pressed that is taken now, in seconds of the monotonic clock."""

    # --- the terminal -------------------------------------------------------------------------------------------

    def get_driver_class(self) -> type[Driver]:
        """Return what drives a real terminal."""
        from textual.drivers.linux_driver import LinuxDriver

        from runbook.tui.driver import TerminalDriver

        found = super().get_driver_class()
        return TerminalDriver if found is LinuxDriver else found

    @property
    def lost_terminal(self) -> bool:
        """Whether nobody is at the other end of the terminal any more."""
        return bool(getattr(self._driver, "is_lost", False))

    def name_terminal(self, words: str) -> None:
        """Set the title of the terminal."""
        name = getattr(self._driver, "name", None)
        if name is not None:
            name(words)

    def action_suspend_process(self) -> None:
        """Go to the background, if there is a shell to come back from."""
        from runbook.tui.driver import can_come_back

        if can_come_back():
            super().action_suspend_process()
        else:
            self.notify("There is no shell here that could bring this back to the front.", markup=False)

    def ring_if_away(self) -> None:
        """Ring, if nobody has pressed a key for a while."""
        if time.monotonic() - self._last_key >= QUIET:
            self.bell()

    async def on_event(self, event: events.Event) -> None:
        """Note that somebody is there; what was typed for another screen than this one is nothing here."""
        if isinstance(event, events.Key | events.MouseDown | events.Paste):
            self._last_key = time.monotonic()
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded:
            self.key_time = event.time
            if self._came_too_early(event):
                return
        await super().on_event(event)

    def _came_too_early(self, event: events.Key | events.Paste) -> bool:
        """Tell whether something was typed before the screen was in sight that would take it."""
        if event.time >= getattr(self.screen, "sight", 0.0):
            return False
        if isinstance(event, events.Paste):
            self.notify("What was pasted is in no field: none was in sight yet. Paste it again.", markup=False)
        # Keys that are no text mean the same everywhere: back, another screen, the way out.
        return isinstance(event, events.Paste) or event.is_printable or event.key in _TYPED

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Add the last filter; without colour the terminal's own two are left.

        Textual makes its grey of the theme that it starts with, and grey of "the terminal's own" is black on black.
        """
        plain = (self._plain if isinstance(each, Monochrome) else each for each in super().get_line_filters())
        return [*plain, self._harmless, *((self._ascii,) if self.is_ascii else ())]

    # --- failures -----------------------------------------------------------------------------------------------

    # Textual has no public place for these three.

    def _handle_exception(self, error: Exception) -> None:
        self.failure = self.failure or error
        super()._handle_exception(error)

    def _fatal_error(self) -> None:
        self._close_messages_no_wait()

    def panic(self, *renderables: object) -> None:
        """End the screens; the failure is told by whoever opened them."""
        self.failure = self.failure or RuntimeError("the screens gave up")
        self._close_messages_no_wait()
