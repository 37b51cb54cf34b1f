"""Leaving while a run is open: how it shall be left."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from runbook.tui.dialogs.menu import MenuSheet
from runbook.tui.look import Look
from runbook.tui.presenter.sheet import Offer

_WAYS = (
    Offer("", "s", "stay", "the run goes on"),
    Offer("pause", "p", "pause and leave", "what runs comes to its end; resume any time"),
    Offer("stop", "S", "stop and leave", "the running step is stopped and checked"),
)


class QuitSheet(MenuSheet):
    """Gives `pause`, `stop`, or nothing to stay."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss('')", "stay", id="quit.stay", tooltip="Stay; the run goes on")
    ]

    def __init__(self, look: Look) -> None:
        super().__init__(look, "A run is open", "Nothing changes until you choose. Its record is on disk.", _WAYS)


_AT_REST = (Offer("", "s", "stay", "go on with it, or undo what it changed"), Offer("leave", "q", "leave", ""))


class RestSheet(MenuSheet):
    """Gives `leave`, or nothing to stay."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss('')", "stay", id="rest.stay", tooltip="Stay; nothing is given up")
    ]

    def __init__(self, look: Look, word: str, stakes: str) -> None:
        """Prepare; `word` is how the run rests, `stakes` what leaving would end."""
        super().__init__(look, f"The run is {word}, and not over", stakes, _AT_REST)
