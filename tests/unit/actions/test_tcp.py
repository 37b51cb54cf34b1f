"""`tcp` against real sockets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from runbook.actions.tcp import Tcp, TcpWith
from runbook.errors import ConnectError
from runbook.ports.action import Bad, Good, NoData
from runbook.ports.target import Address
from runbook.testing import Bench
from runbook.testing.work import Silent


def observe(port: int, host: str = "127.0.0.1", target: Bench | None = None, **more: object):  # type: ignore[no-untyped-def]
    return Tcp().observe(TcpWith(host=host, port=port, **more), target or Bench(), Silent())  # type: ignore[arg-type]


@pytest.fixture
def closed() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Tunnelled(Bench):
    """A near end that always accepts, as those of SSH do, and closes at once if the far side refuses."""

    @contextmanager
    def tunnel(self, address: Address) -> Iterator[Address]:
        with socket.create_server(("127.0.0.1", 0)) as near:
            held: list[socket.socket] = []

            def serve() -> None:
                connection, _ = near.accept()
                try:
                    held.append(socket.create_connection((address.host, address.port)))
                    held.append(connection)
                except OSError:
                    connection.close()

            thread = threading.Thread(target=serve)
            thread.start()
            yield Address("127.0.0.1", near.getsockname()[1])
            thread.join()
            for each in held:
                each.close()


def test_a_listening_port_is_good() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        seen = observe(server.getsockname()[1])

    assert isinstance(seen, Good)
    assert seen.value.connected


def test_a_closed_port_is_bad(closed: int) -> None:
    seen = observe(closed)

    assert isinstance(seen, Bad)
    assert seen.evidence == (f"127.0.0.1 port {closed} refuses connections",)


def test_through_a_tunnel_it_is_the_far_side_that_counts(closed: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert isinstance(observe(server.getsockname()[1], target=Tunnelled()), Good)
    assert isinstance(observe(closed, target=Tunnelled()), Bad)


def test_a_full_backlog_is_no_data() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        waiting = []
        for _ in range(5):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(server.getsockname())
            waiting.append(client)
        seen = observe(server.getsockname()[1], timeout=0.3)
        for client in waiting:
            client.close()

    assert seen == NoData((f"127.0.0.1 port {server_port(seen)}: no answer within 0.3 s",))


def server_port(seen: NoData) -> str:
    return seen.evidence[0].split()[2].rstrip(":")


def test_an_unknown_name_is_no_data() -> None:
    assert isinstance(observe(1, host="no-such-host.invalid"), NoData)


def test_a_target_that_cannot_be_reached_is_no_word_about_the_port() -> None:
    class Gone(Bench):
        def tunnel(self, address: Address):  # type: ignore[no-untyped-def]
            raise ConnectError("no connection")

    with pytest.raises(ConnectError):
        observe(1, target=Gone())
