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
from runbook.demo.incident import Incident, find_incident
from runbook.demo.layout import GOOD_TAG, ORDER
from runbook.demo.number import Numbers
from runbook.demo.repository import BAD_CONNECTIONS, BAD_SUBJECT, GOOD_CONNECTIONS
from runbook.demo.shop import Shop, open_shop, stop_kept
from runbook.ports.approver import Approver
from runbook.ports.recorder import Listener
from runbook.session.control import Control
from runbook.session.order import Order
from runbook.session.result import CLOSED, Result
from runbook.session.run import start
from runbook.session.unattended import Unattended
from runbook.text import shell_words

Tell = Callable[[str], None]

INCIDENT = "config-rollback"
WINDOWS = {"stable": "3s", "steady": "3s", "soak": "5s"}
"""How long the playbook watches; a real host takes the defaults, which are much longer."""

_RECOVERS_WITHIN = 10.0
"""Seconds that the shop's numbers get to show what the run has done: they cover the last three seconds."""
_LOOK_EVERY = 0.2


class DemoResult(Struct, frozen=True, kw_only=True):
    """What the demo has shown."""

    before: Numbers
    broken: Numbers
    after: Numbers | None
    """None if the run was interrupted."""
    result: Result
    healthy: bool
    """By the shop's own numbers, whatever the run says of itself."""
    folder: Path | None
    """Of the shop that was left up; None if nothing of it is left."""


def demo(
    settings: Settings,
    approver: Approver,
    listeners: tuple[Listener, ...],
    control: Control,
    *,
    guided: bool = False,
    keep: bool = False,
    folder: Path | None = None,
    tell: Tell,
) -> DemoResult:
    """Open a shop, break it, heal it with the shipped playbook, and leave nothing of it but the run in the journal.

    Args:
        approver: answers a guided run; an unattended one has its answers here.
        keep: leave the shop up after a run that was not interrupted.
        folder: an empty or new one for the shop; default: a new one in the temporary folder.
        tell: takes one line at a time.

    Raises:
        KeyboardInterrupt: the end was asked for before the run began; the shop is gone.
        RunbookError: the shop cannot be opened or broken, or the run cannot be begun; the shop is gone.
    """
    incident = find_incident(INCIDENT)
    with open_shop(folder) as shop:
        shop.before_look = lambda: _go_on(control)
        tell(f"opening a shop in {shop.folder}")
        before = shop.start()
        tell(f"before: {describe(before)}")
        tell(f"the release automation pushes {BAD_SUBJECT!r}: {GOOD_CONNECTIONS} connections become {BAD_CONNECTIONS}")
        broken = incident.break_it(shop)
        tell(f"broken: {describe(broken)}")
        tell(f"the alert says: {incident.alert}")
        if not guided:
            tell("the shop's release automation pushes once and does not run any more: freeze is answered with done")
            approver = Unattended(("roll-back",), {"freeze": "done"})
        _go_on(control)
        result = start(_shipped(settings, shop), _order(shop, incident, guided), approver, listeners, control)
        is_over = not control.cancel_token.is_set() and result.status != "interrupted"
        after = _recovered(shop, incident, control, patient=result.status == "succeeded") if is_over else None
        if after is not None:
            tell(f"after: {describe(after)}")
            tell(_judged(incident, broken, after))
        shop.keep = keep and is_over
        if shop.keep:
            _tell_kept(shop, result, tell)
    if not shop.keep:
        tell("the shop is gone: no process, no folder; the run stays in the journal")
        if result.status not in CLOSED:
            tell(f"run {result.run} ({result.status}) cannot be resumed: it has no shop any more")
    return DemoResult(
        before=before,
        broken=broken,
        after=after,
        result=result,
        healthy=after is not None and incident.healthy(after),
        folder=shop.folder if shop.keep else None,
    )


def demo_stop(folder: Path) -> None:
    """End a shop that was left up, and remove its folder.

    Raises:
        RunbookError: this is no shop of this user, or a process of it is still alive.
    """
    stop_kept(folder)


def describe(numbers: Numbers) -> str:
    """Say the shop's numbers in one line; what nobody knows is told as unknown."""
    failing = "unknown" if numbers.failure_rate is None else f"{numbers.failure_rate:.1%}".replace("%", " %")
    slowest = "unknown" if numbers.p99_ms is None else f"{numbers.p99_ms:.0f} ms"
    pool = "unknown" if numbers.pool_max is None else f"{numbers.pool_open} connections open of {numbers.pool_max}"
    return f"{numbers.orders_per_s:.1f} orders/s, {failing} fail, p99 {slowest}, pool {pool}"


def _go_on(control: Control) -> None:
    if control.cancel_token.is_set():
        raise KeyboardInterrupt(control.cancel_token.reason)


def _shipped(settings: Settings, shop: Shop) -> Settings:
    """Return settings in which the built-in playbooks are the only ones: a local one must not take the show over."""
    nowhere = shop.folder / "playbooks"
    return replace(settings, local=nowhere, config=nowhere)


def _order(shop: Shop, incident: Incident, guided: bool) -> Order:
    known = shop.parameters()
    return Order(
        playbook=incident.playbook,
        values={name: known[name] for name in ("good_ref", "service", "repo", "file", "health_url")} | WINDOWS,
        inventory=_write_inventory(shop),
        approvals=() if guided else ("roll-back",),
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
        f"  order: {{hosts: [{host}]}}",
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


def _judged(incident: Incident, broken: Numbers, after: Numbers) -> str:
    was, now = (n.failure_rate for n in (broken, after))
    rates = "" if was is None or now is None else f": failing orders {was:.0%} to {now:.1%}".replace("%", " %")
    return f"the shop's own numbers are {'healthy again' if incident.healthy(after) else 'not healthy'}{rates}"


def _tell_kept(shop: Shop, result: Result, tell: Tell) -> None:
    known = shop.parameters()
    tell(f"the shop stays up in {shop.folder}")
    tell(f"  look   curl {known['metrics_url']}")
    tell(f"         {shell_words([known['control'], 'show', ORDER])}")
    tell(f"         {shell_words(['git', '-C', known['repo'], 'diff', GOOD_TAG])}")
    tell(f"  undo   runbook undo {result.run}")
    tell(f"  stop   {shell_words(['runbook', 'demo', '--stop', str(shop.folder)])}")
