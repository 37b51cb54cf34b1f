"""The run screen as an operator meets it: what runs, what Enter does, what is possible now."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, ClassVar

import pytest
from msgspec.structs import replace
from textual.app import App
from textual.message import Message
from textual.pilot import Pilot

from runbook.errors import RunbookError
from runbook.events import fact as f
from runbook.ports.health import Health
from runbook.session.control import Control
from runbook.session.health import Seen
from runbook.session.result import Held, Result
from runbook.tui import messages as msg
from runbook.tui.bridge import Asked
from runbook.tui.carrier import Ended
from runbook.tui.dialogs.holder import LOOK, TAKE, holder_offers
from runbook.tui.dialogs.reason import ReasonSheet
from runbook.tui.look import Look
from runbook.tui.scene import Scene
from runbook.tui.screens import run as screen
from runbook.tui.screens.run import RunScreen
from runbook.tui.theme import THEMES
from runbook.tui.widgets.key_bar import KeyBar
from runbook.tui.widgets.now_line import NowLine
from runbook.tui.widgets.output import OutputView
from tests import builders as b
from tests.tui import scenes
from tests.tui.canned import holds


class Stage(App[None]):
    """Holds the run screen alone, and hears what it says."""

    CSS_PATH = Path(screen.__file__).parents[1] / "global.tcss"

    seconds: ClassVar[list[float]] = [1000.0]

    def __init__(self, scene: Scene, control: Control | None = None, look: Look | None = None) -> None:
        super().__init__()
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = "runbook-dark"
        self.run_screen = RunScreen(look or Look(), scene, lambda: self.seconds[0])
        self.run_screen.open(scene, control)
        self.heard: list[Message] = []

    def on_mount(self) -> None:
        """Show it."""
        self.push_screen(self.run_screen)

    def _hear(self, message: Message) -> None:
        self.heard.append(message)

    on_question_answered = on_review_wanted = on_resume_wanted = on_undo_wanted = on_note_wanted = _hear
    on_pager_wanted = on_question_wanted = on_holder_wanted = _hear

    def text(self, wanted: str) -> str:
        """What stands in an area, as plain text."""
        widget = self.run_screen.query_one(wanted)
        return "\n".join(strip.text.rstrip() for strip in widget.render_lines(widget.outer_size.region))

    def now(self) -> str:
        """The now line."""
        widget = self.run_screen.query_one(NowLine)
        return str(widget.render())

    def footer(self) -> str:
        """The last row."""
        return str(self.run_screen.query_one(KeyBar).render())

    @property
    def well(self) -> OutputView:
        """The output."""
        return self.run_screen.query_one(OutputView)


async def settle(pilot: Pilot[None], wanted: Callable[[], bool]) -> None:
    """Wait until something holds that has yet to be drawn."""
    await pilot.pause()
    await holds(pilot, wanted)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the screen reads; a test may move them."""
    seconds = [1000.0]
    monkeypatch.setattr(Stage, "seconds", seconds)
    return seconds


async def put(pilot: Pilot[None], stage: Stage, clock: list[float], question: Any) -> Asked:
    """Ask, and let the deaf moment pass."""
    asked = Asked(question, Future())
    stage.run_screen.put(asked)
    await pilot.pause()
    clock[0] += 1
    return asked


async def test_a_waiting_step_shows_guide_and_plan_for_the_hosts_that_enter_runs_it_on(clock: list[float]) -> None:
    scene, question = scenes.asking()
    stage = Stage(scene, Control())
    async with stage.run_test(size=(80, 24)) as pilot:
        asked = await put(pilot, stage, clock, question)
        await settle(pilot, lambda: "systemctl restart" in stage.text("#plan Page"))

        assert "open orders drain first." in stage.text("#guide Page")
        assert "on order-2" in stage.text("#plan Page")
        assert "order-3" not in stage.text("#plan Page")
        assert "◆ WAITING  Restart order-service on order-2" in stage.now()
        assert "↵ run step  c run on  s skip  p pause" in stage.footer()

        await pilot.press("enter")
        await settle(pilot, lambda: bool(stage.heard))
        answered = stage.heard[0]
        assert isinstance(answered, msg.QuestionAnswered)
        assert (answered.asked, answered.answer.choice) == (asked, "run")
        assert "run step" not in stage.footer()


async def test_what_was_typed_before_the_question_stood_there_is_no_answer(clock: list[float]) -> None:
    scene, question = scenes.asking()
    stage = Stage(scene, Control())
    async with stage.run_test(size=(80, 24)) as pilot:
        stage.run_screen.put(Asked(question, Future()))
        await pilot.press("enter", "c", "A")
        assert stage.heard == []
        clock[0] += 1
        await pilot.press("c")
        await settle(pilot, lambda: bool(stage.heard))
        assert stage.heard[0].answer.choice == "run_on"  # type: ignore[attr-defined]


async def test_enter_runs_nothing_that_is_not_in_sight_but_shows_it_first(clock: list[float]) -> None:
    scene, question = scenes.asking()
    stage = Stage(scene, Control())
    async with stage.run_test(size=(80, 24)) as pilot:
        await put(pilot, stage, clock, question)
        await pilot.press("g")
        assert stage.run_screen.board.step == "freeze"
        await pilot.press("enter")
        assert (stage.heard, stage.run_screen.board.step) == ([], "restart")
        await pilot.press("enter")
        await settle(pilot, lambda: bool(stage.heard))


async def test_enter_shows_the_plan_first_where_another_view_hides_it(clock: list[float]) -> None:
    scene, question = scenes.asking()
    stage = Stage(scene, Control())
    async with stage.run_test(size=(80, 24)) as pilot:
        await put(pilot, stage, clock, question)
        await pilot.press("3")
        await settle(pilot, lambda: "↵ show plan  c run on" in stage.footer())
        assert "↵ shows its plan · nothing runs now" in stage.now()
        await pilot.press("enter")
        assert (stage.heard, stage.run_screen.board.desk.view) == ([], "before")
        await settle(pilot, lambda: "↵ run step" in stage.footer())
        assert "↵ runs this step" in stage.now()
        await pilot.press("enter")
        await settle(pilot, lambda: bool(stage.heard))


async def test_why_a_run_was_refused_is_told_in_full() -> None:
    scene = scenes.at_rest(status="refused")
    stage = Stage(scene, Control())
    why = "local is held by run 01m81m6wfyafk7q5tk5k1j3f04 of kim@ops since 03:12; it ends or `runbook cancel` ends it"
    result = Result(run=scene.run, playbook="x", status="refused", state=scene.state, plan=scenes.plan(), why=why)
    async with stage.run_test(size=(80, 24)) as pilot:
        stage.run_screen.ended(Ended(result))
        await settle(pilot, lambda: "ends it" in stage.text("#why"))
        await pilot.press("T")
        assert "holder" not in stage.footer()

        held = Held("01kheld", "local is held by run 01kheld", free=True)
        stage.run_screen.ended(Ended(replace(result, held=held)))
        await settle(pilot, lambda: "T holder" in stage.footer())
        assert "local is held by run 01kheld · ↵ resume · T who holds it" in stage.now()
        await pilot.press("T")
        await settle(pilot, lambda: bool(stage.heard))
        (wanted,) = stage.heard
        assert isinstance(wanted, msg.HolderWanted)
        assert (wanted.run, wanted.held) == (scene.run, held)


def test_what_another_run_holds_is_taken_over_only_where_no_job_of_it_lives() -> None:
    held = Held("01kheld", "local is held", free=True)
    assert [offer.id for offer in holder_offers(held, known=True, live=True)] == ["", LOOK, TAKE]
    assert [offer.id for offer in holder_offers(replace(held, free=False), known=False, live=False)] == [""]


async def test_skipping_wants_a_reason(clock: list[float]) -> None:
    scene, question = scenes.asking()
    stage = Stage(scene, Control())
    async with stage.run_test(size=(80, 24)) as pilot:
        await put(pilot, stage, clock, question)
        await pilot.press("s")
        await settle(pilot, lambda: isinstance(stage.screen, ReasonSheet))
        await pilot.press("escape")
        assert stage.heard == []
        await pilot.press("s", *"busy", "enter")
        await settle(pilot, lambda: bool(stage.heard))
        answer = stage.heard[0].answer  # type: ignore[attr-defined]
        assert (answer.choice, answer.reason) == ("skip", "busy")


async def test_a_running_step_tells_its_silence_and_when_it_gives_up(clock: list[float]) -> None:
    stage = Stage(scenes.running(), Control())
    async with stage.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: "RUNNING" in stage.now())
        assert "► RUNNING  restart on order-2" in stage.now()
        assert "silent for 42 s · gives up in 0:32" in stage.now()
        assert "run 7:28" in stage.now()
        assert "step 4 of 7   wave 2 of 3" in stage.now()
        clock[0] += 3
        stage.run_screen.tick()
        assert "silent for 45 s · gives up in 0:29" in stage.now()
        assert stage.footer().startswith(" ^c stop step  p pause")


async def test_words_of_a_host_stay_words_in_the_well() -> None:
    stage = Stage(scenes.running(), Control())
    async with stage.run_test(size=(120, 36)) as pilot:
        await settle(pilot, lambda: stage.well.lines == 6)
        lines = stage.text("#well").split("\n")
        assert lines[0] == " order-2   0:01   order-service: shutting down"
        assert lines[4] == " order-2   0:09 ! WARN aborted [/dev/sda1] [@click=app.exit]x[/]"
        assert lines[5].endswith("pool: active 64, waiting 0 接続 done")


async def test_output_is_of_all_hosts_or_of_one() -> None:
    stage = Stage(scenes.running(), Control())
    async with stage.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: stage.well.lines == 6)
        stage.well.focus()
        await pilot.press("right")
        assert (stage.well.lines, "order-1" in stage.text("#tail")) == (1, True)
        await pilot.press("right")
        assert stage.well.lines == 5
        await pilot.press("right")
        assert stage.well.lines == 6


async def test_moving_up_stops_following_and_g_follows_again() -> None:
    scene = scenes.running()
    scenes.say(scene, 1000, "restart", "order-2", 20_000, *(f"line {n}" for n in range(500)))
    stage = Stage(scene, Control())
    async with stage.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: "line 499" in stage.text("#well"))
        stage.well.focus()
        await pilot.press("up", "pageup")
        assert "stopped: G follows" in stage.text("#tail")
        before = stage.text("#well")
        scenes.say(scene, 1001, "restart", "order-2", 21_000, *(f"more {n}" for n in range(50)))
        stage.run_screen.refresh_scene()
        await pilot.pause()
        assert stage.text("#well") == before
        await pilot.press("G")
        await settle(pilot, lambda: "more 49" in stage.text("#well"))
        assert "following · 556 lines" in stage.text("#tail")
        await pilot.press("g")
        await settle(pilot, lambda: "draining 212" in stage.text("#well"))


async def test_a_text_is_found_in_the_output_and_hits_are_walked() -> None:
    scene = scenes.running()
    scenes.say(scene, 1000, "restart", "order-2", 20_000, *(f"line {n} of many" for n in range(9000)))
    stage = Stage(scene, Control())
    async with stage.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: stage.well.lines == 9006)
        await pilot.press("slash", *"LINE 77 ")
        await settle(pilot, lambda: len(stage.well.hits) == 1)
        assert "line 77 of many" in stage.text("#well")
        assert "hit 1 of 1" in stage.text("#tail")
        await pilot.press("escape")
        assert "stopped" in stage.text("#tail")


async def test_keys_belong_to_a_search_while_there_is_one_and_lines_begin_at_their_beginning_after_it(
    clock: list[float],
) -> None:
    scene, question = scenes.asking()
    scenes.say(scene, 1000, "restart", "order-2", 20_000, *(f"{' ' * 90}pool {n}" for n in range(3)), "the end")
    stage = Stage(scene, Control())
    async with stage.run_test(size=(80, 24)) as pilot:
        await put(pilot, stage, clock, question)
        await pilot.press("3", "slash", *"pool ")
        await settle(pilot, lambda: len(stage.well.hits) == 3 and stage.well.scroll_offset.x > 0)
        seen = [stage.well.hit]
        for key in ("enter", "n", "enter", "N"):
            await pilot.press(key)
            seen.append(stage.well.hit)
        assert seen == [3, 1, 2, 3, 2]
        assert "next hit" in stage.footer()
        assert "pool 1" in stage.text("#well")
        await pilot.press("escape")
        await settle(pilot, lambda: stage.well.scroll_offset.x == 0)

        assert (stage.heard, stage.screen is stage.run_screen) == ([], True)
        assert "next hit" not in stage.footer()
        assert "note" in stage.footer()


async def test_what_is_visible_is_copied_only_by_the_users_key(monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[str] = []
    stage = Stage(scenes.running(), Control())
    monkeypatch.setattr(stage, "copy_to_clipboard", copied.append)
    async with stage.run_test(size=(120, 36)) as pilot:
        await settle(pilot, lambda: stage.well.lines == 6)
        assert copied == []
        await pilot.press("y")
        assert copied[0].startswith("order-service: shutting down\n")

        stage.run_screen.board.rail.go_to_step("freeze")
        await settle(pilot, lambda: not stage.well.lines)
        await pilot.press("y")
        assert "no output in sight to copy" in [note.message for note in stage._notifications][-1]
        assert len(copied) == 1


async def test_the_views_change_by_themselves_and_by_number(clock: list[float]) -> None:
    scene, question = scenes.asking()
    stage = Stage(scene, Control())
    async with stage.run_test(size=(80, 24)) as pilot:
        await put(pilot, stage, clock, question)
        assert stage.run_screen.board.desk.view == "before"
        await pilot.press("4")
        assert "checks" in stage.text("#verify Page")
        stage.run_screen.take_back(stage.run_screen._asked)  # type: ignore[arg-type]
        scenes.take(scene, 1000, [f.AttemptStarted(step="restart", target="order-2", attempt=1, effect="change")])
        stage.run_screen.refresh_scene()
        await pilot.pause()
        assert stage.run_screen.board.desk.view == "output"


async def test_the_cursor_of_the_user_stays_while_the_run_goes_on(clock: list[float]) -> None:
    scene = scenes.running()
    stage = Stage(scene, Control())
    async with stage.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: stage.run_screen.board.step == "restart")
        await pilot.press("g")
        done = b.changed("restart", "order-2")[2:]
        scenes.take(scene, 1001, done)
        stage.run_screen.refresh_scene()
        await pilot.pause()
        assert stage.run_screen.board.step == "freeze"
        await pilot.press("escape")
        assert stage.run_screen.board.step == "answers"


async def test_a_hundred_hosts_are_counts_and_a_step_lists_its_hosts_those_in_trouble_first() -> None:
    stage = Stage(scenes.fleet(), Control())
    async with stage.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: "100 hosts" in stage.text("#rail-head"))
        assert "✗1 ►3 ✓12 ◦84  running" in stage.text("#rail")
        assert "✗ restart: web-013" in stage.text("#rail-foot")
        await pilot.press("enter")
        await settle(pilot, lambda: "web-013" in stage.text("#rail"))
        listed = [line.split()[0] for line in stage.text("#rail").split("\n") if "web-" in line]
        assert listed[:4] == ["web-013", "web-014", "web-015", "web-016"]


async def test_the_end_is_told_with_what_is_left_and_enter_opens_the_review() -> None:
    scene = scenes.at_rest()
    stage = Stage(scene, Control())
    result = Result(run=scene.run, playbook="x", status="succeeded", state=scene.state, plan=scenes.plan())
    async with stage.run_test(size=(80, 24)) as pilot:
        stage.run_screen.ended(Ended(result))
        await pilot.pause()
        assert "✓ SUCCEEDED  6 changes, 0 left unverified" in stage.now()
        assert "↵ review" in stage.footer()
        assert "u undo" in stage.footer()
        await pilot.press("enter")
        await settle(pilot, lambda: bool(stage.heard))
        assert isinstance(stage.heard[0], msg.ReviewWanted)


async def test_a_run_that_rests_says_how_to_go_on() -> None:
    scene = scenes.at_rest(status="paused")
    stage = Stage(scene, Control())
    result = Result(run=scene.run, playbook="x", status="paused", state=scene.state, plan=scenes.plan(), why="pause")
    async with stage.run_test(size=(80, 24)) as pilot:
        stage.run_screen.ended(Ended(result))
        await pilot.pause()
        assert "◆ PAUSED" in stage.now()
        assert "↵ resume" in stage.now()
        await pilot.press("enter")
        await settle(pilot, lambda: bool(stage.heard))
        assert isinstance(stage.heard[0], msg.ResumeWanted)


async def test_an_error_before_the_run_is_told_with_its_remedy() -> None:
    stage = Stage(Scene(), Control())
    async with stage.run_test(size=(80, 24)) as pilot:
        error = RunbookError("the inventory names no host", remedy="write one into inventory.yaml")
        stage.run_screen.ended(Ended(None, error))
        await pilot.pause()
        assert "the inventory names no host" in stage.now()
        assert "write one into inventory.yaml" in stage.now()


async def test_a_followed_run_offers_only_what_looks() -> None:
    stage = Stage(scenes.running())
    async with stage.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: "RUNNING" in stage.now())
        for word in ("pause", "stop", "note", "pin", "run step", "undo", "abort"):
            assert word not in stage.footer()
        await pilot.press("p", "n", "A", "u", "ctrl+c")
        assert stage.heard == []


async def test_hosts_and_guards_are_told_where_there_is_room_with_an_age_for_who_fell_silent() -> None:
    calm = Health(load=0.4, cores=2, memory_free=3 << 30, memory=8 << 30, disk_free=40 << 30, disk=100 << 30)
    stage = Stage(scenes.running(), Control())
    stage.run_screen.scene.take_health(
        {
            "order-1": Seen(calm, 999.0, 1015.0),
            "order-2": Seen(replace(calm, load=9.5), 999.0, 1015.0),
            "order-3": Seen(calm, 940.0, 955.0),
            "[/x]\x1b[2J": Seen(),
        }
    )
    async with stage.run_test(size=(120, 36)) as pilot:
        await settle(pilot, lambda: "unknown" in stage.text("#instruments"))
        guard, _normal, *hosts = stage.text("#instruments").splitlines()
        assert guard.split()[:2] == ["GUARD", "error"]
        assert "▁" in guard
        assert [line.split()[:4] for line in hosts] == [
            ["HOST", "order-2", "!", "busy"],
            ["HOST", "order-3", "+2", "more"],
        ]
        assert "memory 3.0 GiB, disk 40.0 GiB free" in hosts[0]
        assert "? unknown" in hosts[1]
        assert "last seen 1:00 ago" in hosts[1]
        await pilot.resize_terminal(200, 50)
        await settle(pilot, lambda: "no word yet" in stage.text("#hosts"))
        assert "HOST " not in stage.text("#instruments")
        await pilot.resize_terminal(80, 24)
        await settle(pilot, lambda: "HOST   order-2 +2 more" in stage.text("#instruments"))
        guard, host = stage.text("#instruments").splitlines()
        assert guard.split()[:2] == ["GUARD", "error"]
        assert "! load 9.50 of 2 · memory 37 %, disk 40 % free" in host
        scene = stage.run_screen.scene
        assert scene.plan is not None
        scene.plan = replace(scene.plan, guards=(*scene.plan.guards, replace(scene.plan.guards[0], id="latency")))
        stage.run_screen.board.redraw(1000.0)
        await settle(pilot, lambda: "latency" in stage.text("#instruments"))
        assert [row.split()[0] for row in stage.text("#instruments").splitlines()] == ["GUARD", "GUARD", "HOST"]
        await pilot.resize_terminal(200, 50)
        await settle(pilot, lambda: "no word yet" in stage.text("#hosts"))
        assert [line.split()[0] for line in stage.text("#hosts").splitlines() if line.strip()] == [
            "HOSTS", "order-2", "order-3", "order-1", "[/x]",
        ]  # fmt: skip
        stage.run_screen.ended(Ended(None))
        await settle(pilot, lambda: not stage.run_screen.query_one("#hosts").display)


@pytest.mark.parametrize("size", [(20, 5), (60, 15), (80, 24), (120, 36), (200, 50), (80, 15)])
async def test_it_stands_at_every_size_and_comes_back(size: tuple[int, int]) -> None:
    stage = Stage(scenes.running(), Control(), Look(unicode=False))
    async with stage.run_test(size=size) as pilot:
        await pilot.pause()
        assert "RUNNING" in stage.now()
        # Steps and views stand side by side where neither breaks the lines of the other.
        assert stage.run_screen.query_one("#left").is_on_screen == (size[0] >= 72)
        await pilot.resize_terminal(20, 5)
        await pilot.pause()
        await pilot.resize_terminal(80, 24)
        await settle(pilot, lambda: "order-2" in stage.text("#well"))
        assert stage.text("#rail").isascii()
