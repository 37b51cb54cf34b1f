"""The shared library of the labels: a private search path with a private cache, and the upgrade that spoils it.

    HOME/library/shop/libz.so.1.3     a copy of this machine's libz, under its own version
    HOME/library/printer/libz.so.1.2.8  the same file without the function `crc32_z`, as before libz 1.2.9
    HOME/library/ld.so.conf           the search path; it includes ld.so.conf.d/*.conf in the order of their names
    HOME/library/ld.so.cache          what ldconfig makes of it

Owns the folder, how a library is looked up in it, and whether this machine can have it at all: it takes the ldconfig
and the cache of the GNU C library, and no compiler. The search path and the cache of the system are only read; run by
root, ldconfig rewrites its own notebook in /var/cache/ldconfig, as it does every time (ldconfig(8)).
"""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

from runbook.demo.symbol import without
from runbook.errors import RunbookError

LDCONFIG = "/sbin/ldconfig"
"""By its full path: the PATH of users other than root often lacks the folder."""
SONAME = "libz.so.1"
FUNCTION = "crc32_z"
"""It came with libz 1.2.9."""
RIGHT, STALE = "shop", "printer"
"""Folders with the library that has the function, and with the one that has not."""
STALE_VERSION = "1.2.8"
CONFIG, CACHE = "ld.so.conf", "ld.so.cache"

_WITHIN = 30.0
_ENTRY = re.compile(r"\t(\S+) \([^)]*\) => (/.*)")
_VERSION = re.compile(r"\.so\.([0-9]+(?:\.[0-9]+)+)")


class LibraryError(RunbookError):
    """ldconfig cannot be asked, or there is no such library."""


def look_up(soname: str, cache_file: Path | None = None) -> str:
    """Return the file that a cache (default: that of the system) gives first for a soname; empty if it has none.

    Raises:
        LibraryError: there is no ldconfig of the GNU C library, or no cache.
    """
    listed = _ldconfig("-p", *(("-C", str(cache_file)) if cache_file else ()))
    if "libs found in cache" not in listed.partition("\n")[0]:
        raise LibraryError(f"{LDCONFIG} is not that of the GNU C library", where="demo", remedy="see ldconfig(8)")
    for line in listed.splitlines():
        entry = _ENTRY.fullmatch(line)
        if entry and entry[1] == soname and (cache_file or _is_for_us(Path(entry[2]))):
            return entry[2]
    return ""


@cache
def why_not() -> str:
    """Say in one line why this machine cannot have the private search path; empty text if it can."""
    if sys.platform != "linux":
        return "it takes the GNU C library's ldconfig, which is for Linux"
    try:
        found = look_up(SONAME)
        if not found:
            return f"the cache of this machine's dynamic loader has no {SONAME}"
        without(Path(found).read_bytes(), FUNCTION)
    except (LibraryError, OSError) as error:
        return str(error)
    except (LookupError, ValueError) as error:
        return f"{found}: {error}"
    return ""


def make_libraries(folder: Path) -> None:
    """Make both libraries, and a search path and cache that lead to the right one.

    Raises:
        LibraryError: this machine cannot have them.
    """
    if why := why_not():
        raise LibraryError(why, where="demo", remedy="stage another incident")
    found = Path(look_up(SONAME)).resolve()
    version = _VERSION.search(found.name)
    data = found.read_bytes()
    (folder / f"{CONFIG}.d").mkdir(mode=0o700, parents=True)
    _install(folder / RIGHT, version[1] if version else "1.2.9", data)
    _install(folder / STALE, STALE_VERSION, without(data, FUNCTION))
    (folder / CONFIG).write_text(f"include {CONFIG}.d/*.conf\n")
    _configure(folder, "labels", RIGHT)


def install_printer(folder: Path) -> None:
    """Put the printer's folder into the search path, as the package of its driver does, and rebuild the cache."""
    # The name comes before that of the labels, and so does its folder.
    _configure(folder, "a-printer", STALE)


def _install(folder: Path, version: str, data: bytes) -> None:
    folder.mkdir(mode=0o700)
    file = folder / f"{SONAME.removesuffix('.1')}.{version}"
    file.write_bytes(data)
    (folder / SONAME).symlink_to(file.name)


def _configure(folder: Path, name: str, libraries: str) -> None:
    (folder / f"{CONFIG}.d" / f"{name}.conf").write_text(f"{folder / libraries}\n")
    # -X: no links are made or removed, least of all in the folders of the system.
    _ldconfig("-X", "-f", str(folder / CONFIG), "-C", str(folder / CACHE))


def _ldconfig(*words: str) -> str:
    try:
        done = subprocess.run(
            [LDCONFIG, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={"LC_ALL": "C"},
            timeout=_WITHIN,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LibraryError(f"{LDCONFIG} does not run: {error}", where="demo", remedy="see ldconfig(8)") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise LibraryError(f"{LDCONFIG} failed: {said}", where="demo", remedy="see ldconfig(8)")
    return done.stdout.decode("utf-8", "surrogateescape")


def _is_for_us(file: Path) -> bool:
    """Tell whether a library is for the same kind of machine as this interpreter (class, byte order, e_machine)."""
    ours, its = (_head(path) for path in (Path(sys.executable), file))
    return (its[:6], its[18:20]) == (ours[:6], ours[18:20])


def _head(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(20)
