"""Group commit: what many threads want written goes out in one write and one sync.

Owns the file descriptor, the chain's end, and who writes for whom. Leaves opening, heads and space kept back to
`writer`.

The first thread that finds nobody writing becomes the leader: it takes the lines of all who wait, writes them with
one write(2) and, if any of them asked for durability, one sync; meanwhile the next batch gathers behind it.
"""

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from runbook.errors import JournalError, JournalFull
from runbook.journal.disk import SPACE_ERRORS, Disk, unwritable, write_all
from runbook.journal.record import VERSION, Clock, Entry, Record, digest, encode, plain, timestamp


class _Batch:
    """Lines that go out together, and what became of them."""

    def __init__(self, seq: int, head: str) -> None:
        self.seq = seq
        self.head = head
        """Where the chain stood before this batch; it goes back there if the batch cannot be written."""
        self.lines: list[bytes] = []
        self.wants_sync = False
        self.is_done = False
        self.write_error: JournalError | None = None
        self.sync_error: JournalError | None = None


class Group:
    """Appends linked lines to one open journal; safe to call from any thread."""

    def __init__(
        self,
        path: Path,
        descriptor: int,
        *,
        log: str,
        run: str,
        seq: int,
        head: str,
        clock: Clock,
        disk: Disk,
        crash: Callable[[str], None],
        free_space: Callable[[], bool],
    ) -> None:
        self._path, self._descriptor = path, descriptor
        self._log, self._run = log, run
        self._clock, self._disk, self._crash, self._free_space = clock, disk, crash, free_space
        self._turn = threading.Condition()
        self._batch = _Batch(seq, head)
        self._seq, self._head = seq, head
        self._size = os.fstat(descriptor).st_size
        self._is_writing = False
        self.sync_error: JournalError | None = None
        """Set for good by a failed sync: the kernel has dropped the pages, and a second call would lie."""
        self._dead: JournalError | None = None
        """Set when nothing can be appended any more: closed, or a half-written line that could not be cut off."""

    def append(self, entries: Sequence[Entry], durable: bool) -> tuple[Record, ...]:
        """Link, write and, if asked, sync; return when that is done for these entries.

        Raises JournalFull if not; TypeError or ValueError for entries that cannot go on record.
        """
        with self._turn:
            self.refuse(durable)
            records, batch = self._link(entries), self._batch
            batch.wants_sync |= durable
            while not batch.is_done:
                if self._is_writing:
                    self._turn.wait()
                else:
                    self._lead(batch)
            error = batch.write_error or (batch.sync_error if durable else None)
        if error:
            raise error
        return records

    def refuse(self, durable: bool) -> None:
        """Raise what stands against another append: a closed journal, or a failed sync if it is to be durable."""
        if self._dead:
            raise self._dead
        if durable and self.sync_error:
            raise self.sync_error

    @property
    def head(self) -> tuple[int, str]:
        """The number that comes next and the hash it will name."""
        with self._turn:
            return self._seq, self._head

    def close(self) -> None:
        """Wait for the running write and give the descriptor back; harmless the second time."""
        with self._turn:
            while self._is_writing:
                self._turn.wait()
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1
            self._dead = self._dead or JournalError("the journal is closed", where=str(self._path))

    def _link(self, entries: Sequence[Entry]) -> tuple[Record, ...]:
        """Give entries their place in the chain; all of them, or none if one cannot be written."""
        seq, head = self._seq, self._head
        records: list[Record] = []
        lines: list[bytes] = []
        moment, mono = self._clock()
        time = timestamp(moment)
        for entry in entries:
            record = Record(
                attempt=entry.attempt,
                code=entry.code,
                data=plain(entry.data),
                log=self._log,
                mono=mono,
                operation=entry.operation,
                prev=head,
                run=self._run,
                seq=seq,
                step=entry.step,
                target=entry.target,
                time=time,
                type=entry.type,
                v=VERSION,
            )
            line = encode(record)
            seq, head = seq + 1, digest(line)
            records.append(record)
            lines += (line, b"\n")
        self._seq, self._head = seq, head
        self._batch.lines += lines
        return tuple(records)

    def _lead(self, batch: _Batch) -> None:
        """Write a batch for everybody in it; called and left with the lock held."""
        self._is_writing = True
        self._batch = _Batch(self._seq, self._head)
        self._turn.release()
        try:
            self._write(batch)
        except BaseException as error:
            batch.write_error = batch.write_error or JournalFull(f"writing was broken off: {error!r}")
            if not isinstance(error, JournalError):
                # Nobody knows what reached the file: going on would risk a chain that does not fit it.
                self._dead = batch.write_error
                raise
        finally:
            self._turn.acquire()
            self._is_writing = False
            batch.is_done = True
            if batch.write_error:
                self._take_back(batch)
            self._turn.notify_all()

    def _write(self, batch: _Batch) -> None:
        data = b"".join(batch.lines)
        self._crash("before-write")
        try:
            self._write_out(data)
        except BaseException as error:
            batch.write_error = unwritable(error, self._path) if isinstance(error, OSError) else None
            self._cut_back()
            raise batch.write_error or error from error
        self._size += len(data)
        self._crash("after-write")
        if not batch.wants_sync:
            return
        if not self.sync_error:
            self._crash("before-sync")
            try:
                self._disk.sync(self._descriptor)
            except OSError as error:
                self.sync_error = unwritable(error, self._path)
            self._crash("after-sync")
        batch.sync_error = self.sync_error

    def _write_out(self, data: bytes) -> None:
        try:
            write_all(self._disk, self._descriptor, data)
        except OSError as error:
            if error.errno not in SPACE_ERRORS or not self._free_space():
                raise
            done = os.fstat(self._descriptor).st_size - self._size
            write_all(self._disk, self._descriptor, memoryview(data)[done:])

    def _cut_back(self) -> None:
        """Take a half-written batch off the file, so that the next line does not stand behind a torn one."""
        try:
            if os.fstat(self._descriptor).st_size != self._size:
                os.ftruncate(self._descriptor, self._size)
        except OSError as error:
            self._dead = unwritable(error, self._path)

    def _take_back(self, batch: _Batch) -> None:
        """Let the chain go on from before a failed batch; what gathered behind it is linked to it and fails, too."""
        behind = self._batch
        behind.write_error, behind.is_done = batch.write_error, True
        self._seq, self._head = batch.seq, batch.head
        self._batch = _Batch(batch.seq, batch.head)
