"""An undo that an earlier run left open: nothing is taken back by opening it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from runbook.tui.dialogs.modal import Modal
from runbook.tui.look import Look, bold, line, muted
from runbook.tui.widgets.key_bar import KeyBar

if TYPE_CHECKING:
    from runbook.session.library import OpenLoop


class UndoSheet(Modal[str]):
    """Gives `look`, `undo`, or nothing to leave it open."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss('')", "leave it open", id="undo.leave", tooltip="Change nothing, decide later")
    ]

    def __init__(self, look: Look, loop: OpenLoop, step: str = "") -> None:
        super().__init__()
        self.look = look
        self.step = step
        self._loop = loop

    def compose(self) -> ComposeResult:
        """Build the sheet."""
        what = f"{self.step} of {self._loop.playbook}" if self.step else self._loop.playbook
        with Vertical(id="sheet"):
            yield Static(
                Content.assemble(self.look.status("waiting", says=f"Take back {line(what)}?").stylize("bold")),
                id="title",
            )
            yield Static(Content(line(self._loop.why)), id="body")
            yield OptionList(
                Option(Content.assemble("look at its record first", "  ", muted("nothing is changed")), "look"),
                Option(
                    Content.assemble(bold("undo"), "  ", muted("changes targets: walks the way back, and verifies it")),
                    "undo",
                ),
            )
        yield KeyBar(self.look)

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_id or "")
