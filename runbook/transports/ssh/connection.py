"""The connection to one host: made when it is needed, checked before anything is sent, kept for the whole run.

Owns the order of things (socket or jump, handshake, host key, login), the number of commands at once, and the making
of a new connection when the old one has died. What runs over it is known to `channel` and `target`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from math import inf
from threading import BoundedSemaphore, Event, Lock
from typing import TYPE_CHECKING

from runbook.errors import AuthError, ConnectError, HostKeyError
from runbook.ports.cancel import Cancel
from runbook.ports.target import Survey
from runbook.secret import Secret
from runbook.transports.ssh import hostkeys
from runbook.transports.ssh.algorithm import restrict
from runbook.transports.ssh.auth import Keys, log_in, wait
from runbook.transports.ssh.channel import Running, Taker
from runbook.transports.ssh.hostkeys import UnknownHostKey
from runbook.transports.ssh.library import load
from runbook.transports.ssh.liveness import Liveness
from runbook.transports.ssh.login import Login
from runbook.transports.ssh.settings import SshSettings
from runbook.transports.ssh.wire import Wire, dial

if TYPE_CHECKING:
    from paramiko.channel import Channel

    from runbook.transports.ssh.link import Link

AT_ONCE = 8
"""Commands at once over one connection; sshd takes ten sessions (MaxSessions), two stay for ending what hangs."""
RAMP = 10
"""Handshakes at once with one host or through one jump host (MaxStartups)."""
_HANDSHAKE = 15.0
_GLIMPSE = 3.0  # seconds in which a host that fell silent shows itself again, and for which it counts that it did not
_OPENING = 10.0
_CONTROL = 5.0  # a host that gives no channel for ending something in this time will not do so later
_TRIES = 4
_SLICE = 0.1
_WEAK = (
    "weak algorithms are not offered: the host needs a newer sshd, or an entry in your ssh configuration that adds one "
    "by name, such as `Ciphers +aes256-cbc`"
)
_PROHIBITED = 1  # SSH_OPEN_ADMINISTRATIVELY_PROHIBITED (RFC 4254, 5.1)
_ROOM = 3  # commands that could still begin, or a look does not

Accept = Callable[[UnknownHostKey, SshSettings, Cancel], bool]
"""Ask a person about an unknown key; True: it was accepted and is remembered."""


class Shared:
    """What all connections of a run have in common."""

    def __init__(self, keys: Keys, accept: Accept, liveness: Liveness | None = None) -> None:
        self.keys = keys
        self.accept = accept
        self.liveness = liveness or Liveness()
        self._ramps: dict[str, BoundedSemaphore] = {}
        self._lock = Lock()
        self.asking = Lock()
        """One question about a host key at a time."""

    def ramp(self, place: str) -> BoundedSemaphore:
        """Return the gate before a host."""
        with self._lock:
            return self._ramps.setdefault(place, BoundedSemaphore(RAMP))


class Connection:
    """One host, over another connection if it lies behind one."""

    def __init__(self, settings: SshSettings, shared: Shared, via: Connection | None = None) -> None:
        self.settings = settings
        self.via = via
        self.host_key = ""
        """Kind and fingerprint of the key that was checked; empty before the first connection."""
        self.expected: str | None = None
        """The key of the machine that the run knows here, empty if none yet; None where any machine will do.

        Another one that took over the address would know nothing of our jobs, and tell that none lives.
        """
        self.boot = ""
        """The start of the host, by the word that it has for it, when the run first claimed it; else empty."""
        self.leases: dict[tuple[str, str], str] = {}
        """What stands in each claim here and in no other, by the name of the host and the run."""
        self.sudo = ""
        """How sudo lets the login through, once somebody has asked: free, narrow, password or none."""
        self.password: Secret | None = None
        """The password for sudo, once it was found right."""
        self.asking_sudo = Lock()
        self.survey: Survey | None = None
        """What was found on the host, once somebody has asked."""
        self.surveying = Lock()
        self.login: Login | None = None
        """What is known of the login shell, once it has begun a command."""
        self._shared = shared
        self._link: Link | None = None
        self._lock = Lock()
        self._commands = BoundedSemaphore(AT_ONCE)
        self._control = BoundedSemaphore(2)
        self._closed = False
        self._missed: tuple[float, ConnectError] | None = None
        """When a host that had fallen silent was last looked for in vain, and what was found."""

    def link(self, cancel: Cancel, *, within: float = inf) -> Link:
        """Return the connection, made anew if none lives. Raises ConnectError, HostKeyError, AuthError.

        `within` is for each part of making it. A host that fell silent is not waited for as long as one that may be
        slow: many may want to know at once, and a frozen one takes connections all the same.
        """
        link = self._link
        if link is not None and link.is_active():
            return link
        deadline = time.monotonic() + 3 * _HANDSHAKE
        with _held(self._lock, deadline, cancel, self.settings.place):
            if self._link is None or not self._link.is_active():
                if self._closed:
                    raise ConnectError("the run is over", where=self.settings.place)
                self._link = self._made_again(cancel, within) if self.fell_silent else self._connect(cancel, within)
                self._missed = None
            return self._link

    @property
    def fell_silent(self) -> bool:
        """Tell whether the last connection ended because nothing was heard of the host any more."""
        link = self._link
        return link is not None and link.silent

    def _made_again(self, cancel: Cancel, within: float) -> Link:
        """Look once whether a host that fell silent is there again; what was found in vain holds for a moment."""
        if self._missed is not None and time.monotonic() - self._missed[0] < _GLIMPSE:
            found = self._missed[1]
            raise ConnectError(found.message, where=found.where, remedy=found.remedy)
        try:
            return self._connect(cancel, min(within, _GLIMPSE))
        except ConnectError as error:
            if cancel.is_set():
                raise
            told = f"{self.why_dead()}, and a look after that: {error.message}"
            found = ConnectError(told, where=error.where, remedy=error.remedy)
            self._missed = (time.monotonic(), found)
            raise found from error

    def why_dead(self) -> str:
        """Say why the last connection ended, as far as it is known."""
        link = self._link
        if link is None:
            return "there was no connection"
        error = link.get_exception()
        return link.dead or (str(error) if error is not None and str(error) else "the connection was closed")

    @contextmanager
    def command(
        self, take: Taker, cancel: Cancel, *, seconds: float = _OPENING, control: bool = False, anew: bool = True
    ) -> Iterator[Running]:
        """Give a channel for one command; at most eight at once, the others wait.

        `control` is for what ends others, and has channels of its own; without `anew` a connection that has died
        stays so. Raises ConnectError, HostKeyError or AuthError: then nothing was sent.
        """
        deadline = time.monotonic() + seconds
        gate = self._control if control else self._commands
        with _held(gate, None if not control else deadline, cancel, self.settings.place):
            link, channel = self._open(cancel, min(seconds, _CONTROL if control else _OPENING), anew=anew)
            running = Running(link, channel, take)
            try:
                yield running
            finally:
                running.close()

    @contextmanager
    def beside(self, take: Taker, seconds: float) -> Iterator[Running | None]:
        """Give a channel for a look that nobody waits for; None where it would be in the way.

        That is: where no connection lives, one does not take what is sent, or commands need the room. Raises
        ConnectError if the host gives no channel in so many seconds.
        """
        link = self._link
        if link is None or not link.is_active() or not link.wire.writable():
            yield None
            return
        with _spare(self._commands, _ROOM) as free:
            if not free:
                yield None
                return
            try:
                channel = link.open_session(timeout=seconds)
            except link.breaks as error:
                raise ConnectError(f"no channel could be opened: {_told(error)}", where=self.settings.place) from error
            running = Running(link, channel, take)
            try:
                yield running
            finally:
                running.close()

    def stream(self, address: tuple[str, int], cancel: Cancel, seconds: float = _OPENING) -> Channel:
        """Open a way through the host to an address (direct-tcpip, RFC 4254, 7.2).

        Raises ConnectError; ForwardingForbidden if it is the host that does not want it.
        """
        from paramiko.ssh_exception import SSHException

        link = self.link(cancel)
        try:
            return link.open_channel("direct-tcpip", address, ("127.0.0.1", 0), timeout=seconds)
        except (SSHException, EOFError, OSError) as error:
            where = f"{address[0]} port {address[1]} through {self.settings.place}"
            if getattr(error, "code", None) == _PROHIBITED:
                raise ForwardingForbidden(
                    "the host lets no connection through", where=where,
                    remedy="its sshd forbids it: see AllowTcpForwarding and PermitOpen there",
                ) from error  # fmt: skip
            raise ConnectError(f"no connection: {_told(error)}", where=where) from error

    def close(self) -> None:
        """Give the connection up."""
        self._closed = True
        link, self._link = self._link, None
        if link is not None:
            link.close()
            link.wire.close()

    def _open(self, cancel: Cancel, seconds: float, *, anew: bool) -> tuple[Link, Channel]:
        """Open a channel; a connection that turns out to be dead is made anew once, for nothing was sent."""
        from paramiko.ssh_exception import SSHException

        deadline = time.monotonic() + seconds
        fresh = 1 if anew else 0
        while True:
            link = self.link(cancel) if anew else self._living()
            try:
                return link, link.open_session(timeout=max(0.1, deadline - time.monotonic()))
            except (SSHException, EOFError, OSError) as error:
                if not _is_refusal(error, link):
                    if link.is_active() or not fresh:
                        raise ConnectError(
                            f"no channel could be opened: {_told(error)}", where=self.settings.place
                        ) from error
                    fresh = 0
                    continue
                # The host counts a session until its last process is gone, a while after we have closed it.
                if time.monotonic() > deadline or cancel.wait(_SLICE):
                    raise ConnectError(
                        f"the host refuses another session: {_told(error)}", where=self.settings.place,
                        remedy="raise MaxSessions of its sshd to 10",
                    ) from error  # fmt: skip

    def _living(self) -> Link:
        if self._link is None or not self._link.is_active():
            raise ConnectError("the connection is gone", where=self.settings.place)
        return self._link

    def _connect(self, cancel: Cancel, within: float) -> Link:
        ramp = self._shared.ramp(self.via.settings.place if self.via is not None else self.settings.place)
        for number in range(_TRIES):
            try:
                with _held(ramp, None, cancel, self.settings.place):
                    return self._handshake(cancel, within)
            except _Dropped as dropped:
                import random

                # A host that takes no more connections for the moment says so by closing (MaxStartups).
                if number == _TRIES - 1 or cancel.wait(random.uniform(0.2, 0.6) * 2**number):
                    raise ConnectError(dropped.message, where=dropped.where, remedy=dropped.remedy) from dropped
        raise AssertionError("the last try ends the loop")

    def _handshake(self, cancel: Cancel, within: float) -> Link:
        wire = self._wire(cancel, within)
        wire.greet()
        # The host gets ready for us while the library is loaded.
        load()
        from runbook.transports.ssh.link import Link

        link = Link(wire)
        try:
            known = hostkeys.known_keys(self.settings)
            restrict(link, self.settings.algorithms, self.settings.place)
            link.prefer_key_types(hostkeys.preferred(link.key_types(), known))
            self._negotiate(link, cancel, within)
            self._check_key(link, known, cancel)
            log_in(link, self.settings, self._shared.keys, cancel)
        except BaseException:
            link.close()
            link.wire.close()
            raise
        self._shared.liveness.watch(link)
        return link

    def _wire(self, cancel: Cancel, within: float) -> Wire:
        settings = self.settings
        if self.via is None:
            return dial(settings.address, settings.port, min(settings.connect_timeout, within), cancel)
        try:
            self.via.link(cancel, within=within)
        except (ConnectError, AuthError) as error:
            where = f"{error.where}, the way to {settings.place}"
            raise type(error)(error.message, where=where, remedy=error.remedy) from error
        except HostKeyError as error:
            raise hostkeys.of_hop(error, settings) from error
        return Wire(self.via.stream((settings.address, settings.port), cancel, min(_OPENING, within)))

    def _negotiate(self, link: Link, cancel: Cancel, within: float) -> None:
        from paramiko.ssh_exception import SSHException

        done = Event()
        link.negotiate(done)
        wait(done, min(_HANDSHAKE, within), cancel, self.settings, "the handshake")
        if link.negotiated:
            return
        error = link.get_exception()
        if not link.wire.received:
            raise _Dropped("the host closed the connection before it said anything", where=self.settings.place,
                           remedy="does it take more connections at once (MaxStartups)?")  # fmt: skip
        remedy = ""
        if isinstance(error, SSHException) and "acceptable" in str(error).lower():
            lists = ", ".join(keyword for keyword, _ in self.settings.algorithms)
            remedy = f"your ssh configuration names {lists}: does the host have one of them?" if lists else _WEAK
        raise ConnectError(f"the handshake failed: {error or 'closed by the host'}", where=self.settings.place,
                           remedy=remedy)  # fmt: skip

    @property
    def way(self) -> tuple[SshSettings, ...]:
        """Return the hops before the host, the first one first."""
        return (*self.via.way, self.via.settings) if self.via is not None else ()

    def _check_key(self, link: Link, known: tuple[hostkeys.KnownKey, ...], cancel: Cancel) -> None:
        key = link.get_remote_server_key()
        kind, blob = key.get_name(), key.asbytes()
        try:
            hostkeys.check(self.settings, kind, blob, known, self.way)
        except UnknownHostKey as unknown:
            with self._shared.asking:
                # Meanwhile it may have been accepted for another alias of the same host.
                again = hostkeys.known_keys(self.settings)
                if not any(one.blob == blob and not one.marker for one in again) and not self._shared.accept(
                    unknown, self.settings, cancel
                ):
                    raise
        shown = f"{kind} {hostkeys.fingerprint(blob)}"
        # Of a key of another kind nothing follows: a host has several.
        known_as = "" if self.expected is None else self.host_key or self.expected
        if known_as.startswith(f"{kind} ") and shown != known_as:
            raise HostKeyError(
                f"this is not the machine that the run knows by this name: it shows {shown}, that one {known_as}",
                where=self.settings.place,
                remedy="have the name lead to that machine again; if it is the same one with a new key, go on with "
                "--take-over REASON",
            )
        self.host_key = shown


def _is_refusal(error: Exception, link: Link) -> bool:
    """Tell whether the host has refused a channel.

    paramiko keeps one reason only: where two are refused at once, one caller gets it and the other an error without.
    """
    from paramiko.ssh_exception import ChannelException, SSHException

    if isinstance(error, ChannelException):
        return True
    return isinstance(error, SSHException) and str(error).startswith("Unable") and link.is_active()


def _told(error: Exception) -> str:
    """Return what an error says; paramiko writes that of a refused channel as its constructor."""
    return str(getattr(error, "text", "") or error)


class ForwardingForbidden(ConnectError):
    """The sshd of the host does not let connections through it."""


class _Dropped(ConnectError):
    """The host closed before it said anything; trying again is harmless."""


@contextmanager
def _spare(gate: BoundedSemaphore, room: int) -> Iterator[bool]:
    """Hold a gate if so many may still pass it, without waiting; tell whether it is held."""
    passed = sum(gate.acquire(blocking=False) for _ in range(room))
    held = passed == room
    for _ in range(passed - held):
        gate.release()
    try:
        yield held
    finally:
        if held:
            gate.release()


@contextmanager
def _held(gate: Lock | BoundedSemaphore, deadline: float | None, cancel: Cancel, where: str) -> Iterator[None]:
    """Hold a gate; waits in slices against the cancel and the deadline. Raises ConnectError: nothing was sent."""
    while not gate.acquire(timeout=_SLICE):
        if cancel.is_set():
            raise ConnectError(f"cancelled before it was sent: {cancel.reason}", where=where)
        if deadline is not None and time.monotonic() >= deadline:
            raise ConnectError("no free channel in time", where=where)
    try:
        yield
    finally:
        with suppress(ValueError):
            gate.release()
