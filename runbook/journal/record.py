"""Records: the lines of a journal and their one canonical form.

Owns what a line looks like, how it is written and which lines are refused. Leaves files, locks and the order of
lines to its siblings, and the meaning of types and codes to those who write them.

Canonical means: one JSON object (RFC 8259) in UTF-8, keys sorted by code point, no white space, nothing escaped
that needs no escape, and only objects, arrays, strings, booleans, null and integers of 64 bits. A record without
step, target, attempt or operation leaves the key out. What a terminal obeys or an eye misses needs an escape, too, so
that `less` and `cat` show a journal without harm; a line that has such characters as they are is read as well. The
hash is that of the raw line, and each record is written in one way.
"""

import hashlib
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NoReturn

import msgspec

from runbook.errors import JournalError
from runbook.model.built import built
from runbook.text.escape import harmless_json

VERSION = 1
GENESIS = "0" * 64
"""What the first record of a journal names as its predecessor."""
LINE_LIMIT = 16 * 1024 * 1024
"""The longest line that is written, in bytes; room for a playbook's full text, and a bound for readers."""

_LEAST, _MOST = -(2**63), 2**63 - 1

Clock = Callable[[], tuple[datetime, int]]
"""Gives the time of day with its zone, and monotonic nanoseconds."""


def system_clock() -> tuple[datetime, int]:
    """Read both clocks of this machine."""
    return datetime.now(UTC), time.monotonic_ns()


class Entry(msgspec.Struct, frozen=True):
    """What a caller wants on record; the journal adds place, time and chain."""

    type: str
    code: str
    step: str | None = None
    target: str | None = None
    attempt: int | None = None
    operation: str | None = None
    data: dict[str, Any] = {}
    """Plain values only: dict, list, tuple, str, bool, int, None."""


# The fields stand in the order of the alphabet: the encoder then need not sort them for every line.
class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """One line of a journal."""

    attempt: int | None = None
    code: str
    data: dict[str, Any]
    log: str
    """The journal this line belongs to; after an adoption not the run's first one."""
    mono: int
    """Monotonic nanoseconds; comparable within one boot only."""
    operation: str | None = None
    prev: str
    """SHA-256, in hex, of the raw line before this one, without its newline."""
    run: str
    seq: int
    """Counted from 0; the order of records, whatever the clocks say."""
    step: str | None = None
    target: str | None = None
    time: str
    """RFC 3339 in UTC with microseconds."""
    type: str
    v: int


class MalformedLine(JournalError, ValueError):
    """A line that is no JSON at all, as a write that was cut off leaves it."""


class UnfitLine(JournalError, ValueError):
    """A line that is JSON but no canonical record: nothing that Runbook has written."""


def encode(record: Record) -> bytes:
    """Return the canonical line of a record, without newline.

    The data must have gone through `plain`. Raises ValueError for text that UTF-8 cannot carry (lone surrogates) and
    for a line above `LINE_LIMIT`.
    """
    line = harmless_json(_ENCODER.encode(record))
    if len(line) > LINE_LIMIT:
        raise ValueError(f"a record of {len(line)} bytes is longer than the limit of {LINE_LIMIT}")
    return line


def parse(line: bytes) -> Record:
    """Read one line without its newline, strictly.

    Raises MalformedLine or UnfitLine; nothing else, whatever the bytes.
    """
    try:
        record = _DECODER.decode(line)
    except msgspec.ValidationError as error:
        raise UnfitLine(f"not a record: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise MalformedLine(f"not JSON: {error}") from None
    if record.v != VERSION:
        raise UnfitLine(f"version {record.v} is unknown here", remedy="read it with the Runbook that wrote it")
    try:
        plain(record.data)
        fit = _is_canonical(line, _ENCODER.encode(record)) and fits(record)
    except (TypeError, ValueError, RecursionError) as error:
        raise UnfitLine(f"not canonical: {error}") from None
    if not fit:
        raise UnfitLine("not canonical")
    return record


def parse_block(block: bytes) -> list[Record] | None:
    """Read many whole lines at once; None if any of them needs a closer look by `parse`.

    One call for a whole block is what keeps the proof of a million records near the cost of hashing them. For the
    same reason the width of integers inside `data` is left to `parse`: it takes nothing from the proof.
    """
    try:
        records = _DECODER.decode_lines(block)
        if not _is_canonical(block, _ENCODER.encode_lines(records)):
            return None
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return records


def _is_canonical(written: bytes, anew: bytes) -> bool:
    return written == anew or written == harmless_json(anew)


def digest(line: bytes) -> str:
    """Return the SHA-256 of a raw line in hex, as `prev` of the next one holds it."""
    return hashlib.sha256(line).hexdigest()


def timestamp(moment: datetime) -> str:
    """Write a moment as RFC 3339 in UTC with microseconds; a moment without zone is refused with ValueError."""
    if moment.tzinfo is None:
        raise ValueError("a time without zone cannot go on record")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[: -len("+00:00")] + "Z"


def plain(value: Any) -> Any:
    """Copy a value made of plain parts, tuples as lists; TypeError for anything else, floats above all.

    Subclasses are refused, too: a secret that is a string must not slip in by being one.
    """
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return value
    if kind is int:
        if _LEAST <= value <= _MOST:
            return value
        raise TypeError(f"{value} has more than 64 bits; record it as a string")
    if kind is dict:
        for key in value:
            if type(key) is not str:
                raise TypeError(f"{key!r} is no string; keys on record are strings")
        return {key: plain(item) for key, item in value.items()}
    if kind is list or kind is tuple:
        return [plain(item) for item in value]
    if kind is float:
        raise TypeError(f"{value} is a float, whose text is not the same everywhere; record an integer or a string")
    raise TypeError(f"{kind.__name__} cannot go on record; only objects, lists, strings, integers, booleans, null")


def fits(record: Record) -> bool:
    """Say whether the numbers of a record, outside its data, have at most 64 bits and its `prev` the right length."""
    numbers = (record.mono, record.seq, record.v, record.attempt or 0)
    return all(_LEAST <= number <= _MOST for number in numbers) and len(record.prev) == len(GENESIS)


def _refuse_float(text: str) -> NoReturn:
    raise ValueError(f"{text} is a float")


_ENCODER = msgspec.json.Encoder(order="deterministic")
_DECODER = msgspec.json.Decoder(built(Record), float_hook=_refuse_float)
