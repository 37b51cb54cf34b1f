"""The demo: a shop is opened, broken the way of the incident, and healed by the shipped playbook.

Owns the order of the show and what is told of it. The shop knows nothing of playbooks, and the recovery is an
ordinary run: what is set here is an inventory, parameters and, if nobody is there, the answers.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from runbook.config import Settings
from runbook.demo.incident import INCIDENTS, Incident, find_incident
from runbook.demo.number import Numbers
from runbook.demo.shop import Shop, open_shop, stop_kept
from runbook.errors import RefusedError
from runbook.ports.approver import Approver
from runbook.ports.recorder import Listener
from runbook.session.control import Control
from runbook.session.order import Order
from runbook.session.result import CLOSED, Result
from runbook.session.run import start
from runbook.session.staging import STAGINGS, Cure, Staging
from runbook.session.unattended import Unattended
from runbook.text import shell_words

Tell = Callable[[str], None]

INCIDENT = "config-rollback"
"""What is staged if nothing is said."""

GROUPS = ("order", "queue", "inventory", "app")
"""The groups that the shipped playbooks ask for."""

_RECOVERS_WITHIN = 10.0
"""Seconds that the shop's numbers get to show what the run has done: they cover the last three seconds."""
_LOOK_EVERY = 0.2


class DemoResult(Struct, frozen=True, kw_only=True):
    """What the demo has shown."""

    incident: str
    before: Numbers
    broken: Numbers
    after: Numbers | None
    """None if the run was interrupted."""
    results: tuple[Result, ...]
    """One per run that was begun, in order."""
    healthy: bool
    """By the shop's own numbers, whatever the runs say of themselves."""
    folder: Path | None
    """Of the shop that was left up; None if nothing of it is left."""

    @property
    def result(self) -> Result:
        """The last run: it stands for the incident."""
        return self.results[-1]


def incidents() -> tuple[Incident, ...]:
    """Return what can be staged; what each `missing` names keeps it from this machine."""
    return tuple(incident for incident in INCIDENTS if incident.id in STAGINGS)


def demo(
    settings: Settings,
    approver: Approver,
    listeners: tuple[Listener, ...],
    control: Control,
    *,
    name: str = INCIDENT,
    guided: bool = False,
    keep: bool = False,
    folder: Path | None = None,
    tell: Tell,
) -> DemoResult:
    """Open a shop, break it, heal it with the shipped playbooks, and leave nothing of it but the runs in the journal.

    Args:
        approver: answers a guided run; an unattended one has its answers here.
        name: the incident.
        keep: leave the shop up once a run has begun, however it ended.
        folder: an empty or new one for the shop; default: a new one in the temporary folder.
        tell: takes one line at a time.

    Raises:
        KeyboardInterrupt: the end was asked for before the run began; the shop is gone.
        RefusedError: this machine lacks what the incident needs; nothing was begun.
        RunbookError: the shop cannot be opened or broken, or the run cannot be begun; the shop is gone.
    """
    incident = find_incident(name)
    staging = STAGINGS[incident.id]
    if why := incident.missing():
        raise RefusedError(f"{name} cannot be staged on this machine: {why}", remedy="stage another incident")
    with open_shop(folder) as shop:
        shop.before_look = lambda: _go_on(control)
        tell(f"opening a shop in {shop.folder}")
        before = incident.start(shop)
        tell(f"before: {staging.numbers(before)}")
        tell(staging.cause)
        broken = incident.break_it(shop)
        tell(f"broken: {staging.numbers(broken)}")
        tell(f"the alert says: {incident.alert}")
        results = _cured(settings, shop, staging, approver if guided else None, listeners, control, tell)
        last = results[-1]
        is_over = not control.cancel_token.is_set() and last.status != "interrupted"
        after = _recovered(shop, incident, control, patient=last.status == "succeeded") if is_over else None
        if after is not None:
            tell(f"after: {staging.numbers(after)}")
            tell(f"the shop's own numbers are {'healthy again' if incident.healthy(after) else 'not healthy'}")
        shop.keep = keep
        if shop.keep:
            _tell_kept(shop, staging, last, tell)
    if not shop.keep:
        tell("the shop is gone: no process, no folder; what was run stays in the journal")
        if last.status not in CLOSED:
            tell(f"run {last.run} ({last.status}) cannot be resumed: it has no shop any more")
    return DemoResult(
        incident=incident.id,
        before=before,
        broken=broken,
        after=after,
        results=results,
        healthy=after is not None and incident.healthy(after),
        folder=shop.folder if shop.keep else None,
    )


def _cured(
    settings: Settings,
    shop: Shop,
    staging: Staging,
    approver: Approver | None,
    listeners: tuple[Listener, ...],
    control: Control,
    tell: Tell,
) -> tuple[Result, ...]:
    """Run one playbook after the other, as long as they succeed."""
    results: list[Result] = []
    shipped, inventory = _shipped(settings, shop), _write_inventory(shop)
    for cure in staging.cures:
        _go_on(control)
        if approver is None and cure.because:
            tell(cure.because)
        asked = approver or Unattended(cure.approvals, cure.answers)
        order = _order(shop, cure, inventory, guided=approver is not None)
        results.append(start(shipped, order, asked, listeners, control))
        if results[-1].status != "succeeded":
            break
    return tuple(results)


def demo_stop(folder: Path) -> None:
    """End a shop that was left up, and remove its folder.

    Raises:
        RunbookError: this is no shop of this user, or a process of it is still alive.
    """
    stop_kept(folder)


def _go_on(control: Control) -> None:
    if control.cancel_token.is_set():
        raise KeyboardInterrupt(control.cancel_token.reason)


def _shipped(settings: Settings, shop: Shop) -> Settings:
    """Return settings in which the built-in playbooks are the only ones: a local one must not take the show over."""
    nowhere = shop.folder / "playbooks"
    return replace(settings, local=nowhere, config=nowhere)


def _order(shop: Shop, cure: Cure, inventory: Path, *, guided: bool) -> Order:
    known = shop.parameters()
    return Order(
        playbook=cure.playbook,
        values={name: known[name] for name in cure.takes}
        | {name: known[key] for name, key in cure.takes_as.items()}
        | cure.values,
        inventory=inventory,
        approvals=() if guided else cure.approvals,
        incident="demo",
        guided=guided,
    )


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


def _recovered(shop: Shop, incident: Incident, control: Control, *, patient: bool) -> Numbers:
    """Return the shop's numbers; after a run that succeeded, as soon as they are healthy."""
    deadline = time.monotonic() + (_RECOVERS_WITHIN if patient else 0.0)
    while not incident.healthy(numbers := shop.numbers()) and time.monotonic() < deadline:
        if control.cancel_token.wait(_LOOK_EVERY):
            break
    return numbers


def _tell_kept(shop: Shop, staging: Staging, result: Result, tell: Tell) -> None:
    known = shop.parameters()
    tell(f"the shop stays up in {shop.folder}")
    for number, words in enumerate(staging.looks):
        tell(f"  {'' if number else 'look:':<7} {shell_words([word.format_map(known) for word in words])}")
    if result.status not in CLOSED and result.status != "aborted":
        tell(f"  resume: runbook resume {result.run}")
    if result.state.standing:
        tell(f"  undo:   runbook undo {result.run}")
    tell(f"  stop:   {shell_words(['runbook', 'demo', '--stop', str(shop.folder)])}")
