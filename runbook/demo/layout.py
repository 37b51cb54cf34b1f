"""Where everything lies in the folder of one shop, and which ports its processes listen on.

Owns names and paths only; what stands in the files belongs to the modules that write them.

    HOME/shop.json            the state file: what this folder is and who runs in it
    HOME/config/              the git repository with db-config.yaml
    HOME/services/            one unit file per process, and the control programs `ctl` and `queue-ctl`
    HOME/queue/               the payment callbacks, and the payments that were booked
    HOME/inventory/           the switch of the inventory service, and its cache
    HOME/runtime/             two versions of the runtime side by side, and the link `current`
    HOME/library/             the shared library of the labels, if they are printed
    HOME/run/                 working folder of the supervisor, with its socket
    HOME/log/                 one log per unit, and supervisor.log
"""

from __future__ import annotations

import random
import socket
from pathlib import Path

import msgspec

from runbook.errors import RunbookError

CONFIG_FILE = "db-config.yaml"
GOOD_TAG = "release/stable-20231020"
SOCKET = "ctl.sock"
"""Always used relative to `run/`: an absolute path may exceed the 104 or 108 bytes that sockaddr_un holds."""

DATABASE, ORDER, LOAD = "database", "order-service", "load"
PAYMENT, GATEWAY = "payment-consumer", "payment-gateway"
INVENTORY, CHECKOUT = "inventory-service", "checkout"
LABELS = "labels"
METRICS = "metrics"
CALLBACKS, DEAD_CALLBACKS = "payments", "payments.dead"
"""The queue of the payment gateway's callbacks, and where those go that could not be booked."""

SHOP_MARK = "RUNBOOK_SHOP"
"""Environment variable that every process of a shop carries; its value is the shop's token."""

_PORTS = range(20_000, 30_000)
_TRIES = 200


class Ports(msgspec.Struct, frozen=True):
    """The ports on 127.0.0.1 of one shop."""

    database: int
    order: int
    load: int
    payment: int = 0
    inventory: int = 0
    checkout: int = 0
    labels: int = 0
    metrics: int = 0


class Layout(msgspec.Struct, frozen=True):
    """The paths of one shop, derived from its folder."""

    home: Path

    @property
    def state(self) -> Path:
        return self.home / "shop.json"

    @property
    def config(self) -> Path:
        return self.home / "config"

    @property
    def config_file(self) -> Path:
        return self.config / CONFIG_FILE

    @property
    def services(self) -> Path:
        return self.home / "services"

    @property
    def control(self) -> Path:
        return self.services / "ctl"

    @property
    def queue_control(self) -> Path:
        return self.services / "queue-ctl"

    @property
    def queue(self) -> Path:
        return self.home / "queue"

    @property
    def inventory(self) -> Path:
        return self.home / "inventory"

    @property
    def inventory_switch(self) -> Path:
        return self.inventory / "switch.json"

    @property
    def runtime(self) -> Path:
        return self.home / "runtime"

    @property
    def library(self) -> Path:
        return self.home / "library"

    @property
    def start_by_hand(self) -> Path:
        return self.services / "order-service.start"

    @property
    def run(self) -> Path:
        return self.home / "run"

    @property
    def socket(self) -> Path:
        return self.run / SOCKET

    @property
    def logs(self) -> Path:
        return self.home / "log"

    def log(self, unit: str) -> Path:
        return self.logs / f"{unit}.log"

    def unit(self, name: str) -> Path:
        return self.services / f"{name}.json"

    def make_folders(self) -> None:
        """Create the folders, readable by the owner alone."""
        for folder in (self.home, self.config, self.services, self.queue, self.run, self.logs):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def choose_ports() -> Ports:
    """Choose free ports on 127.0.0.1.

    They lie below the ranges from which Linux (32768) and macOS (49152) take the ports of outgoing connections:
    otherwise a shopper's connection could sit on the port of a service that is just being restarted, or even be
    connected to itself.

    Raises:
        RunbookError: no free port was found.
    """
    chosen: list[int] = []
    for port in random.sample(_PORTS, _TRIES):
        if _is_free(port):
            chosen.append(port)
        if len(chosen) == len(Ports.__struct_fields__):
            return Ports(*chosen)
    raise RunbookError(
        f"no free ports between {_PORTS.start} and {_PORTS.stop}",
        where="demo",
        remedy="stop what listens there (`ss -ltn` shows it)",
    )


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
