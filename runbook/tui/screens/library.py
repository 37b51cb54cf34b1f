"""The library: the playbook that answers the alert, and what earlier runs left open."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from runbook.session.library import Entry, OpenLoop
from runbook.tui.backend import Backend
from runbook.tui.look import Look, bold, line, muted
from runbook.tui.messages import LoopChosen, PlaybookChosen
from runbook.tui.screens.base import Frame
from runbook.tui.widgets.now_line import Now


class LibraryScreen(Frame):
    """Playbooks ranked by the text of an alert."""

    MODE = "Library"
    CSS_PATH = "library.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "prepare", "prepare", id="library.prepare"),
        Binding("ctrl+o", "loops", "open loops", id="library.loops"),
    ]

    def __init__(self, look: Look, backend: Backend) -> None:
        super().__init__(look)
        self._backend = backend
        self._entries: tuple[Entry, ...] = ()
        self._shown: tuple[Entry, ...] = ()
        self._loops: tuple[OpenLoop, ...] = ()

    def body(self) -> Iterable[Widget]:
        """Filter, list, preview."""
        yield Input(placeholder="paste the text of the alert", id="filter")
        yield Horizontal(OptionList(id="list"), VerticalScroll(Static(id="preview")))

    def on_mount(self) -> None:
        """Begin to look."""
        self.query_one("#filter").focus()
        self.reload()

    def reload(self) -> None:
        """Look again at playbooks and open loops."""
        if self.is_attached:
            self.run_worker(self._look, thread=True, exclusive=True, exit_on_error=False)

    def _look(self) -> None:
        entries, loops = self._backend.entries(), self._backend.open_loops()
        self.app.call_from_thread(partial(self._found, entries, loops))

    def _found(self, entries: tuple[Entry, ...], loops: tuple[OpenLoop, ...]) -> None:
        self._entries, self._loops = entries, loops
        first = f"{len(loops)} open" if loops else "nothing is open"
        self.say(Now("wait" if loops else "rule", first=Content(first)))
        self._filter(self.query_one(Input).value)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._filter(event.value)

    def _filter(self, alert: str) -> None:
        self._shown = self._backend.ranked(self._entries, alert) if alert.strip() else self._entries
        choices = self.query_one(OptionList)
        choices.clear_options()
        choices.add_options(
            [
                Option(
                    Content.assemble(bold(line(e.title or e.id)), "\n", muted(f"{e.severity} {line(e.error)}")), e.id
                )
                for e in self._shown
            ]
        )
        choices.highlighted = 0 if self._shown else None

    @on(OptionList.OptionHighlighted)
    def _preview(self, event: OptionList.OptionHighlighted) -> None:
        entry = self._shown[event.option_index]
        self.query_one("#preview", Static).update(
            Content.assemble(bold(line(entry.title)), "\n", muted(entry.id), "\n\n", line(entry.summary, 4000))
        )

    @on(OptionList.OptionSelected)
    @on(Input.Submitted)
    def action_prepare(self) -> None:
        """Prepare the playbook in focus."""
        at = self.query_one(OptionList).highlighted
        if at is not None and self._shown:
            self.post_message(PlaybookChosen(self._shown[at].path))

    def action_loops(self) -> None:
        """Take up the newest open loop."""
        if self._loops:
            self.post_message(LoopChosen(self._loops[0]))
