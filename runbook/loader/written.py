"""Text as it was written: `1.10` is a number for YAML, and a version for whoever wants text there.

The structure of a playbook says by itself where text is wanted. Inside of `with:` the model of the action says it,
behind `default:` the type of the parameter.
"""

from __future__ import annotations

from typing import Any

from runbook.errors import RunbookError
from runbook.loader.mark import Marks
from runbook.model.convert import convert
from runbook.model.fault import ValuePath
from runbook.ports.action import Catalogue

_NUMBERS = frozenset({"int", "float", "bool"})
_LISTS = ("verify", "undo", "steps")


def restore_text(raw: dict[str, Any], marks: Marks, catalogue: Catalogue) -> None:
    """Put the text of numbers back wherever an action or a parameter wants text; changes `raw`."""
    if not marks.written:
        return
    _params(raw.get("params"), ("params",), marks)
    _acts(raw.get("steps"), ("steps",), marks, catalogue)


def _params(params: object, path: ValuePath, marks: Marks) -> None:
    if not isinstance(params, dict):
        return
    for name, param in params.items():
        if isinstance(param, dict) and param.get("type", "string") not in _NUMBERS:
            written = marks.text_of((*path, name, "default"))
            if written is not None:
                param["default"] = written


def _acts(acts: object, path: ValuePath, marks: Marks, catalogue: Catalogue) -> None:
    if not isinstance(acts, list):
        return
    for at, act in enumerate(acts):
        if not isinstance(act, dict):
            continue
        here = (*path, at)
        _with(act, here, marks, catalogue)
        _params(act.get("ask"), (*here, "ask"), marks)
        for key in _LISTS:
            _acts(act.get(key), (*here, key), marks, catalogue)


def _with(act: dict[str, Any], path: ValuePath, marks: Marks, catalogue: Catalogue) -> None:
    uses, arguments = act.get("uses"), act.get("with")
    if not isinstance(uses, str) or not isinstance(arguments, dict):
        return
    try:
        info = catalogue.info(uses)
    except RunbookError:
        return
    if info is None:
        return
    rewrites: dict[ValuePath, str] = {}
    base = (*path, "with")
    convert(arguments, info.model, base, templates=True, text_of=marks.text_of, rewrites=rewrites)
    for at, text in rewrites.items():
        holder: Any = arguments
        for part in at[len(base) : -1]:
            holder = holder[part]
        holder[at[-1]] = text
