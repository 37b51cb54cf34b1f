"""The ledger: one chained line for each opening and each close of a run, across all runs of a state folder.

Owns its lines, its lock, and the copy of a run's lines in that run's own folder, which shows when ledger lines were
changed or cut. Leaves reading it as a whole to `book`, the comparison with the journals to `verify`, and the making
of signatures to whoever holds the key: a head has a place for one, and without it the head is unsigned.

Lines are records of the log `ledger` with the types `run.opened`, `run.closed` and `ledger.repaired`.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from runbook.errors import JournalBroken, JournalFull
from runbook.journal.disk import FILE_MODE, Disk, put, unwritable, write_all
from runbook.journal.layout import Layout
from runbook.journal.lock import Lock
from runbook.journal.record import (
    GENESIS,
    VERSION,
    Clock,
    MalformedLine,
    Record,
    UnfitLine,
    digest,
    encode,
    parse,
    plain,
    system_clock,
    timestamp,
)
from runbook.journal.tear import Repair, set_aside

LOG = "ledger"
OPENED = "run.opened"
CLOSED = "run.closed"
REPAIRED = "ledger.repaired"
_PATIENCE = 10.0
"""Seconds to wait for another process at the ledger; it holds it for one sync."""
_WINDOW = 64 * 1024

Sign = Callable[[bytes], str]
"""Signs the statement of a head; returns an armored SSH signature."""


class Head(msgspec.Struct, frozen=True):
    """How far a journal went when the ledger took note of it."""

    run: str
    seq: int
    """Number of the last record (at a close) or of the session's first one (at an opening)."""
    hash: str
    """SHA-256 of that record's raw line."""
    outcome: str = ""
    """Empty at an opening."""
    sessions: int = 1
    """How often the run has been opened so far."""


def statement(head: Head) -> bytes:
    """Return the canonical bytes of a head: what is signed."""
    return msgspec.json.encode(head, order="sorted")


class Ledger:
    """Appends heads of one run, each durable before the call returns; other processes wait meanwhile.

    All methods raise JournalFull, JournalBroken (the ledger's last line is none) or JournalLocked.
    """

    def __init__(self, layout: Layout, *, disk: Disk | None = None, clock: Clock = system_clock) -> None:
        self._layout = layout
        self._disk = disk or Disk()
        self._clock = clock
        self._owed = b""
        """Lines that are in the ledger but not in the copy yet, because the disk refused in between."""

    def open_run(self, head: Head) -> None:
        """Note that a session of a run began."""
        self._append(OPENED, head.run, msgspec.to_builtins(head))

    def close_run(self, head: Head, *, sign: Sign | None = None) -> None:
        """Note how a run ended, signed if there is a key."""
        signature = sign(statement(head)) if sign else None
        self._append(CLOSED, head.run, {**msgspec.to_builtins(head), "signature": signature})

    def renew_copy(self, run: str, lines: Sequence[bytes]) -> None:
        """Complete the run's copy of its ledger lines after a crash between the two."""
        path, whole = self._layout.heads(run), b"".join(line + b"\n" for line in lines)
        try:
            if not path.exists() or path.read_bytes() != whole:
                put(self._disk, path, whole)
        except OSError as error:
            raise unwritable(error, path) from error

    def _append(self, kind: str, run: str, data: Mapping[str, object]) -> None:
        path = self._layout.ledger
        try:
            lock = Lock.take(self._layout.ledger_lock, patience=_PATIENCE)
            try:
                seq, prev, repair = self._end(path)
                lines = []
                if repair:
                    lines.append(self._line(REPAIRED, "", seq, prev, msgspec.to_builtins(repair)))
                    seq, prev = seq + 1, digest(lines[-1])
                lines.append(self._line(kind, run, seq, prev, data))
                self._write(path, b"".join(line + b"\n" for line in lines))
                self._owed += lines[-1] + b"\n"
                self._write(self._layout.heads(run), self._owed)
                self._owed = b""
            finally:
                lock.release()
        except JournalFull:
            raise
        except OSError as error:
            raise unwritable(error, path) from error

    def _end(self, path: Path) -> tuple[int, str, Repair | None]:
        """Find the next number and the hash it must name; set a torn last line aside."""
        if not path.exists():
            return 0, GENESIS, None
        last, torn, size = _read_end(path)
        repair = set_aside(path, size - len(torn), torn, self._disk) if torn else None
        if not last:
            return 0, GENESIS, repair
        try:
            record = parse(last)
        except (MalformedLine, UnfitLine) as error:
            raise JournalBroken(
                f"the last line of the ledger does not hold: {error}",
                where=str(path),
                remedy="`runbook audit verify` shows the place",
            ) from error
        return record.seq + 1, digest(last), repair

    def _line(self, kind: str, run: str, seq: int, prev: str, data: Mapping[str, object]) -> bytes:
        moment, mono = self._clock()
        return encode(
            Record(
                code=kind,
                data=plain(dict(data)),
                log=LOG,
                mono=mono,
                prev=prev,
                run=run,
                seq=seq,
                time=timestamp(moment),
                type=kind,
                v=VERSION,
            )
        )

    def _write(self, path: Path, lines: bytes) -> None:
        is_new = not path.exists()
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, FILE_MODE)
        try:
            size = os.fstat(descriptor).st_size
            try:
                write_all(self._disk, descriptor, lines)
                self._disk.sync(descriptor)
                if is_new:
                    self._disk.sync_folder(path.parent)
            except OSError:
                # Back to what was: the next try must neither double the lines nor take a new name for durable.
                os.ftruncate(descriptor, size)
                if is_new:
                    path.unlink()
                raise
        finally:
            os.close(descriptor)


def _read_end(path: Path) -> tuple[bytes, bytes, int]:
    """Return the last finished line, the unfinished bytes after it, and the size of the file."""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        reach = _WINDOW
        while True:
            file.seek(max(0, size - reach))
            window = file.read()
            if reach >= size or window.count(b"\n") > 2:
                break
            reach *= 4
    body, _, torn = window.rpartition(b"\n")
    before, _, last = body.rpartition(b"\n")
    if last and not torn:
        try:
            parse(last)
        except MalformedLine:
            return before.rpartition(b"\n")[2], last + b"\n", size
        except UnfitLine:
            pass
    return last, torn, size
