"""The incidents that the demo can stage: how each breaks the shop, and which playbook heals it.

Owns the list. An incident breaks real things and waits until the damage shows; it never tells a process to behave
badly.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable

import msgspec

from runbook.demo.backlog import break_payments
from runbook.demo.inventory_incident import break_inventory, is_restored
from runbook.demo.label_incident import break_labels, labels_are_printed, start_with_labels
from runbook.demo.library import why_not
from runbook.demo.number import Numbers, is_healthy, is_settled
from runbook.demo.shop import Shop
from runbook.demo.upgrade import upgrade_runtime
from runbook.errors import UsageError


class Incident(msgspec.Struct, frozen=True):
    """One way for the shop to break."""

    id: str
    title: str
    break_it: Callable[[Shop], Numbers]
    """Breaks the shop and returns its own numbers when they show it."""
    playbook: str
    """Id of the playbook that heals it."""
    healthy: Callable[[Numbers], bool]
    """Tells from the numbers whether it is healed."""
    alert: str
    """The text of the alert that an operator would see."""
    start: Callable[[Shop], Numbers] = Shop.start
    """Starts all that the incident needs, and returns its numbers when they are healthy."""
    missing: Callable[[], str] = lambda: ""
    """Says in one line what it lacks on this machine; empty text if nothing."""


INCIDENTS: tuple[Incident, ...] = (
    Incident(
        id="config-rollback",
        title="A configuration push exhausts the connection pool of the order service",
        break_it=Shop.break_config,
        playbook="config-rollback",
        healthy=is_healthy,
        alert="order failure rate above 80 %, connection pool exhausted",
    ),
    Incident(
        id="queue-replay",
        title="Payment callbacks were rejected while orders failed, and lie in the dead-letter queue",
        break_it=break_payments,
        playbook="queue-replay",
        healthy=is_settled,
        alert="payment callbacks backed up: 100,000 messages in the dead-letter queue",
    ),
    Incident(
        id="cache-degradation",
        title="Deductions time out, because the order service holds every connection of the stock database",
        break_it=break_inventory,
        playbook="cache-degradation",
        healthy=is_restored,
        alert="inventory deduction times out, risk of overselling",
    ),
    Incident(
        id="service-restart",
        title="An upgrade of the runtime lets the order service crash at every start",
        break_it=upgrade_runtime,
        playbook="service-restart",
        healthy=is_healthy,
        alert="order-service does not start since the runtime upgrade: crash loop, fatal error in the scheduler",
    ),
    Incident(
        id="ldconfig-refresh",
        title="The driver of a printer brings an old library along, and the label service crashes at every start",
        break_it=break_labels,
        playbook="ldconfig-refresh",
        healthy=labels_are_printed,
        alert="labels does not start: undefined symbol in libz.so.1",
        start=start_with_labels,
        missing=why_not,
    ),
)


def find_incident(name: str) -> Incident:
    """Find an incident by its id.

    Raises:
        UsageError: there is none of that name.
    """
    known = {incident.id: incident for incident in INCIDENTS}
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1)
    remedy = f"did you mean {near[0]}?" if near else f"there is {', '.join(known)}"
    raise UsageError(f"no incident {name!r}", where="demo", remedy=remedy)
