"""What all sheets share: each is left once, however often a key says so."""

from __future__ import annotations

from typing import TypeVar

from textual.await_complete import AwaitComplete
from textual.screen import ModalScreen

T = TypeVar("T")


class Modal(ModalScreen[T]):
    """A screen over another one that gives one result."""

    _left = False

    def dismiss(self, result: T | None = None) -> AwaitComplete:
        """Give the result; a second one, of a key that was pressed twice, would close the screen below."""
        if self._left:
            return AwaitComplete.nothing()  # type: ignore[no-any-return, no-untyped-call]
        self._left = True
        return super().dismiss(result)
