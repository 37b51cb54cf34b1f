"""Side files: the output of a step, as it came and when it came.

Owns the files, their cap and the times of their parts. Leaves masking to the caller, who hands over masked bytes, and
sanitising to whoever shows them.

The file holds nothing but the bytes, so `less` reads it. The parts, `[offset, length, stream, milliseconds]`, stand in
the record while they are few, and else in a JSON-lines file of the same name with `.idx` added. A part of the stream
`mark` is a word of Runbook, not of the target.
"""

import hashlib
import os
import re
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from runbook.journal.disk import Disk, create, unwritable

Stream = Literal["out", "err", "mark"]
Part = tuple[int, int, Stream, int]
"""Offset and length in bytes, stream, milliseconds since the step began."""

CAP = 256 * 1024 * 1024
"""Bytes kept of one step on one target."""
_TAIL = 256 * 1024
"""Of these, at most so many are the end of an output that is longer than the cap."""
_INLINE = 32
"""Parts that stand in the record."""
_BLOCK = 64 * 1024
_JOIN_MS = 20
_FLUSH_MS = 200


class Chunk(msgspec.Struct, frozen=True):
    """Output that came at one moment."""

    stream: Stream
    at_ms: int
    data: bytes


class FileRef(msgspec.Struct, frozen=True):
    """A file, relative to the run's folder, and its proof."""

    file: str
    sha256: str
    size: int


class OutputRef(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a record says about a side file; `msgspec.to_builtins` of it is the record's `output`."""

    file: str
    """Relative to the run's folder."""
    sha256: str
    size: int
    dropped: int = 0
    """Bytes that came but were not kept."""
    index: FileRef | None = None
    parts: tuple[Part, ...] = ()
    """Empty if there is an index."""
    trouble: str = ""
    """Why the file may be incomplete, if the disk refused."""


class OutputFile:
    """Takes the output of one step on one target; makes its file with the first byte.

    A disk that refuses does not stop the step: what follows is counted as dropped, and the reference says why.
    """

    def __init__(self, path: Path, cap_bytes: int = CAP, *, disk: Disk | None = None) -> None:
        self._disk = disk or Disk()
        self._tail_cap = min(_TAIL, cap_bytes // 4)
        self._head_room = cap_bytes - self._tail_cap
        self._lock = threading.Lock()
        self._body = _Appender(path, self._disk)
        self._index: _Appender | None = None
        self._parts: list[Part] = []
        self._buffer: list[bytes] = []
        self._buffered = self._size = self._dropped = self._flushed_ms = 0
        self._tail: deque[Chunk] = deque()
        self._tail_size = 0
        self._ends_line = True

    def write(self, stream: Literal["out", "err"], data: bytes, at_ms: int) -> None:
        """Take masked bytes that came `at_ms` milliseconds after the step began; writes in large blocks."""
        with self._lock:
            head = data[: self._head_room]
            self._head_room -= len(head)
            self._add(stream, head, at_ms)
            self._keep_tail(stream, data[len(head) :], at_ms)
            if self._buffered >= _BLOCK or at_ms - self._flushed_ms >= _FLUSH_MS:
                self._flushed_ms = at_ms
                self._flush()

    def flush(self) -> None:
        """Hand what waits to the system, for those who follow the file."""
        with self._lock:
            self._flush()

    def close(self) -> OutputRef | None:
        """Make the file durable and return what goes on record; None if there was no output."""
        with self._lock:
            self._add_tail()
            self._flush()
            if not self._size:
                return None
            if self._index:
                self._spill()
            body = self._body.close()
            index = self._index.close() if self._index else None
            trouble = self._body.trouble or (self._index.trouble if self._index else "")
            parts = () if index else tuple(self._parts)
            dropped = self._dropped + self._size - body.size
            return OutputRef(body.file, body.sha256, body.size, dropped, index, parts, trouble)

    def _add(self, stream: Stream, data: bytes, at_ms: int) -> None:
        if not data:
            return
        last = self._parts[-1] if self._parts else None
        if last and last[2] == stream and at_ms - last[3] < _JOIN_MS:
            self._parts[-1] = (last[0], last[1] + len(data), stream, last[3])
        else:
            self._parts.append((self._size, len(data), stream, at_ms))
        self._buffer.append(data)
        self._buffered += len(data)
        self._size += len(data)
        self._ends_line = data.endswith(b"\n")

    def _keep_tail(self, stream: Stream, data: bytes, at_ms: int) -> None:
        if not data:
            return
        self._tail.append(Chunk(stream, at_ms, data[-self._tail_cap :] if self._tail_cap else b""))
        kept = len(self._tail[-1].data)
        self._dropped += len(data) - kept
        self._tail_size += kept
        while self._tail_size > self._tail_cap:
            first = self._tail.popleft()
            surplus = min(self._tail_size - self._tail_cap, len(first.data))
            if surplus < len(first.data):
                self._tail.appendleft(Chunk(first.stream, first.at_ms, first.data[surplus:]))
            self._dropped += surplus
            self._tail_size -= surplus

    def _add_tail(self) -> None:
        if self._dropped:
            begin = b"" if self._ends_line else b"\n"
            at_ms = self._tail[0].at_ms if self._tail else self._flushed_ms
            self._add("mark", begin + b"[runbook: %d bytes left out here]\n" % self._dropped, at_ms)
        for chunk in self._tail:
            self._add(chunk.stream, chunk.data, chunk.at_ms)
        self._tail.clear()

    def _flush(self) -> None:
        if not self._buffer:
            return
        self._body.append(b"".join(self._buffer))
        self._buffer.clear()
        self._buffered = 0
        if len(self._parts) > _INLINE and self._body.path:
            self._spill()

    def _spill(self) -> None:
        """Move the parts from memory to the index file."""
        if not self._index and self._body.path:
            self._index = _Appender(self._body.path.with_name(self._body.path.name + ".idx"), self._disk)
        if self._index and self._parts:
            self._index.append(b"".join(msgspec.json.encode(part) + b"\n" for part in self._parts))
            self._parts.clear()


class _Appender:
    """One growing file with its hash; remembers the first refusal of the disk and then writes no more."""

    def __init__(self, wanted: Path, disk: Disk) -> None:
        self.path: Path | None = None
        self.trouble = ""
        self._wanted, self._disk = wanted, disk
        self._descriptor = -1
        self._hash = hashlib.sha256()
        self._size = 0

    def append(self, data: bytes) -> None:
        """Write and hash what the disk takes."""
        try:
            if not self.path and not self.trouble:
                self.path, self._descriptor = _create_free(self._wanted)
                self._disk.sync_folder(self.path.parent)
            rest = memoryview(b"" if self.trouble else data)
            while rest:
                taken = rest[: self._disk.write(self._descriptor, rest)]
                self._hash.update(taken)
                self._size += len(taken)
                rest = rest[len(taken) :]
        except OSError as error:
            self.trouble = unwritable(error, self._wanted).message

    def close(self) -> FileRef:
        """Sync, close and prove the file."""
        if not self.path:
            return FileRef("", "", 0)
        try:
            self._disk.sync(self._descriptor)
        except OSError as error:
            self.trouble = self.trouble or unwritable(error, self._wanted).message
        os.close(self._descriptor)
        return FileRef(f"{self.path.parent.name}/{self.path.name}", self._hash.hexdigest(), self._size)


def output_name(step: str, target: str | None, attempt: int | None) -> str:
    """Return the name of a side file: harmless letters, and a hash where others had to be replaced."""
    wanted = "@".join(part for part in (step, target) if part)
    safe = re.sub(r"[^A-Za-z0-9._@-]", "_", wanted)[:100].lstrip(".-") or "output"
    if safe != wanted:
        safe += "-" + hashlib.sha256(wanted.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{safe}.{attempt or 1}.out"


def read_output(folder: Path, reference: OutputRef) -> Iterator[Chunk]:
    """Yield the parts of a side file in the order in which they came; `folder` is the run's.

    Output whose times are lost comes at 0 ms: it is not withheld.
    Raises OSError if the file cannot be read.
    """
    if not reference.file:
        return
    with open(folder / reference.file, "rb") as file:
        end = 0
        for offset, length, stream, at_ms in _read_parts(folder, reference):
            file.seek(offset)
            end = offset + length
            yield Chunk(stream, at_ms, file.read(length))
        file.seek(end)
        while rest := file.read(_BLOCK):
            yield Chunk("out", 0, rest)


def _read_parts(folder: Path, reference: OutputRef) -> Iterator[Part]:
    yield from reference.parts
    if not reference.index:
        return
    try:
        with open(folder / reference.index.file, "rb") as file:
            for line in file:
                yield _PART.decode(line)
    except (FileNotFoundError, msgspec.MsgspecError):
        return


def _create_free(wanted: Path) -> tuple[Path, int]:
    """Create the file, under a numbered name if an earlier session of the run has taken this one."""
    path, number = wanted, 1
    while True:
        try:
            return path, create(path)
        except FileExistsError:
            number += 1
            path = wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}")


_PART = msgspec.json.Decoder(Part)
