"""Job folders of this machine: what a job leaves behind, and what can be read from it.

Owns the layout below the user's state folder, the claim, and the reading of state and output. The wrapper fills the
folder: `intent` (JSON, masked), `boot`, `process` (its id, start time, session, then ids of its own children), `out`,
`err`, `over` (why it is over), `survivors`, and `status`: `open`, and at last `EXIT WHY`, of the same length, so that
it finds its place on a disk that the command has filled.

    $XDG_STATE_HOME/runbook/jobs/RUN.STEP.TARGET.ATTEMPT.NAME/
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Self

import msgspec
from msgspec import Struct

from runbook.errors import DispatchRefused
from runbook.model.built import built
from runbook.ports.target import JobFinished, JobLost, JobRunning, JobState, JobUnknown, NoJob, OpKey, Sink, Stream
from runbook.text.escape import harmless_json
from runbook.transports import process

BLOCK = 65536
KEPT_DAYS = 7.0
_PURGED = ".purged"
"""Beside the folders: a line for each that was removed, with its name, the exit status and why it was over."""
_LONGEST = 240  # bytes; file systems take 255
_ELSEWHERE = {errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EIO}


class Intent(Struct, frozen=True):
    """What a job is going to do, for whoever finds its folder: without secrets."""

    run: str
    step: str
    host: str
    attempt: int
    name: str
    command: str
    env: tuple[str, ...] = ()
    """Names only."""
    cwd: str = ""
    sudo: bool = False
    timeout: float = 0.0
    card: str = ""
    """What the run has left for who finds nothing but this folder."""


class Wrapper(Struct, frozen=True):
    """Who runs a job: the wrapper, or Runbook itself for a file."""

    pid: int
    start: str
    session: int
    """0 if it has none of its own."""
    children: tuple[int, ...]
    """Its own children, which are no part of the job."""

    def lives(self) -> bool:
        """Tell whether it still is the process that it was."""
        return process.lives(self.pid, self.start)


class Status(Struct, frozen=True):
    """How a job ended."""

    exit: int
    why: str
    """exit, timeout or cancel."""


class JobFolder:
    """One claimed folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def cookie(self) -> str:
        """The value of RUNBOOK_JOB of all that this job starts."""
        return f"{self.path}/"

    def text(self, name: str) -> str:
        """Return the content of a file, empty if there is none."""
        with suppress(OSError):
            return (self.path / name).read_text("utf-8", "replace")
        return ""

    def intent(self) -> Intent | None:
        """Return what the job was to do; None if that cannot be read."""
        try:
            return msgspec.json.decode((self.path / "intent").read_bytes(), type=built(Intent))
        except (OSError, msgspec.MsgspecError):
            return None

    def wrapper(self) -> Wrapper | None:
        """Return who runs the job; None if it never came to that."""
        words = self.text("process").split()
        if len(words) < 3 or not words[0].isdigit():
            return None
        numbers = tuple(int(word) for word in words[2:] if word.isdigit())
        return Wrapper(int(words[0]), words[1], numbers[0], numbers[1:])

    def status(self) -> Status | None:
        """Return how the job ended; None while it is open, or the line is not there as a whole."""
        line = self.text("status")
        number, _, why = line.strip().partition(" ")
        return Status(int(number), why or "exit") if line.endswith("\n") and number.isdigit() else None

    def before_restart(self) -> bool:
        """Tell whether the machine was started anew since the wrapper began; unknown, and so no, if it never did."""
        began = self.text("boot").strip()
        return bool(began) and began != process.boot_id()

    def family(self) -> process.Family:
        """Return the search for all that the job started, the wrapper and its children left out."""
        wrapper = self.wrapper()
        intent = self.intent()
        sudo = intent is not None and intent.sudo
        if wrapper is None:
            return process.Family(cookies=(self.cookie,), sudo=sudo)
        lives = wrapper.lives()
        # While its leader lives, or nobody has its number, a session cannot be somebody else's.
        session = wrapper.session if lives or process.find(wrapper.pid) is None else 0
        spare = (wrapper.pid,) if lives else ()
        return process.Family(session=session, cookies=(self.cookie,), spare=spare, helpers=wrapper.children, sudo=sudo)

    def state(self) -> JobState:
        """Find out what became of the job."""
        status = self.status()
        if status is None and not self.before_restart():
            running = self._running()
            if running is not None:
                return running
            status = self.status()  # it may have ended while we looked
        if status is not None:
            return JobFinished(status.exit, (f"ended by {status.why}",) if status.why != "exit" else ())
        if self.before_restart():
            return JobLost(("the machine was started anew since, and the job left no status", self._last_words()))
        if self.wrapper() is None:
            return JobLost(("claimed, but it left no sign that a command was started",))
        return JobLost(("no process of the job lives, and it left no status", self._last_words()))

    def _running(self) -> JobRunning | None:
        wrapper = self.wrapper()
        if wrapper is not None and wrapper.lives():
            return JobRunning(wrapper.pid, self._age())
        living = self.family().living()
        if not living:
            return None
        lines = (f"lives: {one.line()}" for one in living)
        return JobRunning(living[0].pid, self._age(), ("its wrapper is gone: no exit status will come", *lines))

    def _age(self) -> float:
        with suppress(OSError):
            return max(0.0, time.time() - (self.path / "boot").stat().st_mtime)
        return 0.0

    def _last_words(self) -> str:
        sizes = [f"{name} {self.size(name)} bytes" for name in ("out", "err")]
        return "it has written " + ", ".join(sizes)

    def size(self, name: str) -> int:
        """Return the size of a file in bytes, 0 if there is none."""
        with suppress(OSError):
            return (self.path / name).stat().st_size
        return 0

    def forget_output(self) -> None:
        """Remove what the job has printed, and the command lines of what survived it.

        The names go, not only the content: what a job left running may print on, and must not do so into our folder.
        """
        for name in ("out", "err", "survivors"):
            with suppress(OSError):
                (self.path / name).unlink()

    def remove(self) -> None:
        """Take the folder of a job away that never began."""
        with suppress(OSError):
            _remove(self.set_aside())

    def set_aside(self) -> Path:
        """Rename the folder, and return where it is: half removed it must not look like a job without a status."""
        return self.path.rename(self.path.with_name(f".gone-{os.urandom(8).hex()}"))

    def begin(self) -> None:
        """Say that this process does the job itself."""
        own = process.find(os.getpid())
        if own is not None:
            (self.path / "process").write_text(f"{own.pid} {own.start} 0\n")

    def decide(self, why: str) -> bool:
        """Decide why the job is over, unless somebody did before; tell whether it was this call."""
        try:
            descriptor = os.open(self.path / "over", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            return False
        with os.fdopen(descriptor, "wb", buffering=0) as file, suppress(OSError):
            file.write(f"{why}\n".encode())
        return True

    def finish(self, status: Status) -> None:
        """Write how it ended, for a job that Runbook does itself."""
        with suppress(OSError):
            descriptor = os.open(self.path / "status", os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(descriptor, f"{f'{status.exit} {status.why}':<15}\n".encode())
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def sync(self) -> None:
        """Make the status outlive a power loss; its name does since the claim, and it was written in place."""
        with suppress(OSError):
            sync_path(self.path / "status")


class Output:
    """The place in both output files up to which they were passed on."""

    def __init__(self, folder: JobFolder, sink: Sink) -> None:
        self._sink = sink
        self._files: list[tuple[Stream, int]] = []
        streams: tuple[Stream, ...] = ("out", "err")
        for stream in streams:
            with suppress(OSError):
                self._files.append((stream, os.open(folder.path / stream, os.O_RDONLY | os.O_CLOEXEC)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for _stream, descriptor in self._files:
            os.close(descriptor)

    def pump(self, *, turns: int = 64) -> bool:
        """Pass on what is new, some blocks of each in turn; tell whether there was any."""
        moved = False
        for _ in range(turns):
            more = False
            for stream, descriptor in self._files:
                data = os.read(descriptor, BLOCK)
                if data:
                    self._sink.write(stream, data)
                    moved = more = True
            if not more:
                break
        return moved

    def drain(self) -> None:
        """Pass on all that is there."""
        while self.pump():
            pass


class Jobs:
    """The job folders of one user on this machine."""

    def __init__(self, roots: tuple[Path, ...] = ()) -> None:
        """Look below these folders; the first takes the claims, the next ones stand in for it."""
        self._roots = roots or (state_root(), memory_root())

    def find(self, op: OpKey) -> JobFolder | None:
        """Return the folder of an operation."""
        for index, root in enumerate(self._roots):
            path = root / "jobs" / folder_name(op)
            if path.is_dir() and (index == 0 or _private(root)):
                return JobFolder(path)
        return None

    def claim(self, op: OpKey, intent: Intent) -> JobFolder:
        """Claim an operation durably. Raises DispatchRefused if it was claimed before, or cannot be."""
        refusal = DispatchRefused("the operation was claimed before", where=op.text(), remedy="look what became of it")
        if self.find(op) is not None:
            raise refusal
        error: OSError | None = None
        for root in self._roots:
            try:
                return _claim(root, folder_name(op), intent)
            except FileExistsError:
                raise refusal from None
            except OSError as caught:
                error = error or caught
                if caught.errno not in _ELSEWHERE:
                    break
        raise DispatchRefused(
            f"no place for the job folder: {error}", where=str(self._roots[0]), remedy="make room below it"
        )

    def state(self, op: OpKey) -> JobState:
        """Find out what became of an operation."""
        folder = self.find(op)
        if folder is not None and not _private(folder.path.parent.parent):
            return JobUnknown((f"others may write to {folder.path.parent.parent}: what stands there proves nothing",))
        if folder is not None:
            return folder.state()
        purged = self._purged(folder_name(op))
        if purged is not None:
            return purged
        living = self.strays(op).living()
        if living:
            lines = (f"lives: {one.line()}" for one in living)
            return JobRunning(living[0].pid, 0.0, ("its job folder is gone", *lines))
        return NoJob()

    def strays(self, op: OpKey) -> process.Family:
        """Return the search for what an operation without a folder may have started all the same."""
        return process.Family(cookies=(f"{root / 'jobs' / folder_name(op)}/" for root in self._roots))

    def all(self) -> Iterator[JobFolder]:
        """Return every folder."""
        for root in self._roots:
            with suppress(OSError):
                if _private(root):
                    yield from (JobFolder(path) for path in sorted((root / "jobs").iterdir()) if path.name[0] != ".")

    def _purged(self, name: str) -> JobFinished | None:
        """Return how a job ended whose folder was removed since; None if it was not."""
        for root in self._roots:
            with suppress(OSError):
                lines = (root / "jobs" / _PURGED).read_text("utf-8", "replace").splitlines() if _private(root) else []
                for line in lines:
                    found, _, told = line.partition(" ")
                    number, _, why = told.partition(" ")
                    if found == name and number.isdigit():
                        return JobFinished(int(number), (f"ended by {why}",) if why != "exit" else ())
        return None

    def unfinished(self, run: str, host: str) -> tuple[str, ...]:
        """Return the names of all folders of a run on a host that hold no status."""
        names = []
        for folder in self.all():
            if folder.path.name.startswith(_prefix(run)) and folder.status() is None:
                intent = folder.intent()
                # One that cannot be read could be of this host: then it counts.
                if intent is None or (intent.run, intent.host) == (run, host):
                    names.append(folder.path.name)
        return tuple(names)

    def purge(self, older_than: float = KEPT_DAYS * 86400) -> tuple[str, ...]:
        """Remove folders whose status is older than this many seconds, never one without; return their names.

        How each ended is kept, on a line of its own: without it a run that rests for long would take the job for one
        that never began.
        """
        gone = []
        for folder in self.all():
            with suppress(OSError):
                age = time.time() - (folder.path / "status").stat().st_mtime
                status = folder.status() if age > older_than else None
                if status is not None:
                    _append(folder.path.with_name(_PURGED), f"{folder.path.name} {status.exit} {status.why}\n")
                    folder.set_aside()
                    gone.append(folder.path.name)
        for root in self._roots:
            for aside in (root / "jobs").glob(".gone-*"):
                _remove(aside)
        return tuple(gone)


def _append(path: Path, line: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def state_root() -> Path:
    """Return the folder of Runbook's state on this machine, as the wrapper finds it (XDG base directories)."""
    place = os.environ.get("XDG_STATE_HOME", "")
    if place.startswith("/"):
        return Path(place) / "runbook"
    return Path(os.environ.get("HOME") or "/nonexistent") / ".local/state/runbook"


def memory_root() -> Path:
    """Return the folder that stands in for it when the disk is full or read-only."""
    return Path(f"/dev/shm/runbook-{os.geteuid()}")  # noqa: S108 - its owner is checked before use


def folder_name(op: OpKey) -> str:
    """Return the name of the folder of an operation: its text, cut with a digest where it is too long for a name."""
    name = op.text()
    if len(name.encode()) <= _LONGEST:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    cut = name.encode()[: _LONGEST - 40].decode("utf-8", "ignore").rstrip(".")
    return f"{cut}.{digest}"


def sync_path(path: Path) -> None:
    """Write a file or the entries of a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _prefix(run: str) -> str:
    return OpKey(run, "", "", 0, "").text().partition(".")[0] + "."


def _private(root: Path) -> bool:
    """Tell whether a folder is ours alone to write: beside the one in memory anybody may put things."""
    with suppress(OSError):
        known = root.lstat()
        return stat.S_ISDIR(known.st_mode) and known.st_uid in {0, os.geteuid()} and not known.st_mode & 0o022
    return False


def _claim(root: Path, name: str, intent: Intent) -> JobFolder:
    jobs = root / "jobs"
    if not jobs.is_dir():
        _make_private(jobs)
    if not _private(root):
        raise DispatchRefused("others may write there", where=str(root), remedy="chmod go-w it, or move it away")
    folder = JobFolder(jobs / name)
    folder.path.mkdir(mode=0o700)
    try:
        files = {
            "intent": harmless_json(msgspec.json.encode(intent)) + b"\n",
            "boot": f"{process.boot_id()}\n".encode(),
            "status": b"%-15s\n" % b"open",
        }
        for file, data in {**files, "out": b"", "err": b""}.items():
            descriptor = os.open(folder.path / file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                if data and os.write(descriptor, data) != len(data):
                    raise OSError(errno.ENOSPC, "short write", str(folder.path / file))
                # An empty `boot` is that of no start, which is right after the power loss that emptied it.
                if file in {"intent", "status"}:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_path(folder.path)
        sync_path(jobs)
    except OSError:
        _remove(folder.path)
        raise
    return folder


def _make_private(path: Path) -> None:
    """Make a folder and its parents, each for the user alone (mkdir -p takes the mode for the last one only)."""
    missing = [part for part in (path, *path.parents) if not part.exists()]
    for part in reversed(missing):
        part.mkdir(mode=0o700, exist_ok=True)
