"""The socket below a connection: what is sent as one, and what is read at once."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from runbook.errors import ConnectError
from runbook.transports.ssh.wire import GREETING, Wire, within


@pytest.fixture
def pair() -> Iterator[tuple[Wire, socket.socket]]:
    one, other = socket.socketpair()
    other.settimeout(60)
    with one, other:
        yield Wire(one), other


def _all(peer: socket.socket, size: int) -> bytes:
    parts = []
    while size:
        parts.append(peer.recv(size))
        size -= len(parts[-1])
    return b"".join(parts)


def test_what_is_written_together_arrives_together_and_in_order(pair: tuple[Wire, socket.socket]) -> None:
    wire, peer = pair
    with wire.together():
        assert wire.send(b"first ") == 6
        with wire.together():
            wire.send(b"second ")
        assert select.select([peer], [], [], 0)[0] == []
        wire.send(b"third")

    assert peer.recv(100) == b"first second third"
    wire.send(b"alone")
    assert peer.recv(100) == b"alone"


def test_more_than_the_peer_takes_at_once_arrives_whole(pair: tuple[Wire, socket.socket]) -> None:
    wire, peer = pair
    data = bytes(range(256)) * 8192
    with ThreadPoolExecutor(1) as pool:
        with wire.together():
            wire.send(data[:1_000_000])
            wire.send(data[1_000_000:])
            got = pool.submit(_all, peer, len(data))
        assert got.result(60) == data


def test_the_greeting_is_sent_ahead_and_not_a_second_time(pair: tuple[Wire, socket.socket]) -> None:
    wire, peer = pair
    wire.greet()
    assert peer.recv(100) == GREETING

    assert wire.send(GREETING) == len(GREETING)
    wire.send(b"the offer")
    assert peer.recv(100) == b"the offer"
    wire.send(GREETING)
    assert peer.recv(100) == GREETING


def test_what_came_at_once_is_given_out_in_the_parts_that_are_asked_for(pair: tuple[Wire, socket.socket]) -> None:
    wire, peer = pair
    peer.sendall(b"0123456789")

    assert [wire.recv(4), wire.recv(4), wire.recv(4)] == [b"0123", b"4567", b"89"]
    assert wire.received == 10
    peer.close()
    assert wire.recv(4) == b""


def test_what_can_be_sent_to_nobody_closes_the_wire(pair: tuple[Wire, socket.socket]) -> None:
    wire, peer = pair
    peer.close()
    with wire.together():
        wire.send(b"lost")

    assert wire.writable() is False


@pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="a socket option of Linux")
def test_until_the_first_command_the_peer_waits_for_no_delayed_acknowledgement() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        below = socket.create_connection(server.getsockname())
        peer, _ = server.accept()
    with peer, below:
        wire = Wire(below)

        def acknowledges_at_once() -> bool:
            for _ in range(8):
                # A talk back and forth, in which the system would leave the acknowledgement to the next answer.
                wire.send(b"question")
                peer.recv(100)
                peer.sendall(b"answer")
                wire.recv(100)
            return bool(below.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK))

        assert acknowledges_at_once()
        wire.take_its_time()
        assert not acknowledges_at_once()


def test_what_does_not_come_to_an_end_in_time_is_told_with_what_to_do() -> None:
    def fails() -> None:
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(ConnectError) as caught:
        within(5, fails, "web-1 port 22", "to look up its address", "is the name right?")
    assert str(caught.value) == "web-1 port 22: to look up its address: Name or service not known; is the name right?"
