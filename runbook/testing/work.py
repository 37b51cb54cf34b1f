"""The `Work` of an attempt without a journal: intents and receipts in memory, and crashes at named points."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias, cast
from uuid import uuid4

import msgspec

from runbook.errors import ActionError, TransportError
from runbook.events.plain import freeze, thaw
from runbook.model.scalar import Json
from runbook.ports.action import OpenOp
from runbook.ports.cancel import Cancel
from runbook.ports.target import Cmd, Finished, OpKey, Sink, Stream, Target

Point: TypeAlias = Literal["before", "after"]
"""Before the body of an operation (its intent is on record), or after it (its receipt is not)."""


class Crash(BaseException):
    """The end of the process, as `kill -9` brings it: no handler of errors sees it."""


class Silent:
    """A sink that keeps nothing."""

    def write(self, stream: Stream, data: bytes) -> None:
        """Take some bytes."""


class MemoryWork:
    """Carries out operations as the engine does; everything that would be on disk goes through JSON here."""

    def __init__(
        self,
        target: Target,
        *,
        crash: tuple[Point, str] | None = None,
        undo: bool = False,
        receipts: Mapping[str, dict[str, Json]] | None = None,
        sink: Sink | None = None,
        key: OpKey | None = None,
    ) -> None:
        """Say where the process ends: `("after", "swap")` is between the body of `swap` and its receipt.

        `undo` makes it a work for `undo`; `receipts` are then those of `apply`.
        """
        self.target = target
        self.sink: Sink = sink or Silent()
        self.cancel = Cancel()
        self.intents: dict[str, OpenOp] = {}
        """All operations that were begun, by name."""
        self.done: dict[str, dict[str, Json]] = {}
        """The receipts of this work, by name."""
        self.receipts: Mapping[str, dict[str, Json]] = (receipts or {}) if undo else self.done
        """The receipts of `apply`, by name."""
        self.told: list[tuple[int, int, str]] = []
        """What `progress` was told."""
        self.rate: float | None = None
        """What an operator has set."""
        self._crash = crash
        self._undo = undo
        # Job folders outlive a test: no two works may share the names of their operations.
        self._key = key or OpKey(f"run-{uuid4().hex}", "step", target.host.name, 1, "")
        self._tries: dict[str, int] = {}

    def op(self, name: str, intent: Mapping[str, Json], body: Callable[[OpKey], Mapping[str, Json]]) -> dict[str, Json]:
        """Carry out one operation, unless there is a receipt of it."""
        if name in self.done:
            return self.done[name]
        tries = self._tries[name] = self._tries.get(name, 0) + 1
        full = f"undo-{name}" if self._undo else name
        key = msgspec.structs.replace(self._key, name=full if tries == 1 else f"{full}~{tries}")
        self.intents[name] = OpenOp(key, recorded(intent))
        self._crash_at("before", name)
        receipt = recorded(body(key))
        self._crash_at("after", name)
        self.done[name] = receipt
        return receipt

    def run(self, name: str, cmd: Cmd) -> Finished:
        """Run one changing command as one operation. Raises ActionError unless it exits with 0."""
        ended: list[Finished] = []

        def body(key: OpKey) -> Mapping[str, Json]:
            finished = self.target.change(cmd, key, self.sink)
            if finished.ended == "lost" or not finished.dead or finished.exit is None:
                raise TransportError(f"the end of {name} is not known", where=key.target)
            ended.append(finished)
            return {"exit": finished.exit, "ended": finished.ended}

        receipt = self.op(name, {"argv": list(cmd.argv)}, body)
        if receipt["exit"] != 0 or receipt.get("ended", "exit") != "exit":
            raise ActionError(f"{name} ended with exit {receipt['exit']}")
        return ended[0] if ended else Finished(0, 0.0)

    def progress(self, done: int, total: int, unit: str) -> None:
        """Remember how far it was."""
        self.told.append((done, total, unit))

    def open(self) -> list[OpenOp]:
        """Return the operations with an intent and no receipt."""
        return [intent for name, intent in self.intents.items() if name not in self.done]

    def settled(self, o: OpenOp, receipt: dict[str, Json]) -> None:
        """Put a receipt on record that was found out afterwards."""
        name = next(name for name, intent in self.intents.items() if intent is o)
        self.done[name] = recorded(receipt)

    def restarted(self) -> MemoryWork:
        """Return the work of the next process: it knows what is on record, and crashes no more."""
        after = MemoryWork(self.target, undo=self._undo, receipts=self.receipts, sink=self.sink, key=self._key)
        after.intents.update(self.intents)
        after.done.update(self.done)
        after._tries.update(self._tries)
        return after

    def _crash_at(self, point: Point, name: str) -> None:
        if self._crash == (point, name):
            self._crash = None
            raise Crash(f"{point} {name}")


def recorded(value: Mapping[str, Json]) -> dict[str, Json]:
    """Return a value as it comes back from the journal."""
    return cast("dict[str, Json]", thaw(msgspec.json.decode(msgspec.json.encode(freeze(value)))))
