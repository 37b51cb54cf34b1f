"""Review: runs, and the record of one; reads only."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from runbook.errors import RunbookError
from runbook.events.timed import Timed
from runbook.session.review import RunSummary
from runbook.tui.backend import Backend
from runbook.tui.look import Look, line, muted
from runbook.tui.screens.base import Frame
from runbook.tui.widgets.now_line import Now


class ReviewScreen(Frame):
    """Past runs."""

    MODE = "Review"
    CSS_PATH = "review.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "app.go('library')", "library", id="review.back", tooltip="Back to the library"),
    ]

    def __init__(self, look: Look, backend: Backend) -> None:
        super().__init__(look)
        self._backend = backend
        self._run = ""

    def body(self) -> Iterable[Widget]:
        """List and record."""
        yield Horizontal(OptionList(id="runs"), VerticalScroll(Static(id="record")))

    def open(self, run: str) -> None:
        """Show a run."""
        self._run = run
        if self.is_attached:
            self.on_screen_resume()

    def on_screen_resume(self) -> None:
        """Look at the runs again."""
        self.run_worker(self._look, thread=True, exclusive=True, exit_on_error=False)

    def _look(self) -> None:
        runs = self._backend.runs()
        try:
            facts = self._backend.facts(self._run) if self._run else ()
        except RunbookError:
            facts = ()
        self.app.call_from_thread(partial(self._found, runs, facts))

    def _found(self, runs: tuple[RunSummary, ...], facts: tuple[Timed, ...]) -> None:
        self.say(Now(first=Content(f"{len(runs)} runs")))
        choices = self.query_one(OptionList)
        choices.clear_options()
        choices.add_options(
            [
                Option(Content.assemble(self.look.status(r.outcome), " ", line(r.playbook), " ", muted(r.id)), r.id)
                for r in runs
            ]
        )
        self.query_one("#record", Static).update(
            Content("\n".join(f"{timed.seq:>4} {timed.time[11:19]} {timed.fact.type}" for timed in facts))
        )

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self.open(event.option_id or "")
