"""Whether the peers still live: one thread asks all connections that have been silent, and ends those that stay so.

A connection alone tells nothing of a host that is frozen or unplugged. paramiko's own keepalive wants no reply and
never gives up.
"""

from __future__ import annotations

import time
from contextlib import suppress
from threading import Condition, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runbook.transports.ssh.link import Link

EVERY = 5.0
"""Seconds of silence after which a host is asked, and between two questions."""
DEAD = 15.0
"""Seconds of silence, with at least one question unanswered, after which it counts as dead."""
_TURN = 1.0


class Liveness:
    """The one who asks; starts with the first connection."""

    def __init__(self, every: float = EVERY, dead: float = DEAD) -> None:
        self._every = every
        self._dead = dead
        self._asked: dict[Link, float] = {}
        self._change = Condition()
        self._thread: Thread | None = None
        self._over = False

    def watch(self, link: Link) -> None:
        """Watch a connection until it ends."""
        with self._change:
            self._asked[link] = 0.0
            if self._thread is None and not self._over:
                self._thread = Thread(target=self._loop, name="ssh-liveness", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        with self._change:
            self._over = True
            self._asked.clear()
            self._change.notify_all()
        if self._thread is not None:
            self._thread.join(2 * _TURN)

    def _loop(self) -> None:
        while True:
            with self._change:
                self._change.wait(min(_TURN, self._every / 2))
                if self._over:
                    return
                watched = list(self._asked)
            for link in watched:
                self._look(link, time.monotonic())

    def _look(self, link: Link, now: float) -> None:
        silent = now - link.wire.heard
        if not link.is_active():
            with self._change:
                self._asked.pop(link, None)
            return
        asked = self._asked.get(link, 0.0)
        if silent >= self._dead and asked > link.wire.heard:
            link.dead, link.silent = f"no answer for {silent:.0f} s", True
            link.close()
            # close() of a transport that is just ending does nothing; the wire must be down in any case.
            link.wire.close()
        elif silent >= self._every and now - asked >= self._every:
            with self._change:
                if link in self._asked:
                    self._asked[link] = now
            # A peer that does not even take bytes cannot be asked: to wait for it would hold up all others.
            if link.wire.writable():
                with suppress(Exception):  # it may end at any moment, which the next turn sees
                    link.ask_alive()
