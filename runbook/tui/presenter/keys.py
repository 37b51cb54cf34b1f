"""The keys of where one is, gathered for reading: what each does, and how it is written."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from runbook.tui.presenter.words import BLANK, Row, bold, muted, plain, wrapped

_NAMES = {
    "enter": "↵",
    "escape": "Esc",
    "tab": "Tab",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "space": "Space",
    "question_mark": "?",
    "slash": "/",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "home": "Home",
    "end": "End",
    "backspace": "⌫",
    "delete": "Del",
}


class Key(Struct, frozen=True):
    """One key that acts now."""

    key: str
    action: str
    does: str
    about: str
    where: str
    """The part of the screen that it belongs to; empty for keys that act everywhere."""


def written(key: str) -> str:
    """Return a key as people write it: `ctrl+p` is `^p`, `shift+tab` is `⇧Tab`, a capital letter stays one."""
    if key.startswith("ctrl+"):
        return f"^{written(key[5:])}"
    if key.startswith("shift+"):
        return f"⇧{written(key[6:])}"
    return _NAMES.get(key, key if len(key) == 1 else key.upper())


def rows(keys: Iterable[Key], cells: int) -> list[Row]:
    """Return the keys in their groups, those of where one is first; keys of one action stand together."""
    groups: dict[str, dict[tuple[str, str], list[Key]]] = {}
    for key in keys:
        groups.setdefault(key.where, {}).setdefault((key.action, key.does), []).append(key)
    found: list[Row] = []
    for where in sorted(groups, key=lambda name: (not name, list(groups).index(name))):
        if found:
            found.append(BLANK)
        found.append((muted(where.upper() or "EVERYWHERE"),))
        for same in groups[where].values():
            found += _row(same, cells)
    return found


def _row(same: list[Key], cells: int) -> list[Row]:
    names = " ".join(dict.fromkeys(written(key.key) for key in same))
    about = same[0].about or same[0].does
    head: Row = ((f"  {names:<12} ", "bold $accent"), bold(f"{same[0].does:<14} "))
    indent = sum(len(text) for text, _ in head)
    if cells < indent + 16:
        return [head]
    if about == same[0].does:
        return [head]
    lines = wrapped((plain(about),), cells - indent)
    return [(*head, *lines[0]), *(((" " * indent, ""), *line) for line in lines[1:])]
