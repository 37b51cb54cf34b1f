"""The ledger as a whole, by run.

Owns reading it, also where it is damaged: one bad line must not take the proof from all other runs. Leaves appending
to `ledger` and the verdict to `verify`.
"""

import msgspec

from runbook.journal.chain import Place
from runbook.journal.layout import Layout, is_run_id
from runbook.journal.ledger import CLOSED, LOG, OPENED, Head
from runbook.journal.record import GENESIS, MalformedLine, Record, UnfitLine, digest, parse
from runbook.model.built import built


class Anchor(msgspec.Struct, frozen=True):
    """A line of the ledger about one run."""

    line: bytes
    number: int
    """Its line number, counted from 1."""
    head: Head
    is_closed: bool
    signature: str | None


class Book(msgspec.Struct, frozen=True):
    """What the ledger says, by run."""

    runs: dict[str, tuple[Anchor, ...]]
    count: int
    """Lines that were read."""
    fault: Place | None
    """The first line that does not hold; those after it were read all the same."""
    torn: int
    """Bytes of a last line that was never finished."""

    def of(self, run: str) -> tuple[Anchor, ...]:
        """Return the lines about one run, oldest first."""
        return self.runs.get(run, ())


def read_book(layout: Layout) -> Book:
    """Read the ledger; a missing one is an empty one. Raises OSError if it cannot be read."""
    try:
        data = layout.ledger.read_bytes()
    except FileNotFoundError:
        data = b""
    *lines, torn = data.split(b"\n")
    runs: dict[str, tuple[Anchor, ...]] = {}
    fault: Place | None = None
    prev = GENESIS
    for index, line in enumerate(lines):
        what = ""
        try:
            record = parse(line)
            what = _difference(record, index, prev)
            anchor = _anchor(record, line, index + 1)
            if anchor:
                runs[record.run] = (*runs.get(record.run, ()), anchor)
        except (MalformedLine, UnfitLine, msgspec.ValidationError) as error:
            if isinstance(error, MalformedLine) and index == len(lines) - 1 and not torn:
                lines, torn = lines[:-1], line
                break
            what = str(error)
        if what and not fault:
            fault = Place(str(layout.ledger), index + 1, index, what)
        prev = digest(line)
    return Book(runs, len(lines), fault, len(torn))


def _anchor(record: Record, line: bytes, number: int) -> Anchor | None:
    if record.type not in (OPENED, CLOSED):
        return None
    head = msgspec.convert(record.data, built(Head))
    if head.run != record.run or not is_run_id(head.run):
        raise UnfitLine("a head of another run than its line says")
    signature = record.data.get("signature")
    return Anchor(line, number, head, record.type == CLOSED, signature if isinstance(signature, str) else None)


def _difference(record: Record, index: int, prev: str) -> str:
    if record.log != LOG:
        return f"a record of the log {record.log!r}"
    if record.seq != index:
        return f"line {record.seq} stands where line {index} belongs"
    return "" if record.prev == prev else "the line before it is not the one it was written after"
