"""The library as an operator meets it: what is open, what answers the alert, what stands beside it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any, cast

import pytest
from textual import events
from textual.app import App
from textual.message import Message
from textual.pilot import Pilot

from runbook.config import settings
from runbook.session.library import OpenLoop
from runbook.tui import messages as msg
from runbook.tui.look import Look
from runbook.tui.presenter.ago import ago, span
from runbook.tui.presenter.library import matches, spread, stems
from runbook.tui.presenter.loops import rows
from runbook.tui.screens import library as screen
from runbook.tui.screens.library import LibraryScreen
from runbook.tui.theme import THEMES
from runbook.tui.widgets.alert_input import AlertInput
from runbook.tui.widgets.key_bar import KeyBar
from runbook.tui.widgets.loop_line import LoopLine
from runbook.tui.widgets.pile import Pile
from tests.tui.canned import LOOPS, NOW, Canned, at, holds, plain

CONFIG = Path(__file__).parents[2] / "playbooks/config-rollback.yaml"


class _Clock(datetime):
    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]  # noqa: ARG003
        return NOW


class Stage(App[None]):
    """Holds the library alone, and hears what it says."""

    CSS_PATH = Path(screen.__file__).parents[1] / "global.tcss"

    def __init__(self, canned: Canned, look: Look | None = None) -> None:
        super().__init__()
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = "runbook-dark"
        self.library = LibraryScreen(look or Look(), canned)
        self.heard: list[Message] = []

    def on_mount(self) -> None:
        """Show it."""
        self.push_screen(self.library)

    def on_playbook_chosen(self, message: msg.PlaybookChosen) -> None:
        """Hear."""
        self.heard.append(message)

    def on_loop_chosen(self, message: msg.LoopChosen) -> None:
        """Hear."""
        self.heard.append(message)

    def on_demo_wanted(self, message: msg.DemoWanted) -> None:
        """Hear."""
        self.heard.append(message)

    @property
    def pile(self) -> Pile:
        """The list."""
        return self.library.query_one("#list", Pile)

    def text(self, wanted: str) -> str:
        """What stands in an area, as plain text."""
        return plain(self.library.query_one(wanted))


class Slow:
    """A session that reads for as long as it is told to."""

    def __init__(self, canned: Canned, read: Event) -> None:
        self._canned, self._read = canned, read

    def open_loops(self) -> tuple[OpenLoop, ...]:
        """Return what is open, after a while."""
        self._read.wait(60)
        return self._canned.open_loops()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._canned, name)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the clock of the screen."""
    monkeypatch.setattr(screen, "datetime", _Clock)


def canned(**more: Any) -> Canned:
    """Return the session of the incident, with a real plan behind every playbook."""
    return Canned(settings=settings(), playbook=CONFIG, **more)


Act = Callable[[Stage, "Pilot[None]"], Awaitable[None]]


async def on_stage(stage: Stage, act: Act, size: tuple[int, int] = (80, 24)) -> None:
    """Act on a library that has read what there is."""
    async with stage.run_test(size=size) as pilot:
        await holds(pilot, lambda: bool(stage.library._is_read))
        await pilot.pause()
        await act(stage, pilot)


async def test_typing_filters_at_once_and_tells_how_many_match() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await pilot.press(*"exhausted")
        await pilot.pause()

        assert stage.pile.rows[0].id.rpartition("/")[2] == "config-rollback.yaml"
        assert "of 14 playbooks match" in stage.text("#count")
        assert "Esc clears the text and lists the other" in stage.text("#hint")

    await on_stage(Stage(canned()), act)


async def test_a_pasted_alert_of_many_lines_becomes_one() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.library.query_one(AlertInput).post_message(events.Paste("ALERT \x1b[31mpool\nexhausted\r\n\n on order-1"))
        await pilot.pause()

        assert stage.library.alert == "ALERT pool exhausted on order-1"
        assert stage.pile.rows[stage.pile.cursor].id.endswith("config-rollback.yaml")

    await on_stage(Stage(canned()), act)


async def test_what_is_typed_behind_enter_changes_nothing_of_what_enter_opens() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        for key in (*"exhausted", "enter", *"zz", "enter"):
            stage.post_message(events.Key(key, None if key == "enter" else key))
        await holds(pilot, lambda: stage.library.alert == "exhaustedzz" and bool(stage._notifications))

        chosen = [message.playbook for message in stage.heard if isinstance(message, msg.PlaybookChosen)]
        assert chosen == ["/playbooks/config-rollback.yaml"]
        assert "No playbook matches" in [note.message for note in stage._notifications][-1]

    await on_stage(Stage(canned()), act)


async def test_escape_clears_the_text_and_lists_all() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await pilot.press(*"nothing")
        await pilot.pause()
        assert "No playbook matches." in stage.text("#hint")

        await pilot.press("escape")
        await pilot.pause()

        assert stage.library.alert == ""
        assert len(stage.pile.rows) == 14

    await on_stage(Stage(canned()), act)


async def test_enter_prepares_the_playbook_of_the_cursor_from_the_text_and_from_the_list() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await pilot.press("enter")
        await pilot.press("down", "j", "enter")
        await pilot.pause()

        chosen = [message.playbook for message in stage.heard if isinstance(message, msg.PlaybookChosen)]
        assert chosen == ["/playbooks/config-rollback.yaml", "/playbooks/cache-degradation.yaml"]

    await on_stage(Stage(canned()), act)


async def test_the_chosen_row_stays_chosen_after_a_look_elsewhere() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await pilot.press(*"pool", "down", "j")
        before = stage.pile.row
        assert stage.pile.cursor == 2
        assert before is not None
        read = len(stage.library._drafts)
        stage.library.reload()
        await stage.library.workers.wait_for_complete()
        await holds(pilot, lambda: len(stage.library._drafts) <= read)

        assert stage.pile.row is not None
        assert (stage.pile.cursor, stage.pile.row.id) == (2, before.id)

    await on_stage(Stage(canned()), act)


async def test_a_broken_playbook_says_where_and_is_not_opened() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await pilot.press("down", *["down"] * 4, "enter")
        await pilot.pause()

        assert "broken.yaml:12:7: steps[1]" in stage.text("#list")
        assert "↵" not in plain(stage.library.query_one(KeyBar))
        await pilot.press("up")
        await holds(pilot, lambda: "↵ prepare" in plain(stage.library.query_one(KeyBar)))
        await pilot.press("down", "enter")
        assert "cannot be used" in stage.text("#preview Static")
        assert stage.heard == []

    await on_stage(Stage(canned()), act)


async def test_the_preview_tells_what_the_playbook_would_do() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        # The plan and the past runs are looked up apart, and come in any order.
        await holds(pilot, lambda: "2 change" in stage.text("#preview Static"))
        await holds(pilot, lambda: "succeeded in 11:00" in stage.text("#preview Static"))

        shown = stage.text("#preview Static")
        assert "group:order" in shown

    await on_stage(Stage(canned()), act)


async def test_what_is_open_is_taken_up_with_enter() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await pilot.press("ctrl+o", "down", "enter")
        await pilot.pause()

        assert [m.loop.run for m in stage.heard if isinstance(m, msg.LoopChosen)] == ["01kcache0"]
        assert "ends in 18 min" in stage.text("LoopLine")

    await on_stage(Stage(canned()), act)


async def test_the_key_of_what_is_open_counts_before_that_is_read() -> None:
    stage, read = Stage(canned()), Event()
    backend = stage.library._backend
    assert isinstance(backend, Canned)
    stage.library._backend = cast("Any", Slow(backend, read))
    async with stage.run_test(size=(80, 24)) as pilot:
        await pilot.press("ctrl+o")
        assert not stage.library._is_read
        read.set()
        await holds(pilot, lambda: isinstance(stage.library.focused, LoopLine))


async def test_going_on_with_a_run_is_called_resume_and_looking_at_it_is_not() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await pilot.press("ctrl+o")
        await holds(pilot, lambda: "resume" in plain(stage.library.query_one(KeyBar)))
        await pilot.press("down")
        await holds(pilot, lambda: "open it" in plain(stage.library.query_one(KeyBar)))
        assert "resume" not in plain(stage.library.query_one(KeyBar))

    await on_stage(Stage(canned()), act)


async def test_more_than_two_open_loops_show_the_most_urgent_and_a_count() -> None:
    import msgspec

    doubt = msgspec.structs.replace(LOOPS[0], run="doubt", status="in_doubt", at="restart on order-2")
    stage = Stage(canned(loops=(*LOOPS, doubt)))

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        lines = stage.text("LoopLine").splitlines()
        assert "step in doubt" in lines[0]
        assert "restart on order-2" in lines[0]
        assert lines[1].endswith("1-2 of 3")

        await pilot.press("ctrl+o", "down", "down")
        assert "degradation is on" in stage.text("LoopLine").splitlines()[1]
        await pilot.press("down")
        assert isinstance(stage.library.focused, AlertInput)

    await on_stage(stage, act)


async def test_without_a_playbook_of_ones_own_the_demo_is_offered() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        assert "There is no playbook." in stage.text("#hint")
        await holds(pilot, lambda: "↵ open the demo" in plain(stage.library.query_one(KeyBar)))
        await pilot.press("enter")
        await pilot.pause()

        assert [m.incident for m in stage.heard if isinstance(m, msg.DemoWanted)] == ["config-rollback"]

    await on_stage(Stage(canned(entries=(), loops=(), runs=())), act)


async def test_nothing_breaks_at_any_size() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        for size in ((20, 5), (200, 50), (1, 1), (60, 15), (80, 24)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            if size == (60, 15):
                # List and preview take turns where both have no room.
                assert not stage.library.query_one("#preview").is_on_screen
                await pilot.press("tab")
                await holds(pilot, lambda: stage.library.query_one("#preview").is_on_screen)
                assert not stage.pile.is_on_screen
                await pilot.press("tab")
                await holds(pilot, lambda: stage.pile.is_on_screen)
        assert isinstance(stage.library.query_one(LoopLine), LoopLine)

    await on_stage(Stage(canned(), Look(unicode=False)), act)


def test_urgency_orders_what_is_open() -> None:
    import msgspec

    due = msgspec.structs.replace(LOOPS[1], run="due", until=at(minutes=-3))
    doubt = msgspec.structs.replace(LOOPS[0], run="doubt", status="in_doubt")

    assert [row.loop.run for row in rows((*LOOPS, due, doubt), NOW)] == ["doubt", "due", "01kcallba", "01kcache0"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59.9, "59 s"), (660, "11 min"), (7200, "2 h"), (9 * 86400, "9 days"), (160 * 86400, "5 months")],
)
def test_a_span_is_told_in_one_unit(seconds: float, words: str) -> None:
    assert span(seconds) == words


def test_a_time_that_is_none_is_no_age() -> None:
    assert ago("soon", datetime.now(UTC)) == ""


def test_words_of_the_alert_are_found_in_their_other_forms() -> None:
    assert matches("Exhausting a pool", stems("the pools are exhausted")) == ((0, 10), (13, 17))
    assert spread(" a\n\tb ") == "a b"
