"""A local address that leads to an address as the host sees it, over the connection that is there anyway."""

from __future__ import annotations

import select
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from runbook.errors import TransportError
from runbook.ports.cancel import Cancel
from runbook.ports.target import Address
from runbook.transports.ssh.connection import Connection, ForwardingForbidden
from runbook.transports.wake import Wake

if TYPE_CHECKING:
    from paramiko.channel import Channel

_BLOCK = 65536
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: what is refused there is reset here
_LOOK = 5.0


@contextmanager
def tunnel(connection: Connection, address: Address, cancel: Cancel) -> Iterator[Address]:
    """Listen on a port of this machine's own loopback; each connection to it opens a way through the host.

    Raises ConnectError, HostKeyError or AuthError if the host cannot be reached; at the end also if it lets nothing
    through, which looks like an address where nobody listens.
    """
    connection.link(cancel)
    forbidden: list[ForwardingForbidden] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        wake = Wake()
        doorman = threading.Thread(
            target=_serve, args=(server, wake, connection, address, cancel, forbidden), name="ssh-tunnel", daemon=True
        )
        doorman.start()
        try:
            yield Address("127.0.0.1", int(server.getsockname()[1]))
        finally:
            wake.call()
            doorman.join(_LOOK)
            wake.close()
            if forbidden:
                raise forbidden[0]


def _serve(
    server: socket.socket,
    wake: Wake,
    connection: Connection,
    address: Address,
    cancel: Cancel,
    forbidden: list[ForwardingForbidden],
) -> None:
    poll = select.poll()
    poll.register(server, select.POLLIN)
    poll.register(wake.descriptor, select.POLLIN)
    open_ways: list[_Way] = []
    while True:
        ready = {descriptor for descriptor, _ in poll.poll(_LOOK * 1000)}
        if wake.descriptor in ready:
            break
        if server.fileno() in ready:
            with suppress(OSError):
                way = _Way(server.accept()[0], connection, address, cancel, forbidden)
                open_ways.append(way)
                way.start()
        open_ways = [way for way in open_ways if way.is_alive()]
    for way in open_ways:
        way.stop()


class _Way(threading.Thread):
    """One connection through the tunnel."""

    def __init__(
        self,
        near: socket.socket,
        connection: Connection,
        address: Address,
        cancel: Cancel,
        forbidden: list[ForwardingForbidden],
    ) -> None:
        super().__init__(name="ssh-tunnel-way", daemon=True)
        self._near = near
        self._connection = connection
        self._address = address
        self._cancel = cancel
        self._forbidden = forbidden
        self._channel: Channel | None = None

    def run(self) -> None:
        with self._near:
            try:
                channel = self._connection.stream((self._address.host, self._address.port), self._cancel)
            except TransportError as error:
                if isinstance(error, ForwardingForbidden):
                    self._forbidden.append(error)
                with suppress(OSError):
                    self._near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                return
            self._channel = channel
            back = threading.Thread(target=self._back, args=(channel,), name="ssh-tunnel-back", daemon=True)
            back.start()
            try:
                while data := self._near.recv(_BLOCK):
                    channel.sendall(data)
                channel.shutdown_write()
            except (OSError, EOFError):
                channel.close()
            back.join()
            channel.close()

    def stop(self) -> None:
        """End it from outside."""
        with suppress(OSError):
            self._near.shutdown(socket.SHUT_RDWR)
        if self._channel is not None:
            self._channel.close()

    def _back(self, channel: Channel) -> None:
        with suppress(OSError, EOFError):
            while data := channel.recv(_BLOCK):
                self._near.sendall(data)
        with suppress(OSError):
            self._near.shutdown(socket.SHUT_WR)
