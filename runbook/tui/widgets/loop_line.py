"""The now line of the library: what earlier runs left open, two rows of it at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive

from runbook.text.mark import mark_of
from runbook.tui.look import Look, line
from runbook.tui.presenter.loops import Loop
from runbook.tui.widgets.now_line import NowLine

if TYPE_CHECKING:
    from runbook.session.library import OpenLoop

ROWS = 2


class LoopLine(NowLine, can_focus=True):
    """Open loops, most urgent first; without any, the words of an ordinary now line."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"loops--cursor"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "enter", "resume", "resume", id="loops.resume", tooltip="Go on with it: it asks before the next change"
        ),
        Binding("enter", "take", "open it", id="loops.take", tooltip="Look at it: nothing is executed"),
        Binding("up,k", "move(-1)", "up", show=False, id="loops.up", tooltip="The one above"),
        Binding("down,j", "move(1)", "next", id="loops.down", tooltip="The one below, then the alert's text"),
    ]

    loops: reactive[tuple[Loop, ...]] = reactive(())
    cursor: reactive[int] = reactive(0)

    class Chosen(Message):
        """One of them is to be taken up."""

        def __init__(self, loop: OpenLoop) -> None:
            super().__init__()
            self.loop = loop

    class Left(Message):
        """The cursor went on below the last one."""

    def __init__(self, look: Look) -> None:
        super().__init__(look.own("▌"))
        self._look = look

    def allow_focus(self) -> bool:
        """Take the focus only if there is something to take up."""
        return bool(self.loops)

    def validate_cursor(self, cursor: int) -> int:
        """Keep the cursor on a row."""
        return max(0, min(cursor, len(self.loops) - 1))

    def watch_loops(self) -> None:
        """Keep the cursor on a row."""
        self.cursor = min(self.cursor, max(0, len(self.loops) - 1))
        self.refresh_bindings()

    def action_move(self, by: int) -> None:
        """Go to another one, or below the last."""
        if self.cursor + by >= len(self.loops):
            self.post_message(self.Left())
        self.cursor += by

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Call it what it is: to go on with a run, or to look at it."""
        if action in ("resume", "take"):
            goes_on = bool(self.loops) and self.loops[self.cursor].loop.next.split(" ")[1:2] == ["resume"]
            return goes_on == (action == "resume")
        return True

    def watch_cursor(self) -> None:
        """Offer what can be done with this one."""
        self.refresh_bindings()

    def action_resume(self) -> None:
        """Go on with the one under the cursor."""
        self.action_take()

    def action_take(self) -> None:
        """Take up the one under the cursor."""
        if self.loops:
            self.post_message(self.Chosen(self.loops[self.cursor].loop))

    def on_click(self, event: events.Click) -> None:
        """Take up the one that was clicked."""
        if self._top + event.y < len(self.loops):
            self.cursor = self._top + event.y
            self.action_take()

    @property
    def _top(self) -> int:
        return max(0, min(self.cursor - ROWS + 1, len(self.loops) - ROWS)) if self.has_focus else 0

    def render(self) -> Content:
        """Draw both rows."""
        if not self.loops:
            return super().render()
        top = self._top
        shown = self.loops[top : top + ROWS]
        what = max(len(loop.what) for loop in shown) + 3
        name = min(max(len(line(loop.name)) for loop in shown), 24)
        rows = [self._loop(loop, what, name, top + n == self.cursor) for n, loop in enumerate(shown)]
        hidden = len(self.loops) - len(shown)
        if hidden:
            more = Content.styled(f"{top + 1}-{top + len(shown)} of {len(self.loops)}", "$muted")
            gap = self.size.width - rows[-1].cell_length - more.cell_length - 1
            rows[-1] = (
                Content.assemble(rows[-1], " " * gap, more)
                if gap > 1
                else Content.assemble(
                    rows[-1].truncate(self.size.width - more.cell_length - 3, ellipsis=True), "  ", more
                )
            )
        return Content("\n").join(rows)

    def _loop(self, loop: Loop, what: int, name: int, here: bool) -> Content:
        tone = mark_of(loop.status).tone
        status = self._look.status(loop.status, says=loop.what).stylize("bold")
        drawn = Content.assemble(
            (self._bar, f"${tone}"),
            " ",
            status,
            " " * max(1, what - status.cell_length + 1),
            line(loop.name, name).ljust(name),
            "  ",
            (line(loop.rest), "$muted"),
            " " if loop.end else "",
            (loop.end, "bold"),
        )
        if drawn.cell_length > self.size.width:
            drawn = drawn.truncate(self.size.width, ellipsis=True)
        if here and self.has_focus:
            drawn = drawn.pad_right(max(0, self.size.width - drawn.cell_length)).stylize_before(
                self.get_visual_style("loops--cursor", partial=True)
            )
        return drawn
