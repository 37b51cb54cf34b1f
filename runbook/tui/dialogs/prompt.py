"""A small sheet at the bottom with a few lines to fill in: reasons, notes, typed words, secrets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from runbook.tui.dialogs.modal import Modal
from runbook.tui.look import Look, bold
from runbook.tui.widgets.key_bar import KeyBar

T = TypeVar("T")


class PromptSheet(Modal[T]):
    """Asks for some text; Esc leaves without it."""

    CSS_PATH = "sheet.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "take", "take it", id="prompt.accept", priority=True, tooltip="Take what is written"),
        Binding("escape", "leave", "back", id="prompt.leave", tooltip="Leave it as it is"),
        Binding("question_mark", "app.help", "help", show=False, id="prompt.help", tooltip="In a field it is a letter"),
        Binding("f1", "app.help", "help", id="prompt.help.f1", tooltip="The keys of where you are"),
    ]

    def __init__(self, title: str, look: Look, *, tone: str = "") -> None:
        """Prepare; `title` is clean text."""
        super().__init__()
        self.look = look
        self._title = title
        self._tone = tone

    def compose(self) -> ComposeResult:
        """Build the sheet."""
        with Vertical(id="sheet", classes=f"-{self._tone}" if self._tone else ""):
            yield Static(self.heading())
            yield from self.fields()
            yield Static(id="hint", classes="hint")
        yield KeyBar(self.look)

    def heading(self) -> Content:
        """Return the first row."""
        return bold(self._title)

    def fields(self) -> Iterable[Widget]:
        """Return what is filled in."""
        raise NotImplementedError

    def on_mount(self) -> None:
        """Begin with the first field."""
        for field in self.query(Input):
            field.focus()
            break

    def on_resize(self) -> None:
        """Keep what is typed in sight."""
        self.call_after_refresh(self._see)

    def _see(self) -> None:
        if self.is_ready and self.focused is not None:
            self.focused.scroll_visible(animate=False, force=True, immediate=True)

    def say(self, words: Content) -> None:
        """Say what is wrong, or what is missing."""
        self.query_one("#hint", Static).update(words)

    @on(Input.Submitted)
    def action_take(self) -> None:
        """Take what is written, once the letters that were typed before this key are in their field."""
        (self.focused or self).call_later(self._take)

    def _take(self) -> None:
        if self.is_ready and self.app.screen is self:
            self.action_accept()

    def action_accept(self) -> None:
        """Take what is written, if it is good."""
        raise NotImplementedError

    def action_leave(self) -> None:
        """Leave it as it is."""
        self.dismiss(None)
