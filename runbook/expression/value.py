"""Values: what kind they are, when they count as true, and how they become text.

Owns the bounds on numbers and texts, and the rule that a secret is never part of a value that is made here.
Messages name kinds, never contents: a value may come from a target or be confidential.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import PurePath

from runbook.expression.fault import Fault, NoValue
from runbook.secret import Secret

MAX_TEXT = 64 * 1024
"""Longest text that a template or an expression may make, in characters."""
TOO_LONG = f"the text would be longer than {MAX_TEXT // 1024} KiB"
MAX_INPUT = 1024 * 1024
"""Longest text, such as the output of a command, that a function may look through, in characters."""
MAX_BITS = 512
"""Largest whole number, in bits."""
MAX_ITEMS = 10_000
"""Longest list that may be made."""


def kind_of(value: object) -> str:
    """Return the kind of a value in words."""
    match value:
        case None:
            return "null"
        case Secret():
            return "a secret"
        case bool():
            return "a truth value"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list() | tuple():
            return "a list"
        case Mapping():
            return "a mapping"
        case _:
            return f"a value of the kind {type(value).__name__}"


def refuse_secret(value: object) -> None:
    """Raise Fault for a secret."""
    if isinstance(value, Secret):
        raise Fault("a secret may only be passed on as it is", remedy="give it by stdin or env, as a value of its own")


def truth(value: object) -> bool:
    """Tell whether a value counts as true, by Python's rules for null, numbers, texts, lists and mappings."""
    if value is None:
        return False
    if isinstance(value, float) and math.isnan(value):
        raise NoValue("no value: not a number (NaN)")
    if isinstance(value, bool | int | float | str | list | tuple | Mapping) and not isinstance(value, Secret):
        return bool(value)
    refuse_secret(value)
    raise Fault(f"{kind_of(value)} is neither true nor false")


def number(value: object) -> int | float:
    """Return a number; raises NoValue for null and NaN, Fault for other kinds and for huge ones."""
    if value is None:
        raise NoValue("no value: null where a number is needed")
    refuse_secret(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        hint = "write int(…) or float(…) around it" if isinstance(value, str) else ""
        raise Fault(f"{kind_of(value)} where a number is needed", remedy=hint)
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise Fault("the number is too large")
    if math.isnan(value):
        raise NoValue("no value: not a number (NaN)")
    return value


def text(value: object) -> str:
    """Return a text; raises NoValue for null, Fault for other kinds."""
    if value is None:
        raise NoValue("no value: null where text is needed")
    refuse_secret(value)
    if not isinstance(value, str):
        raise Fault(f"{kind_of(value)} where text is needed", remedy="write str(…) around it")
    return value


def in_words(value: object) -> str:
    """Return a value as it is written into text; raises NoValue for null, Fault for what has no plain form."""
    match value:
        case None:
            raise NoValue("no value: null cannot be written into text", remedy="give another one: default(…, 'text')")
        case Secret():
            raise Fault(
                "a secret may not be written into text", remedy="give it by stdin or env, as a value of its own"
            )
        case str():
            return bounded(value)
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(number(value))
        case PurePath():
            return bounded(str(value))
        case list() | tuple():
            raise Fault("a list cannot be written into text", remedy="join its elements: join(…, ' ')")
        case _:
            raise Fault(f"{kind_of(value)} cannot be written into text", remedy="name the part that you mean")


def bounded(made: str) -> str:
    """Return a text, refusing one that is too long; raises Fault."""
    if len(made) > MAX_TEXT:
        raise Fault(TOO_LONG)
    return made
