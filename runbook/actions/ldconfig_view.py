"""What cache and search path mean together: which file wins, whether the cache is current, what is in conflict.

Pure: works on what `ldconfig_tool` has read. A library wins for its soname and kind of machine if its folder comes
first; the loader takes that one from the cache, whatever is newer (ld.so(8), ldconfig(8)).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct

from runbook.actions.form import folder_of, inside
from runbook.actions.ldconfig_tool import Cache, Order, Shared

_VERSION = re.compile(r"(?:\.so\.|-)([0-9]+(?:\.[0-9]+)*)(?:\.so)?$")


class Conflict(Struct, frozen=True):
    """A soname that stands for different files."""

    soname: str
    wins: str
    """The file that programs get: first in the cache. Empty: none of them is in the cache."""
    by_order: str
    """The file that they would get from a fresh cache."""
    others: tuple[str, ...]
    """The other candidates, in the order of their folders."""
    newest: str = ""
    """The candidate with the highest version in its name, if that is higher than the version of the one that wins."""

    @property
    def stale(self) -> bool:
        """Whether an older file wins."""
        return bool(self.newest)


def sonames(order: Order, cache: Cache) -> frozenset[str]:
    """Return the names that programs ask for.

    A link such as `libx.so` is for the linker alone, unless a file has that soname: which of those links a cache
    names depends on the version of ldconfig, so they are left out.
    """
    files = {soname for folder in order.folders for soname in folder.libraries}
    return frozenset(files | {entry.soname for entry in cache.entries if not entry.soname.endswith(".so")})


def candidates(order: Order, known: frozenset[str]) -> dict[str, list[str]]:
    """Return for each soname the paths under which a fresh cache names it, in the order of the folders."""
    found: dict[str, list[str]] = {}
    for folder in order.folders:
        for soname in sorted({*folder.libraries, *(folder.links & known)}):
            found.setdefault(soname, []).append(inside(folder.path, soname))
    return found


def ambiguous(order: Order, cache: Cache) -> dict[str, str]:
    """Return the paths for which it matters what kind of machine they are for, and whether they differ.

    Each with the file that ldconfig takes its soname from, which is there even if its link is not.
    """
    offered = candidates(order, sonames(order, cache))
    for entry in cache.entries:
        paths = offered.get(entry.soname, [])
        if paths and entry.path not in paths:
            paths.append(entry.path)
    files = {
        inside(folder.path, soname): inside(folder.path, file)
        for folder in order.folders
        for soname, file in folder.libraries.items()
    }
    return {path: files.get(path, path) for paths in offered.values() if len(paths) > 1 for path in paths}


def cached(cache: Cache, kinds: Mapping[str, Shared]) -> dict[tuple[str, str], str]:
    """Return which path wins by the cache, for each soname and kind of machine."""
    winners: dict[tuple[str, str], str] = {}
    seen: set[tuple[str, str]] = set()
    for entry in cache.entries:
        if (entry.soname, entry.abi) not in seen:
            seen.add((entry.soname, entry.abi))
            winners.setdefault((entry.soname, _kind(entry.path, kinds)), entry.path)
    return winners


def ordered(order: Order, cache: Cache, kinds: Mapping[str, Shared]) -> dict[tuple[str, str], str]:
    """Return which path a fresh cache would let win; the present one only tells what is a soname."""
    winners: dict[tuple[str, str], str] = {}
    for soname, paths in candidates(order, sonames(order, cache)).items():
        for path in paths:
            winners.setdefault((soname, _kind(path, kinds)), path)
    return winners


def is_current(cache: Cache, order: Order, kinds: Mapping[str, Shared]) -> bool:
    """Tell whether a fresh cache would lead every program to the same files."""
    if cache.state != "read" or unindexed(cache, order):
        return False
    known = sonames(order, cache)
    now = {key: path for key, path in cached(cache, kinds).items() if key[0] in known}
    return now == ordered(order, cache, kinds)


def unindexed(cache: Cache, order: Order) -> tuple[str, ...]:
    """Return the configured folders of which some library is not in the cache."""
    paths = {entry.path for entry in cache.entries}
    return tuple(
        folder.path
        for folder in order.folders
        if any(inside(folder.path, soname) not in paths for soname in folder.libraries)
    )


def dangling(cache: Cache, order: Order) -> tuple[str, ...]:
    """Return the paths in the cache that lie in a folder of the search path and lead to no file."""
    folders = {folder.path: folder for folder in order.folders}
    gone = []
    for entry in cache.entries:
        folder = folders.get(folder_of(entry.path))
        name = entry.path.rpartition("/")[2]
        if folder is not None and name not in folder.files and name not in folder.links:
            gone.append(entry.path)
    return tuple(gone)


def conflicts(cache: Cache, order: Order, kinds: Mapping[str, Shared]) -> tuple[Conflict, ...]:
    """Return the sonames that stand for different files of one kind of machine."""
    now, fresh = cached(cache, kinds), ordered(order, cache, kinds)
    offered: dict[tuple[str, str], list[str]] = {}
    for soname, paths in candidates(order, sonames(order, cache)).items():
        for path in paths:
            if path in kinds:
                offered.setdefault((soname, kinds[path].machine), []).append(path)
    for key, path in now.items():
        if path in kinds and path not in offered.setdefault(key, []):
            offered[key].append(path)
    found = []
    for key, paths in sorted(offered.items()):
        if len({kinds[path].sha256 for path in paths}) < 2:
            continue
        wins = now.get(key, "")
        others = tuple(path for path in paths if path != wins)
        newer = [other for other in others if wins and _is_newer(kinds[other].real, kinds[wins].real)]
        newest = max(newer, key=lambda path: version_of(kinds[path].real), default="")
        found.append(Conflict(key[0], wins, fresh.get(key, ""), others, newest))
    return tuple(found)


def version_of(path: str) -> tuple[int, ...]:
    """Return the version in the name of a library file; empty if it has none."""
    match = _VERSION.search(path.rpartition("/")[2])
    return tuple(int(part) for part in match[1].split(".")) if match else ()


def _is_newer(one: str, other: str) -> bool:
    first, second = version_of(one), version_of(other)
    # libx.so.1 and libx.so.1.2 are not comparable: the first name does not tell its version.
    return len(first) > 1 and len(second) > 1 and first > second


def _kind(path: str, kinds: Mapping[str, Shared]) -> str:
    return kinds[path].machine if path in kinds else ""
