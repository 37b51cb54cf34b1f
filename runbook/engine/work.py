"""Operations: intent on disk, then the act, then the receipt. What `apply` and `undo` of an action get."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import BinaryIO

from runbook.errors import ActionError, DeadlineError, TransportError
from runbook.events import fact as f
from runbook.events.plain import freeze_object, thaw_object
from runbook.events.signal import Progressed, Signal
from runbook.events.state import Operation
from runbook.model.host import Host
from runbook.model.scalar import Json
from runbook.ports.cancel import Cancel
from runbook.ports.target import (
    Address,
    Cmd,
    Dead,
    Digest,
    Fencing,
    Finished,
    JobState,
    JobUnknown,
    Lease,
    LeaseHeld,
    LeaseTaken,
    NoJob,
    NotConfirmed,
    Noting,
    OpKey,
    Sink,
    Survey,
    Surveyed,
    Target,
)

_UPROOTED = (
    "there is no job folder, which proves nothing here: the claim of this run is not where it was, "
    "or the machine was started anew"
)


class Watched:
    """A target that remembers how its last command ended, so that a stopped step is told from a failed one."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self.jobs: set[OpKey] = set()
        """What was begun, or met again, through this target."""
        self.last: Finished | None = None
        self.last_read: Finished | None = None
        self.dispatched = False
        self.uprooted = False
        """That there is no job folder of what was begun before proves nothing: see `Attempt.uprooted`."""
        self._met: set[OpKey] = set()
        self.operating = False
        """An operation is being carried out: what goes through a tunnel now may be a part of it."""

    @property
    def host(self) -> Host:
        """The host that this is."""
        return self._target.host

    def read(self, cmd: Cmd, sink: Sink) -> Finished:
        """Run a command that only reads."""
        self.last_read = None
        self.last_read = self._target.read(cmd, sink)
        return self.last_read

    def survey(self) -> Survey:
        """Return what was found on it; nothing where it is not asked."""
        return self._target.survey() if isinstance(self._target, Surveyed) else Survey()

    def tunnel(self, address: Address) -> AbstractContextManager[Address]:
        """Give an address on this machine that reaches the address as the target sees it."""
        self.dispatched = self.dispatched or self.operating
        return self._target.tunnel(address)

    def job(self, op: OpKey) -> JobState:
        """Find out what became of an operation. Only where that is proven there is said to be none."""
        found = self._target.job(op)
        if not isinstance(found, NoJob):
            if not isinstance(found, JobUnknown):
                self._met.add(op)
            return found
        if op in self._met:
            return JobUnknown(("its job folder was there a moment ago, and is gone",))
        if self.uprooted:
            return JobUnknown((_UPROOTED,))
        return found

    def job_output(self, op: OpKey, sink: Sink) -> None:
        """Replay what the job has written."""
        self._target.job_output(op, sink)

    def change(self, cmd: Cmd, op: OpKey, sink: Sink) -> Finished:
        """Run a changing command."""
        self.last = None
        self.dispatched = True
        self.jobs.add(op)
        self.last = self._target.change(cmd, op, sink)
        return self.last

    def put(self, src: BinaryIO, path: str, op: OpKey, *, mode: int | None = None, sudo: bool = False) -> Digest:
        """Replace a file."""
        self.dispatched = True
        self.jobs.add(op)
        return self._target.put(src, path, op, mode=mode, sudo=sudo)

    def attach(self, op: OpKey, sink: Sink, timeout: float) -> Finished:
        """Wait for a job that is already running."""
        self.jobs.add(op)
        self.last = self._target.attach(op, sink, timeout)
        return self.last

    def kill(self, op: OpKey) -> Dead | NotConfirmed:
        """End everything that the job started."""
        return self._target.kill(op)

    def fence(self, op: OpKey) -> bool:
        """Make sure that an operation that has not begun never will; False if it has begun after all."""
        return self._target.fence(op) if isinstance(self._target, Fencing) else True

    def note(self, op: OpKey, card: Callable[[], str]) -> bool:
        """Have the job folder of an operation keep a card; False if it keeps none."""
        if not isinstance(self._target, Noting):
            return False
        self._target.note(op, card())
        return True

    def take_lease(self, lease: Lease, *, over: str = "") -> LeaseTaken | LeaseHeld:
        """Claim the target."""
        return self._target.take_lease(lease, over=over)

    def release_lease(self, run: str, *, copy: str = "") -> None:
        """Give the claim back."""
        self._target.release_lease(run, copy=copy)

    def forget_output(self, ops: tuple[OpKey, ...]) -> None:
        """Remove what ended jobs have printed."""
        self._target.forget_output(ops)


class Operations:
    """The `Work` of one attempt in one place."""

    def __init__(
        self,
        *,
        record: Callable[..., None],
        record_soon: Callable[..., None],
        tell: Callable[[Signal], None],
        failpoint: Callable[[str], None],
        target: Watched,
        sink: Sink,
        cancel: Cancel,
        key: OpKey,
        known: tuple[Operation, ...],
        receipts: Mapping[str, dict[str, Json]],
        undo: bool = False,
        rate: Callable[[], float | None] = lambda: None,
        card: Callable[[f.OperationIntended], str] = lambda _: "",
        introduced: Callable[[], object] = lambda: None,
    ) -> None:
        self.target = target
        self.sink = sink
        self.cancel = cancel
        self.receipts = dict(receipts)
        self._record = record
        self._record_soon = record_soon
        self._tell = tell
        self._failpoint = failpoint
        self._key = key
        self._undo = undo
        self._rate = rate
        self._card = card
        self._introduced = introduced
        self._known = {op.name: op for op in known}
        self.is_open = any(op.receipt is None for op in known)
        """An operation has begun, and its end is not on record."""

    @property
    def rate(self) -> float | None:
        """Units a second that an operator has set by now."""
        return self._rate()

    def op(self, name: str, intent: Mapping[str, Json], body: Callable[[OpKey], Mapping[str, Json]]) -> dict[str, Json]:
        """Carry out one operation, unless its receipt is on record; see `runbook.ports.action.Work`."""
        known = self._known.get(name)
        if known is not None and known.receipt is not None:
            return thaw_object(known.receipt)
        if self.cancel.is_set():
            raise ActionError(f"stopped before {name}: {self.cancel.reason}")
        key = self._key
        tries = known.tries + 1 if known is not None else 1
        self._failpoint("before-intent")
        intended = f.OperationIntended(
            step=key.step,
            target=key.target,
            attempt=key.attempt,
            operation=name,
            undo=self._undo,
            intent=freeze_object(intent),
        )
        self._record(intended)
        self._failpoint("after-intent")
        self.target.operating = self.is_open = True
        op = op_key(self._key, name, tries, undo=self._undo)
        noted = self.target.note(op, lambda: self._card(intended))
        try:
            receipt = freeze_object(body(op))
        finally:
            self.target.operating = False
        if noted:
            self._introduced()
        self._failpoint("before-receipt")
        # A look may follow before it is on disk; the next operation waits for it, and so does the outcome.
        self._record_soon(
            f.OperationDone(
                step=key.step, target=key.target, attempt=key.attempt, operation=name, undo=self._undo, receipt=receipt
            )
        )
        self.is_open = False
        self._failpoint("after-receipt")
        self._known[name] = Operation(name, {}, receipt, tries=tries)
        if not self._undo:
            self.receipts[name] = receipt
        return thaw_object(receipt)

    def run(self, name: str, cmd: Cmd) -> Finished:
        """Run one changing command as one operation. Raises ActionError unless it exits with 0."""
        ended: list[Finished] = []

        def body(key: OpKey) -> Mapping[str, Json]:
            finished = self.target.change(cmd, key, self.sink)
            ended.append(finished)
            if finished.ended == "lost" or not finished.dead or finished.exit is None:
                raise unknown_end(finished, key.target)
            return {"exit": finished.exit, "ended": finished.ended}

        receipt = self.op(name, {"argv": list(cmd.argv)}, body)
        code = receipt.get("exit")
        if code != 0 or receipt.get("ended", "exit") != "exit":
            raise ActionError(f"{name} ended with {receipt.get('ended', 'exit')} {code}", where=self._key.target)
        return ended[0] if ended else Finished(0, 0.0)

    def progress(self, done: int, total: int, unit: str) -> None:
        """Tell how far it is."""
        self._tell(Progressed(self._key.step, self._key.target, done, total, unit, self.rate))


def op_key(attempt: OpKey, name: str, tries: int, *, undo: bool) -> OpKey:
    """Return the key of an operation: undo and later tries have job folders of their own."""
    full = f"undo-{name}" if undo else name
    return OpKey(attempt.run, attempt.step, attempt.target, attempt.attempt, full if tries == 1 else f"{full}~{tries}")


def unknown_end(finished: Finished, where: str) -> Exception:
    """Return the error for a change of which nobody knows the end."""
    told = "; ".join(finished.evidence)
    if finished.ended in ("timeout", "cancel"):
        return DeadlineError(f"its end is not confirmed after {finished.seconds:.0f} s: {told}", where=where)
    return TransportError(f"the end of the command was not heard of: {told}", where=where)
