"""Leaving while a run is carried: how it shall be left."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from runbook.tui.dialogs.modal import Modal
from runbook.tui.look import Look, bold, muted
from runbook.tui.widgets.key_bar import KeyBar


class QuitSheet(Modal[str]):
    """Gives `pause`, `stop`, or nothing to stay."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss('')", "stay", id="quit.stay", tooltip="Stay; the run goes on")
    ]

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.look = look

    def compose(self) -> ComposeResult:
        """Build the sheet."""
        with Vertical(id="sheet"):
            yield Static(Content.assemble(self.look.mark("waiting"), " ", bold("A run is open")), id="title")
            yield OptionList(
                Option(Content.assemble("stay", "  ", muted("the run goes on")), ""),
                Option(Content.assemble("pause and leave", "  ", muted("what runs comes to its end")), "pause"),
                Option(
                    Content.assemble("stop and leave", "  ", muted("the running step is stopped and checked")), "stop"
                ),
            )
        yield KeyBar(self.look)

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_id or "")
