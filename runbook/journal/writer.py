"""The single writer of a run's journal.

Owns opening, the way back from a torn line, the space kept back for a full disk, and the heads in the ledger. Leaves
the writing itself to `group` and the meaning of entries to the caller.

Order on disk: the first record of a session goes alone and is durable before the ledger hears of the session; every
later record comes after that. So the ledger is behind a journal by one record at most, and anything more is tampering.
"""

import contextlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from runbook.errors import JournalBroken, JournalError, JournalFull, UsageError
from runbook.journal.book import read_book
from runbook.journal.chain import Scan
from runbook.journal.disk import FOLDER_MODE, Disk, Room, create, unwritable
from runbook.journal.group import Group
from runbook.journal.layout import Layout
from runbook.journal.ledger import Head, Ledger, Sign
from runbook.journal.lock import Lock
from runbook.journal.record import GENESIS, Clock, Entry, Record, system_clock
from runbook.journal.tear import Repair, set_aside
from runbook.journal.verify import verify_run

T = TypeVar("T")

BALLAST = 256 * 1024
"""Bytes kept back; enough for 30 closing records of 8 KiB."""
LEAST_ROOM = Room(16 * 1024 * 1024, 64)
"""What a run asks for before it begins."""


def _live_on(_point: str) -> None:
    """Stand where a fault test would end the process."""


class Writer:
    """Appends to the journal of one run, for one process and all its threads.

    A failed sync is final: every durable append after it raises JournalFull, so that no further change can start;
    records that need not be durable are still written, as well as the disk allows, and the run gets no head, because
    nobody can tell how much of it will survive. A full disk is not: the space kept back is given free and the
    records go on, but `require_room` raises until there is space again.
    """

    def __init__(self, layout: Layout, run: str, lock: Lock, clock: Clock, crash: Callable[[str], None], disk: Disk):
        self.layout, self.run = layout, run
        self.repair: Repair | None = None
        """A torn line that was set aside at opening; the caller's first record tells of it."""
        self._lock, self._clock, self._crash, self._disk = lock, clock, crash, disk
        self._ledger = Ledger(layout, disk=disk, clock=clock)
        self._announcing = threading.Lock()
        self._is_announced = False
        self._opening: Head | None = None
        """The first record of this session while the ledger does not know of it."""
        self._is_spent = False
        self._sessions = 1
        self._group: Group

    @classmethod
    def create(
        cls,
        layout: Layout,
        run: str,
        *,
        log: str = "",
        clock: Clock = system_clock,
        crash: Callable[[str], None] = _live_on,
        disk: Disk | None = None,
    ) -> Self:
        """Begin the journal of a new run; nothing half-made remains after a failure.

        Raises JournalFull if the state folder cannot be written or is too full, ConfigError if it is not ours alone,
        UsageError if there is such a run.
        """
        disk = disk or Disk()
        layout.prepare(disk)
        _refuse_narrow(layout, disk)
        folder = layout.folder(run)
        try:
            os.mkdir(folder, FOLDER_MODE)
        except FileExistsError:
            raise UsageError(f"there is a run {run} already", where=str(folder)) from None
        except OSError as error:
            raise unwritable(error, folder) from error
        try:
            with contextlib.ExitStack() as undo:
                undo.callback(_remove, folder)
                lock = Lock.take(layout.lock(run))
                undo.callback(lock.release)
                writer = cls(layout, run, lock, clock, crash, disk)
                descriptor = create(layout.journal(run))
                undo.callback(os.close, descriptor)
                for inner in (layout.output(run), layout.inbox(run)):
                    os.mkdir(inner, FOLDER_MODE)
                disk.reserve(layout.ballast(run), BALLAST)
                disk.sync_folder(folder)
                disk.sync_folder(folder.parent)
                writer._begin(descriptor, log or run, 0, GENESIS)
                undo.pop_all()
        except OSError as error:
            raise error if isinstance(error, JournalError) else unwritable(error, folder) from error
        return writer

    @classmethod
    def append_to(
        cls,
        layout: Layout,
        run: str,
        *,
        clock: Clock = system_clock,
        crash: Callable[[str], None] = _live_on,
        disk: Disk | None = None,
    ) -> Self:
        """Go on with the journal of a run, after proving all of it; a torn last line is set aside, see `repair`.

        A nearly full disk is no reason to refuse: closing, noting and reading must stay possible; `require_room` says
        whether a change may start. Raises JournalBroken if anything else than the last line does not hold,
        JournalLocked if somebody else writes it, JournalFull if it cannot be written, UsageError if there is none.
        """
        disk = disk or Disk()
        layout.check()
        if not layout.folder(run).is_dir():
            raise UsageError(f"there is no run {run}", remedy="`runbook audit list` shows the runs")
        try:
            with contextlib.ExitStack() as undo:
                lock = Lock.take(layout.lock(run))
                undo.callback(lock.release)
                writer = cls(layout, run, lock, clock, crash, disk)
                writer._go_on()
                undo.pop_all()
        except OSError as error:
            raise error if isinstance(error, JournalError) else unwritable(error, layout.folder(run)) from error
        return writer

    def append(self, *entries: Entry, durable: bool) -> tuple[Record, ...]:
        """Put entries on record, in this order and with nothing between them, but after a session's first one.

        Returns when they are written, and, if `durable`, on the medium. After JournalFull they are not acknowledged:
        they may be in the file (after a failed sync) or not (anything else). Raises TypeError or ValueError for data
        that cannot go on record, see `record.plain`.
        """
        records = self.write(*entries, durable=durable)
        if durable:
            self.sync()
        return records

    def write(self, *entries: Entry, durable: bool) -> tuple[Record, ...]:
        """Do what `append` does but for the sync: what is to be `durable` is so when `sync` has returned."""
        opening: tuple[Record, ...] = ()
        if not self._is_announced and entries:
            with self._announcing:
                if not self._is_announced:
                    opening = self._announce(entries[0])
        rest = entries[len(opening) :]
        return (*opening, *self._group.write(rest, durable)) if rest else opening

    def sync(self) -> None:
        """Return when all that was written before is on the medium. Raises JournalFull if it is not."""
        self._group.sync()

    def require_room(self) -> None:
        """Raise JournalFull if no change may start: the journal could not promise to record how it ends."""
        self._group.refuse(durable=True)
        if self._is_spent and not self._reserve():
            raise JournalFull(
                "the disk is full, and what was kept back is needed to close the run",
                where=str(self.layout.folder(self.run)),
                remedy="free space there and go on",
            )

    def close(self, outcome: str, *, sign: Sign | None = None) -> Head | None:
        """Make everything durable, add the head to the ledger and give the lock back.

        Returns the head; None if this session has recorded nothing. Raises JournalFull, after which the lock is free
        and the run open.
        """
        try:
            if not self._is_announced:
                return None
            self._group.sync()
            self._drop_ballast()
            seq, last = self._group.head
            head = Head(self.run, seq - 1, last, outcome, self._sessions)
            self._crash("before-head")
            self._ledger.close_run(head, sign=sign)
            self._crash("after-head")
            return head
        finally:
            self.release()

    def release(self) -> None:
        """Give everything back without a head: the run stays open. Harmless the second time."""
        self._group.close()
        self._drop_ballast()
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _announce(self, entry: Entry) -> tuple[Record, ...]:
        """Write the first record of this session alone, unless that was done, and tell the ledger."""
        records: tuple[Record, ...] = ()
        if not self._opening:
            records = self._group.write((entry,), True)
            self._group.sync()
            seq, last = self._group.head
            self._opening = Head(self.run, seq - 1, last, "", self._sessions)
        self._crash("before-head")
        opening = self._opening
        self._with_spare(lambda: self._ledger.open_run(opening))
        self._crash("after-head")
        self._is_announced = True
        return records

    def _go_on(self) -> None:
        """Prove what there is, repair its end and the copy of the heads, and open it for appending."""
        layout, run, path = self.layout, self.run, self.layout.journal(self.run)
        report = verify_run(layout, run, outputs=False)
        if not report.holds:
            place = report.place
            raise JournalBroken(
                f"the journal does not hold: {place.what if place else report.status}",
                where=f"{place.file}:{place.line}" if place else str(path),
                remedy="nothing was appended; `runbook audit verify` shows the whole verdict",
            )
        anchors = read_book(layout).of(run)
        self._sessions = 1 + sum(not anchor.is_closed for anchor in anchors)
        self._ledger.renew_copy(run, [anchor.line for anchor in anchors])
        if not path.exists():
            self._begin(create(path), run, 0, GENESIS)
            self._disk.sync_folder(path.parent)
            return
        scan = Scan(path).finish()
        if scan.torn:
            self.repair = self._with_spare(lambda: set_aside(path, scan.chain.offset, scan.torn, self._disk))
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW)
        self._begin(descriptor, scan.chain.log or run, scan.chain.count, scan.chain.head)
        if not self.layout.ballast(run).exists():
            self._is_spent = not self._reserve()

    def _begin(self, descriptor: int, log: str, seq: int, head: str) -> None:
        self._group = Group(
            self.layout.journal(self.run),
            descriptor,
            log=log,
            run=self.run,
            seq=seq,
            head=head,
            clock=self._clock,
            disk=self._disk,
            crash=self._crash,
            free_space=self._spend,
        )

    def _with_spare(self, act: Callable[[], T]) -> T:
        """Act, and once more with the kept space given free if the disk has refused."""
        try:
            return act()
        except OSError:
            if not self._spend():
                raise
            return act()

    def _spend(self) -> bool:
        """Give the kept space free; False if that was done before."""
        was_there = not self._is_spent
        self._is_spent = True
        self._drop_ballast()
        return was_there

    def _reserve(self) -> bool:
        ballast = self.layout.ballast(self.run)
        try:
            ballast.unlink(missing_ok=True)
            self._disk.reserve(ballast, BALLAST)
        except OSError:
            self._drop_ballast()
            return False
        self._is_spent = False
        return True

    def _drop_ballast(self) -> None:
        with contextlib.suppress(OSError):
            self.layout.ballast(self.run).unlink(missing_ok=True)


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def _refuse_narrow(layout: Layout, disk: Disk) -> None:
    """Raise JournalFull unless there is room for a whole run."""
    room = disk.room(layout.state)
    has_inodes = room.inodes is None or room.inodes >= (LEAST_ROOM.inodes or 0)
    if room.size >= LEAST_ROOM.size and has_inodes:
        return
    raise JournalFull(
        f"{room.size // 1024} KiB and {room.inodes} inodes are free, a run needs {LEAST_ROOM.size // 1024} KiB "
        f"and {LEAST_ROOM.inodes}",
        where=str(layout.state),
        remedy="free space there, or choose another state folder",
    )
