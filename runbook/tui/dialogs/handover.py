"""Handing a run over: a summary for the next person, the file that holds it, and what is to be typed elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import ClassVar

from msgspec import Struct
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Label, Static

from runbook.events.state import RunState
from runbook.model.plan import Plan
from runbook.tui.dialogs.modal import Modal
from runbook.tui.dialogs.prompt import PromptSheet
from runbook.tui.dialogs.sheet import DEAF
from runbook.tui.look import Look, bold, muted
from runbook.tui.presenter import handover as words
from runbook.tui.widgets.key_bar import KeyBar
from runbook.tui.widgets.page import Page


class Handed(Struct, frozen=True):
    """Where a run is to be handed over to, and what the next person should know."""

    path: Path
    reason: str


class HandoverSheet(PromptSheet[Handed]):
    """Gives file and reason, or nothing; Enter is dead until there is a reason."""

    def __init__(
        self, look: Look, state: RunState, plan: Plan | None, *, path: str, check: Callable[[str], str]
    ) -> None:
        """Prepare.

        Args:
            look: what the terminal can draw.
            state: of the run.
            plan: of the run, where it can be read.
            path: the file that is proposed.
            check: says what is wrong with a file, and what to write; nothing if it is good.
        """
        super().__init__("Hand this run over", look, tone="wait")
        self._state, self._plan = state, plan
        self._path = path
        self._check = check

    def fields(self) -> Iterable[Widget]:
        """The summary, the price, and two lines."""
        with VerticalScroll(can_focus=False, id="summary"):
            yield Page(self.look, id="about")
        yield Page(self.look, id="price")
        yield Horizontal(
            Label(Content("Reason"), classes="label"), Input(id="reason", max_length=2000), classes="field"
        )
        yield Horizontal(Label(Content("File"), classes="label"), Input(self._path, id="path"), classes="field")

    def on_mount(self) -> None:
        """Draw the summary, and begin with the reason."""
        super().on_mount()
        self.query_one("#about", Page).show(partial(words.summary_rows, self._state, self._plan))
        self.query_one("#price", Page).show(words.price_rows)
        self._tell()

    @on(Input.Changed)
    def _tell(self) -> None:
        wrong = self._wrong()
        self.say(Content.styled(wrong, "$wait") if wrong else muted("Enter writes the file and closes the run here"))

    def _wrong(self) -> str:
        if not self.query_one("#reason", Input).value.strip():
            return "Write why, and what the next person has to know: it goes on record."
        return self._check(self.query_one("#path", Input).value.strip())

    def action_accept(self) -> None:
        """Take both if they are good."""
        if not self._wrong():
            path = Path(self.query_one("#path", Input).value.strip()).expanduser()
            self.dismiss(Handed(path, self.query_one("#reason", Input).value.strip()))


class HandedSheet(Modal[None]):
    """Tells where the file is and what the next person types."""

    CSS_PATH = "sheet.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,escape,q", "close", "close", id="handed.close", tooltip="Back to the record"),
        Binding("y", "copy", "copy commands", id="handed.copy", tooltip="Copy what the next person types"),
    ]

    def __init__(self, look: Look, run: str, path: Path, state: RunState) -> None:
        super().__init__()
        self.look = look
        self._run = run
        self._path = path
        self._state = state
        self._since = float("inf")

    def compose(self) -> ComposeResult:
        """Build the sheet."""
        with Vertical(id="sheet"):
            yield Static(Content.assemble(self.look.mark("succeeded"), " ", bold("The run is handed over")), id="title")
            yield Page(self.look, id="done")
        yield KeyBar(self.look)

    def on_mount(self) -> None:
        """Draw it."""
        self._since = time.monotonic()
        self.query_one("#done", Page).show(partial(words.done_rows, self._run, self._path, self._state))

    def action_close(self) -> None:
        """Close it, once it can have been read."""
        if time.monotonic() - self._since >= DEAF:
            self.dismiss(None)

    def action_copy(self) -> None:
        """Give the commands to the clipboard of the terminal (OSC 52)."""
        self.app.copy_to_clipboard("\n".join(words.commands(self._run, self._path, self._state)) + "\n")
        self.notify("2 lines given to the terminal's clipboard.", markup=False)
