"""A single step of a way back, written without the list that belongs around it: told as that, and once."""

from __future__ import annotations

from collections.abc import Sequence

from runbook.model.fault import Fault, ValuePath

_ACT = ("uses", "command", "shell")


def key_of_act(value: object) -> str:
    """Return the key by which a mapping says what it runs; empty if it is none that does."""
    return next((key for key in _ACT if key in value), "") if isinstance(value, dict) else ""


def as_lone(raw: object, faults: Sequence[Fault]) -> list[Fault]:
    """Return the faults with one in place of all that a way back without its list has brought about."""
    found: dict[ValuePath, Fault] = {}
    kept: list[Fault] = []
    for fault in faults:
        path = _undo_of(fault.path)
        key = key_of_act(_at(raw, path)) if path else ""
        if key:
            hint = f"write the step as an item of a list: undo: [{{{key}: …}}]"
            found[path] = Fault(path, True, "undo is one step without a list", "a list of steps", hint)
        else:
            kept.append(fault)
    return [*kept, *found.values()]


def _undo_of(path: ValuePath) -> ValuePath:
    """Return the part of a path that leads to a way back; nothing if it leads to none."""
    return path[: path.index("undo") + 1] if "undo" in path else ()


def _at(raw: object, path: ValuePath) -> object:
    for part in path:
        if isinstance(raw, dict):
            raw = raw.get(part)
        elif isinstance(raw, list) and isinstance(part, int) and part < len(raw):
            raw = raw[part]
        else:
            return None
    return raw
