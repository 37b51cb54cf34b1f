"""The connection pool of the order service.

Owns the connections to the database. The pool has `size` places. It opens them all when it starts, as pools of a fixed
size do, and what it could not open then it opens when an order needs it. An order always uses the place of its
customer, so that the orders of one customer stay in sequence; it waits while that place is busy.

With a size below the database's limit all places are soon open and orders only ever wait for each other. With a size
beyond it, the places up to the limit hold every connection there is, and whoever belongs to another place knocks until
the time is up: with 5000 places and 100 connections, 98 of 100 orders.
"""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from runbook.demo.process import Complaint, say

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 0.4
_LINE = 1024


class PoolError(Exception):
    """No connection could be had, or the database gave no good answer."""


class Refused(PoolError):
    """The database answered, and said no."""


class Connection:
    """One open connection to the database."""

    def __init__(self, address: tuple[str, int], timeout: float) -> None:
        self._socket = socket.create_connection(address, timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._lines = self._socket.makefile("rb")
        try:
            greeting = self._lines.readline(_LINE)
            if greeting != b"READY\n":
                raise Refused(greeting.decode("ascii", "replace").strip() or "the database hung up")
        except BaseException:
            self.close()
            raise

    def ask(self, question: str) -> str:
        """Send one line and return the answer; ERR answers raise PoolError, a dead connection OSError."""
        self._socket.sendall(question.encode() + b"\n")
        answer = self._lines.readline(_LINE).decode("ascii", "replace")
        if not answer.endswith("\n"):
            raise ConnectionError("the database hung up")
        if answer.startswith("ERR"):
            raise PoolError(answer.strip())
        return answer.strip()

    def close(self) -> None:
        """Close; never fails."""
        try:
            self._lines.close()
            self._socket.close()
        except OSError:
            pass


class _Place:
    """One place of the pool; whoever holds the lock owns the connection."""

    __slots__ = ("connection", "lock")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.connection: Connection | None = None


@contextmanager
def _guarded(place: _Place) -> Iterator[None]:
    """Give a connection up that breaks while it is used: what it would answer next belongs to nobody."""
    try:
        yield
    except OSError as error:
        if place.connection is not None:
            place.connection.close()
        place.connection = None
        raise PoolError(f"the connection broke: {error}") from error


class Pool:
    """A fixed number of places for connections, handed out by customer."""

    def __init__(self, address: tuple[str, int], size: int, acquire_timeout: float, connect_timeout: float) -> None:
        self.size = size
        self._address = address
        self._acquire_timeout = acquire_timeout
        self._connect_timeout = connect_timeout
        self._places = [_Place() for _ in range(size)]
        self._lock = threading.Lock()
        self._complaint = Complaint()
        self.in_use = 0
        """Places handed out now, to orders that have a connection or try to open one."""
        self.waiting = 0
        """Orders that wait for a place that is busy."""
        self.errors = 0
        """Connections that could not be opened, since the start."""

    @property
    def open(self) -> int:
        """Connections open now."""
        return sum(place.connection is not None for place in self._places)

    def warm_up(self, patience: float = 10.0) -> None:
        """Open all places; give up at the first refusal, or when the database is not up after `patience` seconds."""
        deadline = time.monotonic() + patience
        for place in self._places:
            try:
                with self._held(place, deadline):
                    self._open_patiently(place, deadline, accept_refusal=True)
            except PoolError as error:
                say(f"pool: {self.open} of {self.size} connections open, then: {error}")
                return
        say(f"pool: all {self.size} connections open")

    @contextmanager
    def connection(self, customer: int) -> Iterator[Connection]:
        """Hand out the connection of `customer`.

        Raises:
            PoolError: none within the acquire timeout, or it broke while it was used.
        """
        deadline = time.monotonic() + self._acquire_timeout
        place = self._places[customer % self.size]
        with self._held(place, deadline):
            connection = place.connection or self._open_patiently(place, deadline)
            with _guarded(place):
                yield connection

    def check(self, timeout: float) -> None:
        """Prove that the pool works: a place still closed must open at once, and an open one must answer.

        Raises:
            PoolError: it does not, within `timeout` seconds for the wait.
        """
        closed = [place for place in self._places if place.connection is None]
        place = random.choice(closed or self._places)
        with self._held(place, time.monotonic() + timeout):
            connection = place.connection or self._open(place)
            with _guarded(place):
                connection.ask("PING")

    @contextmanager
    def _held(self, place: _Place, deadline: float) -> Iterator[None]:
        self._count(waiting=1)
        taken = place.lock.acquire(timeout=max(0.0, deadline - time.monotonic()))
        self._count(waiting=-1)
        if not taken:
            raise PoolError("the customer's connection stayed busy")
        self._count(in_use=1)
        try:
            yield
        finally:
            self._count(in_use=-1)
            place.lock.release()

    def _open_patiently(self, place: _Place, deadline: float, *, accept_refusal: bool = False) -> Connection:
        """Knock until the deadline (monotonic seconds), as one waits for a connection to come free."""
        pause = _FIRST_PAUSE
        while True:
            try:
                return self._open(place)
            except PoolError as error:
                left = deadline - time.monotonic()
                if left <= 0 or (accept_refusal and isinstance(error, Refused)):
                    raise
                time.sleep(min(pause, left))
                pause = min(2 * pause, _LONGEST_PAUSE)

    def _open(self, place: _Place) -> Connection:
        """Open the connection of a place that is held."""
        try:
            place.connection = Connection(self._address, self._connect_timeout)
        except (OSError, Refused) as error:
            self._count(errors=1)
            self._complaint.say(f"pool: no connection: {error}")
            if isinstance(error, Refused):
                raise
            raise PoolError(f"no connection to the database: {error}") from error
        return place.connection

    def _count(self, *, waiting: int = 0, in_use: int = 0, errors: int = 0) -> None:
        with self._lock:
            self.waiting += waiting
            self.in_use += in_use
            self.errors += errors
