"""How much time is left of a run, by what earlier runs of its playbook took."""

from __future__ import annotations

from typing import ClassVar

import pytest
from msgspec.structs import replace

from runbook.session.control import Control
from runbook.testing import ScriptedApprover
from runbook.tui import messages as msg
from runbook.tui.presenter.left import Left, time_left
from runbook.tui.presenter.now import now_words
from runbook.tui.presenter.progress import Progress
from runbook.tui.presenter.words import Row
from runbook.tui.scene import Scene
from tests.engine.desk import Desk, touch
from tests.tui import scenes
from tests.tui.canned import holds
from tests.tui.test_run import Stage

USUAL = {"compare": 1.0, "restore": 5.0, "restart": 90.0, "answers": 2.0, "drop-cache": 3.0, "soak": 120.0}


class Asked(Stage):
    """Hears who asks for earlier times."""

    wanted: ClassVar[list[msg.UsualWanted]] = []

    def on_usual_wanted(self, message: msg.UsualWanted) -> None:
        """Hear."""
        self.wanted.append(message)


def text(row: Row) -> str:
    return "".join(word for word, _ in row)


def test_what_is_open_counts_and_what_runs_only_as_far_as_it_lacks() -> None:
    scene = scenes.running()
    scene.usual = USUAL

    # Left are: 32 s of the restart that runs, answers; restore, restart, answers of the third wave; cache and soak.
    assert time_left(scene, 1000.0) == Left(32 + 2 + 5 + 90 + 2 + 3 + 120)
    assert "about 4 min left" in text(now_words(scene, 1000.0).second_right)


def test_a_step_without_an_earlier_time_makes_it_the_least() -> None:
    scene = scenes.running()
    scene.usual = {"restart": 90.0}

    assert time_left(scene, 1000.0) == Left(122.0, at_least=True)
    assert "at least 2 min left" in text(now_words(scene, 1000.0).second_right)


def test_without_an_earlier_run_it_is_unknown_and_before_anybody_looked_nothing_is_said() -> None:
    scene = scenes.running()
    assert "left" not in text(now_words(scene, 1000.0).second_right)
    scene.usual = {}
    assert "time left unknown" in text(now_words(scene, 1000.0).second_right)
    rests = scenes.at_rest()
    rests.usual = USUAL
    assert "left" not in text(now_words(rests, 1000.0).second_right)


@pytest.mark.parametrize(("parallel", "seconds"), [(1, 100.0), (20, 10.0), (50, 10.0 * 1)])
def test_hosts_side_by_side_take_turns_only_over_the_bound(parallel: int, seconds: float) -> None:
    hosts = tuple(f"h{n}" for n in range(10))
    scene = Scene("r", replace(scenes.plan(), units=(scenes.unit(scenes.step("go", hosts=hosts)),)))
    assert scene.plan is not None
    only = scene.plan.units[0]
    scene.plan = replace(scene.plan, units=(replace(only, steps=(replace(only.steps[0], parallel=parallel),)),))
    scene.usual = {"go": 10.0}

    assert time_left(scene, 0.0) == Left(seconds)


async def test_the_run_screen_asks_once_what_earlier_runs_took() -> None:
    stage = Asked(scenes.running(), Control())
    async with stage.run_test(size=(80, 24)) as pilot:
        await holds(pilot, lambda: bool(stage.wanted))
        stage.run_screen.tick()
        await pilot.pause()

    assert [(one.playbook, one.run) for one in stage.wanted] == [("config-rollback", "20231114-kim")]


def test_earlier_runs_of_the_same_playbook_tell_and_failures_do_not(tmp_path_factory: pytest.TempPathFactory) -> None:
    from runbook.session.usual import usual_seconds

    desk = Desk(tmp_path_factory.mktemp("usual"))
    assert usual_seconds(desk.settings, "try") == {}

    failing = '  - {id: out, command: ["true"], effect: read, when: "1 > 2"}\n'
    failing += '  - {id: bad, command: ["false"], effect: read}\n'
    done = desk.guided("steps:\n" + touch("one") + failing, ScriptedApprover({"proceed": "run", "failure": "abort"}))
    found = usual_seconds(desk.settings, "try")

    assert set(found) == {"one", "out"}
    assert found["out"] == 0
    assert 0 <= found["one"] < 60
    assert usual_seconds(desk.settings, "another") == {}
    assert usual_seconds(desk.settings, "try", apart_from=done.run) == {}


def test_the_line_is_full_when_all_is_over_and_not_before() -> None:
    for room in (1, 2, 31, 80, 200):
        for of in (1, 3, 4, 300):
            assert sum(Progress(over=of, of=of).cells(room)) == room
            assert sum(Progress(over=of, bad=1, of=of).cells(room)) == room
            for active, bad in ((0, 0), (1, 0), (0, 1), (1, 1)):
                assert sum(Progress(of - 1, active, min(bad, of - 1), of).cells(room)) < room
    assert Progress(over=3, active=1, of=4).cells(80) == (60, 0, 10)
