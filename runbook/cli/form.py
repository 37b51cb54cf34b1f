"""Forms in plain lines: one field after the other, each checked before the next."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from msgspec import Struct

from runbook.errors import UsageError
from runbook.loader import SecretRef, value_from_text
from runbook.model.playbook import Param
from runbook.model.scalar import Json
from runbook.text import reveal

SHOWN = 200


class Asked(Struct, frozen=True):
    """The ways to speak with the person at the form."""

    write: Callable[[str], None]
    line: Callable[[str], str]
    """Shows a prompt and returns what was typed."""
    hidden: Callable[[str], str]
    """The same without an echo."""


def ask_fields(asked: Asked, fields: Mapping[str, Param]) -> dict[str, Json]:
    """Ask for every field until its value is good; Enter takes the default."""
    return {name: _field(asked, name, param) for name, param in fields.items()}


def _field(asked: Asked, name: str, param: Param) -> Json:
    if param.help:
        asked.write(f"  {_line(param.help)}\n")
    if param.choices:
        asked.write(f"  one of {_line(', '.join(param.choices))}\n")
    while True:
        typed = _typed(asked, name, param)
        if typed == "" and param.default is not None:
            return param.default
        try:
            return _plain(value_from_text(name, param, typed))
        except UsageError as wrong:
            # A form has no --set: what is missing is simply asked for again.
            asked.write(f"  {_line(wrong.message)}{f'. {_line(wrong.remedy)}' if typed else ''}.\n")


def _typed(asked: Asked, name: str, param: Param) -> str:
    if param.type == "secret":
        return asked.line(f"  {name} (where it stands: env:NAME or file:PATH): ").strip()
    default = "" if param.default is None else f" [{_line(_text(param.default))}]"
    return asked.line(f"  {name} ({param.type}){default}: ").strip()


def _plain(value: Json | SecretRef) -> Json:
    return value.text() if isinstance(value, SecretRef) else value


def ask_edit(asked: Asked, arguments: Mapping[str, Json]) -> dict[str, Json] | None:
    """Ask for changed arguments of a step and show them as a diff; None if nothing is changed."""
    for name, value in arguments.items():
        asked.write(f"    {_line(name)} = {_line(_text(value))}\n")
    asked.write("  One argument per line, NAME = VALUE; an empty line ends.\n")
    changed: dict[str, Json] = {}
    while typed := asked.line("  > ").strip():
        name, equals, text = (part.strip() for part in typed.partition("="))
        if not equals or not name:
            asked.write("  Write NAME = VALUE.\n")
        elif arguments and name not in arguments:
            asked.write(f"  {_line(name)} is no argument of this step: {_line(', '.join(arguments))}.\n")
        else:
            changed[name] = _value(text, arguments.get(name))
    changed = {name: value for name, value in changed.items() if arguments.get(name) != value}
    if not changed:
        asked.write("  Nothing is changed.\n")
        return None
    for name, value in changed.items():
        asked.write(f"  - {_line(name)} = {_line(_text(arguments.get(name)))}\n")
        asked.write(f"  + {_line(name)} = {_line(_text(value))}\n")
    sure = asked.line("  Go on with this? Type yes: ").strip()
    return changed if sure == "yes" else None


def _value(text: str, old: Json) -> Json:
    """Return what was typed in the type of the old value: text stays text, all else is read as JSON."""
    if isinstance(old, str):
        return text
    try:
        found: Json = json.loads(text)
    except ValueError:
        return text
    return found


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _line(text: str) -> str:
    shown = reveal(text, keep="").replace("␊", " ⏎ ")
    return shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}…"
