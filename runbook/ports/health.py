"""The port for looking how hosts are, beside what runs there; nothing of it is recorded, and nothing waits for it."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from msgspec import Struct

from runbook.model.host import Host


class Health(Struct, frozen=True):
    """What was seen of a host."""

    load: float
    """Average of the last minute."""
    cores: int
    memory_free: int
    memory: int
    """Bytes."""
    disk_free: int
    disk: int
    """Bytes of the file system of `/`."""


@runtime_checkable
class Glancing(Protocol):
    """A transport that can look how a host is."""

    def glance(self, host: Host, seconds: float) -> Health | None:
        """Look how a host is, by reading only.

        No connection is made for it and no command waits for it: None if none lives, if it is busy, or if the host does
        not tell. Raises TransportError if it was asked and has not answered after so many seconds.
        """
