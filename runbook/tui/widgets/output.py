"""Output of a step: only the visible lines are drawn, however many there are and however long they may be.

Draws from a spool, which it never changes: all hosts in the order in which they spoke, or one. Follows the end until
somebody moves up.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import ClassVar

from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from runbook.text import duration_text, one_line
from runbook.tui.look import Look
from runbook.tui.presenter.crop import Ruler
from runbook.tui.spool import NO_NUMBERS, Line, Numbers, Spool

_RULERS = 64
"""Measured lines that are kept."""
_SEARCHED = 4000
"""Lines that are searched between two turns of the screens."""
_TIME = 8
SYNCED = 0.5
"""Seconds at least between two changes of the size that scrolling knows, while the end is followed."""


class OutputView(ScrollView, can_focus=True):
    """The well: lines with their gutter of host, time, and `!` for stderr."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "output--gutter",
        "output--err",
        "output--hit",
        "output--hit-here",
        "output--text",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "by(-1)", "up", show=False, id="output.up", tooltip="One line up; stops following"),
        Binding("down,j", "by(1)", "down", show=False, id="output.down", tooltip="One line down"),
        Binding("pageup", "page(-1)", "page up", show=False, id="output.page_up", tooltip="One screen up"),
        Binding("pagedown,space", "page(1)", "page down", show=False, id="output.page_down", tooltip="One screen down"),
        Binding("left,h", "turn(-1)", "host", show=False, id="output.host_before", tooltip="Output of the host before"),
        Binding("right,l", "turn(1)", "host", show=False, id="output.host_next", tooltip="Output of the next host"),
        Binding("home,g", "first", "first", show=False, id="output.first", tooltip="The first line"),
        Binding("end,G", "follow", "follow", show=False, id="output.follow", tooltip="The last line, and follow"),
        Binding(
            "shift+left,H", "across(-1)", "left", show=False, id="output.left", tooltip="Half a screen to the left"
        ),
        Binding("shift+right", "across(1)", "right", show=False, id="output.right", tooltip="Half a screen right"),
        Binding(
            "n,enter", "hit(1)", "next hit", id="output.hit", tooltip="The next line that holds what is looked for"
        ),
        Binding("N", "hit(-1)", "hit before", show=False, id="output.hit_before", tooltip="The line with it before"),
        Binding("escape", "end_find", "end the search", id="output.find_end", tooltip="Look for nothing any more"),
    ]

    class Left(Message):
        """The search is to end."""

    class Turned(Message):
        """The output of another host is wanted."""

        def __init__(self, by: int) -> None:
            super().__init__()
            self.by = by

    class Changed(Message):
        """What stands below the well has to be told anew."""

    def __init__(self, look: Look, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._look = look
        self._spool = Spool()
        self._step = self._target = ""
        self._hosts: tuple[str, ...] = ()
        self._numbers: Numbers = NO_NUMBERS
        self._dropped = 0
        self._count = 0
        self._rulers: OrderedDict[int, Ruler] = OrderedDict()
        self.follows = True
        self.needle = ""
        self.hits: list[int] = []
        """Numbers of the lines that hold the needle."""
        self._searched = 0
        self._hit = -1
        self._wanted = Size(0, 0)
        self._synced = 0.0

    # --- what is shown -------------------------------------------------------------------------------------------

    def look_at(self, spool: Spool, step: str, target: str, hosts: tuple[str, ...]) -> None:
        """Show the output of a step, in all its places or in one."""
        self._hosts = hosts
        if (spool, step, target) == (self._spool, self._step, self._target) and spool is self._spool:
            self.grow()
            return
        self._spool, self._step, self._target = spool, step, target
        self._rulers.clear()
        self._numbers = NO_NUMBERS
        self.scroll_to(0, 0, animate=False, immediate=True)
        # Nobody moved up: it is another output.
        self._dropped, self._count, self.follows = spool.dropped, 0, True
        self.find(self.needle)
        self.grow()
        self.refresh()

    def grow(self) -> None:
        """Take in what came; at the end of it, if that is what is followed."""
        if self._numbers is NO_NUMBERS:
            self._numbers = self._spool.numbers(self._step, self._target)
        count = len(self._numbers)
        gone = self._spool.dropped - self._dropped
        self._dropped = self._spool.dropped
        width = self._gutter + self._numbers.widest
        room = self.scrollable_content_region.width
        self._wanted = Size(width if width > room else 0, count)
        # A new size costs a layout of the screen. Who follows sees the end without it; the bar at the side can wait.
        now = time.monotonic()
        if not self.follows or count <= self.size.height or now - self._synced > SYNCED or count < self._count:
            self._sync()
        if not self.follows and gone:
            self.scroll_to(y=max(self.scroll_offset.y - gone, 0), animate=False, immediate=True)
        if count != self._count or gone:
            self.refresh()
        self._count = count
        if self.needle and self._searched < self._spool.end:
            self.call_later(self._search)

    def _sync(self) -> None:
        """Let the scrolling know how much there is."""
        if self._wanted == self.virtual_size:
            return
        self._synced = time.monotonic()
        self.virtual_size = self._wanted
        if self.follows:
            self._to_end()

    @property
    def _top(self) -> int:
        """The first visible line: of those who follow, from the end."""
        if self.follows:
            return max(len(self._numbers) - self.scrollable_content_region.height, 0)
        return self.scroll_offset.y

    @property
    def lines(self) -> int:
        """How many lines there are."""
        return len(self._numbers)

    @property
    def removed(self) -> int:
        """Control sequences that were removed."""
        return self._numbers.removed

    @property
    def _names(self) -> int:
        """Cells that the names of hosts take: none where there is only one."""
        if self._target or len(self._hosts) < 2:
            return 0
        return min(max(len(h) for h in self._hosts), 14) + 2

    @property
    def _gutter(self) -> int:
        return 1 + self._names + _TIME

    def _to_end(self) -> None:
        last = max(len(self._numbers) - self.scrollable_content_region.height, 0)
        self.scroll_to(y=last, animate=False, immediate=True, force=True)

    # --- drawing -------------------------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        """Draw one visible line."""
        width = self.scrollable_content_region.width
        at = self._top + y
        ground = self.rich_style
        if at >= len(self._numbers):
            return Strip([self._edge(), Segment(" " * (width - 1), ground)], width)
        number = self._numbers[at]
        line = self._spool.line(number)
        gutter, err = self.get_component_rich_style("output--gutter"), self.get_component_rich_style("output--err")
        name = one_line(line.target if not line.target.startswith("*") else "", 200)
        names = f"{name[: self._names - 2]:<{self._names}}" if self._names else ""
        sign = "! " if line.stream == "err" else "  "
        head = [
            self._edge(),
            Segment(f"{names}{duration_text(line.at_ms / 1000):>5} ", gutter),
            Segment(sign, err),
        ]
        room = max(width - self._gutter, 0)
        strip = Strip([*head, *self._text(number, line, room)]).adjust_cell_length(width, ground)
        if len(line.text) > room and self._goes_on(number, line.text, room):
            return Strip([*strip.crop(0, width - 1), Segment(self._look.own("›"), gutter)], width)
        return strip

    def _goes_on(self, number: int, text: str, room: int) -> bool:
        """Tell whether the line is longer than what is in sight of it."""
        end = self.scroll_offset.x + room
        if text.isascii():
            return len(text) > end
        ruler = self._rulers.get(number)
        return ruler is not None and ruler.cells > end

    def _edge(self) -> Segment:
        """The left edge: where surfaces vanish, a bar says that these are words of a host."""
        bar = self._look.own("│") if self.app.current_theme.ansi else " "
        return Segment(bar, self.get_component_rich_style("output--gutter"))

    def _text(self, number: int, line: Line, room: int) -> list[Segment]:
        style = self.get_component_rich_style("output--text")
        shown = self._window(number, line.text, room)
        if not self._look.unicode:
            shown = shown.encode("ascii", "replace").decode()
        if not self.needle:
            return [Segment(shown, style)]
        here = self.hits[self._hit] if 0 <= self._hit < len(self.hits) else -1
        hit = self.get_component_rich_style("output--hit-here" if number == here else "output--hit")
        segments: list[Segment] = []
        lowered, needle, at = shown.lower(), self.needle.lower(), 0
        if len(lowered) != len(shown):
            return [Segment(shown, style)]
        while (found := lowered.find(needle, at)) >= 0:
            segments += [Segment(shown[at:found], style), Segment(shown[found : found + len(needle)], hit)]
            at = found + len(needle)
        return [*segments, Segment(shown[at:], style)]

    def _window(self, number: int, text: str, room: int) -> str:
        start = self.scroll_offset.x
        if "\t" in text:
            text = text.expandtabs(8)
        if text.isascii():
            return text[start : start + room]
        ruler = self._rulers.get(number)
        if ruler is None or ruler.text != text:
            ruler = self._rulers[number] = Ruler(text)
            if len(self._rulers) > _RULERS:
                self._rulers.popitem(last=False)
        return ruler.window(start, room)

    # --- moving --------------------------------------------------------------------------------------------------

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Stop following where somebody moves up, follow again at the end."""
        super().watch_scroll_y(old_value, new_value)
        at_end = round(new_value) >= self.max_scroll_y
        if at_end != self.follows and (at_end or new_value < old_value):
            self.follows = at_end
            self._sync()
            self.post_message(self.Changed())

    def action_by(self, lines: int) -> None:
        """Move by lines."""
        self._go(self._top + lines)

    def action_page(self, pages: int) -> None:
        """Move by screens."""
        self._go(self._top + pages * max(self.scrollable_content_region.height - 1, 1))

    def action_first(self) -> None:
        """Go to the first line that is kept."""
        self._go(0)

    def action_follow(self) -> None:
        """Go to the end and stay there."""
        self.follows = True
        self._to_end()
        self.post_message(self.Changed())

    def action_turn(self, by: int) -> None:
        """Ask for the output of another host."""
        self.post_message(self.Turned(by))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer the keys of a search while there is one."""
        return bool(self.needle) if action in ("hit", "end_find") else True

    def action_hit(self, by: int) -> None:
        """Go to another hit."""
        self.next_hit(by)

    def action_end_find(self) -> None:
        """Ask for the end of the search."""
        self.post_message(self.Left())

    def action_across(self, by: int) -> None:
        """Move to the left or right."""
        step = max((self.scrollable_content_region.width - self._gutter) // 2, 1)
        self.scroll_to(x=self.scroll_offset.x + by * step, animate=False, immediate=True)

    def _go(self, y: int) -> None:
        if self.follows and y < self._top:
            # The place is told by the end so far, which the scrolling need not know yet.
            self.follows = False
            self._sync()
            self.post_message(self.Changed())
        self.scroll_to(y=y, animate=False, immediate=True)

    def on_resize(self) -> None:
        """Keep the end in sight if it is followed."""
        self.grow()

    # --- finding and copying -------------------------------------------------------------------------------------

    def find(self, needle: str) -> None:
        """Look for a text, without regard to case; an empty one ends it."""
        if self.needle and not needle:
            # It went where the hits were; whoever reads on begins at the beginning of lines.
            self.scroll_to(x=0, animate=False, immediate=True)
        self.needle = needle
        self.hits = []
        self._hit = -1
        self._searched = self._spool.dropped
        if needle:
            self._search()
        else:
            self.post_message(self.Changed())
        self.refresh()
        self.refresh_bindings()

    def _search(self) -> None:
        """Search some lines, and the rest when keys and drawing had their turn."""
        if not self.needle:
            return
        needle = self.needle.lower()
        at, left = self._numbers.find(self._searched), _SEARCHED
        while at < len(self._numbers) and left > 0:
            number = self._numbers[at]
            text = self._spool.line(number).text
            if needle in text.lower():
                self.hits.append(number)
            at, left = at + 1, left - 1 - len(text) // 200
            self._searched = number + 1
        if at < len(self._numbers):
            self.call_later(self._search)
        else:
            self._searched = self._spool.end
        if self._hit < 0 and self.hits:
            self.next_hit(-1)
        self.post_message(self.Changed())

    def next_hit(self, by: int) -> None:
        """Go to the next or previous line with a hit; the first time to the last one."""
        if not self.hits:
            return
        self._hit = len(self.hits) - 1 if self._hit < 0 else (self._hit + by) % len(self.hits)
        number = self.hits[self._hit]
        if number < self._spool.dropped:
            return
        at = self._numbers.find(number)
        self.follows = False
        self._go(at - self.scrollable_content_region.height // 2)
        column = self._spool.line(number).text.lower().find(self.needle.lower())
        room = self.scrollable_content_region.width - self._gutter
        self.scroll_to(x=0 if column < room else column - room // 2, animate=False, immediate=True)
        self.refresh()
        self.post_message(self.Changed())

    @property
    def hit(self) -> int:
        """Which of the hits is shown, from 1; 0 if none is."""
        return self._hit + 1

    def visible_text(self) -> str:
        """Return the visible lines whole, as they came, for copying."""
        top = self._top
        last = min(top + self.scrollable_content_region.height, len(self._numbers))
        return "\n".join(self._spool.line(self._numbers[at]).text for at in range(top, last))
