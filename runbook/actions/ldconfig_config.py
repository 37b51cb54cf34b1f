"""The configuration of the search path: which folders it names, in which order, and what one more line would do.

Reads `ld.so.conf` and what it includes the way ldconfig(8) does; writes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Literal

from msgspec import Struct

from runbook.actions.capture import MEBIBYTE, answer
from runbook.actions.form import C_LOCALE, folder_of, inside, script
from runbook.actions.ldconfig_tool import ToolWith
from runbook.errors import ActionError
from runbook.ports.target import Cmd, Reader

DEEPEST = 8
"""Includes within includes."""

# A pattern is left to the shell without quotes, and with no separators, so that nothing but its stars is special.
_READ = r"""
one() { if [ -f "$1" ]; then printf 'file %s\n' "$1"; sed 's/^/|/' "$1" || exit; echo; fi; }
one "$1"; shift
IFS=
for p in "$@"; do
  printf 'glob %s\n' "$p"
  for f in $p; do one "$f"; done
done
"""
_INCLUDE = re.compile(r"include[ \t]+(.*)")
_FOLDER_NAME = re.compile(r"/[^\x00-\x1f\x7f#=:]*[^\x00-\x20\x7f#=:/]")


class Line(Struct, frozen=True):
    """One folder of the search path, and the file that names it."""

    folder: str
    file: str


class Config(Struct, frozen=True):
    """All files of a configuration."""

    main: str
    texts: dict[str, str]
    """Path to content."""
    globs: dict[str, tuple[str, ...]]
    """Pattern of an include to the files that it matches, in the order of the C locale."""


def check_folder(path: str) -> None:
    """Raise ActionError if a configuration cannot name the folder: it knows no quotes."""
    if not _FOLDER_NAME.fullmatch(path):
        raise ActionError("a folder with such a name cannot be in the search path", where="path")


def read_config(t: Reader, w: ToolWith) -> Config:
    """Return the configuration with all that it includes. Raises ActionError if it cannot be read."""
    config = Config(w.config, {}, {})
    _read(t, w, config, w.config, ())
    for _ in range(DEEPEST):
        patterns = {
            pattern for file, text in config.texts.items() for kind, pattern in _items(text, file) if kind == "include"
        }
        unknown = sorted(patterns - config.globs.keys())
        if not unknown:
            return config
        _read(t, w, config, "", tuple(unknown))
    raise ActionError(f"{w.config} includes too deep", where=t.host.name)


def folders(config: Config, changed: Mapping[str, str] | None = None) -> tuple[Line, ...]:
    """Return the folders in their order, each once; `changed` are files with another content than they have."""
    found: dict[str, Line] = {}
    for line in _walk(config, config.main, changed or {}, 0):
        found.setdefault(line.folder, line)
    return tuple(found.values())


def is_included(config: Config, file: str) -> bool:
    """Tell whether the configuration reads this file, or would if it were there."""
    return file == config.main or any(_matches(file, pattern) for pattern in config.globs)


def with_folder(old: bytes, path: str, order: Literal["first", "last"]) -> bytes:
    """Return the content of a file of the configuration with a line for the folder at its begin or end."""
    line = path.encode("utf-8", "surrogateescape")
    if order == "last":
        return old + (b"" if not old or old.endswith(b"\n") else b"\n") + line + b"\n"
    rest = [row for row in old.split(b"\n") if row.strip().rstrip(b"/") != line]
    return line + b"\n" + b"\n".join(rest)


def default_name(path: str, order: Literal["first", "last"]) -> str:
    """Return a name for a file that the configuration reads before or after the others."""
    word = re.sub(r"[^A-Za-z0-9_-]+", "-", path.strip("/")).strip("-")[:60] or "folder"
    return f"{'00' if order == 'first' else 'zz'}-{word}.conf"


def _read(t: Reader, w: ToolWith, config: Config, file: str, patterns: tuple[str, ...]) -> None:
    """Add a file and what the patterns match to what is known."""
    got = answer(t, Cmd(script(_READ, file, *patterns), timeout=w.timeout, env={**C_LOCALE}), MEBIBYTE)
    if got.exit != 0 or got.truncated:
        raise ActionError(f"cannot read {w.config} and what it includes: {got.why}", where=t.host.name)
    pattern, path = "", ""
    for row in got.out.split("\n"):
        mark, rest = row[:5], row[5:]
        if mark == "glob ":
            pattern = rest
            config.globs[pattern] = ()
        elif mark == "file ":
            path = rest
            config.texts[path] = ""
            if pattern:
                config.globs[pattern] = (*config.globs[pattern], path)
        elif row.startswith("|"):
            config.texts[path] += f"{row[1:]}\n"


def _walk(config: Config, file: str, changed: Mapping[str, str], depth: int) -> Iterator[Line]:
    for kind, word in _items(changed.get(file, config.texts.get(file, "")), file):
        if kind == "folder":
            yield Line(word, file)
        elif depth < DEEPEST:
            more = {new for new in changed if _matches(new, word)}
            for included in sorted({*config.globs.get(word, ()), *more}, key=str.encode):
                yield from _walk(config, included, changed, depth + 1)


def _items(text: str, file: str) -> Iterator[tuple[Literal["folder", "include"], str]]:
    """Return what the lines say; a relative pattern counts from the folder of its file."""
    for row in text.split("\n"):
        line = row.partition("#")[0].strip()
        if match := _INCLUDE.fullmatch(line):
            for pattern in match[1].split():
                yield "include", pattern if pattern.startswith("/") else inside(folder_of(file), pattern)
        elif line and not re.match(r"hwcap[ \t]", line, re.IGNORECASE):
            folder = line.partition("=")[0].rstrip().rstrip("/")
            if folder:
                yield "folder", folder


def _matches(file: str, pattern: str) -> bool:
    """Tell whether a pattern of an include matches a path, as glob(3) does: no star stands for a slash or first dot."""
    ours, theirs = file.split("/"), pattern.split("/")
    return len(ours) == len(theirs) and all(
        fnmatchcase(one, other) and (not one.startswith(".") or other.startswith("."))
        for one, other in zip(ours, theirs, strict=True)
    )
