"""Where a lab lives on this machine, how its parts are called, and whether the machine can host one.

Each checkout has a lab of its own, so that two of them may be up at once: names carry a digest of the checkout's
path, and addresses are only ever seen inside the lab's own network. Building and starting is for `image` and `keeper`.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

HERE = Path(__file__).resolve().parent
PREFIX = "runbook-lab-"
RUNS = Path("/run/runbook-lab")
LOCKS = Path("/run/lock")
NAMESPACES = Path("/run/netns")

NETWORK = "198.18.0.0/16"
"""Set aside for tests between devices (RFC 2544): no such address is anybody's."""
GATEWAY = "198.18.0.1"
"""The control namespace, where tests run, as hosts see it."""
PROXIES = "198.18.1.0/24"
FLEET = "198.18.8.0/22"
FLEET_ADDRESSES = tuple(f"198.18.8.{last}" for last in range(1, 251))

NEEDED = ("apt-get", "chroot", "dpkg-deb", "mount", "nsenter", "perl", "setsid", "ssh", "ssh-keygen", "umount")
CAP_NET_ADMIN, CAP_SYS_ADMIN = 12, 21


class LabMissing(Exception):
    """This machine has no lab: says why, in one line."""


class Place(Struct, frozen=True):
    """The names and folders of one checkout's lab."""

    id: str

    @property
    def run(self) -> Path:
        """All that lives as long as the lab is up."""
        return RUNS / self.id

    @property
    def control(self) -> str:
        """The network namespace that tests enter: it reaches the hosts and nothing else."""
        return f"{PREFIX}{self.id}"

    @property
    def group(self) -> str:
        """The control group above those of all hosts; whatever lives in it belongs to this lab."""
        return f"{PREFIX}{self.id}"

    def namespace(self, host: str) -> str:
        return f"{self.control}-{host}"

    def lock(self, name: str) -> Path:
        """A file to lock. It is never removed, because a lock on a removed file excludes nobody."""
        return LOCKS / f"{PREFIX}{self.id}.{name}"


def this_place(folder: Path = HERE) -> Place:
    """Return the place of the lab of this checkout, or of the one that has this folder for its `tests/lab`."""
    return Place(hashlib.sha256(str(folder).encode()).hexdigest()[:6])


def all_places() -> list[Place]:
    """Return the places of all labs that have left any trace on this machine, of other checkouts too."""
    found = {path.name for path in RUNS.glob("*") if path.is_dir()}
    for folder in (NAMESPACES, *hierarchies()):
        found |= {path.name.removeprefix(PREFIX).partition("-")[0] for path in folder.glob(f"{PREFIX}*")}
    return [Place(name) for name in sorted(found)]


def sources() -> str:
    """Return the digest of all that makes a lab: a lab that is up serves only tests of the same sources."""
    digest = hashlib.sha256()
    for path in sorted([*HERE.glob("*.sh"), *HERE.glob("*.py")]):
        if not path.name.startswith("test_"):
            digest.update(path.read_bytes())
    return digest.hexdigest()


# As it was when this was loaded: each test gets another one, in which the image would be built again.
_CACHE_HOME = os.environ.get("XDG_CACHE_HOME", "")


def cache() -> Path:
    """Return the folder that outlives runs."""
    return Path(_CACHE_HOME if _CACHE_HOME.startswith("/") else "/var/cache") / "runbook-lab"


def hierarchies() -> list[Path]:
    """Return the roots of the control group trees that systemd uses: version 2, version 1, or one of each."""
    return [path for path, _version in _mounted()]


def cgroups() -> tuple[str, ...]:
    """Return the layouts of control groups a host can be given here, the machine's own first."""
    versions = dict(_mounted())
    if set(versions.values()) == {1, 2}:
        return ("hybrid", "v2", "v1")
    return ("v2",) if 2 in versions.values() else ("v1",) if versions else ()


def _mounted() -> Iterator[tuple[Path, int]]:
    try:
        lines = Path("/proc/self/mounts").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _source, path, kind, options, *_rest = line.split()
        if not path.startswith("/sys/fs/cgroup"):
            continue
        if kind == "cgroup2":
            yield Path(path), 2
        elif kind == "cgroup" and "name=systemd" in options.split(","):
            yield Path(path), 1


def release() -> dict[str, str]:
    """Return what the machine says of its distribution."""
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}


def check_machine() -> None:
    """Raise LabMissing if this machine cannot host a lab, judged by a look that changes nothing."""
    if sys.platform != "linux":
        raise LabMissing("it needs Linux")
    if os.geteuid() != 0:
        raise LabMissing("it needs root")
    system = release()
    if "debian" not in {system.get("ID"), *system.get("ID_LIKE", "").split()} or not system.get("VERSION_CODENAME"):
        raise LabMissing(f"it needs Debian or a relative, this is {system.get('PRETTY_NAME', 'unknown')}")
    absent = [name for name in NEEDED if shutil.which(name) is None]
    if absent:
        raise LabMissing(f"not found: {', '.join(absent)} (apt install openssh-client perl util-linux)")
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    held = int(status["CapEff"], 16)
    if not (held >> CAP_SYS_ADMIN & 1 and held >> CAP_NET_ADMIN & 1):
        raise LabMissing("this root may neither mount nor make networks (a container without privileges?)")
    roots = hierarchies()
    if not roots or not all(os.access(root, os.W_OK) for root in roots):
        raise LabMissing("control groups are not writable here")
