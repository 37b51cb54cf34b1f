"""A private search path with real libraries under real names, for tests of what asks and drives ldconfig.

The system's configuration and cache are never touched. As root, ldconfig would still rewrite its notebook in
/var/cache/ldconfig: where that can be hidden behind a mount of its own, it is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from runbook.actions.elf import Elf, read_elf
from runbook.testing import tree

LDCONFIG = "/sbin/ldconfig"
SONAME = "libutil.so.1"
"""In every GNU C library, and small."""
_QUIET = """\
#!/bin/sh
case " $* " in *" -N "* | *" -p "*) exec /sbin/ldconfig "$@" ;; esac
exec unshare -m sh -c 'mount -t tmpfs none /var/cache/ldconfig && exec /sbin/ldconfig "$@"' ldconfig "$@"
"""


def elf_of(path: Path) -> Elf:
    """Return what an ELF file says."""
    data = path.read_bytes()
    return read_elf(lambda offset, size: data[offset : offset + size])


@cache
def library() -> Path:
    """Return a small real library of this machine; skip the test if it has no GNU ldconfig."""
    try:
        listed = subprocess.run(
            [LDCONFIG, "-p"], capture_output=True, text=True, check=True, env={"LC_ALL": "C"}
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("NOT TESTED: this machine has no ldconfig of the GNU C library")
    for line in listed.splitlines():
        name, _, path = line.strip().partition(" => ")
        if name.split(" ")[0] == SONAME:
            assert elf_of(Path(path)).soname == SONAME
            return Path(path).resolve()
    pytest.skip(f"NOT TESTED: this machine has no {SONAME}")


def program(folder: Path) -> str:
    """Return an ldconfig that leaves the notebook of this machine alone, where that is possible."""
    path = folder / "ldconfig"
    if not path.exists():
        path.write_text(_QUIET)
        path.chmod(0o755)
    quiet = os.getuid() == 0 and subprocess.run([path, "-V"], capture_output=True, check=False).returncode == 0
    return str(path) if quiet else LDCONFIG


class World:
    """A folder `old` that is in the search path, and a folder `new` with a newer library that is not."""

    def __init__(self, folder: Path, ldconfig: str) -> None:
        self.folder = folder
        self.config = folder / "ld.so.conf"
        self.cache = folder / "ld.so.cache"
        self.old = folder / "old"
        self.new = folder / "new"
        self.ldconfig = ldconfig
        (folder / "ld.so.conf.d").mkdir(parents=True)
        self.config.write_text("# private\ninclude ld.so.conf.d/*.conf\n")
        self.conf("old.conf").write_text(f"{self.old}\n")
        self.add(self.old, "1.2.11")
        self.add(self.new, "1.2.13", linked=False)
        self.build()
        self._start = self.cache.read_bytes()

    def conf(self, name: str) -> Path:
        """Return a file that the configuration includes."""
        return self.folder / "ld.so.conf.d" / name

    def add(self, folder: Path, version: str, *, linked: bool = True) -> Path:
        """Put a version of the library into a folder; each has other bytes behind what the loader reads."""
        folder.mkdir(exist_ok=True)
        file = folder / f"{SONAME}.{version}"
        file.write_bytes(library().read_bytes() + version.encode())
        if linked:
            (folder / SONAME).unlink(missing_ok=True)
            (folder / SONAME).symlink_to(file.name)
        return file

    def build(self) -> None:
        """Build the cache."""
        subprocess.run([self.ldconfig, "-X", "-f", self.config, "-C", self.cache], capture_output=True, check=True)

    def listed(self) -> list[str]:
        """Return the paths of the library in the cache, as ldconfig itself prints them."""
        done = subprocess.run([LDCONFIG, "-p", "-C", self.cache], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            return [repr(self.cache.read_bytes())]
        return [row.split(" => ")[1] for row in done.stdout.splitlines() if row.startswith(f"\t{SONAME} ")]

    def first(self) -> str:
        """Return the path that wins by the cache."""
        return self.listed()[0]

    @property
    def tool(self) -> dict[str, Any]:
        """Return the arguments that lead an action here."""
        return {"ldconfig": self.ldconfig, "config": str(self.config), "cache": str(self.cache)}

    def seen(self) -> dict[str, Any]:
        """Return all that is here, in a form that compares equal between two worlds."""
        found: dict[str, Any] = {}
        for name, (content, *more) in tree(self.folder).items():
            found[name] = (content.replace(str(self.folder), "HERE"), *more)
        if self.cache.exists():
            state = found.get("ld.so.cache", ("",))
            same = self.cache.read_bytes() == self._start
            found["ld.so.cache"] = (
                "as at the start" if same else self.first().replace(str(self.folder), "HERE"),
                *state[1:],
            )
        # A copy of the cache holds paths of this world, too.
        for name in [name for name in found if name.startswith("ld.so.cache.runbook-")]:
            kept = next(self.folder.glob("ld.so.cache.runbook-*")).read_bytes()
            found[name] = (kept == self._start, *found[name][1:])
        return found


def needs_loader() -> None:
    """Skip a test that compares with the loader's own word, where nobody can be asked."""
    if shutil.which("ldd") is None:
        pytest.skip("NOT TESTED: there is no ldd to compare with")
