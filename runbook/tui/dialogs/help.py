"""Help: the keys of where one is, as the bindings say them."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from runbook.tui.dialogs.modal import Modal
from runbook.tui.look import Look, bold, line, muted
from runbook.tui.presenter import keys
from runbook.tui.widgets.key_bar import KeyBar
from runbook.tui.widgets.page import Page
from runbook.tui.widgets.scroll import Scroll


class HelpSheet(Modal[None]):
    """Shows them until it is left."""

    CSS_PATH = "help.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "back", id="help.back", tooltip="Back to where you were"),
        Binding("q,f1", "dismiss", "back", show=False, id="help.away", tooltip="Back to where you were"),
        Binding("question_mark", "dismiss", "back", show=False, id="help.same", tooltip="Back to where you were"),
    ]

    def __init__(self, look: Look, where: str, known: tuple[keys.Key, ...], config: str) -> None:
        """Prepare.

        Args:
            look: what the terminal can draw.
            where: the name of where one is.
            known: the keys that act there.
            config: the file in which keys can be changed.
        """
        super().__init__()
        self.look = look
        self._where = where
        self._known = known
        self._config = config

    def compose(self) -> ComposeResult:
        """Build the sheet."""
        yield Static(
            Content.assemble(
                (self.look.own("▌"), "$accent"),
                " ",
                bold(f"Keys in {self._where}"),
                "\n",
                (self.look.own("▌"), "$accent"),
                "   ",
                muted(f"Yours to change in {line(self._config)}."),
            ),
            id="help-title",
        )
        with Scroll(id="help"):
            yield Page(self.look, id="keys")
        yield KeyBar(self.look)

    def on_mount(self) -> None:
        """Draw them."""
        self.query_one(Page).show(partial(keys.rows, self._known))
        self.query_one(Scroll).focus()
