"""Steering the session of this process: what signal handlers and screens call."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock

from runbook.ports.cancel import Cancel
from runbook.ports.recorder import Mail
from runbook.session.health import Seen, Watch
from runbook.session.inbox import FileInbox


class Control:
    """What signal handlers and screens use to steer the session of this process; safe from any thread."""

    def __init__(self) -> None:
        self.cancel_token = Cancel()
        self._posting = Lock()
        self._inbox: FileInbox | None = None
        self._waiting: list[Mail] = []
        self.run = ""
        """The id of the run, as soon as its journal is open."""
        self.playbook = ""
        self.steps: tuple[str, ...] = ()
        """The ids of all steps of the plan, in their order."""
        self.started = ""
        """When the run was begun, RFC 3339; empty before its session is on record, and once it has come to a rest."""
        self._watch: Watch | None = None

    def connect(self, inbox: FileInbox, run: str = "") -> None:
        """Pass on what comes from now on, and what came before."""
        self.run = run
        with self._posting:
            self._inbox = inbox
            for mail in self._waiting:
                inbox.leave(mail)

    def begun(self, playbook: str, started: str, steps: tuple[str, ...]) -> None:
        """Learn what runs, once that is on record; nothing at its rest."""
        self.playbook, self.started, self.steps = playbook, started, steps

    def watch(self, watch: Watch | None) -> None:
        """Have somebody look how the hosts are, whenever a screen wants to know; None: nobody does any more."""
        before, self._watch = self._watch, watch
        if before is not None:
            before.stop()

    def health(self) -> Mapping[str, Seen]:
        """Return how the hosts of the run are, as far as it is known, at once; asking keeps the looks going."""
        watch = self._watch
        return watch.seen() if watch is not None else {}

    def cancel(self, reason: str) -> None:
        """Stop the running step, and look whether it did."""
        self._post(Mail("cancel", reason=reason))
        self.cancel_token.set(reason)

    def interrupt(self, reason: str) -> None:
        """Let the running operation come to its end, then leave the run interrupted."""
        self._post(Mail("interrupt", reason=reason))

    def pause(self, reason: str) -> None:
        """Let what runs come to its end, then leave the run paused."""
        self._post(Mail("pause", reason=reason))

    def _post(self, mail: Mail) -> None:
        with self._posting:
            if self._inbox is None:
                self._waiting.append(mail)
            else:
                self._inbox.leave(mail)
