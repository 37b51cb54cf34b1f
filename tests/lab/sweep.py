"""Taking a lab down by what is found on the machine, not by what a lab remembers of itself.

A process belongs to a lab if it stands in the lab's control group or in the network of a host; mounts, namespaces and
control groups are known by their names. So hosts whose keeper was killed are found as well, and what cannot be removed
is told. Guests, which only entered the control namespace, are told of but never ended: they may be somebody's shell.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from tests.lab.image import cached_images
from tests.lab.lock import is_held
from tests.lab.place import NAMESPACES, NETWORK, RUNS, Place, all_places, hierarchies

LIMIT = 20.0
"""Seconds."""


def strays(place: Place) -> list[str]:
    """Return what is there of a lab, one line for each thing."""
    return [
        *(f"process {pid}: {_command(pid)}" for pid in _processes(place)),
        *(f"mount {path}" for path in _mounts(place)),
        *(f"network namespace {path.name}" for path in _namespaces(place)),
        *(f"control group {path}" for path in _groups(place)),
    ]


def guests(place: Place) -> list[str]:
    """Return the processes that are inside the lab's network without being part of it, one line for each."""
    return [f"process {pid} in its network: {_command(pid)}" for pid in _inside({_inode(NAMESPACES / place.control)})]


def sweep(place: Place) -> list[str]:
    """Remove all that is there of a lab; return what would not go."""
    deadline = time.monotonic() + LIMIT
    while pids := _processes(place):
        for pid in pids:
            _kill(pid)
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    _remove_mounts(place)
    for path in _namespaces(place):
        subprocess.run(["umount", "--lazy", str(path)], capture_output=True, timeout=LIMIT, check=False)
        path.unlink(missing_ok=True)
    _remove_groups(place, deadline)
    left = strays(place)
    if not left:
        shutil.rmtree(place.run, ignore_errors=True)
        _open_the_way()
    return left


def sweep_orphans() -> list[str]:
    """Take down the labs of all checkouts that have nobody to keep them; return what would not go."""
    return [line for place in all_places() if not is_held(place.lock("keeper")) for line in sweep(place)]


def _open_the_way() -> None:
    """Remove what the last lab has left on the machine for all."""
    if any(RUNS.glob("*")):
        return
    if RUNS.is_dir():
        RUNS.rmdir()
    if not any(NAMESPACES.glob("*")):
        subprocess.run(["umount", str(NAMESPACES)], capture_output=True, timeout=LIMIT, check=False)
        with suppress(OSError):
            NAMESPACES.rmdir()
    if not _others_nspawn():
        shutil.rmtree("/run/systemd/nspawn", ignore_errors=True)
    for image in cached_images()[:1]:
        remove = image.tool("ip", "route", "del", "unreachable", NETWORK)
        subprocess.run(remove, capture_output=True, timeout=LIMIT, check=False)


def _others_nspawn() -> bool:
    for file in Path("/proc").glob("[0-9]*/comm"):
        with suppress(OSError):
            if file.read_text().strip() == "systemd-nspawn":
                return True
    return False


def _processes(place: Place) -> list[int]:
    grouped = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"/{place.group}/" in (entry / "cgroup").read_text() and not _is_zombie(entry):
                grouped.append(int(entry.name))
    hosts = {_inode(path) for path in _namespaces(place) if path.name != place.control}
    return sorted({*grouped, *_inside(hosts)})


def _inside(networks: set[tuple[int, int] | None]) -> list[int]:
    """Return the processes in some network namespaces, without this one."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if _inode(entry / "ns/net") in networks - {None} and not _is_zombie(entry):
                found.append(int(entry.name))
    return [pid for pid in found if pid != os.getpid()]


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _is_zombie(entry: Path) -> bool:
    return (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z"


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:200]
    except OSError:
        return "?"


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _mounts(place: Place) -> list[str]:
    lines = Path("/proc/self/mounts").read_text().splitlines()
    return [path for line in lines if (path := line.split()[1]).startswith(f"{place.run}/")]


def _remove_mounts(place: Place) -> None:
    for path in reversed(_mounts(place)):
        done = subprocess.run(["umount", path], capture_output=True, timeout=LIMIT, check=False)
        if done.returncode != 0:
            subprocess.run(["umount", "--lazy", path], capture_output=True, timeout=LIMIT, check=False)


def _namespaces(place: Place) -> list[Path]:
    return [
        path for path in NAMESPACES.glob("*") if path.name == place.control or path.name.startswith(f"{place.control}-")
    ]


def _groups(place: Place) -> list[Path]:
    return [path for root in hierarchies() if (path := root / place.group).is_dir()]


def _remove_groups(place: Place, deadline: float) -> None:
    """Remove the control groups, innermost first; one that has just lost its last process is busy for a moment."""
    while groups := _groups(place):
        for top in groups:
            for folder, _names, _files in os.walk(top, topdown=False):
                try:
                    os.rmdir(folder)
                except OSError:
                    continue
        if time.monotonic() > deadline:
            return
        time.sleep(0.01)
