"""What a plain scalar means: the core schema of YAML 1.2.

https://yaml.org/spec/1.2.2/#103-core-schema. `no`, `on` and `12:30:45` are text, dates too. Numbers that JSON
cannot hold (infinity, more than 64 bits) stay text, and `0644` is an error, because 1.1 and 1.2 read it differently.
"""

from __future__ import annotations

import re

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUTH = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_STARTS = frozenset("0123456789+-.")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
_INT = re.compile(r"[-+]?[0-9]{1,30}")
_OCTAL = re.compile(r"0o[0-7]{1,30}")
_HEX = re.compile(r"0x[0-9a-fA-F]{1,30}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


def resolve(text: str) -> bool | int | float | str | None:
    """Return the value of an unquoted scalar.

    Raises:
        ValueError: a whole number with a leading zero; the message says what to write.
    """
    if text in _NULL:
        return None
    if text in _TRUTH:
        return _TRUTH[text]
    if text[0] not in _STARTS:
        return text
    if _LEADING_ZERO.fullmatch(text):
        octal = text.lstrip("+-0")
        write = f"0o{octal}" if octal and set(octal) <= set("01234567") else octal or "0"
        raise ValueError(f"write {write} or quote it")
    if _INT.fullmatch(text):
        return _kept(int(text), text)
    if _OCTAL.fullmatch(text):
        return _kept(int(text, 0), text)
    if _HEX.fullmatch(text):
        return _kept(int(text, 0), text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        return number if abs(number) != float("inf") else text
    return text


def _kept(number: int, text: str) -> int | str:
    return number if -(2**63) <= number < 2**63 else text
