"""The process that owns the hosts of a lab, from their boot to their end.

It lives in a session of its own, so that Ctrl-C and the death of a test run do not reach it: it sees that nobody uses
the lab any more by a lock that each user shares and the kernel gives back, and then takes the lab down. What it finds
at its end that would not go, it writes down for whoever looks.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

from tests.lab.image import Image
from tests.lab.lock import Lock, is_held
from tests.lab.machine import Machine, Spec
from tests.lab.network import Network
from tests.lab.place import Place, cgroups, sources
from tests.lab.sweep import guests, sweep

BOOT_LIMIT = 90
"""Seconds; a boot takes one or two, unless the machine is very busy."""
BEGIN_LIMIT = 30
"""Seconds until the keeper holds its lock."""
STEP = 0.05
HOSTS = 7
"""One test may take four of them for long; others go on meanwhile."""


def specs() -> list[Spec]:
    """Return the hosts of a lab: one at least for each layout of control groups, and the fleet."""
    own, *others = cgroups()
    layouts = [*[own] * (HOSTS - len(others)), *others]
    hosts = [Spec(f"h{n}", f"198.18.0.{10 + n}", layout) for n, layout in enumerate(layouts, 1)]
    return [*hosts, Spec("fleet", "198.18.0.100", own, fleet=True)]


class Keeper:
    """Starts a lab, keeps it while it is used, and takes it down."""

    def __init__(self, place: Place, image: Image) -> None:
        self._place = place
        self._image = image
        self._stop = threading.Event()
        self._users = Lock(place.lock("users"))

    def keep(self) -> int:
        """Return the exit status when the lab is down again: 0 if nothing of it is left."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: self._stop.set())
        alive = Lock(self._place.lock("keeper"))
        if not alive.take(seconds=5):
            return 1
        end = self._place.lock("end")
        end.unlink(missing_ok=True)
        self._place.run.mkdir(parents=True)
        (self._place.run / "keeper.pid").write_text(f"{os.getpid()}")
        failed = self._place.lock("failed")
        try:
            self._look_after(self._start())
        except Exception:  # noqa: BLE001 - the border of this process: whoever waits for the lab reads it
            part = self._place.lock("failed.part")
            part.write_text(traceback.format_exc())
            part.rename(failed)
        left = [*guests(self._place), *sweep(self._place)]
        end.write_text("".join(f"{line}\n" for line in left))
        alive.close()
        self._users.close()
        return 1 if left else 0

    def _start(self) -> list[Machine]:
        run = self._place.run
        key = run / "id_lab"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(key)], check=True)
        authorised = key.with_suffix(".pub").read_text()
        network = Network(self._place, self._image)
        network.make()
        machines = [Machine(self._place, self._image, spec, cgroups()[0]) for spec in specs()]
        for machine in machines:
            spec = machine.spec
            network.add(spec.name, spec.address)
            if spec.fleet:
                network.answer_for_fleet(spec.name, spec.address)
            machine.make(authorised)
            machine.start()
        for machine in machines:
            machine.wait_until_up(BOOT_LIMIT)
        self._tell_ready(machines)
        return machines

    def _tell_ready(self, machines: list[Machine]) -> None:
        hosts = [
            {"name": m.spec.name, "address": m.spec.address, "cgroup": m.spec.cgroup, "key": m.host_key}
            for m in machines
        ]
        part = self._place.run / "ready.part"
        part.write_text(json.dumps({"sources": sources(), "image": str(self._image.root), "hosts": hosts}))
        part.rename(self._place.run / "ready")

    def _look_after(self, machines: list[Machine]) -> None:
        stay = self._place.run / "stay"
        while not self._stop.is_set():
            if not stay.exists() and self._users.take():
                return
            for machine in machines:
                machine.look_after()
            self._stop.wait(STEP)


def start_keeper(place: Place, image: Image) -> None:
    """Start the keeper as a process that is nobody's child."""
    place.lock("failed").unlink(missing_ok=True)
    with place.lock("log").open("wb") as log:
        subprocess.run(
            ["setsid", "--fork", sys.executable, "-m", "tests.lab", "keep", str(image.root)],
            cwd=Path(__file__).parents[2], stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True,
        )  # fmt: skip


def wait_until_ready(place: Place) -> str:
    """Return "" when the lab is up, or else why it is not."""
    begun = time.monotonic()
    while time.monotonic() < begun + BOOT_LIMIT + BEGIN_LIMIT:
        if (place.run / "ready").exists():
            return ""
        if place.lock("failed").exists():
            return place.lock("failed").read_text()
        if time.monotonic() > begun + BEGIN_LIMIT and not is_held(place.lock("keeper")):
            return place.lock("log").read_text(errors="replace") or "its keeper died"
        time.sleep(STEP)
    return f"the hosts are not up within {BOOT_LIMIT + BEGIN_LIMIT} s"
