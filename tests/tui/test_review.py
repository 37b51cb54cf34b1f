"""The review as an operator meets it: runs, one run at its moments, the run as it ran, two runs, a live one."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from textual import events
from textual.app import App
from textual.message import Message
from textual.pilot import Pilot
from textual.widgets import Input

from runbook.events import fact as f
from runbook.events.timed import Timed
from runbook.journal import Report
from runbook.ports.health import Health
from runbook.session.health import Seen
from runbook.tui import messages as msg
from runbook.tui.dialogs.line import LineSheet
from runbook.tui.look import Look
from runbook.tui.screens import review as screen
from runbook.tui.screens.review import ReviewScreen
from runbook.tui.theme import THEMES
from runbook.tui.widgets.key_bar import KeyBar
from runbook.tui.widgets.now_line import NowLine
from tests import builders as b
from tests.tui.canned import holds, plain
from tests.tui.recorded import BROKEN, OTHER, RUN, Recorded


class Stage(App[None]):
    """Holds the review alone, and hears what it says."""

    CSS_PATH = Path(screen.__file__).parents[1] / "global.tcss"

    def __init__(self, recorded: Recorded | None = None, look: Look | None = None) -> None:
        super().__init__()
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = "runbook-dark"
        self.recorded = recorded or Recorded()
        self.review = ReviewScreen(look or Look(), self.recorded, lambda: 0.0)
        self.heard: list[Message] = []

    def on_mount(self) -> None:
        """Show it."""
        self.push_screen(self.review)

    def _hear(self, message: Message) -> None:
        self.heard.append(message)

    on_resume_wanted = on_undo_wanted = on_pager_wanted = _hear

    def text(self, wanted: str) -> str:
        """What stands in an area, as plain text."""
        return plain(self.review.query_one(wanted))

    def now(self) -> str:
        """The now line."""
        return str(self.review.query_one(NowLine).render())

    def head(self) -> str:
        """Row 0."""
        return str(self.review.head.render())

    def footer(self) -> str:
        """The last row."""
        return str(self.review.query_one(KeyBar).render())


async def opened(pilot: Pilot[None], app: Stage, run: str = RUN) -> None:
    """Open a run and wait for its verdict."""
    app.review.open(run)
    await holds(pilot, lambda: app.review.run == run and "chain whole" in app.now())
    await pilot.pause()


async def test_runs_are_listed_newest_first_and_a_broken_one_says_why_in_its_row() -> None:
    app = Stage()
    async with app.run_test(size=(100, 24)) as pilot:
        await holds(pilot, lambda: len(app.review.past.pile.rows) == 4)
        rows = [row.lines[0].plain for row in app.review.past.pile.rows]
        assert rows[0].split()[:3] == ["✓", "succeeded", "config-rollback"]
        assert "INC-2041" in rows[0]
        assert "kim@ops" in rows[0]
        assert "3 undos open, 1 unverified" in rows[1]
        assert BROKEN in rows[2]
        assert "the chain is broken" in rows[2]


async def test_an_empty_list_says_what_to_do() -> None:
    app = Stage(Recorded(runs=()))
    async with app.run_test(size=(80, 24)) as pilot:
        await holds(pilot, lambda: "There is no run yet." in app.text("#runs-empty"))
        assert "library (F2)" in app.text("#runs-empty")


async def test_a_typed_text_is_found_in_the_row_then_in_records_and_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runbook.tui.screens.reading.DEBOUNCE", 0.0)
    app = Stage()
    async with app.run_test(size=(120, 24)) as pilot:
        await holds(pilot, lambda: len(app.review.past.pile.rows) == 4)
        await pilot.press("slash", *"cache-deg")
        await holds(pilot, lambda: len(app.review.past.pile.rows) == 1)
        app.review.past.field.value = "aDDress already"
        await holds(pilot, lambda: len(app.review.past.pile.rows) == 2)
        await holds(pilot, lambda: "all 4 searched" in app.text("#runs-count"))
        rows = [row.lines[0].plain for row in app.review.past.pile.rows]
        assert len(rows) == 2
        assert "address already in use" in rows[0]
        app.review.past.field.value = "no such text anywhere"
        await holds(pilot, lambda: "No run holds that text." in app.text("#runs-empty"))
        await pilot.press("escape")
        await holds(pilot, lambda: len(app.review.past.pile.rows) == 4)


async def test_enter_opens_a_run_with_its_verdict_its_rows_and_where_people_were_asked() -> None:
    app = Stage()
    async with app.run_test(size=(120, 36)) as pilot:
        await holds(pilot, lambda: len(app.review.past.pile.rows) == 4)
        await pilot.press("enter")
        await holds(pilot, lambda: "chain whole · unsigned" in app.now())
        assert "SUCCEEDED  Roll back a bad configuration" in app.now()
        assert "1 retry, 0 changes left unverified" in app.now()
        assert "VERIFIED" in app.head()
        rows = {row.id: row.lines[0].plain for row in app.review.chronicle.rows.rows}
        assert rows["restart order-2"].split()[-4:] == ["2:32", "✓", "2nd", "try"]
        assert "✗" in rows["restart order-2"]
        assert rows["compare 3 hosts"].split()[-2:] == ["✓", "ok"]
        assert rows["asked"].count("◆") == 3
        assert "3 answers" in rows["asked"]
        assert "old pid held port 8080" not in app.text("#reason")
        await pilot.press("2", "up", "up")
        await holds(pilot, lambda: "old pid held port 8080" in app.text("#reason"))
        assert app.review.player.at == 480.0


async def test_output_stands_as_it_was_at_the_moment_and_its_controls_are_gone() -> None:
    app = Stage()
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(pilot, app)
        await pilot.press("t", *"99:00", "enter")
        assert isinstance(app.screen, LineSheet)
        assert "The recording lasts 13:41" in plain(app.screen.query_one("#hint"))
        await pilot.press("escape", "t")
        # As from a terminal that was slow: all keys at once.
        for key, letter in (("7", "7"), ("colon", ":"), ("0", "0"), ("0", "0"), ("enter", "\r")):
            app.post_message(events.Key(key, letter))
        await holds(pilot, lambda: app.review.player.at == 420.0)
        well = app.review.chronicle.well
        await holds(pilot, lambda: well.lines == 3)
        assert [line.text for line in app.review.player.scene.spool][-1] == "bind 0.0.0.0:8080: address already in use"
        app.review.player.go(400.0)
        await pilot.press("left")
        await holds(pilot, lambda: well.lines == 0)


async def test_playing_shows_the_run_with_the_widgets_of_a_live_one_and_says_that_nothing_is_executed() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app)
        assert "play" in app.footer()
        await pilot.press("space")
        await holds(pilot, lambda: app.review.has_class("-stage"))
        assert app.review.player.playing
        assert app.review.player.at == 0.0
        assert "a recording: nothing is executed" in app.now()
        assert "stop" in app.footer()
        app.review.player.go(300.0)
        await pilot.press("space", "right")
        await holds(pilot, lambda: "wave 1 of 3" in app.text("#rail"))
        for speed in ("10×", "jump", "jump"):
            await pilot.press("greater_than_sign")
            assert speed in app.text("#playback")
        assert "PLAYING" not in app.text("#playback")
        assert "next" in app.text("#playback")


async def test_the_inspector_shows_a_record_as_it_stands_and_obeys_nothing_of_it() -> None:
    app = Stage()
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(pilot, app)
        await pilot.press("enter")
        await holds(pilot, lambda: "sha256" in app.text("#record-head"))
        assert app.review.chronicle.view == "record"
        shown = app.text("#record-json")
        assert "\x1b" not in shown
        assert "[/x]" in shown
        seq = app.review.player.index
        await pilot.press("down")
        await holds(pilot, lambda: f"record {seq + 1}" in app.text("#record-head"))


async def test_a_record_that_was_changed_is_told_loudly() -> None:
    app = Stage()
    app.recorded.report_ = Report(RUN, "broken", 7)
    async with app.run_test(size=(80, 24)) as pilot:
        app.review.open(RUN)
        await holds(pilot, lambda: "RECORD CHANGED" in app.now())
        assert "NOT VERIFIED" in app.head()
        app.recorded.report_ = Report(RUN, "ok", 7)
        await pilot.press("V")
        await holds(pilot, lambda: "chain whole" in app.now())


async def test_two_runs_stand_side_by_side_with_what_differs() -> None:
    app = Stage()
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(pilot, app)
        await pilot.press("d")
        await holds(pilot, lambda: "Compare with which run?" in app.now())
        assert RUN not in [row.id for row in app.review.past.pile.rows]
        await pilot.press("enter")
        await holds(pilot, lambda: app.review.has_class("-compare"))
        shown = app.text("#compare")
        assert "! status" in shown
        assert "✗ aborted" in shown
        assert "abort: old pid held port 8080" in shown or "aborted" in shown
        await pilot.press("escape")
        assert app.review.has_class("-one")


async def test_no_name_of_a_view_is_cut_off_where_there_is_little_room() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app)
        await pilot.resize_terminal(60, 15)
        await holds(pilot, lambda: app.text("#review-views").endswith("4 Record  5 As it ran"))


async def test_the_report_is_written_where_one_says_and_never_over_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app)
        await pilot.press("E", "enter")
        written = Path.home() / f"report-{RUN[:10].lower()}.md"
        await holds(pilot, written.exists)
        assert written.read_text() == f"# Run {RUN}\n"
        written.write_text("mine")
        await pilot.press("E", "enter")
        assert "is there already" in " ".join(plain(app.screen.query_one("#hint")).split())
        await pilot.press("escape")
        assert written.read_text() == "mine"


async def test_resume_and_undo_are_offered_only_where_they_are_possible_and_undo_wants_a_word() -> None:
    recorded = Recorded()
    recorded.journals[RUN] = tuple(t for t in recorded.journals[RUN] if not isinstance(t.fact, f.RunFinished))
    recorded.journals[OTHER] = recorded.journals[OTHER][:-2]
    app = Stage(recorded)
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(pilot, app, OTHER)
        assert "INTERRUPTED" in app.now()
        assert "resume" in app.footer()
        assert "undo" in app.footer()
        await pilot.press("u", "enter")
        assert isinstance(app.screen, LineSheet)
        await pilot.press(*"undo", "enter")
        await holds(pilot, lambda: bool(app.heard))
        await pilot.press("r")
        await holds(pilot, lambda: len(app.heard) == 2)
        assert [type(each) for each in app.heard] == [msg.UndoWanted, msg.ResumeWanted]


def _later(timed: tuple[Timed, ...], seconds: float, *facts: f.Fact) -> tuple[Timed, ...]:
    last = timed[-1]
    time = (b.START + timedelta(seconds=last.mono / 1e9 - 1000 + seconds)).isoformat().replace("+00:00", "Z")
    return tuple(Timed(last.seq + n, time, last.mono + int(seconds * 1e9), fact) for n, fact in enumerate(facts, 1))


async def test_a_live_run_is_followed_until_it_ends_and_let_go_when_left() -> None:
    recorded = Recorded()
    cut = next(n for n, t in enumerate(recorded.journals[RUN]) if t.mono >= int(1350 * 1e9)) + 2
    known = recorded.journals[RUN] = recorded.journals[RUN][:cut]
    recorded.past = (replace(recorded.past[0], live=True, outcome="running"), *recorded.past[1:])
    recorded.live = {RUN}
    calm = Health(load=0.4, cores=2, memory_free=3 << 30, memory=8 << 30, disk_free=40 << 30, disk=100 << 30)
    recorded.seen = {"local": Seen(calm, time.monotonic(), time.monotonic() + 60.0)}
    app = Stage(recorded)
    async with app.run_test(size=(120, 36)) as pilot:
        await holds(pilot, lambda: len(app.review.past.pile.rows) == 4)
        assert app.review.past.pile.rows[0].lines[0].plain.startswith("► live")
        await pilot.press("w")
        await holds(pilot, lambda: app.review.has_class("-stage"))
        assert "followed: you only watch" in app.now()
        await holds(pilot, lambda: "HOST   this machine     ✓ ok" in app.text("#instruments"))
        assert "resume" not in app.footer()
        assert "undo" not in app.footer()
        recorded.coming.append(_later(known, 5.0, f.NoteWritten(text="look here", step="restart", actor="olga")))
        await holds(pilot, lambda: len(app.review.player.recording.timed) == cut + 1)
        assert app.review.player.at == 355.0
        await pilot.press("escape", "escape")
        await holds(pilot, recorded.stopped.is_set)


@pytest.mark.parametrize("size", [(200, 50), (30, 8)])
async def test_every_view_stands_at_every_size_in_ascii_too(size: tuple[int, int]) -> None:
    app = Stage(look=Look(unicode=False))
    app.theme = "runbook-16"
    async with app.run_test(size=size) as pilot:
        app.review.open(RUN)
        await holds(pilot, lambda: app.review.run == RUN)
        for key in "12345":
            await pilot.press(key)
            await pilot.pause()
        shown = "\n".join(plain(w) for w in app.review.query("#one, #stage, #playback, KeyBar"))
        assert shown.replace("☐", "").isascii()
        assert not isinstance(app.focused, Input)


async def test_a_view_takes_all_the_room_and_what_was_said_is_copied_and_paged() -> None:
    app = Stage()
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(pilot, app)
        await pilot.press("tab", "tab", "z")
        await holds(pilot, lambda: not app.review.chronicle.rows.is_on_screen)
        assert app.review.chronicle.well.has_focus

        await pilot.press("y", "L")
        await holds(pilot, lambda: len(app.heard) == 1)
        paged = app.heard[0]
        assert isinstance(paged, msg.PagerWanted)
        assert (paged.run, paged.step, paged.target) == (RUN, "restart", "order-2")
        assert "address already in use" in app.clipboard

        await pilot.press("escape")
        await holds(pilot, lambda: app.review.chronicle.rows.is_on_screen)
