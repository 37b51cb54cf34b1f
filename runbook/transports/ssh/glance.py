"""A look how a host is, over the connection that the run has, where that is in nobody's way."""

from __future__ import annotations

import time

from runbook.errors import TransportError
from runbook.ports.health import Health
from runbook.ports.target import Stream
from runbook.transports.health import MOST, SCRIPT, health_of
from runbook.transports.ssh import remote
from runbook.transports.ssh.connection import Connection


def glance(connection: Connection, seconds: float) -> Health | None:
    """Return how the host is; None if it cannot be asked or does not tell. Raises TransportError: no answer in time."""
    said = bytearray()

    def take(stream: Stream, data: bytes) -> None:
        if stream == "out" and len(said) < MOST:
            said.extend(data)

    deadline = time.monotonic() + seconds
    with connection.beside(take, seconds) as running:
        if running is None:
            return None
        running.start(remote.COMMAND, SCRIPT)
        if running.run(deadline) == "deadline":
            raise TransportError(f"it has not said in {seconds:g} s how it is", where=connection.settings.place)
    return health_of(bytes(said))
