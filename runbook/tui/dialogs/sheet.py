"""The sheet of a question: what it is about at the top, choices with their price below, the safe one in focus.

Owns the way from a choice to a whole answer: what has to be typed, a reason, values. Leaving the sheet with Esc
answers nothing: the question stays open. What was typed before the sheet stood there does not count.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import partial
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from runbook.events.state import RunState
from runbook.model.question import Answer, Choice, NoAnswer, Question
from runbook.model.scalar import Json
from runbook.text import counted, one_line
from runbook.tui.dialogs.modal import Modal
from runbook.tui.dialogs.reason import ReasonSheet
from runbook.tui.dialogs.typed import TypedSheet, head_of
from runbook.tui.look import Look, bold
from runbook.tui.presenter.sheet import about_rows, is_grave, sheet_words
from runbook.tui.widgets.choice_menu import ChoiceMenu
from runbook.tui.widgets.key_bar import KeyBar
from runbook.tui.widgets.page import Page

DEAF = 0.4
"""Seconds in which a fresh question takes no key."""

_EDGES = 3
"""Rows that are no part of it: header and footer; and the blank row below its head."""

_LEAST, _LOW = 3, 18
"""Rows that what it is about has at least, on a screen with more rows than that."""


class About(VerticalScroll, can_focus=False):
    """What a question is about; tells when more or less of it is in sight."""

    class Sized(Message):
        """It has another size, or another length."""

    def on_resize(self) -> None:
        """Tell."""
        self.post_message(self.Sized())


class Sheet(Modal[Answer | NoAnswer]):
    """Any question with choices; gives nothing if it was put aside."""

    CSS_PATH = "sheet.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("pageup", "page(-1)", "up", show=False, id="sheet.page-up", tooltip="Scroll what is shown"),
        Binding("pagedown", "page(1)", "down", show=False, id="sheet.page-down", tooltip="Scroll what is shown"),
        Binding("escape", "aside", "look around", id="sheet.aside", tooltip="Leave the question open and look around"),
    ]

    def __init__(self, question: Question, look: Look, state: RunState, deaf: float = DEAF) -> None:
        """Prepare.

        Args:
            question: what is asked.
            look: what the terminal can draw.
            state: of the run, from which prices are told.
            deaf: seconds in which no key counts.
        """
        super().__init__()
        self.question = question
        self.look = look
        self.state = state
        self._deaf = deaf
        self.words = sheet_words(question, state)
        self._read_to_end = False
        """The end of what it is about was in sight."""
        self._is_to_be_read = False
        """Somebody wanted to agree before that."""

    # --- what is shown ------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """Build the sheet."""
        with Vertical(id="sheet", classes=f"-{self.words.tone}"):
            yield Static(head_of(self.words, self.look), id="head")
            with About(id="about"):
                yield Page(self.look)
            yield from self.ask()
        yield KeyBar(self.look)

    def ask(self) -> Iterable[Widget]:
        """Return what takes the answer."""
        yield Static(id="prompt")
        yield ChoiceMenu(self.words.offers, self.question.safe, self.look)

    def on_mount(self) -> None:
        """Be deaf first: what was typed ahead was not meant."""
        self.query_one(Page).show(partial(about_rows, self.question, self.words))
        self._fit()
        about = self.query_one("#about", VerticalScroll)
        self.watch(about, "scroll_y", self._tell_more, init=False)
        self.watch(about, "virtual_size", self._sized, init=False)
        self._tell_more()
        self.disabled = self._deaf > 0
        if self._deaf > 0:
            # From the moment it is drawn: on a slow line or machine a key comes before the eye has seen anything.
            self.call_after_refresh(self.set_timer, self._deaf, self._listen)
        else:
            self._listen()

    def on_resize(self) -> None:
        """Fit into the new size, and say what is out of sight there."""
        self._fit()
        self.call_after_refresh(self._fit)
        self.call_after_refresh(self._tell_more)

    def _fit(self) -> None:
        """Be as high as what is said; where that is too high what it is about scrolls, then the choices do."""
        if self._left:
            return
        about, menu, sheet = self.query_one("#about"), self.query_one(ChoiceMenu), self.query_one("#sheet")
        rest = [child for child in sheet.children if child not in (about, menu)]
        others = sum(child.outer_size.height + child.styles.margin.height for child in rest) or 3
        room = self.size.height - _EDGES - max(sheet.gutter.height, 1) - menu.styles.margin.height - others
        rows = menu.fit(room - (_LEAST if self.size.height > _LOW else 1))
        about.styles.max_height = max(room - rows, 1)

    @on(About.Sized)
    def _sized(self) -> None:
        # How far it scrolls is known when all of it is laid out.
        self.call_after_refresh(self._tell_more)

    def _tell_more(self) -> None:
        """Ask; and say how much of what it is about is out of sight, so that nobody answers half of it."""
        if self._left:
            return
        about = self.query_one("#about", VerticalScroll)
        below = self._below
        self._read_to_end = self._read_to_end or (about.max_scroll_y > 0 and not below)
        key = ("PgDn", "bold $accent")
        if below and self._is_to_be_read and not self._read_to_end:
            told = Content.assemble((f"{counted(below, 'more line')} to read first: ", "bold $wait"), key)
        else:
            more = ("   ", counted(below, "more line"), ": ", key) if below else ()
            told = Content.assemble(bold(self.words.prompt), *more)
        self.query_one("#prompt", Static).update(told)

    @property
    def _below(self) -> int:
        """How many lines of what it is about are out of sight below."""
        about = self.query_one("#about", VerticalScroll)
        return max(int(about.max_scroll_y - about.scroll_y), 0)

    def _listen(self) -> None:
        if self._left:
            return
        self.disabled = False
        self.sight = time.monotonic() if self._deaf > 0 else 0.0
        self.focus_first()

    def focus_first(self) -> None:
        """Put the focus on the safe choice."""
        self.query_one(ChoiceMenu).focus()

    # --- what is answered ---------------------------------------------------------------------------------------

    @on(ChoiceMenu.Taken)
    def _taken(self, message: ChoiceMenu.Taken) -> None:
        if self.app.screen is not self:
            # A key right behind the one that opened what lies over it.
            return
        self.take(next(each for each in self.question.choices if each.id == message.choice))

    def take(self, choice: Choice) -> None:
        """Complete an answer with what the choice needs; what cannot be taken back is read to its end first."""
        if choice.id in ("approve", "confirm") and is_grave(self.question) and self._below and not self._read_to_end:
            self._is_to_be_read = True
            self._tell_more()
            self.query_one(ChoiceMenu).go_to(self.question.safe)
        elif choice.typed:
            about = partial(about_rows, self.question, self.words)
            sheet = TypedSheet(self.words, choice, self.look, about)
            self.app.push_screen(sheet, lambda sure: self._typed(choice, bool(sure)))
        else:
            self._with_reason(choice, {})

    def _typed(self, choice: Choice, sure: bool) -> None:
        if sure:
            self._with_reason(choice, {"typed": choice.typed})

    def _with_reason(self, choice: Choice, values: dict[str, Json]) -> None:
        if choice.reason:
            title = f"Why {one_line(choice.title.partition(':')[0], 200)}?"
            self.app.push_screen(ReasonSheet(title, self.look), lambda said: self._reason(choice, values, said or ""))
        else:
            self.complete(choice, values, "")

    def _reason(self, choice: Choice, values: dict[str, Json], said: str) -> None:
        if said:
            self.complete(choice, values, said)

    def complete(self, choice: Choice, values: dict[str, Json], reason: str) -> None:
        """Give the whole answer."""
        self.dismiss(Answer(choice=choice.id, values=values, reason=reason))

    def action_aside(self) -> None:
        """Leave the question open."""
        self.dismiss(None)

    def action_page(self, by: int) -> None:
        """Scroll what the question is about."""
        about = self.query_one("#about", VerticalScroll)
        (about.scroll_page_down if by > 0 else about.scroll_page_up)(animate=False)
