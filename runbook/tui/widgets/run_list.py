"""The list of runs with a field that filters it; searching in records and output is asked for by a message."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input

from runbook.session.review import RunSummary
from runbook.tui.look import Look
from runbook.tui.presenter.runs import columns, head_words, matching, run_words
from runbook.tui.presenter.words import Row as Words
from runbook.tui.presenter.words import bold, muted, plain
from runbook.tui.widgets.page import Page
from runbook.tui.widgets.pile import Pile, Row


class RunField(Input):
    """Where the text to find is typed; the arrow down leads to the list."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "leave", "list", id="runs.down", tooltip="To the list of runs"),
        Binding("escape", "clear", "all runs", id="runs.clear", tooltip="Clear the text: all runs"),
    ]

    class Left(Message):
        """The list is wanted; `clear` is whether the text is gone."""

    def action_leave(self) -> None:
        """Go to the list."""
        self.post_message(self.Left())

    def action_clear(self) -> None:
        """Clear the text, and go to the list."""
        self.value = ""
        self.post_message(self.Left())


class RunList(Vertical):
    """Lists runs, newest first."""

    class Typed(Message):
        """A text to find in records and output; an empty one ends the search."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, look: Look, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._look = look
        self._runs: tuple[RunSummary, ...] = ()
        self._found: dict[str, str] = {}
        self._is_read = False
        self._progress = ""
        self._other = ""
        """The run that another one is compared with, while that is chosen."""
        self._now = datetime.now().astimezone()

    def compose(self) -> ComposeResult:
        """Field, head, list, and what stands there if it is empty."""
        yield RunField(placeholder="playbook, incident, note, words of the output", id="run-filter")
        yield Page(self._look, id="runs-count")
        yield Page(self._look, id="runs-head")
        yield Pile(self._look.own("▌"), id="past-runs")
        yield Page(self._look, id="runs-empty")

    @property
    def pile(self) -> Pile:
        """The rows."""
        return self.query_one(Pile)

    @property
    def field(self) -> RunField:
        """Where the text is typed."""
        return self.query_one(RunField)

    @property
    def text(self) -> str:
        """The text that is looked for."""
        return self.field.value.strip()

    @property
    def runs(self) -> tuple[RunSummary, ...]:
        """All runs."""
        return self._runs

    def show(self, runs: tuple[RunSummary, ...], now: datetime) -> None:
        """Show runs."""
        self._runs, self._now, self._is_read = runs, now, True
        self.draw()

    def found(self, found: Mapping[str, str], progress: str) -> None:
        """Add what the search has found so far, and how far it is."""
        self._found, self._progress = dict(found), progress
        self.draw()

    def choose_for(self, run: str) -> None:
        """Say that a second run is chosen for a comparison; empty: no more."""
        self._other = run
        self.draw()

    def draw(self) -> None:
        """Draw all rows."""
        pile = self.pile
        cells = max((pile.scrollable_content_region.width or self.size.width) - 2, 20)
        every = self._offered
        shown = matching(every, self.text, self._found) if self.text else every
        of = columns(shown, cells)
        pile.show(
            tuple(
                Row(run.id, (self._look.row(run_words(run, of, self._now, self._found.get(run.id, ""))),))
                for run in shown
            )
        )
        empty = self._is_read and not shown
        pile.display = not empty
        self.query_one("#runs-head").display = not empty
        self.query_one("#runs-empty").display = empty
        self.query_one("#runs-count", Page).show(lambda _: [self._count(len(shown))])
        self.query_one("#runs-head", Page).show(lambda _: [head_words(of)])
        self.query_one("#runs-empty", Page).show(lambda _: self._empty())

    @property
    def _offered(self) -> tuple[RunSummary, ...]:
        """All runs, or those that can stand beside the chosen one."""
        return tuple(run for run in self._runs if run.id != self._other and not (self._other and run.error))

    def _count(self, shown: int) -> Words:
        if not self._is_read:
            return (muted("reading the journals"),)
        most = len(self._offered)
        of = f" of {most}" if shown != most else ""
        noun = f"{'other ' if self._other else ''}{'run' if most == 1 else 'runs'}"
        words: Words = (bold(str(shown)), muted(f"{of} {noun}, newest first"))
        if self._progress:
            words += (muted(f"   {self._progress}"),)
        return words

    def _empty(self) -> list[Words]:
        if self._other and not self._offered:
            return [(plain("There is no other run to compare with."),), (muted("Esc leads back."),)]
        if self._runs:
            return [(plain("No run holds that text."),), (muted("Esc clears it, and shows all runs."),)]
        return [
            (plain("There is no run yet."),),
            (muted("Choose a playbook in the library (F2) and run it; here you look at what happened."),),
            (muted("The library also has a demo: a broken shop on this machine that you heal."),),
        ]

    @on(Pile.Resized)
    def _resized(self, event: Pile.Resized) -> None:
        event.stop()
        self.draw()

    @on(Input.Changed, "#run-filter")
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._found, self._progress = {}, ""
        self.draw()
        self.post_message(self.Typed(self.text))

    @on(Input.Submitted, "#run-filter")
    @on(RunField.Left)
    def _left(self, event: Message) -> None:
        event.stop()
        self.pile.focus()

    @on(Pile.Edge)
    def _edge(self, event: Pile.Edge) -> None:
        event.stop()
        if event.by < 0:
            self.field.focus()
