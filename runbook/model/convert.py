"""From plain values to the typed model: every fault at once, each with the path to it.

Plain values are what YAML and JSON give: None, bool, int, float, str, list, dict. Owns the reading of annotations
(msgspec Structs, tuples, mappings, unions, Literal, Meta limits, durations); the checks are in `shape`. Knows
nothing of files. The engine binds rendered `with:` values to the model of an action by the same way.
"""

from __future__ import annotations

import collections.abc
import types
import typing
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, Union

import msgspec

from runbook.model import scalar
from runbook.model.fault import Fault, ValuePath
from runbook.model.literal import (
    Duration,
    Foreign,
    Fraction,
    LateMoment,
    Moment,
    Nothing,
    OneOf,
    Size,
    Text,
    Truth,
    Whole,
    Window,
)
from runbook.model.shape import (
    BAD,
    Anything,
    Bounded,
    Either,
    Field,
    ListOf,
    MapOf,
    PlainValue,
    Record,
    Shape,
    Walk,
    bare,
)

T = TypeVar("T")


class JsonMark:
    """Stands for `Json`, which refers to itself by name and so cannot be taken apart."""


_SCALARS: dict[object, Callable[[], Shape]] = {str: Text, int: Whole, float: Fraction, bool: Truth}
_TEXTS: dict[object, Callable[[], Shape]] = {
    "duration": Duration,
    "size": Size,
    "window": Window,
    "moment": Moment,
    "late moment": LateMoment,
}
_LISTS: dict[object, Callable[[list[object]], object]] = {
    tuple: tuple,
    list: list,
    frozenset: frozenset,
    set: set,
    collections.abc.Sequence: tuple,
}
_MAPS = (dict, collections.abc.Mapping)


def convert(
    value: object,
    type_: type[T],
    path: ValuePath = (),
    *,
    lenient: bool = False,
    templates: bool = False,
    text_of: Callable[[ValuePath], str | None] | None = None,
    rewrites: dict[ValuePath, str] | None = None,
) -> tuple[T, tuple[Fault, ...]]:
    """Return the typed value and all faults; with faults, defaults stand in the place of what is wrong.

    Args:
        path: where the value stands, put in front of the paths of faults.
        lenient: text becomes a number, a truth value or a size where the type wants one, and the other way round;
            for values that came out of templates.
        templates: text with `{{` is accepted for any scalar; the result is then of no use, only the faults are.
        text_of: how the scalar at a path was written; used where text is wanted and a number was read.
        rewrites: filled with the places where that was done, and the text.
    """
    walk = Walk(path, lenient=lenient, templates=templates, text_of=text_of)
    shape: Shape = shape_of(typing.cast("collections.abc.Hashable", type_))
    found = shape.read(value, walk)
    if rewrites is not None:
        rewrites.update(walk.rewrites)
    return typing.cast("T", shape.zero() if found is BAD else found), tuple(walk.faults)


def keys_of(model: type[msgspec.Struct]) -> tuple[str, ...]:
    """Return the keys that a Struct is written with, in order."""
    return model.__struct_encode_fields__


def takes_anything(model: type[msgspec.Struct], key: str) -> bool:
    """Tell whether a field accepts any value, secrets included: its type, or that of its parts, is Any."""
    field = _record(model).by_key.get(key)
    return field is not None and _is_open(field.shape)


def _is_open(shape: Shape) -> bool:
    inner = bare(shape)
    if isinstance(inner, MapOf | ListOf):
        return _is_open(inner.item)
    return isinstance(inner, Anything)


@cache
def shape_of(type_: Any) -> Shape:
    """Return the prepared form of a type; raises TypeError for what no plain value can become."""
    if type_ is JsonMark:
        return PlainValue()
    if type_ is Any or type_ is object:
        return Anything()
    if type_ is None or type_ is type(None):
        return Nothing()
    if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        return _record(type_)
    origin = typing.get_origin(type_)
    args = typing.get_args(type_)
    if origin is Annotated:
        return _annotated(args[0], args[1:])
    if origin in {Union, types.UnionType}:
        return _either(args)
    if origin is Literal:
        return OneOf(args)
    if (origin or type_) in _LISTS:
        return _list(origin or type_, args)
    if (origin or type_) in _MAPS:
        key, item = args or (str, Any)
        return MapOf(shape_of(key), shape_of(item))
    if type_ in _SCALARS:
        return _SCALARS[type_]()
    if hasattr(type_, "__supertype__"):
        return shape_of(type_.__supertype__)
    return Foreign(type_)


def _annotated(inner: Any, marks: tuple[object, ...]) -> Shape:
    metas = [mark for mark in marks if isinstance(mark, msgspec.Meta)]
    texts = [str(meta.extra["text"]) for meta in metas if meta.extra and "text" in meta.extra]
    made = [_TEXTS[text]() for text in texts if text in _TEXTS]
    shape = made[0] if made else shape_of(inner)
    for meta in metas:
        if _limits(meta):
            shape = Bounded(shape, meta, _SAYS.get(meta.pattern or "", ""))
    return shape


def _limits(meta: msgspec.Meta) -> bool:
    limits = (meta.ge, meta.gt, meta.le, meta.lt, meta.pattern, meta.min_length, meta.max_length)
    return any(limit is not None for limit in limits)


def _either(members: tuple[Any, ...]) -> Shape:
    shapes = [shape_of(member) for member in members if member is not type(None)]
    if any(isinstance(shape, Anything) for shape in shapes):
        return Anything()
    none = len(shapes) < len(members)
    return shapes[0] if len(shapes) == 1 and not none else Either(shapes, none=none)


def _list(origin: Any, args: tuple[Any, ...]) -> Shape:
    if origin is tuple and args and (len(args) != 2 or args[1] is not Ellipsis):
        return Foreign(typing.cast("Any", tuple).__class_getitem__(args))
    return ListOf(shape_of(args[0]) if args else Anything(), _LISTS[origin])


@cache
def _record(cls: type[msgspec.Struct]) -> Record:
    return Record(cls, lambda: _fields(cls))


def _fields(cls: type[msgspec.Struct]) -> list[Field]:
    hints = typing.get_type_hints(cls, localns={"Json": JsonMark}, include_extras=True)
    names = cls.__struct_fields__
    defaults = cls.__struct_defaults__
    first = len(names) - len(defaults)
    fields = []
    for at, (name, key) in enumerate(zip(names, cls.__struct_encode_fields__, strict=True)):
        required = at < first or defaults[at - first] is msgspec.NODEFAULT
        fields.append(Field(name, key, shape_of(hints[name]), required))
    return fields


def _pattern(annotated: Any) -> str:
    return str(next(mark.pattern for mark in typing.get_args(annotated)[1:] if getattr(mark, "pattern", None)))


_SAYS = {
    _pattern(scalar.Identifier): "lower-case words joined by - or _, such as drop-cache",
    _pattern(scalar.Name): "a name of letters, digits and _, such as good_ref",
}
