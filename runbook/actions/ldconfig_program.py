"""Which files a program gets for its libraries, told the way the loader looks for them (ld.so(8)).

In this order: RPATH of who needs it and of who brought that in (unless it has a RUNPATH), RUNPATH, the cache, the
default folders. LD_LIBRARY_PATH and preloads belong to a process and not to a program, so they are not looked at.
Nothing is run: the files are read in blocks.
"""

from __future__ import annotations

from collections import deque

from msgspec import Struct

from runbook.actions.elf import Elf, NotElf, read_elf
from runbook.actions.file_part import parts
from runbook.actions.form import folder_of, inside
from runbook.actions.ldconfig_tool import Cache, ToolWith
from runbook.errors import ActionError
from runbook.ports.target import Reader
from runbook.text import one_line

MOST_OBJECTS = 256


class Need(Struct, frozen=True):
    """A library that a program needs, and the file that it gets."""

    soname: str
    by: str
    """The file that asks for it first."""
    path: str
    """Empty: it cannot be found."""
    missing: tuple[str, ...] = ()
    """Versions that are asked of it and that it does not have."""


class _Object(Struct, frozen=True):
    """A loaded file, and by which chain of others it came."""

    path: str
    elf: Elf
    parent: _Object | None = None


class Search:
    """Looks libraries up as the loader would, with one cache."""

    def __init__(self, t: Reader, w: ToolWith, cache: Cache, default: tuple[str, ...]) -> None:
        self._t = t
        self._w = w
        self._default = default
        # Only the first of each kind counts: if its file is gone, the loader goes on with the default folders.
        self._cached: dict[str, dict[str, str]] = {}
        for entry in cache.entries:
            self._cached.setdefault(entry.soname, {}).setdefault(entry.abi, entry.path)
        self._read: dict[str, Elf | None] = {}

    def needs(self, program: str) -> tuple[Need, ...]:
        """Return all libraries that the program needs, directly or not, in the order of loading.

        Raises ActionError if there is no such program, or it needs unreasonably many.
        """
        elf = self._elf(program)
        if elf is None:
            raise ActionError(f"{program} is not there, or is no program of the loader", where=self._t.host.name)
        return self._walk(_Object(program, elf))

    def find(self, soname: str, machine: str = "") -> str:
        """Return the file that the cache or a default folder gives for a soname; empty if none does."""
        places = [*self._cached.get(soname, {}).values(), *(inside(folder, soname) for folder in self._default)]
        return next((path for path in places if self._fits(path, machine)), "")

    def _walk(self, program: _Object) -> tuple[Need, ...]:
        found: dict[str, tuple[_Object | None, str]] = {}
        missing: dict[str, list[str]] = {}
        waiting = deque([program])
        while waiting:
            loaded = waiting.popleft()
            for soname in loaded.elf.needed:
                if soname in found:
                    continue
                if len(found) >= MOST_OBJECTS:
                    raise ActionError(f"{program.path} needs more than {MOST_OBJECTS} libraries")
                path = self._locate(soname, loaded)
                elf = self._elf(path) if path else None
                library = _Object(path, elf, loaded) if elf is not None else None
                found[soname] = (library, loaded.path)
                if library is not None:
                    waiting.append(library)
            for soname, versions in loaded.elf.wants:
                missing.setdefault(soname, []).extend(versions)
        return tuple(
            Need(soname, by, library.path if library else "", _lacking(library, missing.get(soname, [])))
            for soname, (library, by) in found.items()
        )

    def _locate(self, soname: str, loaded: _Object) -> str:
        machine = loaded.elf.machine
        if "/" in soname:
            return soname if self._fits(soname, machine) else ""
        for folder in _own_folders(loaded):
            if self._fits(inside(folder, soname), machine):
                return inside(folder, soname)
        return "" if loaded.elf.no_default else self.find(soname, machine)

    def _fits(self, path: str, machine: str) -> bool:
        """Tell whether this is a file for the machine; the loader passes over others."""
        elf = self._elf(path)
        return elf is not None and machine in {"", elf.machine}

    def _elf(self, path: str) -> Elf | None:
        """Return what a file says, None if there is none that the loader would take."""
        if path not in self._read:
            try:
                self._read[path] = (
                    read_elf(parts(self._t, path, sudo=self._w.sudo, timeout=self._w.timeout))
                    if path.startswith("/")
                    else None
                )
            except NotElf:
                self._read[path] = None
        return self._read[path]


def _lacking(library: _Object | None, versions: list[str]) -> tuple[str, ...]:
    # A library without any version is taken as it is; the loader only warns.
    if library is None or not library.elf.offers:
        return ()
    return tuple(sorted({one_line(version, 200) for version in versions if version not in library.elf.offers}))


def _own_folders(loaded: _Object) -> list[str]:
    """Return the folders that the files themselves name."""
    folders: list[str] = []
    if not loaded.elf.runpath:
        one: _Object | None = loaded
        while one is not None:
            if not one.elf.runpath:
                folders += [_expanded(folder, one.path) for folder in one.elf.rpath]
            one = one.parent
    folders += [_expanded(folder, loaded.path) for folder in loaded.elf.runpath]
    return [folder for folder in folders if folder.startswith("/") and "$" not in folder]


def _expanded(folder: str, path: str) -> str:
    origin = folder_of(path)
    return folder.replace("${ORIGIN}", origin).replace("$ORIGIN", origin)
