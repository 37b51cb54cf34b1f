"""Leases of a run that rests: they are given back when it will not go on here."""

from __future__ import annotations

from runbook.config import Settings
from runbook.engine.spread import spread
from runbook.errors import RunbookError
from runbook.events import fact as f
from runbook.events.state import RunState
from runbook.ports.cancel import Cancel
from runbook.session.prepare import from_snapshot
from runbook.session.way import as_recorded, ways


def returned_leases(settings: Settings, run: str, state: RunState) -> tuple[f.Fact, ...]:
    """Give the leases of a run back and return the facts of it; a target that cannot be asked keeps its own."""
    if not state.leases or state.opened is None:
        return ()
    hosts = from_snapshot(state.opened).plan.hosts
    reached = ways(as_recorded(settings, state))

    def give_back(name: str) -> bool:
        try:
            reached[hosts[name].transport].target(hosts[name], Cancel()).release_lease(run, copy=state.copy)
        except RunbookError:
            return False
        return True

    try:
        returned = spread(sorted(state.leases & hosts.keys()), give_back)
    finally:
        reached.close()
    return tuple(f.LeaseReturned(target=name) for name, is_back in returned.items() if is_back)
