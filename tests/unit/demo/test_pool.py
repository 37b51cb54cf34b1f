"""The pool against a real database server in this process."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from runbook.demo.database import Server
from runbook.demo.layout import choose_ports
from runbook.demo.pool import Pool, PoolError

Serve = Callable[[int], Server]


@contextmanager
def serving(limit: int) -> Iterator[Server]:
    server = Server(choose_ports().database, limit)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def make_pool(server: Server, size: int, *, patience: float = 0.2) -> Pool:
    return Pool(("127.0.0.1", int(server.server_address[1])), size, patience, 1.0)


def close(pool: Pool) -> None:
    for place in pool._places:
        if place.connection is not None:
            place.connection.close()
            place.connection = None


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_pool_within_the_limit_serves_every_customer() -> None:
    with serving(limit=8) as server:
        pool = make_pool(server, 5)
        pool.warm_up()
        answers = []
        for customer in range(20):
            with pool.connection(customer) as connection:
                answers.append(connection.ask(f"RESERVE {customer} lamp 1").split()[0])
        pool.check(1.0)
        assert (pool.open, pool.errors, answers) == (5, 0, ["OK"] * 20)
        close(pool)


def test_a_pool_beyond_the_limit_serves_only_as_many_customers_as_there_are_connections() -> None:
    with serving(limit=4) as server:
        pool = make_pool(server, 40, patience=0.05)
        pool.warm_up()
        for customer in range(4):
            with pool.connection(customer) as connection:
                assert connection.ask("PING") == "PONG"
        for customer in range(4, 40):
            with pytest.raises(PoolError, match="too many connections"), pool.connection(customer):
                pass
        assert pool.open == 4
        assert pool.errors >= 36
        with pytest.raises(PoolError, match="too many connections"):
            pool.check(1.0)
        close(pool)


def test_an_order_waits_for_the_connection_of_its_customer() -> None:
    with serving(limit=4) as server:
        pool = make_pool(server, 2)
        with pool.connection(1):
            assert (pool.in_use, pool.waiting) == (1, 0)
            with pytest.raises(PoolError, match="stayed busy"), pool.connection(3):
                pass
            with pool.connection(2) as other:
                assert other.ask("PING") == "PONG"
        assert (pool.in_use, pool.waiting) == (0, 0)
        close(pool)


def test_closed_connections_come_free_for_others() -> None:
    with serving(limit=2) as server, ExitStack() as stack:
        first, second = make_pool(server, 2), make_pool(server, 2, patience=5)
        stack.callback(close, second)
        first.warm_up()
        with pytest.raises(PoolError):
            second.check(0.1)
        close(first)
        until(lambda: not server.store._sessions)
        second.warm_up()
        assert second.open == 2


def test_a_connection_that_breaks_is_replaced_for_the_next_order() -> None:
    with serving(limit=4) as server:
        pool = make_pool(server, 1)
        pool.warm_up()
        connection = pool._places[0].connection
        assert connection is not None
        connection._socket.shutdown(2)
        with pytest.raises(PoolError, match="broke"), pool.connection(0) as broken:
            broken.ask("PING")
        with pool.connection(0) as fresh:
            assert fresh.ask("PING") == "PONG"
        close(pool)


def test_stock_is_taken_exactly_once_per_order() -> None:
    with serving(limit=8) as server:
        pool = make_pool(server, 8, patience=5)

        def shop(customer: int) -> None:
            for _ in range(25):
                with pool.connection(customer) as connection:
                    connection.ask("RESERVE 1 lamp 2")

        threads = [threading.Thread(target=shop, args=(customer,)) for customer in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert pool.open == 8
        with pool.connection(0) as connection:
            left = int(connection.ask("RESERVE 1 lamp 0").split()[2])
        assert left == 10_000_000 - 8 * 25 * 2
        close(pool)


def test_the_database_answers_nonsense_without_falling_over() -> None:
    with serving(limit=2) as server:
        pool = make_pool(server, 1)
        with pool.connection(0) as connection:
            for question in ("", "RESERVE 1", "RESERVE 1 lamp many", "DROP \x00"):
                with pytest.raises(PoolError, match="not understood"):
                    connection.ask(question)
            with pytest.raises(PoolError, match="sold out"):
                connection.ask("RESERVE 1 lamp 99999999999")
            assert connection.ask("PING") == "PONG"
        close(pool)
