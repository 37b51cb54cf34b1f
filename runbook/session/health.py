"""How the hosts of a run are, for a screen that shows it: looked at on one thread, while somebody wants to see it.

Nothing of it is recorded, nothing waits for it, and no connection is made for it: a host is asked over the connection
that the run has to it, where no command needs that. What was seen has its age; what it means is for who shows it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from msgspec import Struct

from runbook.errors import TransportError
from runbook.model.host import LOCAL, Host
from runbook.ports.health import Glancing, Health
from runbook.ports.target import Transport

EVERY = 5.0
"""Seconds between two looks at a host."""

PACE = 0.25
"""Seconds between two looks at any: many hosts are looked at less often."""

WITHIN = 3.0
"""Seconds that a host has to answer."""

LATER = 30.0
"""Seconds until a host that did not answer is asked again: what hangs there must not pile up."""

WANTED = 15.0
"""Seconds after which nobody counts as looking."""

_LOOKS = 3


class Seen(Struct, frozen=True):
    """What is known of a host."""

    health: Health | None = None
    """None: it has never told."""
    at: float = 0.0
    """When it was seen last, on the monotonic clock."""
    until: float = 0.0
    """When nobody knows any more how it is: some looks later, if they tell nothing."""


class Watch:
    """Looks at the hosts of a run while somebody asks for what was seen."""

    def __init__(
        self,
        transports: Mapping[str, Transport],
        hosts: Mapping[str, Host],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transports = transports
        self._clock = clock
        # Hosts that are this machine are as it is.
        here = Host(LOCAL, "local")
        self._hosts = dict((h.name, h) if h.transport == "ssh" else (LOCAL, here) for h in hosts.values())
        self._stale = _LOOKS * max(EVERY, len(self._hosts) * PACE)
        self._seen = dict.fromkeys(self._hosts, Seen())
        self._due = dict.fromkeys(self._hosts, 0.0)
        self._lock = threading.Lock()
        self._asked = 0.0
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def seen(self) -> dict[str, Seen]:
        """Return what was seen of each host, at once; who asks again and again keeps the looks going."""
        with self._lock:
            self._asked = self._clock()
            if self._thread is None and self._hosts and not self._over.is_set():
                self._thread = threading.Thread(target=self._look_on, name="health", daemon=True)
                self._thread.start()
            return dict(self._seen)

    def stop(self) -> None:
        """Look no more; a look under way is not waited for."""
        self._over.set()

    def _look_on(self) -> None:
        while not self._over.wait(PACE):
            now = self._clock()
            with self._lock:
                if now - self._asked > WANTED:
                    self._thread = None
                    return
            name = min(self._due, key=self._due.__getitem__)
            if self._due[name] <= now:
                self._due[name] = now + self._look(name)

    def _look(self, name: str) -> float:
        """Look at a host; return the seconds until the next look."""
        host = self._hosts[name]
        try:
            transport = self._transports[host.transport]
            found = transport.glance(host, WITHIN) if isinstance(transport, Glancing) else None
        except TransportError:
            return LATER
        except Exception:  # noqa: BLE001 (the border to the code of guests, and to a connection that is just closed)
            return LATER
        if found is not None:
            now = self._clock()
            with self._lock:
                self._seen[name] = Seen(found, now, now + self._stale)
        return EVERY


def watch_from_here(hosts: Mapping[str, Host]) -> Watch:
    """Return what looks at the hosts of a run that another process carries, as far as they are this machine.

    To others there is a connection over there only, and none is made for a look.
    """
    from runbook.transports.local import LocalTransport

    here = {name: host for name, host in hosts.items() if host.transport != "ssh"}
    return Watch({"local": LocalTransport()}, here)
