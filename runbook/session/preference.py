"""How a user wants the screens to be: colours, symbols, bell, keys, from `tui.yaml` in the configuration folder.

Owns the form of that file. Which keys there are to be mapped is known to the screens alone.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from runbook.config import Settings, check_owner
from runbook.errors import ConfigError
from runbook.model.fault import did_you_mean, one_of, shown

FILE = "tui.yaml"
THEMES = ("auto", "dark", "light", "16")
SYMBOLS = ("auto", "unicode", "ascii")
BELLS = ("on", "off")


class Preferences(Struct, frozen=True, kw_only=True):
    """What a user wants; without a file everything is found out."""

    theme: str = "auto"
    symbols: str = "auto"
    bell: bool = True
    keymap: dict[str, str] = {}
    """Ids of bindings to keys; several keys have commas between them. Arrow and vim keys work without it."""
    path: str = ""
    """Where it was read; empty without a file."""


def preferences(settings: Settings) -> Preferences:
    """Return what the user wants. Raises ConfigError, saying what to write; PlaybookError if it is no YAML."""
    path = settings.config / FILE
    if not path.exists():
        return Preferences()
    # Most users have no such file, and the screens wait for this.
    from runbook.loader import parse, read_text

    check_owner(path)
    content = parse(read_text(path), str(path)).value
    if content is None:
        return Preferences(path=str(path))
    if not isinstance(content, dict):
        raise ConfigError("is no mapping of settings", where=str(path), remedy="write theme: dark, or leave it empty")
    known = ("theme", "symbols", "bell", "keymap")
    for key in content:
        if key not in known:
            raise ConfigError(
                f"unknown setting {shown(key)}",
                where=str(path),
                remedy=did_you_mean(str(key), known) or f"there are {', '.join(known)}",
            )
    return Preferences(
        theme=_word(content, "theme", THEMES, str(path)),
        symbols=_word(content, "symbols", SYMBOLS, str(path)),
        bell=_word(content, "bell", BELLS, str(path), default="on") == "on",
        keymap=_keys(content.get("keymap"), str(path)),
        path=str(path),
    )


def _word(content: dict[Any, Any], key: str, words: tuple[str, ...], path: str, default: str = "auto") -> str:
    given = content.get(key, default)
    word = {True: "on", False: "off"}[given] if isinstance(given, bool) else str(given)
    if word not in words:
        remedy = did_you_mean(word, words) or f"write {one_of(words)}"
        raise ConfigError(f"{key} is {shown(given)}", where=path, remedy=remedy)
    return word


def _keys(given: object, path: str) -> dict[str, str]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise ConfigError("keymap is no mapping", where=path, remedy="write ID: KEY, such as prepare.rehearse: f6")
    for name, keys in given.items():
        if not isinstance(keys, str) or not all(part.strip() for part in keys.split(",")):
            raise ConfigError(
                f"keymap: {name} is {shown(keys)}", where=path, remedy="write a key, such as ctrl+r, f6 or R"
            )
    return {str(name): ",".join(part.strip() for part in str(keys).split(",")) for name, keys in given.items()}
