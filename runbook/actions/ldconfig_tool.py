"""Asking a target how its dynamic loader finds libraries: the cache, the configured folders, and what is in them.

All of it reads. `ldconfig -p` prints a cache (ldconfig(8)); `-N -X -v` scans the configured folders in their order
without building a cache or touching a link, and without the notebook in /var/cache/ldconfig that a build rewrites.
Variants for certain processors (glibc-hwcaps) are left out: which of them is used depends on the machine.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from runbook.actions.capture import MEBIBYTE, Captured, answer
from runbook.actions.file_state import SUM
from runbook.actions.form import C_LOCALE, Sudo, Timeout, With, absolute, script
from runbook.errors import ActionError
from runbook.model.scalar import Template
from runbook.ports.target import Cmd, Reader
from runbook.text import one_line

MOST = 64 * MEBIBYTE
MOST_FILES = 400
"""Files that one look may describe."""

_NAMES = r"""
while IFS= read -r d; do
  echo "d $d"
  for f in "$d"/lib*.so* "$d"/ld*.so*; do
    if [ ! -f "$f" ]; then continue; fi
    if [ -L "$f" ]; then echo "link ${f##*/}"; else echo "file ${f##*/}"; fi
  done
done
"""
_DESCRIBE = (
    SUM
    + r"""
while IFS= read -r f; do
  echo "f $f"
  [ -f "$f" ] || continue
  echo "real $(readlink -f -- "$f")"
  echo "head $(dd if="$f" bs=20 count=1 2>/dev/null | od -An -tx1 | tr -d ' \n')"
  echo "sha256 $(sum < "$f")"
done
"""
)
_ENTRY = re.compile(r"\t(\S+) \(([^)]*)\) => (/.*)")
_FOLDER = re.compile(r"(/.*?):(?: \((from [^)]*|hwcap[^)]*)\))?")
_LIBRARY = re.compile(r"\t(\S+) -> (\S+)(?: \(.*\))?")
_GONE = re.compile(r".*: Can't (?:stat|open directory) (/.*): No such file or directory")
_SAFE = re.compile(r"/[^\n\0]*")


class ToolWith(With, frozen=True, kw_only=True):
    """Which ldconfig, configuration and cache a step is about."""

    ldconfig: Annotated[Template, Meta(description="The ldconfig of the GNU C library on the target")] = (
        "/sbin/ldconfig"
    )
    config: Annotated[Template, Meta(description="Configuration of the search path")] = "/etc/ld.so.conf"
    cache: Annotated[
        Template, Meta(description="Cache that the loader asks; another one is private to who reads it")
    ] = "/etc/ld.so.cache"
    sudo: Sudo = False
    timeout: Timeout = 60.0


class Entry(Struct, frozen=True):
    """One line of a cache."""

    soname: str
    abi: str
    """Kind of machine, as ldconfig names it: `libc6,x86-64`."""
    path: str


class Cache(Struct, frozen=True):
    """What a cache holds, in its order: of equal sonames and kinds the first one wins."""

    state: Literal["read", "missing", "broken"]
    entries: tuple[Entry, ...] = ()


class Folder(Struct, frozen=True):
    """One folder of the search path and what ldconfig would index in it."""

    path: str
    libraries: dict[str, str]
    """soname to the name of the file that has it."""
    links: frozenset[str] = frozenset()
    """Names of links in it that lead to a file."""
    files: frozenset[str] = frozenset()
    """Names of files in it."""
    built_in: bool = False


class Order(Struct, frozen=True):
    """The folders of the search path, first one first, without duplicates."""

    folders: tuple[Folder, ...]
    absent: tuple[str, ...] = ()
    """Configured, and not there."""


class Shared(Struct, frozen=True):
    """A library file."""

    real: str
    """Where its links lead to."""
    machine: str
    """Class, byte order and machine from its ELF header; empty if it is no ELF file."""
    sha256: str


def check_tool(t: Reader, w: ToolWith) -> None:
    """Raise ActionError unless paths are absolute and the program is there."""
    for word in ("ldconfig", "config", "cache"):
        absolute(getattr(w, word), word)
    got = answer(t, Cmd(script('[ -x "$1" ]', w.ldconfig), timeout=w.timeout))
    if got.exit not in (0, 1):
        # Such is a root whose shell, or the library that it needs, is gone.
        remedy = "put its shell and its libraries back first"
        raise ActionError(f"sh does not run there: {got.why}", where=t.host.name, remedy=remedy)
    if got.exit:
        raise ActionError(f"there is no program {w.ldconfig}", where=t.host.name, remedy="say where it is: `ldconfig:`")


def read_cache(t: Reader, w: ToolWith) -> Cache:
    """Return what the cache holds. Raises ActionError if it cannot be read."""
    got = _ask(t, w, "-p", "-C", w.cache)
    if got.exit == 0 and "libs found in cache" in got.out.partition("\n")[0]:
        found = (_ENTRY.fullmatch(line) for line in got.out.split("\n"))
        return Cache("read", tuple(_entry(match) for match in found if match and "hwcap" not in match[2]))
    if "No such file or directory" in got.err:
        return Cache("missing")
    if "not a cache file" in got.err:
        return Cache("broken")
    raise _useless(t, w, f"cannot print {w.cache}", got)


def read_order(t: Reader, w: ToolWith, *more: str) -> Order:
    """Return the configured folders; `more` are looked at as well, and stand in front.

    Raises ActionError if ldconfig does not answer.
    """
    got = _ask(t, w, "-N", "-X", "-v", "-f", w.config, *more)
    found = _scan(got.out)
    if got.exit != 0 or not found:
        raise _useless(t, w, f"cannot scan the folders of {w.config}", got)
    absent = tuple(match[1] for line in got.err.split("\n") if (match := _GONE.fullmatch(line)))
    names = _names(t, w, [folder.path for folder in found])
    return Order(tuple(replace(f, links=names[f.path][0], files=names[f.path][1]) for f in found), absent)


def describe_files(t: Reader, w: ToolWith, paths: Mapping[str, str]) -> dict[str, Shared]:
    """Return what library files are, by their path; `paths` names for each where to look if there is none.

    Those that are nowhere are left out. Raises ActionError if there are too many.
    """
    wanted = [path for path in dict.fromkeys([*paths, *paths.values()]) if _SAFE.fullmatch(path)]
    if not wanted:
        return {}
    if len(paths) > MOST_FILES:
        raise ActionError(f"{len(paths)} library files have a rival", remedy="take folders out of the search path")
    got = _listed(t, w, _DESCRIBE, wanted, "look at libraries")
    found: dict[str, Shared] = {}
    for block in _blocks(got.out, "f "):
        facts = dict(line.partition(" ")[::2] for line in block[1:])
        if "real" in facts:
            head = facts.get("head", "")
            machine = head[8:12] + head[36:40] if head.startswith("7f454c46") and len(head) == 40 else ""
            found[block[0]] = Shared(facts["real"], machine, facts.get("sha256", ""))
    seen = {path: found.get(path) or found.get(other) for path, other in paths.items()}
    return {path: shared for path, shared in seen.items() if shared is not None}


def _ask(t: Reader, w: ToolWith, *words: str) -> Captured:
    # Straight, without a shell: sudo may be allowed for this one program alone.
    return answer(t, Cmd((w.ldconfig, *words), timeout=w.timeout, env={**C_LOCALE}, sudo=w.sudo), MOST)


def _entry(match: re.Match[str]) -> Entry:
    return Entry(match[1], match[2].partition(", OS ABI")[0], match[3])


def _scan(text: str) -> list[Folder]:
    """Return the folders of a scan; what stands in folders for certain processors is left out."""
    found: list[Folder] = []
    libraries: dict[str, str] | None = None
    for line in text.split("\n"):
        if match := _FOLDER.fullmatch(line):
            if (match[2] or "").startswith("hwcap") or "/glibc-hwcaps/" in match[1]:
                libraries = None
                continue
            libraries = {}
            found.append(Folder(match[1], libraries, built_in="<builtin>" in (match[2] or "")))
        elif (match := _LIBRARY.fullmatch(line)) and libraries is not None:
            libraries[match[1]] = match[2]
    return found


def _names(t: Reader, w: ToolWith, folders: list[str]) -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    """Return the names of links and of files in each folder, as far as they can be those of libraries."""
    got = _listed(t, w, _NAMES, folders, "look for libraries")
    found = {folder: (frozenset[str](), frozenset[str]()) for folder in folders}
    for block in _blocks(got.out, "d "):
        links, files = (
            frozenset(line.removeprefix(mark) for line in block[1:] if line.startswith(mark))
            for mark in ("link ", "file ")
        )
        found[block[0]] = (links, files)
    return found


def _listed(t: Reader, w: ToolWith, text: str, lines: list[str], what: str) -> Captured:
    """Run a script that reads a list of paths from stdin."""
    data = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
    got = answer(t, Cmd(script(text), timeout=w.timeout, stdin=data, env={**C_LOCALE}), MOST)
    if got.exit != 0:
        raise ActionError(f"cannot {what}: {got.why}", where=t.host.name)
    return got


def _blocks(text: str, mark: str) -> list[list[str]]:
    """Return the lines of an answer, cut before each line that begins with the mark; the mark is taken off."""
    blocks: list[list[str]] = []
    for line in text.split("\n"):
        if line.startswith(mark):
            blocks.append([line.removeprefix(mark)])
        elif blocks:
            blocks[-1].append(line)
    return blocks


def _useless(t: Reader, w: ToolWith, what: str, got: Captured) -> ActionError:
    why = one_line(got.why, 200)
    return ActionError(
        f"{what}: {why}",
        where=t.host.name,
        remedy=f"{w.ldconfig} must be the one of the GNU C library",
    )
