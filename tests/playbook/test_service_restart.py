"""`service-restart` on real processes: the decision path, the order of stops and starts, and the way back."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from msgspec.structs import replace

from runbook.demo.incident import find_incident
from runbook.demo.layout import ORDER
from runbook.demo.number import is_broken, is_healthy
from runbook.demo.runtime import GOOD_VERSION, LINK, NEW_VERSION, use_version
from runbook.demo.shop import Shop, open_shop
from runbook.session.record import state_of
from runbook.session.review import output
from runbook.session.run import start
from runbook.testing import ScriptedApprover, tree
from tests.demo.conftest import Supervised, supervised, until
from tests.playbook.stand import Stand, statuses

__all__ = ["supervised"]

pytestmark = pytest.mark.slow

NAMES = ("service", "needs", "runtime_link", "runtime_binary", "good_version", "start_by_hand", "health_url")
BRIEF = {"stable": "300ms", "steady": "300ms", "soak": "300ms"}
LOOPS = {"stable": "2s"}
"""What crashes again and again is seen to do so in this time."""
ANSWERS = {"cause": "runtime", "stack": "roll-back", "by-hand": "done"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with open_shop(tmp_path_factory.mktemp("restart") / "shop") as shop:
        shop.start()
        yield shop


@pytest.fixture
def stand(shop: Shop, tmp_path: Path) -> Stand:
    """The shop, whose order service crashes at every start since the upgrade of its runtime."""
    assert is_broken(find_incident("service-restart").break_it(shop))
    return stand_of(shop, tmp_path)


def stand_of(shop: Shop, folder: Path, **answers: str) -> Stand:
    known = shop.parameters()
    return Stand(
        folder,
        "service-restart",
        {name: known[name] for name in NAMES} | BRIEF | LOOPS,
        host_vars=shop.inventory_vars,
        approvals=("in-order",),
        answers={**ANSWERS, **answers},
    )


def version(shop: Shop) -> str:
    return os.readlink(shop.layout.runtime / LINK)


def test_the_runtime_is_rolled_back_and_the_shop_is_healthy_again(shop: Shop, stand: Stand) -> None:
    before = tree(shop.layout.runtime)
    assert version(shop) == NEW_VERSION

    result = stand.start()

    assert result.status == "succeeded"
    assert is_healthy(shop.wait(is_healthy, "healthy", within=20))
    assert version(shop) == GOOD_VERSION
    told = statuses(result)
    assert (told["known-scheduler"], told["switch"], told["full-stack"]) == ("succeeded",) * 3
    assert {told[name] for name in ("known-segv", "known-memory", "by-hand", "stop-needed-by")} == {"skipped"}
    looked = result.state.at("look", "stand").values
    assert looked["up"] is False
    assert result.state.at("runtime", "stand").values["version"] == NEW_VERSION

    undone = stand.undo(result.run)

    assert undone.status == "undone"
    assert tree(shop.layout.runtime) == before
    shop.wait(is_broken, "broken", within=20)


def test_the_whole_stack_is_in_the_output_of_the_start_by_hand(stand: Stand) -> None:
    result = stand.start()

    reference = result.state.at("full-stack", "stand").output
    assert reference is not None
    kept = b"".join(chunk.data for chunk in output(stand.settings, result.run, reference)).decode()
    assert result.status == "succeeded"
    assert "fatal error: schedule: routine main is locked to OS thread" in kept
    # Only a full traceback shows the threads that did not fail.
    assert "Thread 0x" in kept
    assert "_monitor" in kept


def test_a_rehearsal_shows_the_path_and_changes_nothing(shop: Shop, stand: Stand) -> None:
    before = tree(shop.layout.runtime), tree(shop.layout.services), tree(shop.layout.config)

    found = stand.rehearse()

    assert (tree(shop.layout.runtime), tree(shop.layout.services), tree(shop.layout.config)) == before
    assert is_broken(shop.numbers())
    seen = {step.step: step for step in found.steps}
    assert seen["switch"].state == "maybe"
    assert seen["switch"].words.endswith(f"from {NEW_VERSION} to {GOOD_VERSION}")
    assert seen["start-service"].words == f"Restart {ORDER}"
    assert not found.refused


@pytest.mark.parametrize("point", ["before-intent", "after-intent", "before-receipt", "after-receipt"])
def test_a_kill_while_the_runtime_is_switched_is_resumed_to_the_right_state(
    shop: Shop, stand: Stand, point: str
) -> None:
    """The operations before are the stop, the start by hand and the stop that was done already."""
    run = stand.killed(f"{point}:3")
    begun = {step for (step, _), at in state_of(stand.journal, run).steps.items() if at.attempts}
    assert ("switch" in begun, "start-service" in begun) == (True, False)

    result = stand.resume(run)

    assert result.status == "succeeded"
    assert version(shop) == GOOD_VERSION
    assert not (shop.layout.runtime / f"{LINK}.runbook-new").is_symlink()
    shop.wait(is_healthy, "healthy", within=20)


def test_a_version_that_is_not_there_is_refused_and_nothing_is_switched(shop: Shop, stand: Stand) -> None:
    result = stand.start(good_version="1.19")

    assert result.status != "succeeded"
    assert version(shop) == NEW_VERSION
    assert "there is no version 1.19" in result.state.at("switch", "stand").error


def test_a_service_that_is_well_is_left_alone(shop: Shop, tmp_path: Path) -> None:
    use_version(shop.layout.runtime, GOOD_VERSION)
    shop.control("restart", ORDER)
    before = shop.control("show", ORDER)

    result = stand_of(shop, tmp_path, cause="nothing").start()

    assert (result.status, result.state.changes) == ("succeeded", ())
    assert shop.control("show", ORDER) == before


UNIT = """
import os, signal, sys, time
notes = open(sys.argv[1], "a", buffering=1)
def end(*_):
    notes.write(f"-{sys.argv[2]}\\n")
    os._exit(0)
signal.signal(signal.SIGTERM, end)
notes.write(f"+{sys.argv[2]}\\n")
time.sleep(600)
"""


class Well(BaseHTTPRequestHandler):
    def do_GET(self) -> None:  # the name of the standard library
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


class Chain:
    """Three units that note when they start and end; each needs the one before it."""

    def __init__(self, units: Supervised, folder: Path, port: int) -> None:
        self.units = units
        self._notes = folder / "notes"
        for name in ("db", "api", "worker"):
            units.add(name, sys.executable, "-c", UNIT, str(self._notes), name)
        units.start()
        self.stand = Stand(
            folder,
            "service-restart",
            {
                "service": "api",
                "needs": "db",
                "needed_by": "worker",
                "health_url": f"http://127.0.0.1:{port}/",
                **BRIEF,
            },
            host_vars={"service_driver": "supervised", "service_control": str(units.layout.control)},
            approvals=("in-order",),
            answers={**ANSWERS, "cause": "restart"},
        )
        self.wait(lambda notes: sorted(notes) == ["+api", "+db", "+worker"])

    def wait(self, holds: Callable[[list[str]], bool]) -> None:
        """Wait for what the units noted, and forget it."""
        until(lambda: self._notes.exists() and holds(self._notes.read_text().split()))
        self._notes.write_text("")

    def says(self, notes: str) -> None:
        """Wait until the units noted this since it was last asked, in this order."""
        self.wait(lambda found: found == notes.split())


@pytest.fixture
def chain(supervised: Supervised, tmp_path: Path) -> Iterator[Chain]:
    with HTTPServer(("127.0.0.1", 0), Well) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield Chain(supervised, tmp_path, server.server_port)
        server.shutdown()
        thread.join()


def test_down_goes_from_the_outside_in_and_up_from_the_inside_out(chain: Chain) -> None:
    result = chain.stand.start()

    assert result.status == "succeeded"
    chain.says("-worker -api +api +worker")
    assert statuses(result)["switch"] == "skipped"

    assert chain.stand.undo(result.run).status == "undone"
    chain.says("-worker -api +api +worker")


def test_a_guided_operator_agrees_once_to_the_whole_order(chain: Chain) -> None:
    """The plan of each step stays what was agreed to, although the stops before it change what it finds."""
    approver = ScriptedApprover({"proceed": "run", "choose": "restart", "approve": "approve", "manual": "done"})

    result = start(chain.stand.settings, replace(chain.stand.order(), guided=True), approver)

    assert result.status == "succeeded"
    assert [q.step for q in approver.asked if q.kind == "approve"] == ["in-order"]
    assert [q.step for q in approver.asked if q.kind == "choose"] == ["cause"]
    chain.says("-worker -api +api +worker")


def test_what_the_service_needs_is_started_first_and_stopped_again_by_undo(chain: Chain) -> None:
    chain.units.ctl("stop", "db")
    chain.says("-db")

    result = chain.stand.start()

    assert result.status == "succeeded"
    chain.says("-worker -api +db +api +worker")

    assert chain.stand.undo(result.run).status == "undone"
    chain.says("-worker -api -db +api +worker")
    assert chain.units.show("db")["ActiveState"] == "inactive"


def test_a_crash_loop_is_no_health(chain: Chain) -> None:
    chain.units.add(
        "api", "/bin/sh", "-c", "echo SIGSEGV: segmentation violation; sleep 0.2; exit 3", restart_delay=0.1
    )
    chain.units.ctl("restart", "api")
    until(lambda: int(chain.units.show("api")["NRestarts"]) >= 2)

    shipped = Path(__file__).parents[2] / "playbooks" / "service-restart.yaml"
    brief = chain.stand.folder / "service-restart.yaml"
    brief.write_text(shipped.read_text().replace("within: 90s", "within: 3s"))
    chain.stand.playbook = str(brief)

    result = chain.stand.start(**LOOPS)

    assert result.status == "failed"
    told = statuses(result)
    assert (told["known-segv"], told["start-service"], told["start-needed-by"]) == ("succeeded", "failed", "pending")
    looked = result.state.at("look", "stand").values
    assert (looked["up"], looked["restarts"] > 0) == (False, True)  # type: ignore[operator]
    assert any("SIGSEGV" in line for line in result.state.at("start-service", "stand").evidence)
