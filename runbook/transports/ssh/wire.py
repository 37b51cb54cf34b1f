"""The socket below a connection: opened by us, so that Nagle is off, and a record of when the peer was last heard."""

from __future__ import annotations

import ipaddress
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Lock, Thread
from typing import Any

from runbook.errors import ConnectError
from runbook.ports.cancel import Cancel
from runbook.transports.wake import Wake

GREETING = b"SSH-2.0-Runbook\r\n"
"""What a client says first, and may say at once (RFC 4253, 4.2)."""
_IDLE = 2.0
"""Seconds that a reader waits at most: every 0.1 s, as paramiko has it, is much for the idle connections of a fleet."""
_BLOCK = 65536
"""Bytes read at once: a short answer comes in several packets, and paramiko reads each of them in two parts."""
_USER_TIMEOUT = 18  # TCP_USER_TIMEOUT, tcp(7); Linux only
_RESOLVING = 10.0
_TCP = {socket.AF_INET, socket.AF_INET6}
_QUICK: int | None = getattr(socket, "TCP_QUICKACK", None)  # Linux only


class Wire:
    """What paramiko reads from and writes to: a socket of ours, or a channel through another connection."""

    def __init__(self, below: Any) -> None:
        """Wrap a socket or a paramiko channel."""
        self._below = below
        self.heard = time.monotonic()
        """When the last byte came."""
        self.received = 0
        self._closed = False
        self._hurries = isinstance(below, socket.socket) and below.family in _TCP and _QUICK is not None
        self._read = b""
        self._at = 0
        self._held: list[bytes] | None = None
        self._holding = Lock()
        self._is_greeted = False

    def greet(self) -> None:
        """Say what is said first ahead of who will say it: the host makes its offer meanwhile, as it has to anyway."""
        with suppress(OSError, EOFError):
            self._is_greeted = self._below.send(GREETING) == len(GREETING)

    def send(self, data: bytes) -> int:
        """Write some bytes and say how many."""
        if self._is_greeted and data == GREETING:
            self._is_greeted = False
            return len(data)
        if self._held is not None:
            with self._holding:
                if self._held is not None:
                    self._held.append(data)
                    return len(data)
        return int(self._below.send(data))

    @contextmanager
    def together(self) -> Iterator[None]:
        """Send what is written inside as one: the host then wakes up once, and so does everything below.

        Does nothing while somebody else does the same. What cannot be sent closes the wire.
        """
        with self._holding:
            mine = self._held is None
            if mine:
                self._held = []
        try:
            yield
        finally:
            if mine:
                self._let_go()

    def _let_go(self) -> None:
        # Who else writes waits until all is out: what it has must not come before what was held.
        with self._holding:
            data = memoryview(b"".join(self._held or ()))
            try:
                while data and not self._closed:
                    with suppress(TimeoutError):
                        sent = self._below.send(data)
                        if not sent:
                            break
                        data = data[sent:]
            except (OSError, EOFError):
                self.close()
            finally:
                self._held = None

    def recv(self, size: int) -> bytes:
        """Wait for some bytes; none means the end."""
        if self._at == len(self._read):
            self._read, self._at = self._below.recv(max(size, _BLOCK)), 0
            if self._read:
                self.heard = time.monotonic()
                self.received += len(self._read)
                if self._hurries:
                    self._acknowledge()
        data = self._read[self._at : self._at + size]
        self._at += len(data)
        return data

    def _acknowledge(self) -> None:
        """Tell the peer at once that something came; it holds only for what is there (tcp(7), TCP_QUICKACK)."""
        with suppress(OSError):
            self._below.setsockopt(socket.IPPROTO_TCP, _QUICK, 1)

    def take_its_time(self) -> None:
        """Leave it to the system when to acknowledge what comes.

        Until its first command sshd sends no small packet while another one is on its way (Nagle), and would wait 40 ms
        for each delayed acknowledgement; with that command it does what we do.
        """
        self._hurries = False

    def settimeout(self, seconds: float | None) -> None:
        """Take over a limit; the reader's own one is stretched."""
        self._below.settimeout(_IDLE if seconds is not None and seconds <= 0.1 else seconds)

    def writable(self) -> bool:
        """Tell whether a few bytes can be written without waiting for the peer."""
        if self._closed:
            return False
        if isinstance(self._below, socket.socket):
            with suppress(OSError, ValueError):
                return bool(select.select([], [self._below], [], 0)[1])
            return False
        return bool(self._below.send_ready())

    def getpeername(self) -> Any:
        """Return the address of the far end, as far as it is known."""
        return self._below.getpeername()

    def close(self) -> None:
        """Close, and wake who reads."""
        self._closed = True
        if isinstance(self._below, socket.socket):
            with suppress(OSError):
                self._below.shutdown(socket.SHUT_RDWR)
        with suppress(OSError, EOFError):
            self._below.close()


def dial(address: str, port: int, seconds: float, cancel: Cancel) -> Wire:
    """Connect within some seconds. Raises ConnectError; nothing was sent."""
    deadline = time.monotonic() + seconds
    where = f"{address} port {port}"
    error: OSError | None = None
    wake = Wake()
    try:
        with cancel.calling(wake.call):
            for family, place in _places(address, port, deadline, where):
                left = deadline - time.monotonic()
                if left <= 0 or cancel.is_set():
                    break
                one = socket.socket(family, socket.SOCK_STREAM | getattr(socket, "SOCK_CLOEXEC", 0))
                try:
                    _connect(one, place, left, wake, cancel)
                    _tune(one)
                    return Wire(one)
                except OSError as caught:
                    one.close()
                    error = caught
    finally:
        wake.close()
    if cancel.is_set():
        raise ConnectError(f"cancelled before the connection was made: {cancel.reason}", where=where)
    why = (error.strerror or str(error)) if error is not None else f"no answer within {seconds:g} s"
    raise ConnectError(f"no connection: {why}", where=where, remedy="is the host up, and does sshd listen there?")


def within(seconds: float, act: Callable[[], Any], where: str, what: str, remedy: str = "") -> Any:
    """Do something that knows no deadline in a thread of its own. Raises ConnectError if it takes too long."""
    answer: list[Any] = []

    def body() -> None:
        try:
            answer.append(act())
        except OSError as error:
            answer.append(error)

    thread = Thread(target=body, daemon=True, name=f"ssh {what}")
    thread.start()
    thread.join(max(0.0, seconds))
    if not answer:
        raise ConnectError(f"{what} took longer than {seconds:g} s", where=where, remedy=remedy)
    if isinstance(answer[0], OSError):
        why = answer[0].strerror or str(answer[0])
        raise ConnectError(f"{what}: {why}", where=where, remedy=remedy) from answer[0]
    return answer[0]


def _places(address: str, port: int, deadline: float, where: str) -> list[tuple[int, Any]]:
    with suppress(ValueError):
        number = ipaddress.ip_address(address)
        return [(socket.AF_INET6 if number.version == 6 else socket.AF_INET, (address, port))]
    left = min(_RESOLVING, deadline - time.monotonic())
    found = within(
        left,
        lambda: socket.getaddrinfo(address, port, 0, socket.SOCK_STREAM),
        where,
        "to look up its address",
        "is the name right? Your ssh configuration is asked for it only where the inventory leaves out address or user",
    )
    return [(entry[0], entry[4]) for entry in found]


def _connect(one: socket.socket, place: Any, seconds: float, wake: Wake, cancel: Cancel) -> None:
    one.setblocking(False)
    code = one.connect_ex(place)
    if code not in {0, 115, 36}:  # EINPROGRESS of Linux and of macOS
        raise OSError(code, _message(code))
    poll = select.poll()
    poll.register(one, select.POLLOUT)
    poll.register(wake.descriptor, select.POLLIN)
    ready = {descriptor for descriptor, _ in poll.poll(seconds * 1000)}
    if cancel.is_set():
        raise OSError(0, "cancelled")
    if one.fileno() not in ready:
        raise OSError(110, f"no answer within {seconds:.0f} s")
    code = one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, _message(code))
    one.setblocking(True)


def _message(code: int) -> str:
    import os

    return os.strerror(code)


def _tune(one: socket.socket) -> None:
    # Without it each command waits 44 ms for a delayed acknowledgement.
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT * 1000)
