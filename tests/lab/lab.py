"""A lab as its users have it: bring it up or join it, look at it from inside its network, leave it.

Whoever comes first starts it; everybody who uses it shares a lock, and the keeper takes the lab down when the last one
has let go, however that one ended.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from tests.lab.fleet import Fleet
from tests.lab.host import Host
from tests.lab.image import Image, ready_image
from tests.lab.inside import inside
from tests.lab.keeper import BOOT_LIMIT, start_keeper, wait_until_ready
from tests.lab.lock import Lock, hold, is_held
from tests.lab.place import LabMissing, Place, check_machine, sources, this_place
from tests.lab.sweep import guests, strays, sweep_orphans

START_LIMIT = BOOT_LIMIT + 360
END_LIMIT = 30
LEASE_LIMIT = 900
NOTICE = 2
"""Seconds within which a keeper that is needed no more begins to end."""


class Lab:
    """A lab that is up, and stays up until this is left."""

    def __init__(self, place: Place, users: Lock) -> None:
        self.place = place
        self._users = users
        hosts = _hosts(place)
        self.image = hosts[0].image
        self.hosts = tuple(host for host in hosts if host.name != "fleet")
        self.fleet = Fleet(next(host for host in hosts if host.name == "fleet"))
        self.identity = place.run / "id_lab"
        """The private key that root, deploy and dora accept on all hosts."""
        self.known_hosts = place.run / "known_hosts"
        self.ssh_config = place.run / "ssh_config"
        self.home = place.run / "home"
        """A home for trying by hand: its user knows the hosts, and its state folder ends with the lab."""
        self.inventory = place.run / "inventory.yaml"

    def inside(self) -> AbstractContextManager[None]:
        """Have the calling thread, and all it starts, in the network of the lab."""
        return inside(self.place.control)

    def leave(self) -> None:
        """Use it no more."""
        self._users.close()

    def know(self, home: Path) -> None:
        """Let the user of a home know the keys of all hosts."""
        (home / ".ssh").mkdir(mode=0o700, exist_ok=True)
        shutil.copy(self.known_hosts, home / ".ssh")

    @contextmanager
    def take_fleet(self) -> Iterator[Fleet]:
        """Have the fleet for oneself."""
        with ExitStack() as stack:
            for lock, host in _lease(self.place, [self.fleet.host], 1):
                stack.callback(lock.close)
                stack.callback(host.heal)
                host.heal()
            yield self.fleet

    @contextmanager
    def take(self, count: int = 1, cgroup: str = "") -> Iterator[list[Host]]:
        """Have some hosts for oneself, if need be of one layout of control groups; they are whole at both ends."""
        fitting = [host for host in self.hosts if cgroup in {"", host.cgroup}]
        if len(fitting) < count:
            raise LookupError(f"the lab has no {count} hosts with {cgroup or 'any'} control groups")
        with ExitStack() as stack:
            taken = _lease(self.place, fitting, count)
            for lock, host in taken:
                stack.callback(lock.close)
                stack.callback(host.heal)
                host.heal()
            yield [host for _lock, host in taken]


def _lease(place: Place, fitting: list[Host], count: int) -> list[tuple[Lock, Host]]:
    """Take that many hosts at once, or none and try again, so that two takers cannot wait for each other.

    One taker tries at a time: those who want few would never let in one who wants all.
    """
    with hold(place.run / "turn", seconds=LEASE_LIMIT):
        return _try_to_lease(place, fitting, count)


def _try_to_lease(place: Place, fitting: list[Host], count: int) -> list[tuple[Lock, Host]]:
    deadline = time.monotonic() + LEASE_LIMIT
    while time.monotonic() < deadline:
        taken: list[tuple[Lock, Host]] = []
        for host in fitting:
            lock = Lock(place.run / host.name / "lease")
            if len(taken) < count and lock.take():
                taken.append((lock, host))
            else:
                lock.close()
        if len(taken) == count:
            return taken
        for lock, _host in taken:
            lock.close()
        time.sleep(0.05)
    raise TimeoutError(f"no {count} hosts of the lab were free within {LEASE_LIMIT} s")


def join(*, stay: bool = False) -> Lab:
    """Return the lab of this checkout, started if it is not up; raises LabMissing with the reason if it cannot be.

    With `stay` it outlives its users, until `take_down`.
    """
    check_machine()
    place = this_place()
    users = Lock(place.lock("users"))
    try:
        with hold(place.lock("start"), seconds=START_LIMIT):
            if not users.take(shared=True, seconds=END_LIMIT):
                raise LabMissing(f"the last lab does not end (see {place.lock('log')})")
            if not is_held(place.lock("keeper")):
                _start(place)
            elif json.loads((place.run / "ready").read_text())["sources"] != sources():
                raise LabMissing("the lab that is up was made by other scripts than these: make lab-down")
            if stay:
                (place.run / "stay").touch()
            return Lab(place, users)
    except BaseException:
        users.close()
        raise


def _start(place: Place) -> None:
    left = sweep_orphans()
    if left:
        raise LabMissing(f"an earlier lab cannot be removed: {'; '.join(left)}")
    image = ready_image(lambda text: print(f"lab: {text}", file=sys.stderr, flush=True))
    start_keeper(place, image)
    reason = wait_until_ready(place)
    if reason:
        raise LabMissing(f"the hosts did not start: {reason.strip().splitlines()[-1]} (see {place.lock('failed')})")
    _describe(place)


def _hosts(place: Place) -> list[Host]:
    told = json.loads((place.run / "ready").read_text())
    image = Image(Path(told["image"]))
    return [Host(place, image, **host) for host in told["hosts"]]


def _describe(place: Place) -> None:
    """Write down how OpenSSH and Runbook reach the hosts."""
    hosts = _hosts(place)
    keys = [f"{','.join(host.names)} {host.key}\n" for host in hosts]
    (place.run / "known_hosts").write_text("".join(keys))
    home = place.run / "home/.ssh"
    home.mkdir(mode=0o700, parents=True)
    (home / "known_hosts").symlink_to("../../known_hosts")
    (place.run / "ssh_config").write_text(
        "".join(f"Host {host.name}\n    HostName {host.address}\n" for host in hosts)
        + f"Host *\n    User deploy\n    IdentityFile {place.run}/id_lab\n    IdentitiesOnly yes\n"
        f"    UserKnownHostsFile {place.run}/known_hosts\n    GlobalKnownHostsFile none\n"
        "    StrictHostKeyChecking yes\n    BatchMode yes\n    ConnectTimeout 10\n"
        "    KexAlgorithms curve25519-sha256\n"  # the default one costs a client 70 ms more
    )
    single = {host.name: host.address for host in hosts if host.name != "fleet"}
    (place.run / "inventory.yaml").write_text(inventory("lab", single, place.run / "id_lab"))


def inventory(group: str, addresses: dict[str, str], identity: Path, user: str = "deploy") -> str:
    """Return an inventory in Runbook's own form, with one group of hosts that are reached by SSH."""
    way = f"transport: ssh, user: {user}, key_file: {identity}"
    entries = [f"  {name}: {{{way}, address: {at}}}\n" for name, at in addresses.items()]
    return f"hosts:\n{''.join(entries)}groups:\n  {group}: {{hosts: [{', '.join(addresses)}]}}\n"


def wait_until_down(place: Place) -> list[str]:
    """Wait for the end of a lab nobody uses, and return what is left of it; nothing if others still use it."""
    noticed = time.monotonic() + NOTICE
    deadline = time.monotonic() + END_LIMIT
    while is_held(place.lock("keeper")):
        if (place.run / "stay").exists():
            return []
        ending = is_held(place.lock("users")) and not _is_shared(place)
        if not ending and time.monotonic() > noticed:
            return []
        if time.monotonic() > deadline:
            return [f"its keeper has not ended within {END_LIMIT} s", *strays(place)]
        time.sleep(0.05)
    return [*_told_at_the_end(place), *strays(place)]


def _told_at_the_end(place: Place) -> list[str]:
    end = place.lock("end")
    return end.read_text().splitlines() if end.exists() else ["its keeper died"]


def _is_shared(place: Place) -> bool:
    users = Lock(place.lock("users"))
    try:
        return users.take(shared=True)
    finally:
        users.close()


def take_down(place: Place) -> list[str]:
    """End a lab that is up, if it is, and whatever is left of it; return what would not go."""
    with hold(place.lock("start"), seconds=START_LIMIT):
        kept = is_held(place.lock("keeper"))
        deadline = time.monotonic() + END_LIMIT
        while is_held(place.lock("keeper")) and time.monotonic() < deadline:
            _ask_to_end(place.run / "keeper.pid")
            time.sleep(0.1)
        told = _told_at_the_end(place) if kept else guests(place)
        return [*told, *sweep_orphans(), *strays(place)]


def _ask_to_end(file: Path) -> None:
    try:
        os.kill(int(file.read_text()), signal.SIGTERM)
    except (OSError, ValueError):
        return
