"""Facts to records and back: where the engine's recorder meets the journal."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import msgspec

from runbook.errors import JournalBroken
from runbook.events import fact as f
from runbook.events.fold import fold
from runbook.events.plain import thaw
from runbook.events.state import RunState
from runbook.journal import Entry, Layout, OutputFile, Record, Writer, output_name, read
from runbook.model.built import built
from runbook.ports.recorder import OutputWriter

FACTS: dict[str, type[f.Base]] = {kind.type: kind for kind in f.Fact.__args__}
"""Every fact by the type that its records bear."""

_HEAD = ("step", "target", "attempt", "operation")


def to_entry(fact: f.Fact) -> Entry:
    """Return the entry of a fact: its place in the head, all else in `data`."""
    data: dict[str, Any] = msgspec.to_builtins(fact)
    if not isinstance(fact, (f.AtStep, f.TargetMet, f.LeaseClaimed, f.LeaseReturned)):
        return Entry(fact.type, fact.code, data=_clean(data))
    head = {name: data.pop(name) for name in _HEAD if name in data}
    return Entry(fact.type, fact.code, data=_clean(data), **head)


def to_fact(record: Record) -> f.Fact:
    """Return the fact of a record. Raises JournalBroken if it is none that this version knows."""
    kind = FACTS.get(record.type)
    if kind is None:
        raise JournalBroken(f"record {record.seq} has the unknown type {record.type}", remedy="use a newer version")
    head = {name: value for name in _HEAD if (value := getattr(record, name)) is not None}
    known = set(kind.__struct_fields__)
    try:
        data = _with_numbers(record.data) if kind is f.QuestionAsked else record.data
        found = msgspec.convert({**data, **{k: v for k, v in head.items() if k in known}}, built(kind))
    except msgspec.ValidationError as error:
        raise JournalBroken(f"record {record.seq} ({record.type}) cannot be read: {error}") from error
    return cast("f.Fact", found)


def _with_numbers(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data of a question with the fractions of its form as numbers: the limits of a field are such."""
    question = data.get("question")
    if not isinstance(question, dict):
        return dict(data)
    return {**data, "question": {**question, "fields": thaw(question.get("fields", {}))}}


def _clean(value: Any) -> Any:
    """Replace what UTF-8 cannot carry: names of files may be any bytes, records are text."""
    match value:
        case str():
            return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
        case dict():
            return {_clean(key): _clean(item) for key, item in value.items()}
        case list():
            return [_clean(item) for item in value]
        case bytes():
            return base64.b64encode(value).decode()
        case float():
            return {"float": repr(value)}
        case _:
            return value


def facts_of(layout: Layout, run: str) -> Iterator[f.Fact]:
    """Yield the facts of a run in order. Raises JournalBroken, UsageError."""
    for record in read(layout, run):
        yield to_fact(record)


def state_of(layout: Layout, run: str) -> RunState:
    """Return the state of a run. Raises JournalBroken, UsageError."""
    state = RunState()
    for fact in facts_of(layout, run):
        state = fold(state, fact)
    return state


class JournalRecorder:
    """The recorder over the journal of one run."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def record(self, *facts: f.Fact) -> int:
        """Write facts and return when those that must be durable are on disk; returns the number of the first."""
        seq = self.put(*facts)
        if any(fact.durable for fact in facts):
            self.sync()
        return seq

    def put(self, *facts: f.Fact) -> int:
        """Write facts; changes are refused while the journal could not tell how they end."""
        if any(isinstance(fact, (f.AttemptStarted, f.OperationIntended, f.UndoStarted)) for fact in facts):
            self._writer.require_room()
        durable = any(fact.durable for fact in facts)
        records = self._writer.write(*(to_entry(fact) for fact in facts), durable=durable)
        return records[0].seq

    def sync(self) -> None:
        """Return when all that was written is on disk."""
        self._writer.sync()


class SideFiles:
    """The output store over the folder of one run."""

    def __init__(self, layout: Layout, run: str) -> None:
        self._folder = layout.output(run)

    def open(self, step: str, target: str, attempt: int, *, undo: bool = False) -> OutputWriter:
        """Open the side file of an attempt; made when the first byte comes."""
        name = output_name(f"undo-{step}" if undo else step, target, attempt)
        return SideFile(lambda: OutputFile(self._folder / name))


class SideFile:
    """One side file, made only if there is something to keep."""

    def __init__(self, make: Callable[[], OutputFile]) -> None:
        self._make = make
        self._file: OutputFile | None = None

    def write(self, stream: Any, data: bytes, at_ms: int) -> None:
        """Append masked bytes."""
        if self._file is None:
            self._file = self._make()
        self._file.write(stream, data, at_ms)

    def close(self) -> f.Output | None:
        """Finish the file and return its reference."""
        if self._file is None:
            return None
        reference = self._file.close()
        if reference is None:
            return None
        return msgspec.convert(msgspec.to_builtins(reference), built(f.Output))
