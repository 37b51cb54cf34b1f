"""The transport to this machine.

Owns the `Target` of a local host: it puts together the child, the job, the file and the lease, and decides nothing
itself. Several hosts of an inventory may be local; their jobs and leases are told apart by the name of the host.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import BinaryIO, TypeAlias

from runbook.errors import DispatchRefused
from runbook.model.host import Host
from runbook.ports.cancel import Cancel
from runbook.ports.health import Health
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
)
from runbook.text.quote import shell_words
from runbook.text.sanitise import reveal
from runbook.transports import child, job, put
from runbook.transports.folder import KEPT_DAYS, Intent, JobFolder, Jobs, Output, Status, state_root
from runbook.transports.given import Given
from runbook.transports.health import health_here
from runbook.transports.lease import Leases, claim_lost
from runbook.transports.wrapper import words

_PUT_TIMEOUT = 600.0

Held: TypeAlias = dict[tuple[str, str], Lease]


class LocalTransport:
    """Reaches the hosts that are this machine."""

    def __init__(self, mask: Callable[[str], str] = str) -> None:
        """Use `mask` on the command lines and working folders that job folders show."""
        self._mask = mask
        self._held: Held = {}
        """What was claimed, by the name of the host and the run."""

    @classmethod
    def made(cls, given: Given) -> LocalTransport:
        """Make it for a session."""
        return cls(given.mask)

    def target(self, host: Host, cancel: Cancel) -> LocalTarget:
        """Return the target; there is nothing to connect."""
        return LocalTarget(host, cancel, self._mask, self._held)

    def glance(self, host: Host, seconds: float) -> Health:
        """Look how this machine is."""
        return health_here()

    def close(self) -> None:
        """Do nothing: there is no connection."""


class LocalTarget:
    """One host that is this machine."""

    def __init__(self, host: Host, cancel: Cancel, mask: Callable[[str], str] = str, held: Held | None = None) -> None:
        """Reach a host; `held` is what was claimed so far, shared by all that reach it."""
        self._host = host
        self._cancel = cancel
        self._mask = mask
        self._held = {} if held is None else held

    @property
    def host(self) -> Host:
        """The host that this is."""
        return self._host

    @cached_property
    def _jobs(self) -> Jobs:
        return Jobs()

    @cached_property
    def _leases(self) -> Leases:
        return Leases(state_root(), self._jobs)

    def read(self, cmd: Cmd, sink: Sink) -> Finished:
        """Run a command that only reads. Raises DispatchRefused if no process can be started."""
        return child.run(self._sent(cmd), sink, self._cancel)

    @contextmanager
    def tunnel(self, address: Address) -> Iterator[Address]:
        """Give the address itself."""
        yield address

    def job(self, op: OpKey) -> JobState:
        """Find out, by reading only, what became of an operation."""
        return self._jobs.state(op)

    def job_output(self, op: OpKey, sink: Sink) -> None:
        """Replay into the sink what the job has written so far."""
        folder = self._jobs.find(op)
        if folder is not None:
            with Output(folder, sink) as output:
                output.drain()

    def change(self, cmd: Cmd, op: OpKey, sink: Sink) -> Finished:
        """Run a command under the job wrapper. Raises DispatchRefused if it was provably never started."""
        words(cmd)
        sent = self._sent(cmd)
        folder = self._claim(op, shell_words(cmd.argv), cmd)
        return job.dispatch(sent, folder, sink, self._cancel)

    def put(self, src: BinaryIO, path: str, op: OpKey, *, mode: int | None = None, sudo: bool = False) -> Digest:
        """Replace a file atomically and durably; owner and mode stay as they were.

        Raises DispatchRefused if the file provably is as it was, TransportError if that is not known.
        """
        folder = self._claim(op, f"replace {reveal(path)}", Cmd((), sudo=sudo, timeout=_PUT_TIMEOUT))
        folder.begin()
        try:
            if sudo:
                digest = put.replace_as_root(src, path, self._cancel, mode=mode, timeout=_PUT_TIMEOUT)
            else:
                digest = put.replace(src, path, self._cancel, mode=mode)
        except DispatchRefused:
            folder.finish(Status(1, "refused"))
            raise
        folder.finish(Status(0, "exit"))
        return digest

    def attach(self, op: OpKey, sink: Sink, timeout: float) -> Finished:
        """Wait for a job as `change` would have; after `timeout` seconds it is left running."""
        folder = self._jobs.find(op)
        return job.lost(op) if folder is None else job.attach(folder, sink, self._cancel, timeout)

    def kill(self, op: OpKey) -> Dead | NotConfirmed:
        """End everything that the job started, and look whether it did."""
        folder = self._jobs.find(op)
        return self._jobs.strays(op).end() if folder is None else job.end(folder)

    def take_lease(self, lease: Lease, *, over: str = "") -> LeaseTaken | LeaseHeld:
        """Claim this host; raises TransportError if the claim cannot be written."""
        answer = self._leases.take(self._host.name, lease, over)
        if isinstance(answer, LeaseTaken):
            self._held[self._host.name, lease.run] = answer.lease
        return answer

    def holder(self) -> LeaseHeld | None:
        """Tell who has claimed this host; None if nobody has."""
        return self._leases.holder(self._host.name)

    def release_lease(self, run: str, *, copy: str = "") -> None:
        """Give the claim back; does nothing if it is not of this run. Old job folders go with it."""
        self._held.pop((self._host.name, run), None)
        self.purge()
        self._leases.release(self._host.name, run, copy)

    def forget_output(self, ops: tuple[OpKey, ...]) -> None:
        """Remove what these jobs have printed, of those that left a status; how each ended stays."""
        for op in ops:
            folder = self._jobs.find(op)
            if folder is not None and folder.status() is not None:
                folder.forget_output()

    def purge(self, older_than: float = KEPT_DAYS * 86400) -> tuple[str, ...]:
        """Remove job folders whose outcome is older than this many seconds, never one without; return their names."""
        return self._jobs.purge(older_than)

    def _sent(self, cmd: Cmd) -> Cmd:
        """Return the command in the form in which this machine runs it."""
        return cmd

    def _claim(self, op: OpKey, command: str, cmd: Cmd) -> JobFolder:
        if self._cancel.is_set():
            raise DispatchRefused(f"cancelled before it was started: {self._cancel.reason}", where=op.text())
        intent = Intent(
            op.run, op.step, self._host.name, op.attempt, op.name, self._mask(command),
            tuple(sorted(cmd.env)), self._mask(reveal(cmd.cwd)), cmd.sudo, cmd.timeout,
        )  # fmt: skip
        folder = self._jobs.claim(op, intent)
        own = self._held.get((self._host.name, op.run))
        # Asked once the folder stands: whoever takes the claim over later finds it.
        if own is not None and not self._leases.holds(self._host.name, own):
            folder.remove()
            raise claim_lost(self._host.name, op.run, self.holder())
        return folder
