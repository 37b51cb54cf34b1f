"""Reading journals: whole, live, and finding them.

Owns iteration and lookup. Never writes and never takes the writer's lock. Leaves proof to `verify`: what is read here
is chained, but not compared with the ledger.
"""

import os
from collections.abc import Iterator
from typing import BinaryIO, Protocol

from runbook.errors import JournalBroken, UsageError
from runbook.journal.chain import Chain, Place, Scan
from runbook.journal.layout import Layout, list_runs
from runbook.journal.record import LINE_LIMIT, Record

POLL = 0.1
"""Seconds between two looks at a live journal."""
_BLOCK = 1024 * 1024


class Stop(Protocol):
    """What ends a follower; threading.Event is one."""

    def wait(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds; True if it is time to stop."""


def read(layout: Layout, run: str) -> Iterator[Record]:
    """Yield the records of a run in order, up to a torn last line.

    Raises UsageError if there is no such run, JournalBroken at the first line that does not hold.
    """
    scan = Scan(layout.journal(run))
    try:
        for record, _ in scan:
            yield record
    except FileNotFoundError:
        if not layout.folder(run).is_dir():
            raise _unknown(run) from None
    if scan.fault:
        raise _broken(scan.fault)


def follow(layout: Layout, run: str, stop: Stop) -> Iterator[Record]:
    """Yield the records of a run and go on with what is added, until `stop`; whole lines only.

    Waits before a torn line for its writer to finish it or for the repair to take it away. Raises UsageError if there
    is no such run, JournalBroken at a line that does not hold.
    """
    if not layout.folder(run).is_dir():
        raise _unknown(run)
    path, chain = layout.journal(run), Chain()
    while not path.exists():
        if stop.wait(POLL):
            return
    # What was written before the stop is still given: one more look follows it.
    is_last = False
    with open(path, "rb") as file:
        while True:
            block = _whole_lines(file, chain.offset)
            for record, _ in chain.take(block):
                yield record
            if chain.what and not _may_be_torn(file, chain):
                raise _broken(Place(str(path), chain.count + 1, chain.count, chain.what))
            is_idle = not block or bool(chain.what)
            chain.forgive()
            if not is_idle:
                continue
            if is_last:
                return
            is_last = stop.wait(POLL)


def find(layout: Layout, prefix: str) -> str:
    """Return the one run whose id begins with `prefix`; UsageError, naming the candidates, if there is not just one."""
    runs = list_runs(layout)
    if prefix in runs:
        return prefix
    found = [run for run in runs if prefix and run.startswith(prefix.lower())]
    if len(found) == 1:
        return found[0]
    if not found:
        raise _unknown(prefix)
    shown = ", ".join(found[-5:]) + (" and others" if len(found) > 5 else "")
    raise UsageError(f"{len(found)} runs begin with {prefix!r}: {shown}", remedy="write more of the id")


def _whole_lines(file: BinaryIO, offset: int) -> bytes:
    file.seek(offset)
    block = file.read(_BLOCK)
    if block and b"\n" not in block:
        # One line may be longer than a block.
        block += file.read(LINE_LIMIT)
    return block[: block.rfind(b"\n") + 1]


def _may_be_torn(file: BinaryIO, chain: Chain) -> bool:
    """Say whether a bad line is no JSON and nothing stands after it: its writer may still finish or cut it."""
    file.seek(chain.offset)
    file.readline(LINE_LIMIT + 2)
    return chain.malformed and file.tell() >= os.fstat(file.fileno()).st_size


def _unknown(run: str) -> UsageError:
    return UsageError(f"there is no run {run!r}", remedy="`runbook audit list` shows the runs")


def _broken(place: Place) -> JournalBroken:
    return JournalBroken(
        f"the journal does not hold: {place.what}",
        where=f"{place.file}:{place.line}",
        remedy="`runbook audit verify` shows the whole verdict",
    )
