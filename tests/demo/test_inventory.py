"""The inventory of the real shop: broken by others' connections, degraded and restored by the shipped playbook."""

import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runbook.config import Settings, settings
from runbook.demo.inventory_incident import break_inventory, is_restored, sells_again
from runbook.demo.layout import INVENTORY, ORDER
from runbook.demo.pool import Connection
from runbook.demo.shop import Shop, open_shop
from runbook.session import library
from runbook.session.order import Order
from runbook.session.rehearse import rehearse
from runbook.session.result import Result
from runbook.session.review import report, state
from runbook.session.run import resume, start, undo
from runbook.session.unattended import Unattended
from runbook.testing import tree
from tests.demo.conftest import until
from tests.nursery import nursery

BRIEF = {"steady": "1s", "agree": "1s", "soak": "1s"}
CHILD = """
import sys
from pathlib import Path
from runbook.config import settings
from runbook.session.order import Order
from runbook.session.run import start
from runbook.session.unattended import Unattended
values = dict(word.split("=", 1) for word in sys.argv[2:])
order = Order(playbook="cache-degradation", values=values, inventory=Path(sys.argv[1]))
start(settings(Path(sys.argv[1]).parent), order, Unattended(("degrade", "restore"), {"agreed": "done"}))
"""


class Stock:
    """A shop and an operator who runs the playbook on its inventory."""

    def __init__(self, shop: Shop, folder: Path) -> None:
        self.shop = shop
        self.settings: Settings = settings(folder)
        self.inventory = folder / "inventory.yaml"
        self.inventory.write_text(
            "hosts:\n  shop-1: {transport: local, vars: {sudo: false}}\ngroups:\n  inventory: {hosts: [shop-1]}\n"
        )

    def values(self, phase: str) -> dict[str, str]:
        known = self.shop.parameters()
        given = {name: known[name] for name in ("switch_file", "status_url", "stock_health_url")}
        return given | BRIEF | {"phase": phase, "expires": "10m"}

    def order(self, phase: str, take_over: str = "") -> Order:
        values = self.values(phase)
        return Order(playbook="cache-degradation", values=values, inventory=self.inventory, take_over=take_over)

    def run(self, phase: str, take_over: str = "") -> Result:
        answers = Unattended(("degrade", "restore"), {"agreed": "done"})
        return start(self.settings, self.order(phase, take_over), answers)

    def killed(self, phase: str, failpoint: str) -> str:
        """Run in a process of its own that dies at a named point; return the run."""
        words = [f"{name}={value}" for name, value in self.values(phase).items()]
        child = nursery().start(CHILD, str(self.inventory), *words, cwd=Path.cwd(), failpoint=failpoint)
        assert child.wait() == -signal.SIGKILL
        return max(path.name for path in (self.settings.state / "runs").iterdir())

    @property
    def status(self) -> dict[str, Any]:
        with urllib.request.urlopen(self.shop.parameters()["status_url"], timeout=5) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    @property
    def degraded(self) -> list[str]:
        return [loop.next for loop in library.open_loops(self.settings) if loop.status == "degraded"]

    def repair(self) -> None:
        """Take the cause away, as config-rollback does."""
        known = self.shop.parameters()
        git = ["git", "-C", known["repo"], "checkout", "-q", known["good_ref"], "--", known["file"]]
        subprocess.run(git, check=True)
        self.shop.control("restart", ORDER)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with open_shop(tmp_path_factory.mktemp("stock") / "shop") as shop:
        shop.start()
        yield shop


@pytest.fixture
def stock(shop: Shop, tmp_path: Path) -> Iterator[Stock]:
    """The shop, which sells from the database and has no switch file; so it is left again."""
    made = Stock(shop, tmp_path)
    until(lambda: answers(made) and (made.status["degraded"], made.status["agree"]) == (False, True))
    yield made
    for file in shop.layout.inventory_switch.parent.glob("switch.json*"):
        file.unlink()


def test_the_playbook_degrades_and_later_restores_with_numbers_that_agree(stock: Stock) -> None:
    shop = stock.shop
    broken = break_inventory(shop)
    assert broken.stock is not None
    assert (broken.stock.failure_rate or 0.0) > 0.8
    before = tree(shop.layout.inventory)
    seen = rehearse(stock.settings, stock.order("degrade"), Unattended())
    shown = {step.step: step.state for step in seen.steps}
    assert (seen.refused, seen.blast_radius["changes"]) == (False, 1), shown
    assert not shop.layout.inventory_switch.exists()
    assert {*tree(shop.layout.inventory)} == {*before}

    first = stock.run("degrade")

    assert (first.status, first.why) == ("succeeded", "")
    shop.wait(sells_again, "selling again", within=20)
    assert (stock.status["degraded"], stock.status["agree"]) == (True, None)
    assert stock.degraded == [f"runbook undo {first.run} to-cache"]
    assert "Still degraded" in report(stock.settings, first.run)
    refused = undo(stock.settings, first.run, Unattended())
    assert refused.status == "undo_incomplete"
    assert "not known whether the stock numbers agree" in first_error(refused)
    assert stock.status["degraded"] is True

    stock.repair()
    # An undo that did not come to its end keeps its claim on the host.
    second = stock.run("restore", take_over="restored by the playbook instead")

    assert (second.status, second.why) == ("succeeded", "")
    after = shop.wait(is_restored, "restored", within=20)
    assert after.stock is not None
    assert (after.stock.oversold, after.stock.unbooked) == (0, 0)
    assert stock.degraded == []
    assert not shop.layout.inventory_switch.exists()


def first_error(result: Result) -> str:
    return next(at.error for at in result.state.steps.values() if at.status == "undo_failed")


@pytest.mark.parametrize("failpoint", ["after-intent", "before-receipt", "before-outcome"])
def test_a_killed_degradation_is_open_until_it_is_resumed_and_undone_to_the_byte(stock: Stock, failpoint: str) -> None:
    switch = stock.shop.layout.inventory_switch
    switch.write_text('{"degraded": false}\n')
    switch.chmod(0o640)
    until(lambda: stock.status["agree"] is True)

    # The copy of the switch file is the first operation, its turn is the second.
    run = stock.killed("degrade", failpoint if failpoint == "before-outcome" else f"{failpoint}:2")

    assert len(stock.degraded) == 1
    written = switch.read_text()
    result = resume(stock.settings, run, Unattended(("degrade", "restore"), {"agreed": "done"}))
    assert (result.status, result.why) == ("succeeded", "")
    assert failpoint == "after-intent" or switch.read_text() == written
    assert stock.status["degraded"] is True
    assert len([op for op in operations(stock, run) if op == "switch"]) == 1

    until(lambda: stock.status["agree"] is True)
    assert undo(stock.settings, run, Unattended()).status == "undone"

    assert (switch.read_text(), switch.stat().st_mode & 0o777) == ('{"degraded": false}\n', 0o640)
    assert [path.name for path in switch.parent.glob("switch.json*")] == ["switch.json"]
    assert stock.degraded == []


def operations(stock: Stock, run: str) -> list[str]:
    found = state(stock.settings, run).at("to-cache", "shop-1")
    return [op.name for attempt in found.attempts for op in attempt.operations if op.receipt is not None]


def test_the_service_keeps_its_promises_when_it_is_killed_and_ends_a_degradation_by_itself(stock: Stock) -> None:
    shop = stock.shop
    until(lambda: stock.status["agree"] is True)
    shop.layout.inventory_switch.write_text('{"degraded": true, "until": "2030-01-01T00:00:00Z"}')
    until(lambda: stock.status["degraded"] is True)
    pid = int(dict(line.split("=", 1) for line in shop.control("show", INVENTORY).splitlines())["MainPID"])
    os.kill(pid, signal.SIGKILL)
    until(lambda: answers(stock) and stock.status["degraded"] is True and stock.status["agree"] is True)

    # Its time was up long ago, and the numbers agree.
    shop.layout.inventory_switch.write_text(
        '{"degraded": true, "until": "2020-01-01T00:00:00Z", "at_expiry": "restore_if_check"}'
    )

    until(lambda: stock.status["degraded"] is False)
    assert stock.status["until"] == "2020-01-01T00:00:00Z"
    shop.wait(is_restored, "restored", within=20)
    assert stock.status["oversold"] == 0


def answers(stock: Stock) -> bool:
    try:
        return bool(stock.status)
    except OSError:
        return False


def test_numbers_disagree_while_somebody_else_sells_the_same_stock(stock: Stock) -> None:
    until(lambda: stock.status["agree"] is True)
    assert stock.run("degrade").status == "succeeded"
    until(lambda: stock.status["agree"] is True)
    seller = Connection(("127.0.0.1", stock.shop.ports.database), 1.0)

    seller.ask("TAKE elsewhere tent 3")

    until(lambda: stock.status["agree"] is False)
    seller.close()
    until(lambda: stock.status["agree"] is True)
