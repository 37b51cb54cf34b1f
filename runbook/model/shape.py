"""Shapes: types prepared for reading plain values, one class per kind of type.

Owns the checks and their words. `runbook.model.convert` makes shapes from annotations and is the entry.
A shape that cannot read a value notes a fault and returns BAD; whoever holds the field puts its default there, so
that the rest can still be looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Final, Protocol

import msgspec

from runbook.model.fault import Fault, ValuePath, name_of, nearest, one_of, shown

BAD: Final = object()
"""In the place of a value that could not be read, or that a template will give later."""

MAX_SUGGESTIONS: Final = 100

NUMBER = re.compile(r"[-+]?[0-9]+")


class Walk:
    """One conversion: where it is, how it reads, and what it found."""

    __slots__ = ("faults", "lenient", "path", "rewrites", "templates", "text_of")

    def __init__(
        self,
        path: ValuePath,
        *,
        lenient: bool,
        templates: bool,
        text_of: Callable[[ValuePath], str | None] | None,
    ) -> None:
        self.path: list[str | int] = list(path)
        self.faults: list[Fault] = []
        self.lenient = lenient
        """Text stands for numbers, durations and truth values where the type wants one."""
        self.templates = templates
        """Text with `{{` may become any scalar later."""
        self.text_of = text_of
        """How a scalar was written, for fields that want text: `1.10` is no number there."""
        self.rewrites: list[tuple[ValuePath, str]] = []
        """Where text was taken as written instead of the number it looks like."""

    def fault(self, got: str, expected: str = "", hint: str = "", *, key: str | int | None = None) -> object:
        """Note a fault at the present place, or at a key below it; return BAD."""
        path = tuple(self.path) if key is None else (*self.path, key)
        self.faults.append(Fault(path, key is not None, got, expected, hint))
        return BAD

    def wrong(self, value: object, expected: str, hint: str = "") -> object:
        """Note that the value at the present place is of no use; return BAD."""
        return self.fault(f"{name_of(tuple(self.path))} is {shown(value)}", expected, hint)

    def suggests(self) -> bool:
        """Tell whether to look for what was meant: after very many faults nobody reads it."""
        return len(self.faults) < MAX_SUGGESTIONS

    def pending(self, value: object) -> bool:
        """Tell whether a template will give the value later."""
        return self.templates and type(value) is str and "{{" in value


class Shape(Protocol):
    """Reads plain values of one type."""

    @property
    def expected(self) -> str:
        """The type as a noun with its article."""

    def read(self, value: object, walk: Walk) -> object:
        """Return the typed value, or note faults and return BAD."""

    def zero(self) -> object:
        """Return a value for the place of a required one that is missing."""


class Anything:
    """A field that takes whatever comes."""

    expected = "any value"

    def read(self, value: object, walk: Walk) -> object:
        return value

    def zero(self) -> object:
        return None


class PlainValue:
    """A value that JSON can hold; secrets are none."""

    expected = "a plain value"

    def read(self, value: object, walk: Walk) -> object:
        # What a file gives is plain already; only rendered values may hold something else.
        if walk.lenient and not is_plain(value):
            return walk.fault(
                f"{name_of(tuple(walk.path))} holds a value that may not stand here",
                self.expected,
                "secrets go by env, stdin or a field made for them",
            )
        return value

    def zero(self) -> object:
        return None


def is_plain(value: object) -> bool:
    """Tell whether JSON can hold the value."""
    match value:
        case None | bool() | int() | float() | str():
            return True
        case dict():
            return all(isinstance(key, str) and is_plain(item) for key, item in value.items())
        case list() | tuple():
            return all(is_plain(item) for item in value)
        case _:
            return False


class Bounded:
    """A shape with limits of length, size or form."""

    __slots__ = ("expected", "inner", "meta", "pattern", "says")

    def __init__(self, inner: Shape, meta: msgspec.Meta, says: str) -> None:
        self.inner = inner
        self.meta = meta
        self.pattern = re.compile(meta.pattern) if meta.pattern is not None else None
        self.says = says
        self.expected = says or inner.expected

    def read(self, value: object, walk: Walk) -> object:
        found = self.inner.read(value, walk)
        if found is BAD or found is None or walk.pending(found):
            return found
        broken = self.broken(found)
        return walk.wrong(value, broken) if broken else found

    def broken(self, found: Any) -> str:
        """Return what was expected, empty if the value keeps the limits."""
        meta = self.meta
        if self.pattern is not None and isinstance(found, str) and self.pattern.search(found) is None:
            return self.says or f"text that matches {meta.pattern}"
        if isinstance(found, int | float):
            return self.beyond(found)
        if meta.min_length is not None and len(found) < meta.min_length:
            return f"at least {meta.min_length} {_units(found, meta.min_length)}"
        if meta.max_length is not None and len(found) > meta.max_length:
            return f"at most {meta.max_length} {_units(found, meta.max_length)}"
        return ""

    def beyond(self, found: float) -> str:
        """Return the limit that a number does not keep, empty if it keeps all."""
        meta = self.meta
        if meta.ge is not None and found < meta.ge:
            return f"at least {meta.ge:g}"
        if meta.gt is not None and found <= meta.gt:
            return f"more than {meta.gt:g}"
        if meta.le is not None and found > meta.le:
            return f"at most {meta.le:g}"
        if meta.lt is not None and found >= meta.lt:
            return f"less than {meta.lt:g}"
        return ""
        if meta.ge is not None and found < meta.ge:
            return f"at least {meta.ge:g}"
        if meta.gt is not None and found <= meta.gt:
            return f"more than {meta.gt:g}"
        if meta.le is not None and found > meta.le:
            return f"at most {meta.le:g}"
        if meta.lt is not None and found >= meta.lt:
            return f"less than {meta.lt:g}"
        return ""

    def zero(self) -> object:
        return self.inner.zero()


def _units(found: object, count: int) -> str:
    one, many = ("character", "characters") if isinstance(found, str) else ("entry", "entries")
    return one if count == 1 else many


class ListOf:
    """A list, held as a tuple (or as what the annotation names)."""

    __slots__ = ("expected", "item", "make")

    def __init__(self, item: Shape, make: Callable[[list[object]], object]) -> None:
        self.item = item
        self.make = make
        self.expected = "a list"

    def read(self, value: object, walk: Walk) -> object:
        if type(value) is not list and not (isinstance(value, tuple) and walk.lenient):
            hint = "write [ … ] around it" if isinstance(value, str | int | float) else ""
            return walk.wrong(value, self.expected, hint)
        items: list[object] = []
        read = self.item.read
        path = walk.path
        for position, each in enumerate(value):
            path.append(position)
            found = read(each, walk)
            path.pop()
            items.append(self.item.zero() if found is BAD else found)
        return self.make(items)

    def zero(self) -> object:
        return self.make([])


class MapOf:
    """A mapping whose keys the author chooses."""

    __slots__ = ("expected", "item", "key")

    def __init__(self, key: Shape, item: Shape) -> None:
        self.key = key
        self.item = item
        self.expected = "a mapping"

    def read(self, value: object, walk: Walk) -> object:
        if not isinstance(value, Mapping):
            return walk.wrong(value, self.expected)
        found: dict[object, object] = {}
        for key, each in value.items():
            walk.path.append(key)
            before = len(walk.faults)
            name = self.key.read(key, walk)
            if len(walk.faults) > before:
                # The key itself is wrong: its fault must point at it, not at its value.
                walk.faults[before:] = [_of_key(fault) for fault in walk.faults[before:]]
            item = self.item.read(each, walk)
            walk.path.pop()
            if name is not BAD:
                found[name] = self.item.zero() if item is BAD else item
        return found

    def zero(self) -> object:
        return {}


def _of_key(fault: Fault) -> Fault:
    return Fault(fault.path, True, f"the name {shown(fault.path[-1])} is not allowed", fault.expected, fault.hint)


class Field(msgspec.Struct, frozen=True):
    """One field of a record."""

    name: str
    key: str
    shape: Shape
    required: bool


class Record:
    """A mapping with known keys, held as a Struct.

    Its fields are made when they are first needed: records can hold themselves, and most files use few of them.
    """

    def __init__(self, cls: type[msgspec.Struct], fields: Callable[[], list[Field]]) -> None:
        self.cls = cls
        self._fields = fields

    @cached_property
    def by_key(self) -> dict[str, Field]:
        return {field.key: field for field in self._fields()}

    @cached_property
    def needed(self) -> list[Field]:
        return [field for field in self.by_key.values() if field.required]

    @property
    def expected(self) -> str:
        some = ", ".join(field.key for field in self.needed)
        return f"a mapping with {some}" if some else "a mapping"

    def read(self, value: object, walk: Walk) -> object:
        if type(value) is not dict and not isinstance(value, Mapping):
            if isinstance(value, self.cls):
                return value
            return walk.wrong(value, self.expected)
        by_key = self.by_key
        path = walk.path
        given: dict[str, object] = {}
        meant: set[str] = set()
        for key, each in value.items():
            field = by_key.get(key)
            if field is None:
                meant.add(near := nearest(str(key), by_key) if walk.suggests() else "")
                hint = f"did you mean {near}?" if near else ""
                walk.fault(f"unknown key {shown(key)}", one_of(by_key, 40) if by_key else "no keys", hint, key=key)
                continue
            path.append(key)
            found = field.shape.read(each, walk)
            path.pop()
            if found is not BAD:
                given[field.name] = found
            elif field.required:
                given[field.name] = field.shape.zero()
        for field in self.needed:
            if field.name not in given:
                # A misspelt key has been told already, and is not missing besides.
                if field.key not in meant:
                    walk.fault(f"{field.key} is missing", field.shape.expected)
                given[field.name] = field.shape.zero()
        return self.make(given, walk)

    def make(self, given: dict[str, object], walk: Walk) -> object:
        """Build the Struct; what its own check says becomes a fault."""
        try:
            return self.cls(**given)
        except (ValueError, TypeError) as error:
            # A template may stand for the very value that the check of the class misses.
            return BAD if walk.templates else walk.fault(str(error))

    def zero(self) -> object:
        try:
            return self.cls(**{field.name: field.shape.zero() for field in self.needed})
        except (ValueError, TypeError):
            return None


class Either:
    """One of several types, told apart by what is written: nothing, a mapping, a list, or a scalar."""

    __slots__ = ("lists", "maps", "none", "records", "scalars", "shapes")

    def __init__(self, shapes: list[Shape], *, none: bool) -> None:
        self.none = none
        self.shapes = shapes
        self.records = [shape for shape in shapes if isinstance(shape, Record)]
        self.maps = [shape for shape in shapes if isinstance(bare(shape), MapOf)]
        self.lists = [shape for shape in shapes if isinstance(bare(shape), ListOf)]
        others = (*self.records, *self.maps, *self.lists)
        self.scalars = [shape for shape in shapes if shape not in others]

    @property
    def expected(self) -> str:
        return " or ".join(dict.fromkeys(shape.expected for shape in self.shapes))

    def read(self, value: object, walk: Walk) -> object:
        if value is None and self.none:
            return None
        if isinstance(value, Mapping) and (self.records or self.maps):
            return (self.record_for(value) if self.records else self.maps[0]).read(value, walk)
        if isinstance(value, list | tuple) and self.lists:
            return self.lists[0].read(value, walk)
        if isinstance(value, dict | list) and not any(isinstance(bare(each), Anything) for each in self.scalars):
            return walk.wrong(value, self.expected)
        if len(self.scalars) == 1 and value is not None:
            return self.scalars[0].read(value, walk)
        return self.scalar(value, walk)

    def record_for(self, value: Mapping[str, object]) -> Shape:
        """Return the last record of which a key is present that only it needs, else the first."""
        for index in range(len(self.records) - 1, 0, -1):
            others = {key for at, record in enumerate(self.records) if at != index for key in record.by_key}
            if any(field.key in value for field in self.records[index].needed if field.key not in others):
                return self.records[index]
        return self.records[0]

    def scalar(self, value: object, walk: Walk) -> object:
        """Try the scalars in their order, first as written, then leniently."""
        lenient, before = walk.lenient, len(walk.faults)
        try:
            for mode in (False, True) if lenient else (False,):
                walk.lenient = mode
                for shape in self.scalars:
                    found = shape.read(value, walk)
                    if len(walk.faults) == before:
                        return found
                    del walk.faults[before:]
        finally:
            walk.lenient = lenient
        for record in self.records:
            if isinstance(value, record.cls):
                return value
        return walk.wrong(value, self.expected)

    def zero(self) -> object:
        if self.none:
            return None
        first = (self.scalars or self.records or self.lists or self.maps)[0]
        return first.zero()


def bare(shape: Shape) -> Shape:
    """Return the shape without its limits."""
    return bare(shape.inner) if isinstance(shape, Bounded) else shape
