"""`tcp`: whether something accepts connections at an address, seen from the target or from here."""

from __future__ import annotations

import socket
import time
from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from runbook.actions.form import With
from runbook.actions.network import From, bounded, no_network, reach
from runbook.errors import TransportError
from runbook.model.scalar import Effect, Seconds, Template
from runbook.ports.action import Bad, Good, NoData, Observation
from runbook.ports.target import Address, Reader, Sink
from runbook.text import one_line

SETTLING = 1.0
"""Seconds after which an open connection through a tunnel counts as accepted, if the tunnel did not say no."""


class TcpWith(With, frozen=True, kw_only=True):
    """Where to connect, and from where."""

    port: Annotated[int, Meta(description="Port", ge=1, le=65535)]
    host: Annotated[Template, Meta(description="Name or address")] = "127.0.0.1"
    from_: From = "tunnel"
    timeout: Annotated[Seconds, Meta(description="Limit for the connection")] = 5.0


class TcpResult(Struct, frozen=True):
    """How the connection went."""

    connected: bool
    seconds: float


class Tcp:
    """Connects once and sends nothing."""

    name: ClassVar[str] = "tcp"
    summary: ClassVar[str] = "Connect to a port; good if the connection is accepted"
    effect: ClassVar[Effect] = "read"
    once: ClassVar[bool] = False
    model = TcpWith
    result = TcpResult

    def observe(self, w: TcpWith, t: Reader, sink: Sink) -> Observation[TcpResult]:
        """Connect once: refused is bad; no answer, or a name that is not known, is no data.

        Raises TransportError if the target cannot be reached.
        """
        if nowhere := no_network(t, w.from_):
            return nowhere
        asked, place = Address(w.host, w.port), one_line(f"{w.host} port {w.port}")
        began = time.monotonic()
        try:
            with reach(t, w.from_, asked) as address:
                accepted = bounded(w.timeout, lambda: _connect(address, w.timeout, is_tunnel=address != asked))
        except TransportError:
            raise  # some are also connection errors, of the way to the target and not of what is asked for
        except ConnectionRefusedError:
            accepted = False
        except TimeoutError:
            return NoData((f"{place}: no answer within {w.timeout:g} s",))
        except OSError as error:
            return NoData((f"{place}: {one_line(str(error))}",))
        seconds = time.monotonic() - began
        if not accepted:
            return Bad(TcpResult(connected=False, seconds=seconds), (f"{place} refuses connections",))
        return Good(TcpResult(connected=True, seconds=seconds), (f"{place} accepted in {seconds:.2f} s",))


def _connect(address: Address, timeout: float, *, is_tunnel: bool) -> bool:
    """Return whether the connection was accepted. Raises OSError if it could not be tried."""
    with socket.create_connection((address.host, address.port), timeout) as connection:
        return not is_tunnel or _stays_open(connection)


def _stays_open(connection: socket.socket) -> bool:
    """Return whether the far side of a tunnel holds the connection.

    The near end of a tunnel always accepts; it closes at once if the far side refuses.
    """
    connection.settimeout(SETTLING)
    try:
        return connection.recv(1, socket.MSG_PEEK) != b""
    except TimeoutError:
        return True
    except ConnectionResetError:
        return False
