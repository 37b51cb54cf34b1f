"""The sheet of a question: what it is about at the top, choices with their price below, the safe one in focus.

Owns which sheet puts which question. What was typed before it stood there does not count as its answer.
"""

from __future__ import annotations

import time
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from runbook.model.question import Answer, Choice, NoAnswer, Question
from runbook.text import reveal
from runbook.tui.look import Look, bold, line, muted
from runbook.tui.widgets.key_bar import KeyBar

DEAF = 0.4
"""Seconds in which a fresh question takes no key."""


class Sheet(ModalScreen[Answer | NoAnswer]):
    """Any question with choices."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "choose", id="sheet.choose"),
        Binding("question_mark", "app.help", "help", id="help"),
    ]

    def __init__(self, question: Question, look: Look) -> None:
        super().__init__()
        self.question = question
        self.look = look
        self._shown_at = time.monotonic()

    def compose(self) -> ComposeResult:
        """Build the sheet."""
        question = self.question
        with VerticalScroll(id="sheet"):
            yield Static(Content.assemble(self.look.mark("waiting"), " ", bold(line(question.title))), id="title")
            if question.body:
                yield Static(Content(reveal(question.body)), id="body")
            for text in question.evidence:
                yield Static(Content(line(text, 2000)), classes="evidence")
            for preview in question.previews:
                yield Static(Content(f"{line(preview.target)}: {line(preview.words)}"))
                for command in preview.commands:
                    yield Static(Content.assemble(muted("  $ "), bold(reveal(command))))
                if preview.diff:
                    yield Static(Content(reveal(preview.diff)), classes="well")
            yield OptionList(*(self._option(choice) for choice in question.choices), id="choices")
        yield KeyBar(self.look)

    def _option(self, choice: Choice) -> Option:
        name, _, price = choice.title.partition(": ")
        return Option(Content.assemble((f"{choice.key or ' '} ", "bold $accent"), name, "  ", muted(price)), choice.id)

    def on_mount(self) -> None:
        """Put the focus on the safe choice."""
        choices = self.query_one(OptionList)
        ids = [choice.id for choice in self.question.choices]
        choices.highlighted = ids.index(self.question.safe) if self.question.safe in ids else 0
        choices.focus()

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        if time.monotonic() - self._shown_at < DEAF or event.option_id is None:
            return
        self.dismiss(Answer(choice=event.option_id))

    def on_key(self, event: object) -> None:
        """Take a choice by its own key."""
        key = getattr(event, "character", None)
        if time.monotonic() - self._shown_at < DEAF:
            return
        for choice in self.question.choices:
            if choice.key and choice.key == key:
                self.dismiss(Answer(choice=choice.id))
                return


def sheet_for(question: Question, look: Look) -> Sheet:
    """Return the sheet that puts this question."""
    return Sheet(question, look)
