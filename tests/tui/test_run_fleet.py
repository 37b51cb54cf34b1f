"""A run of a hundred hosts at 80×24: what is wrong comes first, and one host can be picked out."""

from __future__ import annotations

from runbook.session.control import Control
from runbook.tui.presenter.verify import verify_rows
from tests import builders as b
from tests.tui import scenes
from tests.tui.canned import holds
from tests.tui.test_run import Stage

BURST = 300
"""Facts that come at once."""


def test_of_many_hosts_those_that_are_not_well_are_checked_first() -> None:
    scene = scenes.fleet()
    assert scene.plan is not None
    rows = ["".join(word for word, _ in row) for row in verify_rows(scene.plan, scene.state, "restart", 60)]

    named = [row.split()[0] for row in rows if row.startswith("web-")]
    assert named[:4] == ["web-013", "web-014", "web-015", "web-016"]
    assert named[-1] == "web-012"


async def test_one_host_of_those_that_speak_is_picked_out_and_its_end_is_followed() -> None:
    scene = scenes.fleet()
    stage = Stage(scene, Control())
    async with stage.run_test(size=(80, 24)) as pilot:
        stage.run_screen.board.view(3)
        await holds(pilot, lambda: "line 19 of web-016" in stage.text("#well"))
        assert "following" in stage.text("#tail")
        stage.well.focus()
        await pilot.press("right")
        await holds(pilot, lambda: "line 19 of web-014" in stage.text("#well"))

        assert "following" in stage.text("#tail")
        assert "web-016" not in stage.text("#well")
        scenes.say(scene, 999.0, "restart", "web-014", 4_000, "the last word")
        stage.run_screen.refresh_scene()
        await holds(pilot, lambda: "the last word" in stage.text("#well"))


async def test_a_burst_of_facts_of_a_hundred_hosts_is_drawn_in_one_go() -> None:
    scene = scenes.fleet()
    stage = Stage(scene, Control())
    async with stage.run_test(size=(80, 24)) as pilot:
        await holds(pilot, lambda: "100 hosts" in stage.text("#rail-head"))
        facts = [fact for host in (f"web-{n:03}" for n in range(17, 101)) for fact in b.changed("restart", host)]
        scenes.take(scene, 1001.0, facts[:BURST])
        stage.run_screen.refresh_scene()
        await holds(pilot, lambda: "✓72" in stage.text("#rail"))
        assert "✗ restart: web-013" in stage.text("#rail-foot")
        assert "RUNNING  restart on web-014, web-015, web-016" in stage.now()
