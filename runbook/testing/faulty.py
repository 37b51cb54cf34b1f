"""A target that fails where it is told to, over any other target, and counts what was dispatched."""

from __future__ import annotations

from collections import Counter
from contextlib import AbstractContextManager
from typing import BinaryIO, Literal, TypeAlias

from runbook.errors import DispatchRefused, TransportError
from runbook.model.host import Host
from runbook.ports.target import (
    Address,
    Cmd,
    Dead,
    Digest,
    Finished,
    JobState,
    Lease,
    LeaseHeld,
    LeaseTaken,
    NotConfirmed,
    OpKey,
    Sink,
    Target,
)

Fault: TypeAlias = Literal["lost", "stopped", "survives", "refused"]
"""`lost`: carried out, and the answer is lost. `stopped`: carried out, and then told as ended by its time limit, dead.
`survives`: the same, not confirmed dead. `refused`: not carried out, and that is certain."""


class Faulty:
    """A target with faults by the name of the operation; each happens once."""

    def __init__(self, target: Target, faults: dict[str, Fault] | None = None) -> None:
        self._target = target
        self.faults = dict(faults or {})
        self.dispatched: Counter[str] = Counter()
        """How often each operation was carried out, by its name without the mark of a second try."""

    @property
    def host(self) -> Host:
        """The host that this is."""
        return self._target.host

    def read(self, cmd: Cmd, sink: Sink) -> Finished:
        """Run a command that only reads."""
        return self._target.read(cmd, sink)

    def tunnel(self, address: Address) -> AbstractContextManager[Address]:
        """Give an address that reaches the address as the target sees it."""
        return self._target.tunnel(address)

    def job(self, op: OpKey) -> JobState:
        """Find out what became of an operation."""
        return self._target.job(op)

    def job_output(self, op: OpKey, sink: Sink) -> None:
        """Replay what the job wrote."""
        self._target.job_output(op, sink)

    def change(self, cmd: Cmd, op: OpKey, sink: Sink) -> Finished:
        """Run a changing command, and tell its end as the fault says."""
        fault = self._fault(op)
        finished = self._target.change(cmd, op, sink)
        match fault:
            case "lost":
                return Finished(None, finished.seconds, "lost", dead=False)
            case "stopped":
                return Finished(None, finished.seconds, "timeout", dead=True)
            case "survives":
                return Finished(None, finished.seconds, "timeout", dead=False, evidence=("still lives: 4711",))
            case _:
                return finished

    def put(self, src: BinaryIO, path: str, op: OpKey, *, mode: int | None = None, sudo: bool = False) -> Digest:
        """Replace a file; every fault but a refusal loses the answer."""
        fault = self._fault(op)
        digest = self._target.put(src, path, op, mode=mode, sudo=sudo)
        if fault is not None:
            raise TransportError("the answer was lost", where=self.host.name)
        return digest

    def attach(self, op: OpKey, sink: Sink, timeout: float) -> Finished:
        """Wait for a running job."""
        return self._target.attach(op, sink, timeout)

    def kill(self, op: OpKey) -> Dead | NotConfirmed:
        """End a job."""
        return self._target.kill(op)

    def take_lease(self, lease: Lease, *, over: str = "") -> LeaseTaken | LeaseHeld:
        """Claim the target."""
        return self._target.take_lease(lease, over=over)

    def release_lease(self, run: str, *, copy: str = "") -> None:
        """Give the claim back."""
        self._target.release_lease(run, copy=copy)

    def forget_output(self, ops: tuple[OpKey, ...]) -> None:
        """Remove what ended jobs have printed."""
        self._target.forget_output(ops)

    def _fault(self, op: OpKey) -> Fault | None:
        name = op.name.partition("~")[0]
        fault = self.faults.pop(name, None)
        if fault == "refused":
            raise DispatchRefused("refused as the test wants it", where=self.host.name)
        self.dispatched[name] += 1
        return fault
