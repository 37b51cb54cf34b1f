"""Names of transports and what they stand for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from importlib import import_module
from threading import RLock, Thread
from typing import cast

from runbook.errors import TransportError
from runbook.ports.target import Transport
from runbook.transports.given import Given

GROUP = "runbook.transports"

BUILT_IN = {
    "chroot": "runbook.transports.chroot:ChrootTransport",
    "local": "runbook.transports.local:LocalTransport",
    "ssh": "runbook.transports.ssh:SshTransport",
}
"""Name to `module:Class`, sorted by name."""


def transports(given: Given | None = None) -> Transports:
    """Return the transports of this installation, for one run; close them at its end."""
    return Transports(BUILT_IN, given or Given())


class Transports(Mapping[str, Transport]):
    """Transports by name, each built at its first use and kept."""

    def __init__(self, table: Mapping[str, str], given: Given) -> None:
        self._table = table
        self._given = given
        self._built: dict[str, Transport] = {}
        self._lock = RLock()

    def __getitem__(self, name: str) -> Transport:
        """Return a transport; raises KeyError, or TransportError for a guest that cannot be used."""
        with self._lock:
            if name not in self._built:
                place = self._table.get(name)
                self._built[name] = _built_in(place, self._given) if place else _guest(name)
            return self._built[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)

    def load(self, names: Iterable[str]) -> None:
        """Begin to load these transports on a thread of its own, beside what waits for the disk; no host is asked."""
        wanted = sorted(self._table.keys() & set(names))
        if wanted:
            Thread(target=self._load, args=(wanted,), name="transports", daemon=True).start()

    def _load(self, names: list[str]) -> None:
        for name in names:
            # Whoever asks for one that cannot be loaded is told why.
            with suppress(Exception):
                begin = getattr(self[name], "load", None)
                if begin is not None:
                    begin()

    def close(self) -> None:
        """Close all that were built."""
        with self._lock:
            built = list(self._built.values())
            self._built.clear()
        for transport in built:
            transport.close()


def _built_in(place: str, given: Given) -> Transport:
    module, _, name = place.partition(":")
    return cast("Transport", getattr(import_module(module), name).made(given))


def _guest(name: str) -> Transport:
    from importlib.metadata import entry_points

    points = list(entry_points(group=GROUP, name=name))
    if not points:
        raise KeyError(name)
    if len({point.value for point in points}) > 1:
        raise TransportError("more than one guest has this name", where=name, remedy="remove all but one")
    try:
        return cast("Transport", points[0].load()())
    except (Exception, SystemExit) as error:  # the border to the code of a guest
        why = f"cannot be loaded from {points[0].value}: {type(error).__name__}: {error}"
        raise TransportError(why, where=name, remedy="repair or remove the distribution that brings it") from error
