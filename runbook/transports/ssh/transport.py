"""The transport `ssh`: hosts to connections, for one run.

Owns which hosts share a connection and which jump lies before which; the connection and the target do the rest.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from runbook.errors import ConnectError
from runbook.model.host import Host
from runbook.model.question import Choice, NoAnswer, Question
from runbook.ports.cancel import Cancel
from runbook.ports.health import Health
from runbook.transports.given import Given
from runbook.transports.ssh import hostkeys
from runbook.transports.ssh.auth import Ask, Keys
from runbook.transports.ssh.connection import Connection, Shared
from runbook.transports.ssh.glance import glance
from runbook.transports.ssh.hostkeys import UnknownHostKey
from runbook.transports.ssh.library import load
from runbook.transports.ssh.settings import Resolver, SshSettings
from runbook.transports.ssh.target import SshTarget

if TYPE_CHECKING:
    from runbook.transports.ssh.liveness import Liveness

_MOST_JUMPS = 8


class SshTransport:
    """Reaches hosts through sshd; one connection per host."""

    def __init__(self, given: Given | None = None, liveness: Liveness | None = None) -> None:
        """Ask, mask and read the configuration as the session says; nobody is asked without one."""
        self._given = given or Given()
        self._resolver = Resolver(self._given.ssh_config)
        keys = Keys(self._given.ask)
        self._shared = Shared(keys, _Doorman(self._given.ask), liveness)
        self._connections: dict[tuple[SshSettings, str], Connection] = {}
        self._by_host: dict[str, tuple[Host, Connection]] = {}
        self._lock = Lock()

    @classmethod
    def made(cls, given: Given) -> SshTransport:
        """Make it for a session."""
        return cls(given)

    def load(self) -> None:
        """Load what connections are made of, which takes longer than to make one."""
        load()

    def target(self, host: Host, cancel: Cancel) -> SshTarget:
        """Return the target, connected. Raises ConnectError, HostKeyError or AuthError: then nothing was sent."""
        connection = self.connection(host)
        # After a cancel there is nothing to connect for: each call of the target says so itself.
        if not cancel.is_set():
            connection.link(cancel)
        return SshTarget(host, connection, cancel, self._given.mask, self._shared.keys)

    def connection(self, host: Host) -> Connection:
        """Return the connection of a host, made or not."""
        with self._lock:
            known = self._by_host.get(host.name)
            if known is not None and known[0] == host:
                return known[1]
        settings = self._resolver.of_host(host)
        connection = self._connection(settings, host.name, ())
        connection.expected = self._given.keys.get(host.name, "")
        with self._lock:
            self._by_host[host.name] = (host, connection)
        return connection

    def glance(self, host: Host, seconds: float) -> Health | None:
        """Look how a host is, over the connection that the run has. Raises TransportError: no answer in time."""
        with self._lock:
            known = self._by_host.get(host.name)
        return glance(known[1], seconds) if known is not None else None

    def close(self) -> None:
        """Give up all connections; jobs on the hosts are not touched."""
        self._shared.liveness.close()
        with self._lock:
            connections = list(self._connections.values())
            self._connections.clear()
            self._by_host.clear()
        # What lies behind a jump ends before the jump.
        for connection in reversed(connections):
            connection.close()

    def _connection(self, settings: SshSettings, owner: str, above: tuple[str, ...]) -> Connection:
        """Return the connection for these settings; hosts of an inventory have one each, jumps are shared."""
        if len(above) > _MOST_JUMPS or settings.name in above:
            raise ConnectError(f"ProxyJump goes round: {' > '.join((*above, settings.name))}", where=settings.place)
        with self._lock:
            found = self._connections.get((settings, owner))
        if found is not None:
            return found
        via: Connection | None = None
        for number, hop in enumerate(settings.jumps):
            via = self._hop(hop, via, is_first=number == 0, above=(*above, settings.name))
        connection = Connection(settings, self._shared, via)
        with self._lock:
            return self._connections.setdefault((settings, owner), connection)

    def _hop(self, written: str, via: Connection | None, *, is_first: bool, above: tuple[str, ...]) -> Connection:
        """Return the connection of a hop; only the first one may have jumps of its own, as with ssh."""
        settings = self._resolver.of_jump(written)
        if is_first and settings.jumps:
            return self._connection(settings, "", above)
        place = f"jump via {via.settings.place}" if via is not None else "jump"
        with self._lock:
            key = (settings, place)
            if key not in self._connections:
                self._connections[key] = Connection(settings, self._shared, via)
            return self._connections[key]


class _Doorman:
    """Asks a person about the key of a host that nobody knows."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def __call__(self, unknown: UnknownHostKey, settings: SshSettings, cancel: Cancel) -> bool:
        shown = f"{unknown.kind} {hostkeys.fingerprint(unknown.blob)}"
        question = Question(
            id=f"host_key/{settings.place}",
            kind="host_key",
            title=f"The key of {settings.place} is not known",
            evidence=(f"it shows {shown}", "compare this with a fingerprint that you got another way"),
            choices=(
                Choice("accept", "the fingerprint is right: remember it", key="y"),
                Choice("refuse", "do not connect", key="n"),
            ),
            safe="refuse",
        )
        answer = self._ask(question, cancel)
        if isinstance(answer, NoAnswer) or answer.choice != "accept":
            return False
        hostkeys.remember(settings, unknown.kind, unknown.blob)
        return True
