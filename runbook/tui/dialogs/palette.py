"""The palette: everything by its name, found by a few of its letters."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.fuzzy import FuzzySearch
from textual.widgets import Input, Static

from runbook.tui.commands import Command
from runbook.tui.dialogs.modal import Modal
from runbook.tui.look import Look, line, muted
from runbook.tui.widgets.key_bar import KeyBar
from runbook.tui.widgets.pile import Pile, Row

MOST = 200
"""Hits that are listed."""


class PaletteSheet(Modal[Command | None]):
    """Gives the command that was chosen."""

    CSS_PATH = "help.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "take", "do it", id="palette.take", tooltip="Do what is chosen", priority=True),
        Binding("down", "move(1)", "next", id="palette.down", tooltip="The next hit", priority=True),
        Binding("up", "move(-1)", "before", show=False, id="palette.up", tooltip="The hit before", priority=True),
        Binding("escape,ctrl+p", "dismiss(None)", "back", id="palette.back", tooltip="Do nothing"),
    ]

    def __init__(self, look: Look, commands: tuple[Command, ...]) -> None:
        super().__init__()
        self.look = look
        self._commands = commands
        self._shown: tuple[Command, ...] = ()

    def compose(self) -> ComposeResult:
        """Build the sheet."""
        yield Horizontal(
            Static("Find"),
            Input(placeholder="a playbook, a step, a run, a key, a screen", id="wanted", compact=True),
            id="ask",
        )
        pile = Pile(self.look.own("▌"), id="found")
        pile.can_focus = False
        yield pile
        yield KeyBar(self.look)

    def on_mount(self) -> None:
        """List everything."""
        self.query_one(Input).focus()
        self.query_one(Pile).arm(True)
        self._find("")

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._find(event.value.strip())

    def _find(self, wanted: str) -> None:
        search = FuzzySearch()
        hits: list[tuple[tuple[int, float], int, Command, tuple[int, ...]]] = []
        for number, command in enumerate(self._commands):
            score, at = search.match(wanted, command.words) if wanted else (1.0, ())
            if score:
                hits.append(((_rank(wanted, command.words), -score), number, command, tuple(at)))
        hits.sort(key=lambda hit: hit[:2])
        hits = hits[:MOST]
        self._shown = tuple(hit[2] for hit in hits)
        rows = tuple(self._row(str(n), command, at) for n, (_, _, command, at) in enumerate(hits))
        nothing = Row("", (muted("Nothing has these letters. Esc leads back."),))
        self.query_one(Pile).show(rows or (nothing,), keep=False)

    def _row(self, row: str, command: Command, at: tuple[int, ...]) -> Row:
        words = Content(command.words)
        for each in at:
            words = words.stylize("underline $accent", each, each + 1)
        return Row(
            row,
            (Content.assemble((f"{command.kind:<10} ", "$muted"), words),),
            (muted(self.look.own(line(command.about, 44))),),
        )

    def action_move(self, by: int) -> None:
        """Go to another hit."""
        self.query_one(Pile).action_move(by)

    def action_take(self) -> None:
        """Do what is chosen."""
        at = self.query_one(Pile).cursor
        if at < len(self._shown):
            self.dismiss(self._shown[at])

    @on(Pile.Chosen)
    def _clicked(self) -> None:
        self.action_take()


def _rank(wanted: str, words: str) -> int:
    """Put what begins with the letters first, then what has a word that does, then all that holds them in order."""
    found = f" {words.lower()}".find(f" {wanted.lower()}")
    return 2 if found < 0 else min(found, 1)
