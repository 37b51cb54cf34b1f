"""The stage of the demo: a shop is opened and broken, and what heals it is made ready.

Owns the shop from its opening to its end, and the orders of the runs that heal it. Whoever stands on the stage (an
unattended show, plain lines, the screens) gives the orders.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import replace

from runbook.config import Settings
from runbook.demo.incident import Incident, find_incident
from runbook.demo.number import Numbers
from runbook.demo.shop import Shop, open_shop
from runbook.errors import RefusedError
from runbook.session.control import Control
from runbook.session.draft import draft
from runbook.session.order import Order
from runbook.session.staging import STAGINGS, Cure, Staging

Tell = Callable[[str], None]

GROUPS = ("order", "queue", "inventory", "app")
"""The groups that the shipped playbooks ask for."""

_RECOVERS_WITHIN = 10.0
"""Seconds that the shop's numbers get to show what the run has done: they cover the last three seconds."""
_LOOK_EVERY = 0.2


class Stage:
    """A broken shop, and the orders that heal it."""

    def __init__(self, settings: Settings, shop: Shop, incident: Incident, before: Numbers, broken: Numbers) -> None:
        nowhere = shop.folder / "playbooks"
        self.settings = replace(settings, local=nowhere, config=nowhere)
        """The built-in playbooks are the only ones: a local one must not take the show over."""
        self.shop = shop
        self.incident = incident
        self.staging: Staging = STAGINGS[incident.id]
        self.before = before
        self.broken = broken
        self._inventory = _write_inventory(shop)

    def order(self, cure: Cure, *, guided: bool) -> Order:
        """Return the order of one run."""
        known = self.shop.parameters()
        return Order(
            playbook=cure.playbook,
            values={name: known[name] for name in cure.takes}
            | {name: known[key] for name, key in cure.takes_as.items()}
            | cure.values,
            inventory=self._inventory,
            approvals=() if guided else cure.approvals,
            incident="demo",
            guided=guided,
        )

    def opening(self, cure: Cure) -> tuple[str, ...]:
        """Return the command that opens the screens at a playbook; its values are written beside the shop."""
        order = self.order(cure, guided=True)
        values = {
            field.name: json.loads(field.value) if field.param.type in ("int", "float", "bool") else field.value
            for field in draft(self.settings, order).fields
            if field.name in order.values
        }
        file = self.shop.folder / f"{cure.playbook}.yaml"
        file.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n")
        file.chmod(0o600)
        return ("runbook", "open", cure.playbook, "--inventory", str(self._inventory), "--vars-file", str(file))

    def numbers(self, control: Control, *, patient: bool) -> Numbers:
        """Return the shop's own numbers; if patient, as soon as they are healthy, but not for ever."""
        deadline = time.monotonic() + (_RECOVERS_WITHIN if patient else 0.0)
        while not self.incident.healthy(numbers := self.shop.numbers()) and time.monotonic() < deadline:
            if control.cancel_token.wait(_LOOK_EVERY):
                break
        return numbers

    def tell_after(self, numbers: Numbers, tell: Tell) -> bool:
        """Tell how the shop is by its own numbers, and return whether it is healthy."""
        healthy = self.incident.healthy(numbers)
        tell(f"after: {self.staging.numbers(numbers)}")
        tell(f"the shop's own numbers are {'healthy again' if healthy else 'not healthy'}")
        return healthy


@contextmanager
def staged(settings: Settings, control: Control, *, name: str, folder: Path | None, tell: Tell) -> Iterator[Stage]:
    """Open a shop, break it, and remove it at the end unless `stage.shop.keep` is set by then.

    Raises:
        KeyboardInterrupt: the end was asked for before the shop was broken; it is gone.
        RefusedError: this machine lacks what the incident needs; nothing was begun.
        RunbookError: the shop cannot be opened or broken; it is gone.
    """
    incident = find_incident(name)
    staging = STAGINGS[incident.id]
    if why := incident.missing():
        raise RefusedError(f"{name} cannot be staged on this machine: {why}", remedy="stage another incident")
    with open_shop(folder) as shop:
        shop.before_look = lambda: go_on(control)
        tell(f"opening a shop in {shop.folder}")
        before = incident.start(shop)
        tell(f"before: {staging.numbers(before)}")
        tell(staging.cause)
        broken = incident.break_it(shop)
        tell(f"broken: {staging.numbers(broken)}")
        tell(f"the alert says: {incident.alert}")
        yield Stage(settings, shop, incident, before, broken)
    if not shop.keep:
        tell("the shop is gone: no process, no folder; what was run stays in the journal")


def go_on(control: Control) -> None:
    """Raise KeyboardInterrupt if the end was asked for."""
    if control.cancel_token.is_set():
        raise KeyboardInterrupt(control.cancel_token.reason)


def _write_inventory(shop: Shop) -> Path:
    """Write the inventory: one host, which is this machine, with what differs from one with systemd and sudo."""
    # Leases go by the name of the host: a shop that was interrupted must not stand in the way of the next one.
    host = f"shop-{secrets.token_hex(3)}"
    lines = [
        "hosts:",
        f"  {host}:",
        "    transport: local",
        "    vars:",
        "      sudo: false",
        *(f"      {name}: {json.dumps(value, ensure_ascii=False)}" for name, value in shop.inventory_vars.items()),
        "groups:",
        *(f"  {group}: {{hosts: [{host}]}}" for group in GROUPS),
    ]
    path = shop.folder / "inventory.yaml"
    path.write_text("\n".join(lines) + "\n")
    path.chmod(0o600)
    return path
