"""All that a rehearsal found, on the whole screen: every diff to its last line, every command."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from runbook.tui.dialogs.modal import Modal
from runbook.tui.look import Look as Drawing
from runbook.tui.look import bold, line
from runbook.tui.presenter import rehearsal
from runbook.tui.widgets.key_bar import KeyBar
from runbook.tui.widgets.page import Page
from runbook.tui.widgets.scroll import Scroll


class WholeDiff(Modal[None]):
    """Shows it until it is left."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,ctrl+o", "dismiss", "back", id="diff.back", tooltip="Back to the form")
    ]

    def __init__(self, look: Drawing, title: str, found: rehearsal.Look) -> None:
        super().__init__()
        self.look = look
        self._title = title
        self._found = found

    def compose(self) -> ComposeResult:
        """Build the sheet."""
        yield Static(
            Content.assemble(
                (self.look.own("▌"), "$accent"),
                " ",
                bold(line(self._title)),
                "  ",
                self.look.row(rehearsal.status(self._found)),
            ),
            id="whole-title",
        )
        with Scroll(id="whole"):
            yield Page(self.look, id="whole-page")
        yield KeyBar(self.look)

    def on_mount(self) -> None:
        """Draw it."""
        self.query_one(Page).show(partial(rehearsal.rows, self._found, whole=True))
        self.query_one(Scroll).focus()
