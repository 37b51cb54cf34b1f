"""The runtime of the shop's services: two versions side by side, and the link that says which one is used.

    HOME/runtime/1.20/bin/shop-runtime    runs Python programs with the library of this version, or tells the version
    HOME/runtime/1.20/lib/shop_runtime.py the library that the order service imports
    HOME/runtime/1.21/…                   the same, one release later
    HOME/runtime/current -> 1.20          the version in use; the unit of the order service names only this

Owns the folder and the upgrade that somebody else does. What the versions do differently stands in `runtime_120` and
`runtime_121`; the service does not know which of them it has.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from runbook.demo import runtime_120, runtime_121

if TYPE_CHECKING:
    from types import ModuleType

GOOD_VERSION, NEW_VERSION = "1.20", "1.21"
LINK = "current"
PROGRAM = "bin/shop-runtime"

_SOURCES: dict[str, ModuleType] = {GOOD_VERSION: runtime_120, NEW_VERSION: runtime_121}
_WRAPPER = """\
#!/bin/sh
here=$(cd "${{0%/*}}/.." && pwd -P) || exit
PYTHONPATH=$here/lib${{PYTHONPATH:+:$PYTHONPATH}}; export PYTHONPATH
if [ "$1" = --version ]; then exec {python} -P -m shop_runtime; fi
exec {python} -P "$@"
"""
# The folder is resolved once, so that a process never mixes two versions when the link is switched under it.


class Scheduler(Protocol):
    """What the order service wants of its runtime."""

    def spawn(self, work: Callable[[], object], name: str) -> None:
        """Begin some background work."""

    def run(self, main: Callable[[], object]) -> None:
        """Run the main routine until it ends."""


def scheduler() -> Scheduler:
    """Return the scheduler of the runtime with which this process was started."""
    return cast("Scheduler", import_module("shop_runtime").Scheduler())


def make_runtimes(folder: Path) -> None:
    """Install both versions, and put the good one in use."""
    for version, source in _SOURCES.items():
        program = folder / version / PROGRAM
        library = folder / version / "lib"
        program.parent.mkdir(mode=0o700, parents=True)
        library.mkdir(mode=0o700)
        program.write_text(_WRAPPER.format(python=shlex.quote(sys.executable)))
        program.chmod(0o700)
        shutil.copyfile(str(source.__file__), library / "shop_runtime.py")
    (folder / LINK).symlink_to(GOOD_VERSION)


def use_version(folder: Path, version: str) -> None:
    """Put a version in use, as the release automation does; what runs is not touched."""
    fresh = folder / f"{LINK}.new"
    fresh.symlink_to(version)
    os.replace(fresh, folder / LINK)
