"""The chain: each line names the hash of the one before it.

Owns the checks that hold from line to line and the place of the first fault. Leaves what the ledger says about a
chain to `verify`, and repair to the writer.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from runbook.journal.record import GENESIS, LINE_LIMIT, VERSION, MalformedLine, Record, UnfitLine, parse, parse_block

_BLOCK = 64 * 1024
"""Bytes that are read and checked at once; what they become takes eight times as much and stays in the cache."""


class Place(msgspec.Struct, frozen=True):
    """Where something is wrong, and what."""

    file: str
    line: int
    """Counted from 1; 0 if the file as a whole is meant."""
    seq: int | None
    """The number of the record that should stand there."""
    what: str


Link = tuple[Record, str]
"""A record that fits to the one before it, and the hash of its raw line."""


class Chain:
    """Follows one chain from its first line, or from a known head."""

    def __init__(self) -> None:
        self.log = ""
        self.run = ""
        """Both are taken from the first record and must not change after it."""
        self.count = 0
        self.head = GENESIS
        self.offset = 0
        """Bytes of the lines that hold, newlines included."""
        self.what = ""
        """What is wrong with the line at `offset`; empty while everything holds."""
        self.malformed = False
        """Whether that line is no JSON at all."""

    def take(self, block: bytes) -> list[Link]:
        """Check whole lines and return the links that hold; stops for good at the first fault."""
        records, digests = self.prove(block)
        return list(zip(records, digests, strict=True))

    def prove(self, block: bytes) -> tuple[list[Record], list[str]]:
        """Do what `take` does, without a pair for each line."""
        if self.what:
            return [], []
        lines = block.split(b"\n")
        lines.pop()
        records = parse_block(block)
        if records is None or len(records) != len(lines):
            return self._join_slowly(lines)
        return self._join(lines, records)

    def forgive(self) -> None:
        """Forget the fault, to look at the same line again once more has been written."""
        self.what, self.malformed = "", False

    def _join(self, lines: list[bytes], records: list[Record]) -> tuple[list[Record], list[str]]:
        if not self.count and records:
            self.log, self.run = records[0].log, records[0].run
        sha256 = hashlib.sha256
        digests = [sha256(line).hexdigest() for line in lines]
        good = self._count_good(records, digests)
        if good:
            self.head = digests[good - 1]
            self.count += good
            self.offset += sum(map(len, lines[:good])) + good
        if good < len(lines):
            self.what = self._differences(records[good])
        return records[:good], digests[:good]

    def _count_good(self, records: list[Record], digests: list[str]) -> int:
        """Count the records, from the first one on, that stand where they belong; by whole columns, as that is fast."""
        count, head, size = self.count, self.head, len(records)
        if (
            [record.prev for record in records] == [head, *digests][:size]
            and [record.seq for record in records] == list(range(count, count + size))
            and [record.v for record in records].count(VERSION) == size
            and [record.run for record in records].count(self.run) == size
            and [record.log for record in records].count(self.log) == size
        ):
            return size
        for index, record in enumerate(records):
            place = (record.seq, record.prev, record.v, record.run, record.log)
            if place != (count + index, digests[index - 1] if index else head, VERSION, self.run, self.log):
                return index
        return size

    def _join_slowly(self, lines: list[bytes]) -> tuple[list[Record], list[str]]:
        records: list[Record] = []
        digests: list[str] = []
        for line in lines:
            try:
                record = parse(line)
            except (MalformedLine, UnfitLine) as error:
                self.what, self.malformed = str(error), isinstance(error, MalformedLine)
                break
            good, known = self._join([line], [record])
            records += good
            digests += known
            if self.what:
                break
        return records, digests

    def _differences(self, record: Record) -> str:
        if record.v != VERSION:
            return f"version {record.v} is unknown here"
        if record.seq != self.count:
            return f"record {record.seq} stands where record {self.count} belongs"
        if record.run != self.run or record.log != self.log:
            return f"a record of log {record.log!r}, run {record.run!r}"
        if not self.count:
            return "the first record names a record before it"
        return f"record {self.count - 1} is not the one that this line was written after"


class Scan:
    """Reads a journal file from its beginning and tells at its end whether it was whole, torn or broken."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.chain = Chain()
        self.torn = b""
        """The bytes of a last line that was never finished."""
        self.fault: Place | None = None

    def __iter__(self) -> Iterator[Link]:
        """Yield what holds, in order. Raises OSError if the file cannot be read."""
        for _, records, digests in self.blocks():
            yield from zip(records, digests, strict=True)

    def blocks(self) -> Iterator[tuple[bytes, list[Record], list[str]]]:
        """Yield raw lines, and the records and hashes of those that hold, in order and many at a time.

        What is yielded is emptied before the next lines are read: they become the same memory, which the processor
        still has at hand. Raises OSError if the file cannot be read.
        """
        chain, rest = self.chain, b""
        with open(self.path, "rb", buffering=0) as file:
            while not chain.what and (data := file.read(_BLOCK)):
                data = rest + data if rest else data
                cut = data.rfind(b"\n") + 1
                rest = data[cut:]
                lines = data[:cut]
                records, digests = chain.prove(lines)
                yield lines, records, digests
                records.clear()
                digests.clear()
                if len(rest) > LINE_LIMIT:
                    chain.what = f"a line longer than {LINE_LIMIT} bytes"
            if not chain.what:
                self.torn = rest
                return
            file.seek(chain.offset)
            self._judge(file.read(LINE_LIMIT + 2))

    def _judge(self, tail: bytes) -> None:
        is_last = len(tail) <= LINE_LIMIT + 1 and tail.find(b"\n") in (-1, len(tail) - 1)
        if self.chain.malformed and is_last:
            self.torn = tail
        else:
            self.fault = Place(str(self.path), self.chain.count + 1, self.chain.count, self.chain.what)

    def finish(self) -> "Scan":
        """Read to the end for the sake of the judgement alone."""
        for _ in self.blocks():
            pass
        return self
