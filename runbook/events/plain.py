"""Plain values for records: canonical JSON knows integers and strings, so a fraction is `{"float": "0.25"}`.

An object that merely looks like such a form is wrapped, `{"object": {…}}`, so that `thaw` gives back what there was.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache

import msgspec

from runbook.model.scalar import Json
from runbook.secret import Secret

_FORMS = frozenset({"float", "int", "secret", "object"})
"""The keys of the one-key objects that stand for something else."""


def freeze(value: object) -> Json:
    """Return the value in the form that records hold.

    Structs become objects, tuples lists, fractions `{"float": TEXT}`, secrets `{"secret": ""}`; integers beyond 53
    bits become text as well, because other readers of JSON would round them.
    """
    match value:
        case None | bool() | str():
            return value
        case int():
            return value if abs(value) < 2**53 else {"int": str(value)}
        case float():
            return {"float": repr(value)} if math.isfinite(value) else {"float": str(value)}
        case Secret():
            return {"secret": ""}
        case bytes():
            return value.decode("utf-8", "replace")
        case Mapping():
            return wrapped({str(key): freeze(item) for key, item in value.items()})
        case list() | tuple() | set() | frozenset():
            return [freeze(item) for item in value]
        case msgspec.Struct():
            return wrapped({key: freeze(getattr(value, name)) for name, key in _names(type(value))})
        case _:
            return str(value)


@cache
def _names(kind: type[msgspec.Struct]) -> tuple[tuple[str, str], ...]:
    """Return the fields of a struct and the keys that stand for them on record."""
    return tuple(zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True))


def wrapped(value: dict[str, Json]) -> dict[str, Json]:
    """Return the object in the form that records hold, if its one key would make it read as something else."""
    return {"object": value} if len(value) == 1 and next(iter(value)) in _FORMS else value


def unwrapped(value: dict[str, Json]) -> dict[str, Json]:
    """Return what `wrapped` was given."""
    inner = value.get("object")
    return inner if len(value) == 1 and isinstance(inner, dict) else value


def thaw(value: Json) -> Json:
    """Return what `freeze` was given, as builtins; secrets stay references."""
    match value:
        case dict():
            number = _number(value)
            return number if number is not None else {key: thaw(item) for key, item in unwrapped(value).items()}
        case list():
            return [thaw(item) for item in value]
        case _:
            return value


def thaw_object(value: Mapping[str, Json]) -> dict[str, Json]:
    """Return what `freeze_object` was given."""
    return {key: thaw(item) for key, item in unwrapped(dict(value)).items()}


def freeze_object(value: object) -> dict[str, Json]:
    """Return the frozen form of something that is an object; a bare value becomes `{"value": …}`."""
    frozen = freeze(value)
    is_object = isinstance(value, (Mapping, msgspec.Struct))
    return frozen if is_object and isinstance(frozen, dict) else {"value": frozen}


def _number(value: dict[str, Json]) -> int | float | None:
    """Return the number that a one-key object stands for, None if it is a plain object."""
    if len(value) != 1:
        return None
    try:
        match value:
            case {"float": str() as text}:
                return float(text)
            case {"int": str() as text}:
                return int(text)
            case _:
                return None
    except ValueError:
        # Nothing that `freeze` wrote: a foreign record stays readable.
        return None
