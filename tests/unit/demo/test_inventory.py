"""The inventory without its processes: what its switch means, and what its cache promises and books."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from runbook.demo.database import Server
from runbook.demo.inventory_cache import ITEMS, Cache, SoldOut
from runbook.demo.inventory_number import Stock, is_in_step, make_stock, sells, times_out
from runbook.demo.inventory_switch import Mode, Wish, next_mode, read_wish, write_wish
from runbook.demo.pool import Connection
from tests.demo.conftest import until

NOW = datetime(2026, 11, 1, 3, tzinfo=UTC)
LATER, EARLIER = NOW + timedelta(minutes=5), NOW - timedelta(minutes=5)


# --- the switch ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wish", "agrees", "mode"),
    [
        (Wish(), True, Mode()),
        (Wish(degraded=True), True, Mode(degraded=True)),
        (Wish(degraded=True, until=LATER), True, Mode(degraded=True)),
        (Wish(degraded=True, until=EARLIER), True, Mode(degraded=True, overdue=True)),
        (Wish(True, EARLIER, "restore_if_check"), False, Mode(degraded=True, overdue=True)),
        (Wish(True, EARLIER, "restore_if_check"), True, Mode(ended=EARLIER)),
    ],
)
def test_a_degradation_ends_by_itself_only_at_its_time_and_if_the_numbers_agree(
    wish: Wish, agrees: bool, mode: Mode
) -> None:
    assert next_mode(Mode(), wish, NOW, agrees=agrees) == mode


def test_one_that_has_ended_does_not_begin_again_by_the_same_switch() -> None:
    wish = Wish(True, EARLIER, "restore_if_check")

    assert next_mode(Mode(ended=EARLIER), wish, NOW, agrees=False) == Mode(ended=EARLIER)
    assert next_mode(Mode(ended=EARLIER), Wish(True, LATER), NOW, agrees=False) == Mode(degraded=True)


def test_a_switch_that_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    path, last = tmp_path / "switch.json", Wish(degraded=True)
    assert read_wish(path, last) == Wish()
    path.write_text('{"degr')
    assert read_wish(path, last) == last
    write_wish(path, b'{"degraded": true, "until": "2026-11-01T03:05:00"}')
    assert read_wish(path, Wish()) == Wish(degraded=True, until=LATER)


def test_what_is_no_position_of_the_switch_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(msgspec.MsgspecError):
        write_wish(tmp_path / "switch.json", b'{"degraded": "perhaps"}')
    assert list(tmp_path.iterdir()) == []


# --- the cache ----------------------------------------------------------------------------------------------------


@pytest.fixture
def database() -> Iterator[Server]:
    with Server(0, 5) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def connection(database: Server) -> Iterator[Connection]:
    link = Connection(("127.0.0.1", database.server_address[1]), 1.0)
    yield link
    link.close()


def left(connection: Connection, item: str) -> int:
    return int(connection.ask(f"STOCK {item}").split()[1])


def test_what_was_promised_is_booked_once_and_then_the_numbers_agree(tmp_path: Path, connection: Connection) -> None:
    cache, first = Cache(tmp_path / "cache.db"), left(connection, "tent")
    cache.sync(connection, follows=True)

    assert cache.promise("a1", "tent", 2) == first - 2
    assert cache.unbooked == 1
    cache.sync(connection, follows=False)
    cache.sync(connection, follows=False)

    assert (cache.unbooked, left(connection, "tent"), cache.oversold) == (0, first - 2, 0)
    assert cache.compared is not None
    assert cache.compared.cached == cache.compared.database
    until(lambda: _agrees(cache, connection))


def _agrees(cache: Cache, connection: Connection) -> bool:
    cache.sync(connection, follows=False)
    return cache.compared is not None and cache.compared.agree


def test_a_promise_outlives_the_process_and_is_not_booked_twice(tmp_path: Path, connection: Connection) -> None:
    cache, first = Cache(tmp_path / "cache.db"), left(connection, "rope")
    cache.sync(connection, follows=True)
    cache.promise("b1", "rope", 3)
    # The process ends after the database was told, and before that was noted.
    connection.ask("TAKE b1 rope 3")

    again = Cache(tmp_path / "cache.db")
    assert again.unbooked == 1
    again.sync(connection, follows=False)

    assert (again.unbooked, left(connection, "rope")) == (0, first - 3)


def test_stock_that_somebody_else_sold_is_a_difference_and_is_no_longer_promised(
    tmp_path: Path, connection: Connection
) -> None:
    cache, first = Cache(tmp_path / "cache.db"), left(connection, "boots")
    cache.sync(connection, follows=True)

    connection.ask(f"TAKE other boots {first}")
    cache.sync(connection, follows=False)

    assert cache.compared is not None
    assert (cache.compared.agree, cache.compared.cached - cache.compared.database) == (False, first)
    with pytest.raises(SoldOut):
        cache.promise("c1", "boots", 1)


def test_a_promise_that_the_database_cannot_keep_is_counted_as_oversold(tmp_path: Path, connection: Connection) -> None:
    cache, first = Cache(tmp_path / "cache.db"), left(connection, "stove")
    cache.sync(connection, follows=True)
    cache.promise("d1", "stove", 2)

    connection.ask(f"TAKE other stove {first - 1}")
    cache.sync(connection, follows=False)

    assert (cache.oversold, cache.unbooked) == (2, 0)


def test_a_cache_that_never_saw_the_database_promises_nothing(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache.db")

    for item in ITEMS:
        with pytest.raises(SoldOut):
            cache.promise("e1", item, 1)
    assert cache.compared is None


# --- the numbers --------------------------------------------------------------------------------------------------

GOOD = Stock(20.0, 0.0, 9.0, degraded=False, agree=True, unbooked=0, oversold=0)


@pytest.mark.parametrize(
    "change",
    [
        {"failure_rate": 0.02},
        {"failure_rate": None},
        {"deductions_per_s": 10.0},
        {"p99_ms": 800.0},
        {"p99_ms": None},
        {"oversold": 1},
    ],
)
def test_one_bad_or_missing_number_does_not_sell(change: dict[str, float | None]) -> None:
    found = msgspec.structs.replace(GOOD, **change)
    assert (sells(GOOD), sells(found), is_in_step(found)) == (True, False, False)


def test_a_degraded_service_sells_and_is_not_in_step() -> None:
    degraded = msgspec.structs.replace(GOOD, degraded=True)
    assert (sells(degraded), is_in_step(degraded), is_in_step(GOOD)) == (True, False, True)
    assert is_in_step(msgspec.structs.replace(GOOD, agree=None)) is False


def test_no_data_is_neither_good_nor_bad() -> None:
    assert make_stock({}, {}) is None
    assert (sells(None), is_in_step(None), times_out(None)) == (False, False, False)
    assert times_out(msgspec.structs.replace(GOOD, failure_rate=0.97)) is True
