"""A terminal that becomes tiny and large again: each screen is whole afterwards."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from rich.cells import cell_len
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input

from runbook.model.playbook import Param
from runbook.model.question import Choice, Preview, Question, QuestionKind
from runbook.session.result import Held
from runbook.text import one_line
from runbook.tui.commands import Command
from runbook.tui.dialogs import modal
from runbook.tui.dialogs.form import EditPrompt, FormPrompt, SecretPrompt
from runbook.tui.dialogs.handover import HandedSheet, HandoverSheet
from runbook.tui.dialogs.help import HelpSheet
from runbook.tui.dialogs.holder import HolderSheet
from runbook.tui.dialogs.line import LineSheet
from runbook.tui.dialogs.menu import MenuSheet
from runbook.tui.dialogs.palette import PaletteSheet
from runbook.tui.dialogs.prompt import PromptSheet
from runbook.tui.dialogs.question import sheet_for
from runbook.tui.dialogs.quit import QuitSheet, RestSheet
from runbook.tui.dialogs.reason import ReasonSheet
from runbook.tui.dialogs.typed import TypedSheet
from runbook.tui.dialogs.undo_loop import UndoSheet
from runbook.tui.dialogs.whole_diff import WholeDiff
from runbook.tui.look import Look
from runbook.tui.presenter import rehearsal
from runbook.tui.presenter.keys import Key
from runbook.tui.presenter.sheet import sheet_words
from tests.tui import scenes
from tests.tui.canned import LOOPS, holds
from tests.tui.gallery import MOMENTS, Room
from tests.tui.test_picture import still

__all__ = ["still"]

SIZES = ((20, 5), (1, 1), (300, 4))
STEADY = 15
"""Looks that must show the same."""


def rows(room: Room) -> list[str]:
    """Return what stands on the whole terminal; each row must fit, and hold nothing that a terminal obeys."""
    found = [strip.text for strip in room.screen._compositor.render_strips()]
    width, height = room.size
    assert len(found) == height
    for row in found:
        assert cell_len(row) == width, row
        obeyed = {c for c in row if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
        assert obeyed == set(), row
    return found


def layout(found: list[str]) -> list[str]:
    """Return what must stand where it stood: all but how far something is scrolled."""
    return [re.sub(r"[▁▂▃▄▅▆▇█]|\d+ more lines?", "", row).rstrip() for row in found]


async def steady(room: Room, pilot: Pilot[int]) -> list[str]:
    """Wait until nothing moves any more; a layout may take several turns."""
    found, same = layout(rows(room)), 0
    while same < STEADY:
        await pilot.pause(0.02)
        now = layout(rows(room))
        found, same = now, same + 1 if now == found else 0
    return found


async def outlives(room: Room, pilot: Pilot[int], sizes: tuple[tuple[int, int], ...] = SIZES) -> None:
    """Go through sizes; in the end all stands where it stood."""
    await pilot.pause()
    before = await steady(room, pilot)
    for columns, lines in (*sizes, (80, 24)):
        await pilot.resize_terminal(columns, lines)
        await holds(pilot, lambda columns=columns, lines=lines: room.screen.size == (columns, lines))  # type: ignore[misc]
        await pilot.pause()
        rows(room)
    assert await steady(room, pilot) == before


def in_sight(dialog: Screen[Any], field: Input) -> bool:
    """Tell whether all of a field is drawn."""
    placed = dialog.find_widget(field)
    return bool(placed.region) and placed.clip.contains_region(placed.region)


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_screen_outlives_a_tiny_terminal(moment: str, tmp_path: Path) -> None:
    shown = MOMENTS[moment]
    room = shown.room(tmp_path)
    async with room.run_test(size=(80, 24)) as pilot:
        await shown.reach(room, pilot)
        await outlives(room, pilot)


# Title and clipboard, home and clear, C1, bidi, no width, markup and a link in it, wide.
EVIL = "\x1b]2;OWNED\x07\x1b]52;c;T1dORUQ=\x07\x1b[2J\x1b[H\x9b31m\u202eEVIL\u200b[/dev/sda1][@click=app.bell]x[/]宽é"
LONG = f"{EVIL} " + "0123456789abcdef" * 65536
"""A line of a megabyte."""

CHOICES = (
    Choice("answer", f"answer {EVIL}", key="a"),
    Choice("confirm", f"run it {EVIL}", key="y", typed=f"app {EVIL} 3"),
    Choice("skip", f"skip {EVIL}", key="s", reason=True),
    Choice("pause", f"pause {EVIL}", key="p"),
)


def _asked(kind: QuestionKind) -> Question:
    """Return a question in which every word is hostile."""
    return Question(
        id=f"{kind}/{EVIL}",
        kind=kind,
        title=f"Title {EVIL}",
        step=f"step {EVIL}",
        places=(f"host-1 {EVIL}", f"host-2 {EVIL}"),
        body=f"Body **b** {EVIL}\n\n- [{EVIL}](http://x)\n",
        previews=(Preview(f"host-1 {EVIL}", f"does {EVIL}", (f"rm {EVIL}",), f"--- a\n+++ b\n+{EVIL}\n", (EVIL,)),),
        evidence=(EVIL, LONG),
        choices=CHOICES,
        fields={"one": Param(type="secret" if kind == "secret" else "string", required=True, help=EVIL)},
        safe="pause",
    )


KINDS: tuple[QuestionKind, ...] = ("approve", "failure", "doubt", "form", "host_key")


def _dialogs() -> dict[str, Callable[[], Screen[Any]]]:
    """Return what makes each dialog of the screens, with words of an enemy."""
    look, state, clean = Look(), scenes.asking()[0].state, one_line(EVIL)
    fields = {"one": Param(required=True, help=LONG), "two": Param(type="int", default=3)}
    keys = tuple(Key(key, "act", "what it does", f"What {key} does {clean}", "the list") for key in "abcdefgh")
    commands = tuple(Command("step", f"Step {n} {clean}", "", lambda: None) for n in range(40))
    words = sheet_words(_asked("confirm"), state)
    return {
        **{kind: partial(sheet_for, _asked(kind), look, state, 0) for kind in KINDS},
        "FormPrompt": lambda: FormPrompt(clean, look, fields),
        "SecretPrompt": lambda: SecretPrompt(clean, look, ["one", "two"]),
        "EditPrompt": lambda: EditPrompt(EVIL, look, {"text": LONG[:4000], "argv": [EVIL, EVIL], "n": 1}),
        "HandoverSheet": lambda: HandoverSheet(look, state, scenes.plan(), path=clean, check=lambda _: clean),
        "HandedSheet": lambda: HandedSheet(look, clean, Path("bundle"), state),
        "HolderSheet": lambda: HolderSheet(look, Held("r1", EVIL, free=True), known=True, live=True),
        "HelpSheet": lambda: HelpSheet(look, "Run", keys, clean),
        "LineSheet": lambda: LineSheet(clean, look, hint=clean, value=clean, check=lambda _: clean),
        "MenuSheet": lambda: MenuSheet(look, clean, clean, words.offers),
        "PaletteSheet": lambda: PaletteSheet(look, commands),
        "QuitSheet": lambda: QuitSheet(look),
        "RestSheet": lambda: RestSheet(look, "paused", clean),
        "ReasonSheet": lambda: ReasonSheet(clean, look),
        "TypedSheet": lambda: TypedSheet(words, CHOICES[1], look, lambda cells: (((clean[:cells], ""),),)),
        "UndoSheet": lambda: UndoSheet(look, replace(LOOPS[1], playbook=EVIL, why=LONG, run=EVIL), EVIL),
        "WholeDiff": lambda: WholeDiff(look, clean, rehearsal.Look(state="none")),
    }


def _written() -> set[str]:
    """Return the names of all classes of dialogs, but for those that others are made of."""
    found: set[str] = set()
    for file in Path(modal.__file__).parent.glob("*.py"):
        module = import_module(f"runbook.tui.dialogs.{file.stem}")
        found |= {n for n, c in vars(module).items() if isinstance(c, type) and issubclass(c, modal.Modal)}
    return found - {"Modal", "PromptSheet", "Sheet", "ValueSheet"}


async def test_every_dialog_stands_on_a_tiny_terminal_and_hostile_words_stay_words() -> None:
    dialogs = _dialogs()
    assert _written() <= set(dialogs)
    room = Room(Screen())
    async with room.run_test(size=(80, 24)) as pilot:
        for name, make in dialogs.items():
            dialog = make()
            room.push_screen(dialog)
            for size in ((20, 5), (40, 10)):
                await pilot.resize_terminal(*size)
                await holds(pilot, lambda d=dialog, s=size: room.screen is d and d.size == s and d.is_mounted)  # type: ignore[misc]
                await pilot.pause()
                found = rows(room)
                # There is at least what it is about, and a key.
                assert sum(bool(row.strip("▌ ")) for row in found) > 1, (name, size, found)
                if isinstance(dialog, PromptSheet):
                    field = dialog.query(Input).first()
                    await holds(pilot, lambda d=dialog, f=field: in_sight(d, f))  # type: ignore[misc]
            assert room.pop_screen() is not None
            await pilot.pause()
