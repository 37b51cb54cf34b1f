"""Proof that runs are as they were written.

Owns the verdict: chain, ledger, the run's copy of its ledger lines, and side files, compared with each other. Leaves
signatures to whoever knows the keys (`Report.signature` and `ledger.statement` are what they need).

What an unsigned chain cannot show: a cut tail, an edited last record or a full rewrite of a run that is still open,
and a rewrite of journal, copy and ledger together.
"""

import hashlib
import os
import stat
from collections.abc import Sequence
from itertools import takewhile
from typing import Literal

import msgspec

from runbook.errors import UsageError
from runbook.journal.book import Anchor, Book, read_book
from runbook.journal.chain import Place, Scan
from runbook.journal.layout import Layout, list_runs
from runbook.journal.ledger import Head
from runbook.journal.lock import holder

Status = Literal["ok", "open", "torn", "broken", "truncated", "missing"]
"""ok: closed and whole. open: whole as far as it goes. torn: open, and its last line was never finished. The other
three are what must not be: changed, cut after its close, gone."""


class Report(msgspec.Struct, frozen=True):
    """The verdict on one run, or on the ledger."""

    run: str
    """Empty for the ledger."""
    status: Status
    records: int = 0
    """Records, from the first one on, that hold."""
    place: Place | None = None
    """Where it does not hold, or where the torn line stands."""
    head: Head | None = None
    """The last head in the ledger."""
    signature: str | None = None
    """The signature of that head; None means unsigned."""

    @property
    def holds(self) -> bool:
        """Whether nothing speaks of tampering; a torn line does not."""
        return self.status in ("ok", "open", "torn")


class Audit(msgspec.Struct, frozen=True):
    """The verdict on a whole state folder."""

    ledger: Report
    runs: tuple[Report, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing at all speaks of tampering."""
        return self.ledger.holds and all(report.holds for report in self.runs)


def verify_run(layout: Layout, run: str, *, outputs: bool = True) -> Report:
    """Verify one run, with its side files unless told otherwise.

    Raises UsageError if neither the folder nor the ledger knows the run, OSError if a file cannot be read.
    """
    report = _verify(layout, run, read_book(layout), outputs)
    if not report.holds and holder(layout, run):
        # The run goes on while we read: a head may have been written between the two files.
        report = _verify(layout, run, read_book(layout), outputs)
    return report


def verify_all(layout: Layout, *, outputs: bool = True) -> Audit:
    """Verify the ledger and every run that it or the state folder knows. Raises OSError."""
    book = read_book(layout)
    runs = []
    for run in sorted({*list_runs(layout), *book.runs}):
        report = _verify(layout, run, book, outputs)
        runs.append(report if report.holds or not holder(layout, run) else verify_run(layout, run, outputs=outputs))
    return Audit(_verify_ledger(layout, book), tuple(runs))


def check_output(layout: Layout, run: str, reference: object) -> str:
    """Compare a side file, and its index if it has one, with what the record says; return what is wrong, or nothing.

    A reference is `{"file", "sha256", "size"}` with an optional `"index"` of the same shape.
    """
    match reference:
        case {"file": "", "size": 0}:
            # The disk refused even to make the file, and the record says so.
            return ""
        case {"file": str(name), "sha256": str(sha256), "size": int(size), "index": dict(index)}:
            return _check_file(layout, run, name, sha256, size) or check_output(layout, run, index)
        case {"file": str(name), "sha256": str(sha256), "size": int(size)}:
            return _check_file(layout, run, name, sha256, size)
        case _:
            return "a reference to output that names no file"


def _check_file(layout: Layout, run: str, name: str, sha256: str, size: int) -> str:
    path = layout.folder(run) / name
    if path.parent != layout.output(run) or ".." in path.parts:
        return f"{name} is not among the run's output"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return f"{name} is missing"
    except OSError as error:
        return f"{name} cannot be read: {error.strerror}"
    with open(descriptor, "rb") as file:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            return f"{name} is no plain file"
        if state.st_size != size:
            return f"{name} has {state.st_size} bytes instead of {size}"
        return "" if hashlib.file_digest(file, "sha256").hexdigest() == sha256 else f"{name} was changed"


def _verify_ledger(layout: Layout, book: Book) -> Report:
    if book.fault:
        return Report("", "broken", book.fault.line - 1, book.fault)
    if book.torn:
        place = Place(
            str(layout.ledger), book.count + 1, book.count, f"a last line of {book.torn} bytes, never finished"
        )
        return Report("", "torn", book.count, place)
    return Report("", "ok", book.count)


def _verify(layout: Layout, run: str, book: Book, outputs: bool) -> Report:
    anchors = book.of(run)
    last = anchors[-1] if anchors else None
    if not layout.journal(run).is_file():
        status, place, records = _absent(layout, run, anchors), None, 0
        if status == "missing":
            place = Place(str(layout.journal(run)), 0, 0, "the ledger knows the run, but its journal is gone")
    else:
        status, place, records = _judge(layout, run, anchors, outputs)
    return Report(run, status, records, place, last.head if last else None, last.signature if last else None)


def _absent(layout: Layout, run: str, anchors: Sequence[Anchor]) -> Status:
    if anchors or layout.heads(run).exists():
        return "missing"
    if layout.folder(run).is_dir():
        return "open"
    raise UsageError(f"there is no run {run}", remedy="`runbook audit list` shows the runs")


def _judge(layout: Layout, run: str, anchors: Sequence[Anchor], outputs: bool) -> tuple[Status, Place | None, int]:
    journal = str(layout.journal(run))
    scan = Scan(layout.journal(run))
    place = _walk(scan, layout, run, anchors, outputs)
    count = scan.chain.count
    if place or scan.fault:
        return "broken", place or scan.fault, count
    needed = max((anchor.head.seq + 1 for anchor in anchors), default=0)
    if count < needed:
        what = f"{needed - count} records are missing that the ledger has seen"
        return "truncated", Place(journal, count + 1, count, what), count
    copy = _compare_copy(layout, run, anchors)
    if copy:
        return "broken", copy, count
    is_closed = bool(anchors) and anchors[-1].is_closed
    # The first record of a session is durable before the ledger hears of it: one record may be ahead of it, not two.
    if (is_closed or not anchors) and count > needed + 1:
        return "broken", Place(journal, needed + 2, needed + 1, "the ledger does not know of these records"), count
    if scan.torn:
        what = f"a last line of {len(scan.torn)} bytes, never finished"
        return "torn", Place(journal, count + 1, count, what), count
    return "ok" if is_closed and count == needed else "open", None, count


def _walk(scan: Scan, layout: Layout, run: str, anchors: Sequence[Anchor], outputs: bool) -> Place | None:
    """Run through the chain; return the first record that differs from the ledger or from its side files."""
    expected: dict[int, set[str]] = {}
    for anchor in anchors:
        expected.setdefault(anchor.head.seq, set()).add(anchor.head.hash)
    for lines, records, digests in scan.blocks():
        first, end = scan.chain.count - len(records), scan.chain.count
        # Of a million records next to none needs a closer look.
        if first and b'"output"' not in lines and not any(first <= seq < end for seq in expected):
            continue
        for record, digest in zip(records, digests, strict=True):
            what = ""
            if not record.seq and record.run != run:
                what = f"the journal of run {record.run!r}"
            elif record.seq in expected and expected[record.seq] != {digest}:
                what = "the record is not the one that the ledger has seen"
            elif outputs and "output" in record.data:
                what = check_output(layout, run, record.data["output"])
            if what:
                return Place(str(scan.path), record.seq + 1, record.seq, what)
    return None


def _compare_copy(layout: Layout, run: str, anchors: Sequence[Anchor]) -> Place | None:
    """Compare the run's own copy of its ledger lines; a crash may have kept the last one, or its end, from the copy."""
    path = layout.heads(run)
    copy = path.read_bytes() if path.exists() else b""
    ledger = b"".join(anchor.line + b"\n" for anchor in anchors)
    least = len(ledger) - len(anchors[-1].line) - 1 if anchors else 0
    if ledger.startswith(copy) and len(copy) >= least:
        return None
    pairs = zip(copy.splitlines(), ledger.splitlines(), strict=False)
    number = 1 + sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return Place(str(path), number, None, "the ledger and the run's copy of its lines differ")
