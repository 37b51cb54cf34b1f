"""The driver for embedded queues: a control program on the target, one call per batch.

The program is asked `show`, `ids`, `move`, `batch` and `account` and answers with one JSON object; exit 5 means that
there is no such queue. It keeps the ids of each batch under the batch's name, with what became of each; the name is
that of the operation, so that the journal leads there. Ids go by standard input: argv has no room for thousands.
"""

from __future__ import annotations

from typing import ClassVar, TypeVar

import msgspec
from msgspec import Struct

from runbook.actions.capture import MEBIBYTE, Captured, answer, change, failure
from runbook.actions.form import typed
from runbook.actions.queue_driver import Account, Batch, Choice, Moved, Page, QueueState
from runbook.errors import ActionError
from runbook.model.built import built
from runbook.ports.action import Work
from runbook.ports.target import Cmd, OpKey, Reader

_NO_QUEUE = 5
_MOST = 16 * MEBIBYTE
"""Bytes of an answer: some ten thousand ids."""


class _Shown(Struct, frozen=True):
    queues: tuple[QueueState, ...]


class _Outcome(Struct, frozen=True):
    known: bool
    moved: int = 0
    already: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


T = TypeVar("T", bound=Struct)


class Embedded:
    """Asks a control program about queues."""

    name: ClassVar[str] = "embedded"

    def __init__(self, control: str, *, sudo: bool, timeout: float) -> None:
        self._control = control
        self._sudo = sudo
        self._timeout = timeout

    def look(self, t: Reader, queues: tuple[str, ...], choice: Choice) -> tuple[QueueState, ...]:
        """Ask for the state of each queue."""
        return self._ask(t, _Shown, "show", *queues, *_meant(choice)).queues

    def ids(self, t: Reader, queue: str, choice: Choice, after: str, count: int) -> Page:
        """Ask for ids."""
        return self._ask(
            t, Page, "ids", queue, "--count", str(count), *(("--after", after) if after else ()), *_meant(choice)
        )

    def move(self, work: Work, key: OpKey, batch: Batch) -> Moved:
        """Move a batch in one transaction of the queue; a second call of the same name changes nothing."""
        words = ("move", batch.source, batch.destination, "--batch", key.text(), "--sha256", batch.sha256)
        got = change(work, key, self._cmd(*words, stdin=batch.payload), _MOST)
        if got.finished.ended == "exit" and got.exit == 0:
            return _moved(self._read(_Outcome, got, work.target.host.name))
        # It may have been stopped after its transaction; only the queue knows.
        known = self.outcome(work.target, key)
        if known is not None:
            return known
        raise ActionError(failure(f"moving a batch to {batch.destination}", got), where=key.target)

    def outcome(self, t: Reader, key: OpKey) -> Moved | None:
        """Ask what became of a batch."""
        found = self._ask(t, _Outcome, "batch", key.text())
        return _moved(found) if found.known else None

    def account(self, t: Reader, prefix: str) -> Account:
        """Ask where the messages are."""
        return self._ask(t, Account, "account", prefix)

    def typed(self, source: str, destination: str) -> tuple[str, ...]:
        """Return the command of one batch."""
        words = (self._control, "move", source, destination, "--batch", "NAME", "--sha256", "OF-THE-IDS")
        return (typed(words, sudo=self._sudo),)

    def _ask(self, t: Reader, kind: type[T], *words: str) -> T:
        got = answer(t, self._cmd(*words), _MOST)
        if got.exit == _NO_QUEUE:
            raise ActionError(got.why, where=t.host.name, remedy="name a queue that is there")
        if got.exit != 0:
            raise ActionError(f"the queue cannot be asked: {got.why}", where=t.host.name, remedy=f"try {self._control}")
        return self._read(kind, got, t.host.name)

    def _read(self, kind: type[T], got: Captured, host: str) -> T:
        try:
            return msgspec.json.decode(got.out.encode(), type=built(kind))
        except (msgspec.MsgspecError, UnicodeEncodeError) as error:
            why = "its answer is too long" if got.truncated else str(error)
            raise ActionError(f"{self._control} does not answer as it must: {why}", where=host) from error

    def _cmd(self, *words: str, stdin: bytes = b"") -> Cmd:
        return Cmd((self._control, *words), timeout=self._timeout, stdin=stdin, sudo=self._sudo)


def _moved(found: _Outcome) -> Moved:
    return Moved(found.moved, found.already, found.missing)


def _meant(choice: Choice) -> tuple[str, ...]:
    words = [word for name, pattern in choice.filter.items() for word in ("--where", f"{name}={pattern}")]
    words += ["--max-age", f"{choice.max_age:.3f}"] if choice.max_age else []
    words += ["--until", choice.until] if choice.until else []
    return tuple(words)
