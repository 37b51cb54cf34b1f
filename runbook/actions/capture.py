"""Running a command and keeping the beginning of what it wrote.

Owns the bounded memory sink, and the one rule by which every action tells "it failed" from "nobody knows".
Leaves deadlines to the target and masking to whoever shows or records the text.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from runbook.errors import ActionError, DeadlineError, TransportError
from runbook.model.scalar import Json
from runbook.ports.action import Work
from runbook.ports.target import Cmd, Finished, OpKey, Reader, Sink, Stream
from runbook.text import one_line

MEBIBYTE = 1024 * 1024


class Captured(Struct, frozen=True):
    """What a command wrote, and how it ended."""

    exit: int | None
    """None if no status was received: then nothing is known."""
    out: str
    err: str
    finished: Finished
    truncated: bool = False
    """Something was written beyond the limit, and is not here."""

    @property
    def why(self) -> str:
        """Return the last line that it wrote to stderr, else how it ended: one safe line for a message."""
        lines = [line for line in self.err.split("\n") if line.strip()]
        if lines:
            return one_line(lines[-1].strip(), 300)
        return "no answer" if self.exit is None else f"exit {self.exit}"


class Keep:
    """A sink that keeps the first bytes of each stream and passes everything on to another sink, if there is one."""

    def __init__(self, limit: int = MEBIBYTE, onward: Sink | None = None) -> None:
        self._limit = limit
        self._onward = onward
        self._kept: dict[Stream, bytearray] = {"out": bytearray(), "err": bytearray()}
        self.truncated = False

    def write(self, stream: Stream, data: bytes) -> None:
        """Take some bytes; what is over the limit is dropped here, and still passed on."""
        kept = self._kept[stream]
        room = self._limit - len(kept)
        kept += data[:room]
        self.truncated = self.truncated or len(data) > room
        if self._onward is not None:
            self._onward.write(stream, data)

    def data(self, stream: Stream) -> bytes:
        """Return what was kept of a stream."""
        return bytes(self._kept[stream])

    def captured(self, finished: Finished) -> Captured:
        """Return all of it as text; bytes that are no UTF-8 become replacement characters."""
        out, err = (self._kept[stream].decode("utf-8", "replace") for stream in ("out", "err"))
        return Captured(finished.exit, out, err, finished, self.truncated)


def capture(t: Reader, cmd: Cmd, limit: int = MEBIBYTE, sink: Sink | None = None) -> Captured:
    """Run a command that only reads; keep `limit` bytes of each stream, show everything to `sink`.

    Raises TransportError if it was not sent. A command that did not end by itself is returned, not raised. If its end
    was not heard because the connection broke it is run once more: that says nothing of the target.
    """
    keep = Keep(limit, sink)
    finished = t.read(cmd, keep)
    if finished.ended == "lost":
        keep = Keep(limit, sink)
        finished = t.read(cmd, keep)
    return keep.captured(finished)


def answer(t: Reader, cmd: Cmd, limit: int = MEBIBYTE) -> Captured:
    """Run a command that only reads and that must end by itself, whatever its exit status.

    Raises DeadlineError or TransportError if it did not: then what it wrote says nothing.
    """
    got = capture(t, cmd, limit)
    if got.finished.ended != "exit" or got.exit is None:
        raise _no_end(got.finished, where=t.host.name)
    return got


def change(work: Work, op: OpKey, cmd: Cmd, limit: int = MEBIBYTE) -> Captured:
    """Run a changing command inside an operation; its output goes to the sink of the work as well.

    Returns if the command ended by itself, or if it was stopped and is proven dead: then `finished.ended` says so.
    Raises TransportError (DeadlineError after a time limit) if something of it may still live or nothing is known:
    the operation has no receipt then, and the step is in doubt.
    """
    keep = Keep(limit, work.sink)
    finished = work.target.change(cmd, op, keep)
    if finished.ended == "lost" or not finished.dead or (finished.ended == "exit" and finished.exit is None):
        raise _no_end(finished, where=op.target)
    return keep.captured(finished)


def require_exit(got: Captured, what: str, *, where: str = "") -> Captured:
    """Return what was captured if the command ended by itself with status 0.

    Raises ActionError, naming what was tried and why it failed.
    """
    if got.finished.ended == "exit" and got.exit == 0:
        return got
    raise ActionError(failure(what, got), where=where)


def lacks(got: Captured, needs: str) -> str:
    """Return the remedy for a look that gave no whole answer: what it said itself goes before the tools it needs."""
    if "levels of symbolic links" in got.why:
        return "its links lead round in a circle: mend them first"
    if got.why.startswith("sudo: "):
        return "allow it with NOPASSWD in sudoers, or run where somebody can give the password"
    return f"the target needs {needs}"


def failure(what: str, got: Captured) -> str:
    """Say in one line how a command failed that is known to be over."""
    seconds = f"{got.finished.seconds:.0f} s"
    match got.finished.ended:
        case "timeout":
            return f"{what} was stopped at its time limit after {seconds}; all that it started is dead"
        case "cancel":
            return f"{what} was cancelled after {seconds}; all that it started is dead"
        case _ if got.exit and got.why != f"exit {got.exit}":
            return f"{what} failed with exit {got.exit}: {explained(got.why)}"
        case _:
            return f"{what} failed with exit {got.exit}"


def explained(why: str) -> str:
    """Return what a command said of its failure; `sudo -n` asks for a password also where its rules allow nothing."""
    if why == "sudo: a password is required":
        return f"{why}, or its rules do not allow this command; `sudo -l` there tells which they do"
    return why


def json_of(text: str) -> Json:
    """Return the text as JSON, None if it is none (or nested too deeply to be told)."""
    try:
        value: Json = msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    return value


def _no_end(finished: Finished, *, where: str) -> TransportError:
    """Return the error for a command of which nobody knows the end."""
    seen = "; ".join(one_line(line, 200) for line in finished.evidence)
    told = f" ({seen})" if seen else ""
    match finished.ended:
        case "timeout":
            return DeadlineError(f"no end after {finished.seconds:.0f} s{told}", where=where)
        case "cancel":
            return DeadlineError(f"cancelled, and its end is not confirmed{told}", where=where)
        case _:
            return TransportError(f"the end of a command was not heard of{told}", where=where)
