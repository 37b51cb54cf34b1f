"""Help, palette, and what a user may want of the screens: keys, colours, symbols, bell."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import Future
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.color import Color
from textual.binding import Binding
from textual.dom import DOMNode
from textual.widgets import Input

from runbook.config import Settings, settings
from runbook.errors import ConfigError
from runbook.events.state import RunState
from runbook.model.question import Answer, Choice, Question
from runbook.session.preference import Preferences, preferences
from runbook.tui.app import RunbookApp
from runbook.tui.ascii import stand_in
from runbook.tui.bridge import Asked
from runbook.tui.carrier import Carrier, Ended
from runbook.tui.comfort import _kinds, binding_ids
from runbook.tui.commands import of_keys
from runbook.tui.dialogs.help import HelpSheet
from runbook.tui.dialogs.palette import PaletteSheet
from runbook.tui.dialogs.quit import RestSheet
from runbook.tui.dialogs.reason import ReasonSheet
from runbook.tui.look import Look, look_of, theme_now
from runbook.tui.messages import QuestionAnswered
from runbook.tui.presenter.keys import Key, rows, written
from runbook.tui.terminal import is_light, lightness
from runbook.tui.widgets.key_bar import KeyBar
from runbook.tui.widgets.loop_line import LoopLine
from runbook.tui.widgets.pile import Pile
from tests.tui.canned import ENTRIES, Canned, entry, holds, plain

CONFIG = Path(__file__).parents[2] / "playbooks/config-rollback.yaml"


def staged(look: Look | None = None) -> RunbookApp:
    """Return the whole interface over a canned session; one playbook has a title that looks like markup."""
    hostile = entry("hostile", "Free [/dev/sda1] [@click=app.exit]now[/]", path=str(CONFIG))
    return RunbookApp(Canned((*ENTRIES, hostile), settings=settings(), playbook=CONFIG), look or Look(), "runbook-dark")


async def test_help_shows_the_keys_of_where_one_is() -> None:
    app = staged()
    async with app.run_test(size=(80, 24)) as pilot:
        await holds(pilot, lambda: bool(app.library.entries))
        # Where q is a letter, the way out that is named is another key.
        assert "^q leave" in plain(app.library.query_one(KeyBar))
        await pilot.press("f1")
        await pilot.pause()
        assert isinstance(app.screen, HelpSheet)
        shown = plain(app.screen)
        assert "Keys in Library" in shown
        assert "To the list of playbooks" in shown
        assert "EVERYWHERE" in shown

        await pilot.press("escape", "q")
        assert app.library.alert == "q"
        await pilot.press("escape", "ctrl+c", "down", "ctrl+c")
        told = [notice.message for notice in app._notifications]
        assert told == ["Nothing runs. ^q leaves.", "Nothing runs. q leaves."]
        await pilot.press("question_mark")
        await pilot.pause()
        assert "THE LIST" in plain(app.screen)


async def test_the_palette_finds_a_playbook_whatever_its_title_holds() -> None:
    app = staged()
    async with app.run_test(size=(80, 24)) as pilot:
        await holds(pilot, lambda: bool(app.library.entries))
        await pilot.press("ctrl+p", *"sda1")
        await pilot.pause()
        assert isinstance(app.screen, PaletteSheet)
        assert "Free [/dev/sda1] [@click=app.exit]now[/]" in plain(app.screen.query_one(Pile))

        await pilot.press("enter")
        await holds(pilot, lambda: app.current_mode == "prepare")


async def test_the_palette_does_what_a_key_does_and_changes_the_colours() -> None:
    app = staged()
    async with app.run_test(size=(80, 24)) as pilot:
        await holds(pilot, lambda: bool(app.library.entries))
        await pilot.press("ctrl+p", *"light colours", "enter")
        await holds(pilot, lambda: app.theme == "runbook-light")

        await pilot.press("ctrl+p", *"past runs", "enter")
        await holds(pilot, lambda: app.current_mode == "review")


async def test_the_palette_puts_first_what_begins_with_the_letters() -> None:
    keys = [
        (Key("x", "end", "", "What is at hand and done", ""), lambda: None),
        (Key("H", "handover", "hand over", "Let somebody else go on", ""), lambda: None),
    ]
    app = staged()
    async with app.run_test(size=(80, 24)) as pilot:
        await holds(pilot, lambda: bool(app.library.entries))
        app.push_screen(PaletteSheet(app.look, tuple(of_keys(keys))))
        await pilot.press(*"hand")
        await holds(pilot, lambda: "hand over: Let somebody" in plain(app.screen.query_one(Pile)).split("\n")[0])


async def test_keys_can_be_mapped_anew() -> None:
    app = staged()
    app.prefer(Preferences(keymap={"review": "f9", "list.down": "n,down"}))
    async with app.run_test(size=(80, 24)) as pilot:
        await holds(pilot, lambda: bool(app.library.entries))
        await pilot.press("down", "n")
        assert app.library.query_one("#list", Pile).cursor == 2
        await pilot.press("f9")
        await holds(pilot, lambda: app.current_mode == "review")


def test_a_key_that_there_is_not_is_refused_with_what_was_meant() -> None:
    with pytest.raises(ConfigError, match=r"prepare\.rehearse"):
        staged().prefer(Preferences(keymap={"prepare.rehearze": "f6"}))


def test_every_key_has_an_id_of_its_own_and_says_what_it_does() -> None:
    staged().prefer(Preferences(keymap={"run.next": "f8", "prepare.rehearse": "f6"}))
    assert len(binding_ids()) > 60

    every = [(kind, each) for kind in _kinds(DOMNode) for each in kind.__dict__.get("BINDINGS", ())]
    lacking = [
        f"{kind.__name__}: {each.key}"
        for kind, each in every
        if isinstance(each, Binding) and not each.system and not (each.id and each.tooltip)
    ]
    assert lacking == []


@pytest.fixture
def mine(tmp_path: Path) -> Settings:
    """Return settings whose configuration folder is empty."""
    from msgspec.structs import replace

    folder = tmp_path / "config"
    folder.mkdir(mode=0o700)
    return replace(settings(), config=folder)


def test_preferences_are_read_from_the_configuration_folder(mine: Settings) -> None:
    assert preferences(mine) == Preferences()
    (mine.config / "tui.yaml").write_text("theme: light\nsymbols: ascii\nbell: off\nkeymap: {prepare.rehearse: f6}\n")

    found = preferences(mine)

    assert (found.theme, found.symbols, found.bell, found.keymap) == (
        "light",
        "ascii",
        False,
        {"prepare.rehearse": "f6"},
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("theme: lihgt", "did you mean light"),
        ("colour: dark", "there are theme, symbols, bell, keymap"),
        ("bell: maybe", "write one of on, off"),
        ("keymap: [f6]", "ID: KEY"),
        ("keymap: {review: ''}", "write a key"),
        ("- theme", "theme: dark"),
    ],
)
def test_a_wrong_preference_says_what_to_write(mine: Settings, text: str, said: str) -> None:
    (mine.config / "tui.yaml").write_text(text)

    with pytest.raises(ConfigError, match=said):
        preferences(mine)


def test_preferences_that_others_may_write_are_refused(mine: Settings) -> None:
    (mine.config / "tui.yaml").write_text("theme: light")
    (mine.config / "tui.yaml").chmod(0o666)

    with pytest.raises(ConfigError, match="others may write"):
        preferences(mine)


def test_the_users_word_on_colours_and_symbols_counts_most() -> None:
    terminal = {"TERM": "xterm-256color", "LANG": "C.UTF-8", "COLORFGBG": "0;15"}

    assert theme_now("auto", terminal) == "runbook-light"
    assert theme_now("dark", terminal) == "runbook-dark"
    assert theme_now("16", terminal) == "runbook-16"
    assert look_of(terminal, "ascii") == Look(unicode=False)
    assert theme_now("dark", {**terminal, "NO_COLOR": "1"}) == "runbook-16"


async def test_a_key_that_comes_before_a_sheet_or_after_it_does_nothing() -> None:
    app = staged()
    said: list[str | None] = []
    async with app.run_test(size=(80, 24)) as pilot:
        await holds(pilot, lambda: bool(app.library.entries))
        sheet = ReasonSheet("Why?", app.look)
        assert await app.run_action("accept", sheet)
        app.push_screen(sheet, said.append)
        assert await app.run_action("accept", sheet)
        await holds(pilot, lambda: isinstance(app.focused, Input) and app.screen is sheet)
        # A key that was on its way to what lies under it.
        assert await app.run_action("loops", app.library)
        assert app.library.focused is not app.library.query_one(LoopLine)
        await pilot.press(*"known", "enter", "enter", "x", "enter")
        await holds(pilot, lambda: not sheet.is_attached)
        assert await app.run_action("leave", sheet)

    assert (said, app.failure) == (["known"], None)


def test_no_part_of_a_screen_keeps_ctrl_z_from_going_to_the_background() -> None:
    staged()._warm_up()
    keys = {(kind.__name__, key) for kind in _kinds(DOMNode) for key in kind._merge_bindings().key_to_bindings}

    assert {kind for kind, key in keys if key == "ctrl+z"} <= {"RunbookApp"}


async def test_leaving_asks_first_where_something_ends_that_a_run_is_not_done_with() -> None:
    app = staged()
    app.stakes = "The shop ends with the screens."
    async with app.run_test(size=(80, 24)) as pilot:
        await holds(pilot, lambda: bool(app.library.entries))
        app.carrier = Carrier(lambda *_: None, app, app, lambda _: None)  # type: ignore[arg-type]
        app.carrier.ended = Ended(None)
        app.scene.state = RunState(status="paused")
        await app.action_go("review")
        await pilot.press("q", "ctrl+q")
        await holds(pilot, lambda: isinstance(app.screen, RestSheet))
        assert "ends with the screens" in plain(app.screen)
        await pilot.press("escape")
        await holds(pilot, lambda: app.screen is app.review)
        assert app.is_running
        await pilot.press("q")
        await holds(pilot, lambda: isinstance(app.screen, RestSheet))
        await pilot.press("q")
        await holds(pilot, lambda: not app.is_running)

    assert app.return_code == 0


async def test_while_the_screens_fail_no_key_is_a_decision() -> None:
    app = staged()
    asked = Asked(Question(id="q", kind="failure", title="Failed", choices=(Choice("pause", "pause"),)), Future())
    async with app.run_test(size=(80, 24)) as pilot:
        await holds(pilot, lambda: bool(app.library.entries))
        app.failure = ValueError("no picture")
        app.on_question_answered(QuestionAnswered(asked, Answer(choice="pause")))

    assert not asked.reply.done()


async def test_without_colour_every_text_is_in_the_terminals_own_colours_and_focus_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = staged()
    app.prefer(Preferences(theme="dark"))
    async with app.run_test(size=(80, 24)) as pilot:
        await holds(pilot, lambda: bool(app.library.entries))
        await pilot.press("down")
        await pilot.pause()
        drawn = [segment for strip in app.screen._compositor.render_strips() for segment in strip]
        assert app.theme == "runbook-16"

    styles = [segment.style for segment in drawn if segment.style is not None and segment.text.strip()]
    assert {(style.color or Color.default()).name for style in styles} == {"default"}
    assert {(style.bgcolor or Color.default()).name for style in styles} == {"default"}
    assert any(style.reverse for style in styles)


async def test_without_unicode_nothing_but_ascii_is_drawn() -> None:
    app = staged(Look(unicode=False))
    async with app.run_test(size=(80, 24)) as pilot:
        await holds(pilot, lambda: bool(app.library.entries))
        lines = ["".join(segment.text for segment in strip) for strip in app.screen._compositor.render_strips()]

    assert [line for line in lines if not line.isascii()] == []
    assert {cell_len(line) for line in lines} == {80}


def test_a_sign_has_a_stand_in_of_the_same_width_and_a_letter_stays() -> None:
    assert stand_in("▌ ▁▆ … │ é 名 🔥") == "| _= . | é 名 ??"


def test_a_locale_that_python_chose_itself_is_nobodys_word() -> None:
    told = "from runbook.tui.look import look_of; print(look_of().unicode)"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG"))}

    def drawn(**given: str) -> str:
        asked = subprocess.run([sys.executable, "-c", told], env=clean | given, capture_output=True, check=True)
        return asked.stdout.decode().strip()

    assert [drawn(LANG="C"), drawn(LC_ALL="C"), drawn(LANG="C", LC_CTYPE="C.UTF-8")] == ["False", "False", "True"]


@pytest.mark.parametrize(
    ("answer", "light"),
    [
        (b"\x1b]11;rgb:ffff/ffff/ffff\x1b\\\x1b[?62c", True),
        (b"\x1b]11;rgb:0f/14/19\x07", False),
        (b"\x1b]11;rgba:f8f8/f6f6/f1f1/ffff\x07", True),
        (b"\x1b[?62c", None),
        (b"", None),
    ],
)
def test_the_answer_of_a_terminal_tells_its_background(answer: bytes, light: bool | None) -> None:
    assert lightness(answer) is light


def test_a_far_terminal_is_not_asked() -> None:
    assert is_light({"TERM": "xterm-256color", "SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"}) is None


def test_keys_are_written_as_people_do() -> None:
    assert [written(key) for key in ("ctrl+p", "shift+tab", "G", "f5", "pageup")] == ["^p", "⇧Tab", "G", "F5", "PgUp"]


def test_keys_of_one_action_stand_together() -> None:
    keys = (
        Key("up", "move(-1)", "up", "The row above", "the list"),
        Key("k", "move(-1)", "up", "The row above", "the list"),
    )

    assert ["".join(text for text, _ in row).split() for row in rows(keys, 80)] == [
        ["THE", "LIST"],
        ["↑", "k", "up", "The", "row", "above"],
    ]
