"""What only a mounted root is asked in the preflight: whether it can be written, and whether its own commands run.

Job folders, the clock and the tools for files are those of this machine; those are looked at as for any other host.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Literal

from msgspec import Struct

from runbook.ports.target import Cmd, Stream, Target

_SECONDS = 20.0

LITTLE = 16 * 1024
"""KiB below which job folders and copies may not find room."""

_PLACE = r"""
if [ -w "$1" ]; then echo 'root writable'; fi
echo "room $(df -Pk -- "$1" | tail -n 1 | { read -r _ _ _ free _; echo "$free"; })"
"""
_INSIDE = """
for tool; do command -v "$tool" >/dev/null 2>&1 || echo "missing $tool"; done
echo 'end 1'
"""


class RootFinding(Struct, frozen=True):
    """One thing about a mounted root."""

    state: Literal["good", "warn", "bad"]
    told: str
    remedy: str = ""


class _Said:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self._data = b""

    def write(self, stream: Stream, data: bytes) -> None:
        if stream == "out":
            self._data = (self._data + data)[:65536]

    def values(self, name: str) -> list[str]:
        """Return what was said under a name."""
        lines = self._data.decode("utf-8", "replace").splitlines()
        return [line.partition(" ")[2] for line in lines if line.partition(" ")[0] == name]


def look_at_root(target: Target, tools: tuple[str, ...], *, changes: bool) -> tuple[RootFinding, ...]:
    """Look at the root, and for the tools that the steps run inside of it. Raises TransportError if it went away."""
    place = _Said()
    target.read(Cmd(("sh", "-c", _PLACE, "sh", "/"), timeout=_SECONDS, files=True), place)
    inside = _Said()
    ran = target.read(Cmd(("sh", "-c", _INSIDE, "sh", *tools), timeout=_SECONDS), inside)
    free = (place.values("room") or [""])[0]
    kib = int(free) if free.isdigit() else None
    found = [_place(target.host.root, kib, writable=bool(place.values("root")), changes=changes)]
    missing = inside.values("missing")
    if not inside.values("end"):
        why = f"sh ended with {ran.exit}" if ran.exit is not None else "sh did not answer"
        told = f"nothing can be run inside of it ({why}): steps with commands will fail, those with files will not"
        found.append(RootFinding("warn", told, "put its shell and its libraries back first, or leave those steps out"))
    elif missing:
        found.append(RootFinding("bad", f"missing inside of it: {', '.join(missing)}", "install them there"))
    else:
        found.append(RootFinding("good", "commands run inside of it; services of it do not run, and cannot be asked"))
    return tuple(found)


def _is_mounted(root: str) -> bool:
    """Tell whether a file system is mounted there; the list of mounts also knows folders that are mounted again."""
    if os.path.ismount(root):
        return True
    place = os.fsencode(os.path.realpath(root))
    with suppress(OSError):
        points = (line.split()[4] for line in Path("/proc/self/mountinfo").read_bytes().splitlines())
        return place in {re.sub(rb"\\([0-7]{3})", lambda code: bytes([int(code[1], 8)]), point) for point in points}
    return False


def _place(root: str, kib: int | None, *, writable: bool, changes: bool) -> RootFinding:
    room = f"{kib // 1024} MiB free" if kib is not None else "room not known"
    if writable and _is_mounted(root):
        if changes and kib is not None and kib < LITTLE:
            told = f"mounted at {root}, {room}: copies may find no room"
            return RootFinding("warn", told, "make room, or have copies kept where there is some")
        return RootFinding("good", f"mounted at {root}, {room}")
    if writable:
        told = f"nothing is mounted at {root}: it is a folder like any other of this machine, {room}"
        return RootFinding("warn", told, "mount the damaged file system there, unless this folder is meant")
    told = f"mounted at {root}, and it cannot be written"
    return RootFinding("bad" if changes else "good", told, "mount it read-write, on a copy if the disk fails" * changes)
