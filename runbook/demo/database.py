"""The database of the shop: stock and orders behind a socket, with a hard limit of connections.

Owns the stock. Every open connection is a session with a thread of its own, and every transaction looks at all open
sessions under the one lock, as engines do that must know what the others may still see: sessions are not free. Beyond
its limit the database refuses, in words, and closes.

Protocol, one line each way: the server greets with READY or `ERR why`; `PING` gets PONG; `RESERVE customer item count`
gets `OK order left` or `ERR why`; `SETTLE customer count` gets `OK count`; `TAKE id
item count` gets `OK left` and does nothing the second time; `STOCK item` gets `OK left`.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import socket
import socketserver
import threading

from runbook.demo.process import Complaint, say, settle_in

_STOCK = 10_000_000
_IDLE = 0


class Store:
    """The stock and the sessions that look at it."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._sessions: dict[int, int] = {}
        self._stock: dict[str, int] = {}
        self._taken: set[str] = set()
        self.horizon = _IDLE
        """The oldest transaction that an open session may still see."""

    def admit(self, session: int) -> bool:
        """Open a session; False if the limit is reached."""
        with self._lock:
            if len(self._sessions) >= self.limit:
                return False
            self._sessions[session] = _IDLE
            return True

    def dismiss(self, session: int) -> None:
        """Close a session."""
        with self._lock:
            self._sessions.pop(session, None)

    def reserve(self, session: int, item: str, count: int) -> tuple[int, int]:
        """Take `count` of `item`; the number of the order and what is left."""
        with self._lock:
            number = self._sessions[session] = next(self._numbers)
            self.horizon = min((seen for seen in self._sessions.values() if seen != _IDLE), default=number)
            left = self._stock.get(item, _STOCK) - count
            if left < 0:
                raise ValueError("sold out")
            self._stock[item] = left
            self._sessions[session] = _IDLE
            return number, left

    def take(self, name: str, item: str, count: int) -> int:
        """Take `count` of `item` once for all under this id; what is left."""
        with self._lock:
            left = self._stock.get(item, _STOCK)
            if name not in self._taken:
                left -= count
                if left < 0:
                    raise ValueError("sold out")
                self._taken.add(name)
                self._stock[item] = left
            return left

    def left(self, item: str) -> int:
        """Say what is left of `item`."""
        with self._lock:
            return self._stock.get(item, _STOCK)


class Session(socketserver.StreamRequestHandler):
    """One connection, from greeting to goodbye."""

    disable_nagle_algorithm = True
    server: Server

    def handle(self) -> None:
        try:
            self.wfile.write(b"READY\n")
            while line := self.rfile.readline(1024):
                self.wfile.write(self._answer(line.split()))
        except OSError:
            pass

    def _answer(self, words: list[bytes]) -> bytes:
        match words:
            case [b"PING"]:
                return b"PONG\n"
            case [b"RESERVE", _customer, item, count] if count.isdigit():
                try:
                    number, left = self.server.store.reserve(
                        id(self.request), item.decode("ascii", "replace"), int(count)
                    )
                except ValueError as error:
                    return f"ERR {error}\n".encode()
                return f"OK {number} {left}\n".encode()
            case [b"TAKE", name, item, count] if count.isdigit():
                try:
                    left = self.server.store.take(
                        name.decode("ascii", "replace"), item.decode("ascii", "replace"), int(count)
                    )
                except ValueError as error:
                    return f"ERR {error}\n".encode()
                return b"OK %d\n" % left
            case [b"STOCK", item]:
                return b"OK %d\n" % self.server.store.left(item.decode("ascii", "replace"))
            case [b"SETTLE", _customer, count] if count.isdigit():
                return b"OK %s\n" % count
        return b"ERR not understood\n"


class Server(socketserver.ThreadingTCPServer):
    """Accepts connections up to the limit of the store."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port: int, limit: int) -> None:
        self.store = Store(limit)
        self._complaint = Complaint()
        super().__init__(("127.0.0.1", port), Session)

    def verify_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> bool:
        """Admit a connection, or refuse it before a thread is spent on it."""
        assert isinstance(request, socket.socket)
        if self.store.admit(id(request)):
            return True
        self._complaint.say(f"refused a connection: all {self.store.limit} are taken")
        request.settimeout(0.2)
        with contextlib.suppress(OSError):
            request.sendall(b"ERR too many connections\n")
        return False

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        """Close a connection, admitted or not; with it ends its session."""
        self.store.dismiss(id(request))
        super().shutdown_request(request)


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--max-connections", type=int, required=True)
    options = parser.parse_args()
    settle_in()
    with Server(options.port, options.max_connections) as server:
        say(f"database listens on port {options.port}, at most {options.max_connections} connections")
        server.serve_forever(poll_interval=5.0)


if __name__ == "__main__":
    main()
