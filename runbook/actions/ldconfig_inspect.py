"""`ldconfig.inspect`: which library files programs get, and where cache, search path and folders disagree.

Reads only, and runs nothing of what it looks at: dependencies are read from the ELF files.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta, Struct
from msgspec.structs import replace

from runbook.actions.form import absolute
from runbook.actions.ldconfig_program import Need, Search
from runbook.actions.ldconfig_tool import (
    Cache,
    Folder,
    Order,
    ToolWith,
    check_tool,
    describe_files,
    read_cache,
    read_order,
)
from runbook.actions.ldconfig_view import Conflict, ambiguous, conflicts, dangling, is_current, unindexed
from runbook.errors import ActionError
from runbook.model.scalar import Effect, Template
from runbook.ports.action import Bad, Good, NoData, Observation
from runbook.ports.target import Reader, Sink
from runbook.text import one_line

MOST_LINES = 30
DEFAULT = ("/lib64", "/usr/lib64", "/lib", "/usr/lib")
"""Default folders of a loader whose ldconfig does not tell them."""


class InspectWith(ToolWith, frozen=True, kw_only=True):
    """What is looked at besides cache and search path."""

    names: Annotated[
        tuple[Template, ...],
        Meta(description="Libraries that must be found: a soname such as libz.so.1, or libz for all of its versions"),
    ] = ()
    binary: Annotated[Template, Meta(description="Absolute path of a program; all of its libraries must be found")] = ""
    path: Annotated[
        Template, Meta(description="Folder whose libraries are compared with the others, in the search path or not")
    ] = ""


class InspectResult(Struct, frozen=True):
    """What was seen; `expect` and `capture` see each field."""

    healthy: bool
    libraries: int = 0
    """Entries of the cache."""
    current: bool = False
    """A fresh cache would lead every program to the same files."""
    gets: dict[str, str] = {}
    """Name to the file that programs get; empty text if there is none."""
    unresolved: tuple[str, ...] = ()
    """Libraries that cannot be found."""
    wrong_version: tuple[str, ...] = ()
    """Libraries that lack a version that the program asks for ("version not found")."""
    conflicts: tuple[Conflict, ...] = ()
    stale: tuple[str, ...] = ()
    """Sonames for which an older file wins."""
    unindexed: tuple[str, ...] = ()
    """Configured folders of which some library is not in the cache."""
    absent: tuple[str, ...] = ()
    """Configured folders that are not there."""
    dangling: tuple[str, ...] = ()
    """Paths in the cache without a file."""
    unconfigured: tuple[str, ...] = ()
    """`path`, if it is there and not in the search path."""


class LdconfigInspect:
    """Looks how the dynamic loader finds libraries, without changing or running anything."""

    name: ClassVar[str] = "ldconfig.inspect"
    summary: ClassVar[str] = "Look which library files programs get, and what is stale, missing or in conflict"
    effect: ClassVar[Effect] = "read"
    once: ClassVar[bool] = False
    model = InspectWith
    result = InspectResult

    def observe(self, w: InspectWith, t: Reader, sink: Sink) -> Observation[InspectResult]:
        """Look once: good if everything asked for is found and nothing is stale.

        With `names` or `binary`, faults of other libraries are told and do not count.
        """
        try:
            if w.binary:
                absolute(w.binary, "binary")
            check_tool(t, w)
            cache, order = read_cache(t, w), read_order(t, w)
            extra = _extra(w, t, order)
            wider = Order((*order.folders, *extra))
            kinds = describe_files(t, w, ambiguous(wider, cache))
            search = Search(t, w, cache, default_folders(order))
            needs = search.needs(w.binary) if w.binary else ()
            gets = _named(w, cache, search) | {need.soname: need.path for need in needs}
        except ActionError as error:
            return NoData((str(error),))
        rivals = conflicts(cache, wider, kinds)
        found = InspectResult(
            healthy=True,
            libraries=len(cache.entries),
            current=is_current(cache, order, kinds),
            gets=gets,
            unresolved=tuple(name for name, path in gets.items() if not path),
            wrong_version=tuple(need.soname for need in needs if need.missing),
            conflicts=rivals,
            stale=tuple(dict.fromkeys(rival.soname for rival in rivals if rival.stale)),
            unindexed=unindexed(cache, order),
            absent=order.absent,
            dangling=dangling(cache, order),
            unconfigured=tuple(folder.path for folder in extra),
        )
        wrong = _faults(w, cache, found)
        evidence = (*wrong, *_lines(found, needs), *_notes(found, narrow=bool(w.names or w.binary)))
        told = tuple(one_line(line, 300) for line in evidence[:MOST_LINES])
        if wrong:
            return Bad(replace(found, healthy=False), told)
        return Good(found, told or (f"{len(cache.entries)} libraries in {w.cache}, none in conflict",))


def default_folders(order: Order) -> tuple[str, ...]:
    """Return the folders where the loader looks without a cache."""
    return tuple(dict.fromkeys([folder.path for folder in order.folders if folder.built_in] + list(DEFAULT)))


def _extra(w: InspectWith, t: Reader, order: Order) -> tuple[Folder, ...]:
    """Return the folder that is asked for, if it is not in the search path. Raises ActionError if there is none."""
    if not w.path:
        return ()
    path = absolute(w.path, "path")
    known = {folder.path for folder in order.folders}
    if path in known:
        return ()
    found = [folder for folder in read_order(t, w, path).folders if folder.path == path]
    if not found:
        raise ActionError(f"there is no folder {path}", where=t.host.name)
    return tuple(found)


def _named(w: InspectWith, cache: Cache, search: Search) -> dict[str, str]:
    """Return what the names that were asked for stand for; a name without .so stands for all of its versions."""
    found: dict[str, str] = {}
    for name in w.names:
        sonames = [name]
        if ".so" not in name:
            offered = {entry.soname for entry in cache.entries if entry.soname.startswith(f"{name}.so")}
            # libz.so is a link for the linker: programs ask for libz.so.1.
            sonames = sorted(offered - {f"{name}.so"} or offered) or [name]
        found |= {soname: search.find(soname) for soname in sonames}
    return found


def _faults(w: InspectWith, cache: Cache, found: InspectResult) -> tuple[str, ...]:
    """Return what is wrong with what was asked for."""
    lines = [] if cache.state == "read" else [f"{w.cache} is {cache.state}: run ldconfig"]
    lines += [f"{name} cannot be found" for name in found.unresolved]
    lines += [f"{name} lacks a version that {w.binary} asks for" for name in found.wrong_version]
    asked = set(found.gets) if w.names or w.binary else None
    for rival in found.conflicts:
        if rival.stale and (asked is None or rival.soname in asked):
            lines.append(f"{rival.soname}: {rival.wins} wins, and is older than {rival.newest}")
    if asked is None:
        lines += [f"{folder} is configured and was never indexed" for folder in found.unindexed]
        lines += [f"{path} is in the cache, and not there" for path in found.dangling]
        if not (found.current or found.unindexed):
            lines.append(f"{w.cache} is not what {w.config} would give")
    return tuple(lines)


def _lines(found: InspectResult, needs: tuple[Need, ...]) -> list[str]:
    """Return what everything asked for is, one line each."""
    lines = [f"{name} => {path}" for name, path in found.gets.items() if path]
    lines += [f"{n.soname}: {n.by} asks for {', '.join(n.missing)}" for n in needs if n.missing]
    for rival in found.conflicts:
        wins = f"{rival.wins} wins" if rival.wins else "none is in the cache"
        order = "" if rival.by_order == rival.wins else f", {rival.by_order} would by order"
        lines.append(f"{rival.soname}: {wins}{order}; also {', '.join(rival.others)}")
    return lines


def _notes(found: InspectResult, *, narrow: bool) -> list[str]:
    """Return what is odd beside; where all was asked for, most of it has been told as wrong."""
    lines = [f"{folder} is not in the search path" for folder in found.unconfigured]
    lines += [f"{folder} is configured and not there" for folder in found.absent]
    if narrow:
        lines += [f"{folder}: not all of its libraries are in the cache" for folder in found.unindexed]
        lines += [f"{path} is in the cache, and not there" for path in found.dangling]
    return lines
