"""What all sheets share: each is left once, however often a key says so."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from runbook.tui.size import HEIGHTS, WIDTHS

T = TypeVar("T")


class Modal(ModalScreen[T]):
    """A screen over another one that gives one result."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "app.help", "help", id="dialog.help", tooltip="The keys of where you are"),
        Binding("f1", "app.help", "help", show=False, id="dialog.help.f1", tooltip="The keys of where you are"),
    ]
    _left = False
    HORIZONTAL_BREAKPOINTS = WIDTHS
    VERTICAL_BREAKPOINTS = HEIGHTS

    def dismiss(self, result: T | None = None) -> AwaitComplete:
        """Give the result; a second one, of a key that was pressed twice, would close the screen below."""
        if self._left:
            return AwaitComplete.nothing()  # type: ignore[no-any-return, no-untyped-call]
        self._left = True
        return super().dismiss(result)
