"""A small sheet at the bottom with a few choices that are no question of the run: how to leave, what to look at."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from runbook.tui.dialogs.modal import Modal
from runbook.tui.look import Look, bold, muted
from runbook.tui.presenter.sheet import Offer
from runbook.tui.widgets.choice_menu import ChoiceMenu
from runbook.tui.widgets.key_bar import KeyBar


class MenuSheet(Modal[str]):
    """Gives the id of the choice, or nothing; the first choice has the focus and changes nothing."""

    CSS_PATH = "sheet.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss('')", "back", id="choices.leave", tooltip="Leave it as it is")
    ]

    def __init__(self, look: Look, title: str, about: str, offers: tuple[Offer, ...]) -> None:
        """Prepare; `title` and `about` are clean text."""
        super().__init__()
        self.look = look
        self._title = title
        self._about = about
        self._offers = offers

    def compose(self) -> ComposeResult:
        """Build the sheet."""
        with Vertical(id="sheet", classes="-wait"):
            yield Static(Content.assemble(self.look.mark("waiting"), " ", bold(self._title)))
            yield Static(muted(self._about), id="why")
            yield ChoiceMenu(self._offers, self._offers[0].id, self.look)
        yield KeyBar(self.look)

    def on_mount(self) -> None:
        """Put the focus on what changes nothing."""
        self.query_one(ChoiceMenu).focus()

    @on(ChoiceMenu.Taken)
    def _taken(self, message: ChoiceMenu.Taken) -> None:
        self.dismiss(message.choice)
