"""Group commit: what many threads have written goes to the medium in one sync, and a sync holds up no write.

Owns the file descriptor, the chain's end, and who syncs for whom. Leaves opening, heads and space kept back to
`writer`.

Lines are written one append after the other, each with one write(2). Whoever needs the medium leads a sync, which
covers all that was written before it; who comes meanwhile writes, and waits for the next one.
"""

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from runbook.errors import JournalError, JournalFull
from runbook.journal.disk import SPACE_ERRORS, Disk, unwritable, write_all
from runbook.journal.record import VERSION, Clock, Entry, Record, digest, encode, plain, timestamp


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
        self._turn = threading.Condition(threading.Lock())
        self._seq, self._head = seq, head
        self._size = os.fstat(descriptor).st_size
        self._synced = -1
        """Bytes that are known to be on the medium; of what an earlier process wrote nothing is known."""
        self._is_syncing = False
        self.sync_error: JournalError | None = None
        """Set for good by a failed sync: the kernel has dropped the pages, and a second call would lie."""
        self._dead: JournalError | None = None
        """Set when nothing can be appended any more: closed, or a half-written line that could not be cut off."""

    def write(self, entries: Sequence[Entry], durable: bool) -> tuple[Record, ...]:
        """Link and write; what is to be `durable` is refused after a failed sync, and else waits for `sync`.

        Raises JournalFull if nothing was written; TypeError or ValueError for entries that cannot go on record.
        """
        with self._turn:
            self.refuse(durable)
            seq, head = self._seq, self._head
            records, data = self._link(entries)
            try:
                self._write(data)
            except BaseException as error:
                # The chain goes on from before a failed write.
                self._seq, self._head = seq, head
                if not isinstance(error, JournalError):
                    # Nobody knows what reached the file: going on would risk a chain that does not fit it.
                    self._dead = JournalFull(f"writing was broken off: {error!r}")
                raise
            return records

    def sync(self) -> None:
        """Return when all that is written by now is on the medium. Raises JournalFull if it never will be."""
        with self._turn:
            wanted = self._size
            while self._synced < wanted:
                self.refuse(durable=True)
                if self._is_syncing:
                    self._turn.wait()
                else:
                    self._lead()

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
        """Wait for the running sync and give the descriptor back; harmless the second time."""
        with self._turn:
            while self._is_syncing:
                self._turn.wait()
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1
            self._dead = self._dead or JournalError("the journal is closed", where=str(self._path))

    def _link(self, entries: Sequence[Entry]) -> tuple[tuple[Record, ...], bytes]:
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
        return tuple(records), b"".join(lines)

    def _write(self, data: bytes) -> None:
        self._crash("before-write")
        try:
            self._write_out(data)
        except BaseException as error:
            self._cut_back()
            if isinstance(error, OSError) and not isinstance(error, JournalError):
                raise unwritable(error, self._path) from error
            raise
        self._size += len(data)
        self._crash("after-write")

    def _write_out(self, data: bytes) -> None:
        try:
            write_all(self._disk, self._descriptor, data)
        except OSError as error:
            if error.errno not in SPACE_ERRORS or not self._free_space():
                raise
            done = os.fstat(self._descriptor).st_size - self._size
            write_all(self._disk, self._descriptor, memoryview(data)[done:])

    def _cut_back(self) -> None:
        """Take half-written lines off the file, so that the next one does not stand behind a torn one."""
        try:
            if os.fstat(self._descriptor).st_size != self._size:
                os.ftruncate(self._descriptor, self._size)
        except OSError as error:
            self._dead = unwritable(error, self._path)

    def _lead(self) -> None:
        """Sync for everybody who has written by now; called and left with the lock held."""
        covered, error = self._size, None
        self._is_syncing = True
        self._turn.release()
        try:
            error = self._sync()
        except BaseException as broken:
            error = JournalFull(f"the sync was broken off: {broken!r}")
            raise
        finally:
            self._turn.acquire()
            self._is_syncing = False
            self._synced, self.sync_error = (self._synced, error) if error else (covered, None)
            self._turn.notify_all()

    def _sync(self) -> JournalError | None:
        """Sync once and return why the disk refuses, if it does."""
        error: JournalError | None = None
        self._crash("before-sync")
        try:
            self._disk.sync(self._descriptor)
            # What is written to a file without a name is durable for nobody.
            if os.fstat(self._descriptor).st_nlink == 0:
                error = JournalFull(
                    "the journal was removed while the run was writing it", where=str(self._path),
                    remedy="nothing more is changed; `runbook adopt --on HOSTS RUN` finds on the hosts what was",
                )  # fmt: skip
        except OSError as refused:
            error = unwritable(refused, self._path)
        self._crash("after-sync")
        return error
