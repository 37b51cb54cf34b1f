"""One YAML file: text in, plain values and their places out, with limits before anything is built.

Owns reading, decoding, limits, duplicates and the words of syntax errors. What the values mean is not its business.
Values are built from the events of the parser: composing nodes first crashes the C parser on deep nesting, and lets
aliases explode. The C parser is used where there is one.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import yaml
from msgspec import Struct

from runbook.errors import PlaybookError
from runbook.loader.mark import Mark, Marks
from runbook.loader.resolve import resolve
from runbook.model.fault import ValuePath, shown

MAX_BYTES: Final = 1 << 20
MAX_NODES: Final = 50_000
MAX_DEPTH: Final = 40
MAX_ALIASES: Final = 100

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ufffe\uffff]")
_MERGE = "<<"


class Document(Struct, frozen=True):
    """What one file holds."""

    value: Any
    """None, bool, int, float, str, list or dict; nothing in it is shared."""
    marks: Marks
    file: str


def read_text(path: Path) -> str:
    """Return the text of a playbook or inventory file; raises PlaybookError if it is none, too big, or not there."""
    fault = partial(PlaybookError, file=str(path))
    try:
        # Without O_NONBLOCK the opening of a named pipe would wait for its other end.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise fault("this is not a regular file", remedy="name a YAML file")
            if status.st_size > MAX_BYTES:
                raise fault(f"the file has {status.st_size} bytes, more than {MAX_BYTES}", remedy="split it")
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, PlaybookError):
            raise
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise fault(f"the file cannot be read: {reason}") from error
    return decode(data, str(path))


def decode(data: bytes, file: str = "") -> str:
    """Return the text of some bytes; raises PlaybookError for what is no UTF-8 text of a sensible size.

    A byte order mark stays in the text, so that its checksum is that of the file.
    """
    if len(data) > MAX_BYTES:
        raise PlaybookError(f"the file is larger than {MAX_BYTES} bytes", file=file, remedy="split it")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        head = data[: error.start].decode("utf-8", "replace")
        line, column = _line_column(head, len(head))
        if b"\0" in data:
            raise PlaybookError("this is a binary file", file=file, remedy="name a YAML file") from error
        raise PlaybookError(
            f"byte 0x{data[error.start]:02x} is not UTF-8",
            file=file,
            line=line,
            column=column,
            remedy="save the file as UTF-8",
        ) from error
    _refuse_control(text, file)
    return text


def sha256_of(text: str) -> str:
    """Return the checksum of a file by its text, in hexadecimal."""
    import hashlib  # 8 ms that checking alone need not pay

    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _refuse_control(text: str, file: str) -> None:
    found = _FORBIDDEN.search(text)
    if found is None:
        return
    line, column = _line_column(text, found.start())
    code = ord(found.group())
    message = "this is a binary file" if code == 0 else f"control character U+{code:04X}"
    remedy = "name a YAML file" if code == 0 else 'remove it, or write "\\x.." in double quotes'
    raise PlaybookError(message, file=file, line=line, column=column, remedy=remedy)


def _line_column(text: str, offset: int) -> tuple[int, int]:
    head = text[:offset].replace("\r\n", "\n").replace("\r", "\n")
    return head.count("\n") + 1, len(head) - head.rfind("\n")


def parse(text: str, file: str = "", *, tags: frozenset[str] = frozenset()) -> Document:
    """Return the values of a YAML text and their places; raises PlaybookError with the place of what is wrong.

    A value with one of `tags` becomes a mapping with nothing but its kind: `!vault` gives `{"__ansible_vault": TEXT}`.
    """
    if len(text) > MAX_BYTES:
        raise PlaybookError(f"the text is larger than {MAX_BYTES} characters", file=file, remedy="split it")
    text = text.removeprefix("\ufeff")
    _refuse_control(text, file)
    builder = _Builder(text, file, tags)
    try:
        value = builder.document()
    except yaml.MarkedYAMLError as error:
        raise _syntax(error, builder.marks, file) from error
    except (yaml.YAMLError, ValueError, UnicodeError) as error:
        if isinstance(error, PlaybookError):
            raise
        raise PlaybookError(f"this is no YAML: {str(error).splitlines()[0]}", file=file) from error
    return Document(value, builder.marks, file)


class _Built(Struct, frozen=True):
    """What an anchor names."""

    value: Any
    nodes: int
    height: int


class _Builder:
    """Builds plain values from the events of one document."""

    def __init__(self, text: str, file: str, tags: frozenset[str]) -> None:
        self.file = file
        self.marks = Marks(text)
        self._tags = tags
        self._events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)
        self._anchors: dict[str, _Built | None] = {}
        """None while the value of an anchor is still being read."""
        self._nodes = 0
        self._aliases = 0

    def fault(self, message: str, mark: Any, remedy: str = "") -> PlaybookError:
        """Return an error at a mark of the parser."""
        return PlaybookError(message, file=self.file, line=mark.line + 1, column=mark.column + 1, remedy=remedy)

    def document(self) -> Any:
        """Return the value of the only document; None if there is none."""
        value: Any = None
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self.fault(
                        "a second document begins here", event.start_mark, "one file holds one; remove ---"
                    )
                value, _ = self.node(next(self._events), (), None, 1)
        return value

    def node(self, event: Any, path: ValuePath, key: Any, depth: int) -> tuple[Any, int]:
        """Return the value that begins with an event, and its height; `key` is the mark of its key."""
        start = event.start_mark
        self._count(1, start)
        if depth > MAX_DEPTH:
            raise self.fault(f"more than {MAX_DEPTH} levels deep", start, "put less into each other")
        style = (event.style or "") if isinstance(event, yaml.ScalarEvent) else ""
        at = key or start
        self.marks.table[path] = Mark(start.line + 1, start.column + 1, at.line + 1, at.column + 1, style)
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event, depth)
        if event.tag in self._tags and isinstance(event, yaml.ScalarEvent):
            return {f"__ansible_{str(event.tag).lstrip('!').partition('-')[0]}": event.value}, 1
        if event.tag is not None:
            raise self.fault(f"the tag {shown(event.tag)} is not allowed", start, "remove it; quote what shall be text")
        if event.anchor is None:
            return self.value(event, path, depth)
        before = self._nodes
        self._anchors[event.anchor] = None
        value, height = self.value(event, path, depth)
        self._anchors[event.anchor] = _Built(value, self._nodes - before + 1, height)
        return value, height

    def value(self, event: Any, path: ValuePath, depth: int) -> tuple[Any, int]:
        """Return the value of an event that is no alias."""
        if isinstance(event, yaml.ScalarEvent):
            return self.scalar(event, path), 0
        if isinstance(event, yaml.SequenceStartEvent):
            return self.sequence(path, depth)
        return self.mapping(path, depth)

    def scalar(self, event: Any, path: ValuePath) -> Any:
        """Return the value of a scalar, and keep its text if it is no text."""
        text: str = event.value
        if "\0" in text:
            raise self.fault("a zero byte cannot be used anywhere", event.start_mark, "remove it")
        if event.style:
            return text
        try:
            value = resolve(text)
        except ValueError as error:
            raise self.fault(f"{text[:40]} has a leading zero", event.start_mark, str(error)) from error
        if type(value) is not str and value is not None:
            self.marks.written[path] = text
        return value

    def sequence(self, path: ValuePath, depth: int) -> tuple[list[Any], int]:
        """Return a list and its height."""
        items: list[Any] = []
        height = 0
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            value, below = self.node(event, (*path, len(items)), None, depth + 1)
            items.append(value)
            height = max(height, below + 1)
        return items, height

    def mapping(self, path: ValuePath, depth: int) -> tuple[dict[str, Any], int]:
        """Return a mapping and its height."""
        found: dict[str, Any] = {}
        lines: dict[str, int] = {}
        height = 0
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self.key(event)
            mark = event.start_mark
            if key in found:
                raise self.fault(
                    f"{shown(key)} stands twice, first in line {lines[key]}, again in line {mark.line + 1}",
                    mark,
                    "remove one",
                )
            lines[key] = mark.line + 1
            found[key] = None
            found[key], below = self.node(next(self._events), (*path, key), mark, depth + 1)
            height = max(height, below + 1)
        return found, height

    def key(self, event: Any) -> str:
        """Return the text of a key."""
        self._count(1, event.start_mark)
        if not isinstance(event, yaml.ScalarEvent):
            at = event.start_mark.index
            if self.marks.text[max(at - 1, 0) : at + 1] == "{{":
                raise self.fault("a template needs quotes around it", event.start_mark, 'write "{{ … }}"')
            raise self.fault("a key must be text", event.start_mark, "write it as one word, or in quotes")
        if event.tag is not None:
            raise self.fault(f"the tag {shown(event.tag)} is not allowed", event.start_mark, "remove it")
        if event.anchor is not None:
            raise self.fault("an anchor cannot stand at a key", event.start_mark, "put it behind the colon")
        key: str = event.value
        if not event.style and key == _MERGE:
            raise self.fault("merge keys are not part of YAML 1.2", event.start_mark, "write the keys out")
        if "\0" in key or len(key) > 1024:
            raise self.fault("this cannot be a key", event.start_mark, "use a short word")
        return key

    def alias(self, event: Any, depth: int) -> tuple[Any, int]:
        """Return a copy of what an alias names; its nodes count as if they were written out."""
        mark = event.start_mark
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            raise self.fault(f"more than {MAX_ALIASES} aliases", mark, "write the values out")
        if event.anchor not in self._anchors:
            raise self.fault(f"there is no anchor &{event.anchor[:40]} above", mark, "define it before it is used")
        built = self._anchors[event.anchor]
        if built is None:
            raise self.fault(f"*{event.anchor[:40]} stands inside the value that it names", mark, "write it out")
        self._count(built.nodes, mark)
        if depth + built.height > MAX_DEPTH:
            raise self.fault(f"more than {MAX_DEPTH} levels deep", mark, "put less into each other")
        return _copy(built.value), built.height

    def _count(self, more: int, mark: Any) -> None:
        self._nodes += more
        if self._nodes > MAX_NODES:
            raise self.fault(f"more than {MAX_NODES} values", mark, "split the file")


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copy(item) for item in value]
    return value


_WORDS = {
    "mapping values are not allowed": (
        "a colon stands where no key can be",
        "quote the text if the colon belongs to it",
    ),
    "could not find expected ':'": ("a key without its colon", "write KEY: VALUE, and watch the indentation"),
    "did not find expected key": ("the indentation or a quote does not fit here", "compare with the lines above"),
    "did not find expected '-' indicator": ("a list entry was expected", "begin the line with -, as those above"),
    "did not find expected ',' or ']'": ("the list is not closed", "write , or ]"),
    "did not find expected ',' or '}'": ("the mapping is not closed", "write , or }; quote text with {{ }}"),
    "found unexpected end of stream": ("the file ends inside a quoted text", "close the quote"),
    "found unknown escape character": ("an unknown \\ escape", "use single quotes, or write \\\\"),
    "did not find expected node content": ("a value was expected", "quote text that begins with a special character"),
    "found character that cannot start any token": ("this character cannot begin a value", "quote the text"),
    "found undefined tag handle": ("tags are not allowed", "quote text that begins with !"),
}


def _syntax(error: yaml.MarkedYAMLError, marks: Marks, file: str) -> PlaybookError:
    """Return what the parser said in our words, with its place."""
    mark: Any = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (0, 0)
    problem = str(error.problem or error.context or "this is no YAML")
    message, remedy = next((words for start, words in _WORDS.items() if problem.startswith(start)), (problem, ""))
    if marks.has_tab(line, column):
        message, remedy = "a tab cannot indent", "use spaces"
    return PlaybookError(message, file=file, line=line, column=column, remedy=remedy)
