"""The payments of the real shop: a hundred thousand callbacks pile up by a real failure, and are booked once each."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook.config import settings
from runbook.demo.backlog import BACKLOG, break_payments
from runbook.demo.incident import find_incident
from runbook.demo.layout import CALLBACKS, PAYMENT
from runbook.demo.number import Payments, is_settled
from runbook.demo.queue import Message, Store
from runbook.demo.shop import Shop, open_shop
from runbook.session.order import Order
from runbook.session.result import Result
from runbook.session.run import start
from runbook.session.unattended import Unattended
from tests.demo.conftest import until

APPROVED = ("canary", "replay")
ANSWERS = {"cause": "done", "confirm": "done", "judge": "done"}


def replay(shop: Shop, folder: Path) -> Result:
    inventory = folder / "inventory.yaml"
    inventory.write_text("hosts:\n  shop-1: {transport: local}\ngroups:\n  queue: {hosts: [shop-1]}\n")
    values = {"queue_control": str(shop.layout.queue_control), "rate": "0", "batch": "10000"}
    order = Order(playbook="queue-replay", values=values, inventory=inventory, approvals=APPROVED)
    return start(settings(folder), order, Unattended(APPROVED, dict(ANSWERS)))


@pytest.mark.slow
def test_a_hundred_thousand_callbacks_are_booked_once_each_by_the_shipped_playbook(tmp_path: Path) -> None:
    incident = find_incident("queue-replay")
    with open_shop(tmp_path / "shop") as shop:
        shop.start()
        broken = incident.break_it(shop)
        assert broken.payments == Payments(sent=BACKLOG, booked=0, duplicates=0, waiting=0, dead=BACKLOG, consumers=1)
        assert incident.healthy(broken) is False

        result = replay(shop, tmp_path)

        after = shop.wait(is_settled, "settled", within=60)
        assert result.status == "succeeded"
        assert after.payments == Payments(sent=BACKLOG, booked=BACKLOG, duplicates=0, waiting=0, dead=0, consumers=1)
        assert incident.healthy(after)
        moved = result.state.at("replay", "shop-1").values
        assert (moved["moved"], moved["duplicates"]) == (BACKLOG - 100, 0)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with open_shop(tmp_path_factory.mktemp("backlog") / "shop") as shop:
        shop.start()
        yield shop


def test_a_replay_is_refused_while_the_consumer_is_down(shop: Shop, tmp_path: Path) -> None:
    break_payments(shop, backlog=50)
    shop.control("stop", PAYMENT)
    try:
        result = replay(shop, tmp_path)
    finally:
        shop.control("start", PAYMENT)

    assert result.status == "failed"
    assert result.state.changes == ()
    assert result.state.at("consumers", "shop-1").status == "failed"


def test_callbacks_that_come_twice_are_booked_once_and_counted(shop: Shop, tmp_path: Path) -> None:
    break_payments(shop, backlog=50)
    replay(shop, tmp_path)
    store = Store(shop.layout.queue)
    ((twice,),) = store.db.execute("SELECT id FROM spent WHERE queue = ? LIMIT 1", (CALLBACKS,)).fetchall()
    store.publish(CALLBACKS, [Message(twice, {}, b"")])
    until(lambda: (found := shop.numbers().payments) is not None and found.duplicates == 1)
    store.close()
    found = shop.numbers().payments

    assert found is not None
    assert (found.booked, found.duplicates, found.dead) == (50, 1, 0)
