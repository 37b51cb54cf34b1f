"""The port to a target: commands, files and streams, with reading kept apart from changing.

Bodies: `runbook.transports`. An action reaches its target through this port alone, so that one action serves
local, SSH and chroot. Every call has a deadline of its own and none outlives a set `Cancel`.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import BinaryIO, Literal, Protocol, TypeAlias, runtime_checkable

from msgspec import Struct

from runbook.model.host import Host
from runbook.ports.cancel import Cancel
from runbook.secret import Secret

Stream: TypeAlias = Literal["out", "err"]


class Cmd(Struct, frozen=True):
    """A command: always an argument vector; a script is `("sh", "-c", script)`."""

    argv: tuple[str, ...]
    timeout: float = 60.0
    """Seconds; enforced on the target, and again here."""
    env: dict[str, str | Secret] = {}
    """Added to the environment of the login; never in argv."""
    cwd: str = ""
    stdin: bytes | Secret = b""
    sudo: bool = False
    files: bool = False
    """It handles files and nothing else, by `sh -c SCRIPT sh` or one POSIX tool; each later word that begins with a
    slash is a path: a damaged root needs no tools of its own for it."""


class OpKey(Struct, frozen=True):
    """The name of one operation: what a job folder, an intent and a receipt have in common."""

    run: str
    step: str
    target: str
    attempt: int
    name: str

    def text(self) -> str:
        """Return the name as one safe path component: `RUN.STEP.TARGET.ATTEMPT.NAME`."""
        parts = (self.run, self.step.replace("/", "~"), self.target, str(self.attempt), self.name.replace("/", "~"))
        return ".".join("".join(c if c.isalnum() or c in "-_~" else "_" for c in part) for part in parts)


class Sink(Protocol):
    """Where the output of a command goes, as raw bytes, in order of arrival."""

    def write(self, stream: Stream, data: bytes) -> None:
        """Take some bytes; must not block for long and never raises."""


class Finished(Struct, frozen=True):
    """How a command ended, as far as it is known."""

    exit: int | None
    """Exit status as a shell tells it, 128 + n for a signal n; None if none was received: then nothing is known."""
    seconds: float
    ended: Literal["exit", "timeout", "cancel", "lost"] = "exit"
    """`lost`: the connection or the wrapper went away; says nothing about the command."""
    dead: bool = True
    """All that was started is proven dead. After `timeout` or `cancel` this is the result of looking, not a hope."""
    evidence: tuple[str, ...] = ()
    """Lines for the operator when it did not end by itself: what was killed, what still lives."""


class NoJob(Struct, frozen=True, tag="none"):
    """No job folder and no process: the operation was provably never started on this target."""


class JobRunning(Struct, frozen=True, tag="running"):
    """The job lives."""

    pid: int
    seconds: float
    evidence: tuple[str, ...] = ()


class JobFinished(Struct, frozen=True, tag="finished"):
    """The job ended and left its status behind."""

    exit: int
    evidence: tuple[str, ...] = ()


class JobLost(Struct, frozen=True, tag="lost"):
    """The job was claimed, left no status, and does not live: it may have done all, a part, or nothing."""

    evidence: tuple[str, ...] = ()


class JobUnknown(Struct, frozen=True, tag="unknown"):
    """It could not be found out; also where there is no job folder and that proves nothing."""

    evidence: tuple[str, ...] = ()


JobState: TypeAlias = NoJob | JobRunning | JobFinished | JobLost | JobUnknown


class Dead(Struct, frozen=True):
    """Every process of the job was looked for and none lives."""

    evidence: tuple[str, ...] = ()


class NotConfirmed(Struct, frozen=True):
    """Some process lives, or it could not be found out."""

    evidence: tuple[str, ...]


class Digest(Struct, frozen=True):
    """What a `put` left at the path."""

    sha256: str
    size: int


class Address(Struct, frozen=True):
    """A network address as the target sees it."""

    host: str
    port: int


class Lease(Struct, frozen=True):
    """The claim of a run on a target."""

    run: str
    owner: str
    """User and machine of the operator, for the message of whoever comes second."""
    since: str
    """RFC 3339 UTC, by the clock of the target."""
    copy: str = ""
    """Which copy of the journal claims: empty for the first one, else the name that it got when it was adopted."""
    host: str = ""
    """The name of the target in that run; empty where a lease is one of a name alone."""
    machine: str = ""
    """A word for the machine, by which it is known under another name; empty where that does not count."""


class LeaseTaken(Struct, frozen=True):
    """The lease is ours (it may have been ours before)."""

    lease: Lease
    kept: bool = False
    """An earlier claim of the same run was still there: so is the place where its job folders lie."""
    boot: str = ""
    """A word that changes with every start of the target; empty where there is none."""


class LeaseHeld(Struct, frozen=True):
    """Another run holds it, or another copy of the same one."""

    lease: Lease
    live_jobs: tuple[str, ...]
    """Job folders of that run without a status: it must not be taken over while there are any."""


class Reader(Protocol):
    """A target that offers no change: all that inspect, verify, settle and probes get."""

    @property
    def host(self) -> Host:
        """The host that this is."""

    def read(self, cmd: Cmd, sink: Sink) -> Finished:
        """Run a command that only reads. Nothing is left behind. Raises TransportError if it was not sent."""

    def tunnel(self, address: Address) -> AbstractContextManager[Address]:
        """Give an address on this machine that reaches the address as the target sees it."""

    def job(self, op: OpKey) -> JobState:
        """Find out, by reading only, what became of an operation."""

    def job_output(self, op: OpKey, sink: Sink) -> None:
        """Replay into the sink what the job has written so far."""


class Target(Reader, Protocol):
    """A target that can be changed. Every change belongs to an operation whose intent is already on disk."""

    def change(self, cmd: Cmd, op: OpKey, sink: Sink) -> Finished:
        """Run a command under the job wrapper.

        Raises DispatchRefused if it was provably never started, also if the operation was claimed before; ends with
        `lost` if nothing is known.
        """

    def put(self, src: BinaryIO, path: str, op: OpKey, *, mode: int | None = None, sudo: bool = False) -> Digest:
        """Replace a file atomically and durably (temporary name, sync, rename); owner and mode stay as they were."""

    def attach(self, op: OpKey, sink: Sink, timeout: float) -> Finished:
        """Wait for a job that is already running, as `change` would have."""

    def kill(self, op: OpKey) -> Dead | NotConfirmed:
        """End everything that the job started, and look whether it did."""

    def take_lease(self, lease: Lease, *, over: str = "") -> LeaseTaken | LeaseHeld:
        """Claim the target atomically; `over` names the run whose lease is to be taken over."""

    def release_lease(self, run: str, *, copy: str = "") -> None:
        """Give the claim back; does nothing if the lease is not of this run."""

    def forget_output(self, ops: tuple[OpKey, ...]) -> None:
        """Remove what these jobs have printed: it lies in their folders as it came, unmasked.

        Called once the outcome is on record and nobody needs the output any more; all at once, so that it costs one
        round trip. How each job ended and its intent stay: `job` answers as before, `job_output` gives nothing. A
        job that left no exit status keeps everything, for it may run or be in doubt; a name without a folder is
        passed over. Raises TransportError if the target cannot be asked.
        """


@runtime_checkable
class Fencing(Protocol):
    """A target to which a command may still be on its way when nobody listens any more."""

    def fence(self, op: OpKey) -> bool:
        """Take the place of an operation that has not begun, so that it never will; False if it has begun after all.

        Raises TransportError if neither can be told.
        """


class FoundJob(Struct, frozen=True):
    """A job folder as somebody finds it who knows nothing of the run."""

    op: OpKey
    command: str
    """What was run, masked."""
    card: str
    """What the run has left with it; empty if nothing."""
    status: str = ""
    """Exit status and why it was over; empty while there is none."""


@runtime_checkable
class Noting(Protocol):
    """A target whose job folders keep more than the command, for who finds them."""

    def note(self, op: OpKey, card: str) -> None:
        """Have the folder of an operation that is about to be sent keep a card: one word, without secrets."""

    def jobs(self, run: str = "") -> tuple[FoundJob, ...]:
        """Return the jobs on this host, of one run or of all. Raises TransportError."""


@runtime_checkable
class Claimed(Protocol):
    """A target that tells who has claimed it to whoever takes no claim."""

    def holder(self) -> LeaseHeld | None:
        """Tell who has claimed this target, under any name; None if nobody has. Raises TransportError."""


@runtime_checkable
class Keyed(Protocol):
    """A target that has proven who it is."""

    @property
    def host_key(self) -> str:
        """Kind and fingerprint of its key, as ssh-keygen -l shows it; empty before the first connection."""

    @property
    def place(self) -> str:
        """Login and address by which it is reached."""


class Survey(Struct, frozen=True, kw_only=True):
    """What was found on a target, by reading only, that matters to whatever is changed there."""

    machine: str = ""
    """Which machine, login and state folder it is: the same behind two names of one host; empty if it is not known."""
    store: Literal["disk", "memory", "none"] = "disk"
    """Where job folders will lie: in memory a restart forgets them, and without any place nothing can be changed."""
    why: str = ""
    """Why not on the disk."""
    has_proc: bool = True
    """Whether it has /proc, by which what a job started is found for sure."""
    clock_offset: int | None = None
    """Seconds that its clock is ahead of this one; None if it is not known."""


@runtime_checkable
class Surveyed(Protocol):
    """A target that can be looked at before the first change; it is asked once."""

    def survey(self) -> Survey:
        """Return what was found. Raises TransportError if nothing was sent."""


class Transport(Protocol):
    """One kind of way to reach hosts; keeps a connection per host and run."""

    def target(self, host: Host, cancel: Cancel) -> Target:
        """Return the target, connecting if needed; calls end early when the token is set.

        Raises ConnectError, HostKeyError or AuthError: then nothing was sent.
        """

    def close(self) -> None:
        """Give up all connections; jobs on the targets are not touched."""
