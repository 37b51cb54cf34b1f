"""A target on this machine for tests: real commands and real files, jobs kept in memory.

It has none of the safety of the local transport: no job folder, no watch over children, no lease on disk.
"""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import AbstractContextManager, nullcontext
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from runbook.errors import DispatchRefused
from runbook.model.host import Host
from runbook.ports.target import (
    Address,
    Cmd,
    Dead,
    Digest,
    Finished,
    JobFinished,
    JobState,
    Lease,
    LeaseHeld,
    LeaseTaken,
    NoJob,
    NotConfirmed,
    OpKey,
    Sink,
)
from runbook.secret import Secret


class Bench:
    """A target whose commands run here, as the user that runs the tests; `sudo` makes no difference."""

    def __init__(self, host: Host | None = None, env: dict[str, str] | None = None) -> None:
        self._host = host or Host("local", "local")
        self._env = {**os.environ, **(env or {})}
        self._jobs: dict[str, tuple[int, bytes, bytes]] = {}
        self._lease: Lease | None = None

    @property
    def host(self) -> Host:
        """The host that this is."""
        return self._host

    def read(self, cmd: Cmd, sink: Sink) -> Finished:
        """Run a command."""
        return self._run(cmd, sink)[0]

    def tunnel(self, address: Address) -> AbstractContextManager[Address]:
        """Give the address itself: it is on this machine."""
        return nullcontext(address)

    def job(self, op: OpKey) -> JobState:
        """Return what became of an operation in this process."""
        found = self._jobs.get(op.text())
        return NoJob() if found is None else JobFinished(found[0])

    def job_output(self, op: OpKey, sink: Sink) -> None:
        """Replay what the job wrote."""
        _, out, err = self._jobs.get(op.text(), (0, b"", b""))
        sink.write("out", out)
        sink.write("err", err)

    def change(self, cmd: Cmd, op: OpKey, sink: Sink) -> Finished:
        """Run a command as a job. Raises DispatchRefused if there was one of this name."""
        self._claim(op)
        finished, out, err = self._run(cmd, sink)
        self._jobs[op.text()] = (124 if finished.exit is None else finished.exit, out, err)
        return finished

    def put(self, src: BinaryIO, path: str, op: OpKey, *, mode: int | None = None, sudo: bool = False) -> Digest:
        """Replace a file by one rename; owner and mode stay."""
        self._claim(op)
        data, place = src.read(), Path(path)
        part = place.with_name(f".{place.name}.part")
        part.write_bytes(data)
        if place.exists():
            state = place.stat()
            os.chown(part, state.st_uid, state.st_gid)
            part.chmod(state.st_mode & 0o7777 if mode is None else mode)
        elif mode is not None:
            part.chmod(mode)
        part.replace(place)
        self._jobs[op.text()] = (0, b"", b"")
        return Digest(sha256(data).hexdigest(), len(data))

    def attach(self, op: OpKey, sink: Sink, timeout: float) -> Finished:
        """Return how the job ended."""
        self.job_output(op, sink)
        return Finished(self._jobs[op.text()][0], 0.0)

    def kill(self, op: OpKey) -> Dead | NotConfirmed:
        """Say that nothing lives: jobs here end before `change` returns."""
        return Dead()

    def take_lease(self, lease: Lease, *, over: str = "") -> LeaseTaken | LeaseHeld:
        """Claim the bench."""
        held = self._lease
        kept = held is not None and (held.run, held.copy) == (lease.run, lease.copy)
        if held is not None and not kept and held.run != over:
            return LeaseHeld(held, ())
        self._lease = lease
        return LeaseTaken(lease, kept=kept)

    def release_lease(self, run: str, *, copy: str = "") -> None:
        """Give the claim back."""
        if self._lease is not None and (self._lease.run, self._lease.copy) == (run, copy):
            self._lease = None

    def forget_output(self, ops: tuple[OpKey, ...]) -> None:
        """Remove what jobs have printed."""
        for name in {op.text() for op in ops} & self._jobs.keys():
            self._jobs[name] = (self._jobs[name][0], b"", b"")

    def _claim(self, op: OpKey) -> None:
        if op.text() in self._jobs:
            raise DispatchRefused(f"{op.name} was claimed before", where=self._host.name)

    def _run(self, cmd: Cmd, sink: Sink) -> tuple[Finished, bytes, bytes]:
        env = self._env | {k: v.unmask() if isinstance(v, Secret) else v for k, v in cmd.env.items()}
        stdin = cmd.stdin.unmask().encode() if isinstance(cmd.stdin, Secret) else cmd.stdin
        began, ended = time.monotonic(), False
        with subprocess.Popen(
            cmd.argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
            cwd=cmd.cwd or None,
            start_new_session=True,
        ) as process:
            try:
                out, err = process.communicate(stdin, timeout=cmd.timeout)
                ended = True
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                out, err = process.communicate()
        sink.write("out", out)
        sink.write("err", err)
        code = process.returncode if process.returncode >= 0 else 128 - process.returncode
        seconds = time.monotonic() - began
        return (Finished(code, seconds) if ended else Finished(None, seconds, "timeout")), out, err
