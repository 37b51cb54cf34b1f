"""An undo that an earlier run left open: nothing is taken back by opening it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from runbook.tui.dialogs.menu import MenuSheet
from runbook.tui.look import Look, line
from runbook.tui.presenter.sheet import Offer

if TYPE_CHECKING:
    from runbook.session.library import OpenLoop

_WAYS = (
    Offer("look", "l", "look at its record first", "nothing is changed"),
    Offer("undo", "U", "undo", "changes targets, and verifies each step"),
)


class UndoSheet(MenuSheet):
    """Gives `look`, `undo`, or nothing to leave it open."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss('')", "leave it open", id="undo.leave", tooltip="Change nothing, decide later")
    ]

    def __init__(self, look: Look, loop: OpenLoop, step: str = "") -> None:
        what = f"{step} of {loop.playbook}" if step else loop.playbook
        super().__init__(look, f"Take back {line(what)}?", line(loop.why), _WAYS)
        self.step = step
