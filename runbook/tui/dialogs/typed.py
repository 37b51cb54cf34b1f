"""The typed confirmation: Enter is dead until the words match."""

from __future__ import annotations

from collections.abc import Iterable

from textual import on
from textual.containers import Horizontal
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from runbook.model.question import Choice
from runbook.text import one_line
from runbook.tui.dialogs.prompt import PromptSheet
from runbook.tui.look import Look, bold
from runbook.tui.presenter.sheet import SheetWords, typed_hint


class TypedSheet(PromptSheet[bool]):
    """Gives True when what has to be typed was typed."""

    def __init__(self, words: SheetWords, choice: Choice, look: Look) -> None:
        """Prepare for a choice that has to be typed."""
        super().__init__(f"{words.word}  {words.about}", look, tone="bad")
        self._wanted = choice.typed

    def fields(self) -> Iterable[Widget]:
        """What is wanted, and the line for it."""
        wanted = one_line(self._wanted, 200)
        yield Static(Content.assemble("To run it, type:  ", bold(wanted)), classes="field")
        yield Horizontal(Input(), classes="field")

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        self.say(self.look.row(typed_hint(self._wanted, event.value)))

    def action_accept(self) -> None:
        """Go on, if it matches."""
        if self.query_one(Input).value == self._wanted:
            self.dismiss(True)
