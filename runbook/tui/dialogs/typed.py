"""The typed confirmation: Enter is dead until the words match."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from runbook.model.question import Choice
from runbook.text import one_line
from runbook.tui.dialogs.prompt import PromptSheet
from runbook.tui.look import Look, bold
from runbook.tui.presenter.sheet import SheetWords, typed_hint
from runbook.tui.widgets.page import Page, Rows


class TypedSheet(PromptSheet[bool]):
    """Gives True when what has to be typed was typed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "accept", "run it", id="typed.accept", priority=True, tooltip="Do what was typed"),
        Binding("escape", "leave", "do not run", id="typed.leave", tooltip="Run nothing"),
    ]

    def __init__(self, words: SheetWords, choice: Choice, look: Look, about: Rows) -> None:
        """Prepare for a choice that has to be typed; `about` is what the question is about: it lies on its sheet."""
        super().__init__(words.about, look, tone="bad")
        self._words = words
        self._about = about
        self._wanted = choice.typed
        self._act = next((offer.name for offer in words.offers if offer.id == choice.id), "do it")

    def heading(self) -> Content:
        """The head of the question."""
        return head_of(self._words, self.look)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer the act once what has to be typed stands there."""
        return action != "accept" or self._is_right

    @property
    def _is_right(self) -> bool:
        return any(field.value == self._wanted for field in self.query(Input))

    def fields(self) -> Iterable[Widget]:
        """What it is about, what is wanted, and the line for it."""
        with VerticalScroll(can_focus=False, classes="about"):
            yield Page(self.look)
        yield Static(Content.assemble(f"To {self._act}, type:  ", bold(one_line(self._wanted, 200))), classes="field")
        yield Horizontal(Input(), classes="field")

    def on_mount(self) -> None:
        """Show what it is about."""
        super().on_mount()
        self.query_one(Page).show(self._about)

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        self.say(self.look.row(typed_hint(self._wanted, event.value)))
        self.refresh_bindings()

    def action_accept(self) -> None:
        """Go on, if it matches."""
        if self._is_right:
            self.dismiss(True)


def head_of(words: SheetWords, look: Look) -> Content:
    """Return the first row of the sheet of a question."""
    loud = Content.styled(f"{look.own(words.symbol)} {words.word}", f"bold ${words.tone}")
    return Content.assemble(loud, "  ", bold(words.about))
