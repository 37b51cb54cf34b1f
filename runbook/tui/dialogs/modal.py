"""What all sheets share: each is left once, however often a key says so, and hears nothing before or after that."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import ModalScreen

from runbook.tui.size import HEIGHTS, WIDTHS

T = TypeVar("T")


class Modal(ModalScreen[T]):
    """A screen over another one that gives one result."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "app.help", "help", id="dialog.help", tooltip="The keys of where you are"),
        Binding("f1", "app.help", "help", show=False, id="dialog.help.f1", tooltip="The keys of where you are"),
        *(
            Binding(key, f"go('{mode}')", mode, show=False, id=f"dialog.{mode}", tooltip=f"Leave it open, go to {name}")
            for key, mode, name in (
                ("f2", "library", "the library"),
                ("f3", "prepare", "what is prepared"),
                ("f4", "run", "the run"),
                ("f5", "review", "past runs"),
            )
        ),
    ]
    _left = False
    sight = 0.0
    """What was typed before this moment, in seconds of the monotonic clock, was not meant for it."""
    HORIZONTAL_BREAKPOINTS = WIDTHS
    VERTICAL_BREAKPOINTS = HEIGHTS

    @property
    def is_ready(self) -> bool:
        """Whether all of it is there: a key may come before that, or while its parts are going."""
        return self.is_mounted and not self._left and self in self.app.screen_stack

    async def _dispatch_message(self, message: Message) -> None:
        # What its parts have told before they went finds nobody to show it to.
        if self._left and not type(message).__module__.startswith(("textual.events", "textual.messages")):
            return
        await super()._dispatch_message(message)

    def dismiss(self, result: T | None = None) -> AwaitComplete:
        """Give the result; a second one, of a key that was pressed twice, would close the screen below."""
        if self._left:
            return AwaitComplete.nothing()  # type: ignore[no-any-return, no-untyped-call]
        self._left = True
        return super().dismiss(result)

    async def action_go(self, mode: str) -> None:
        """Go to a mode; this sheet and those below it are left as Esc leaves them, and a question stays open."""
        for screen in reversed(self.app.screen_stack):
            if isinstance(screen, Modal):
                screen.dismiss(None)
        await self.app.switch_mode(mode)
