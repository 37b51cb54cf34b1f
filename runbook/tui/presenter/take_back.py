"""What can be taken back now, one step or all that a run changed, each with its price; the first changes nothing."""

from __future__ import annotations

from runbook.events.state import RunState
from runbook.text import counted, one_line
from runbook.tui.presenter.sheet import Offer

LEAVE = ""
ALL = "*"
"""Ids of offers; any other one is a step."""


def ways_back(state: RunState, step: str, *, waits: bool) -> tuple[Offer, ...]:
    """Return what may be chosen: the step that is looked at if it can be undone, the latest change, everything.

    Args:
        state: of the run.
        step: the step that is looked at.
        waits: a step waits, so that the run goes on after one step was undone; else it is at rest.
    """
    found: dict[str, list[str]] = {}
    for name, target, _ in reversed(state.with_way_back):
        found.setdefault(name, []).insert(0, target)
    if not found:
        return ()
    offers = [Offer(LEAVE, "l", "leave it as it is", "nothing is undone")]
    wanted = step if step in found else next(iter(found))
    then = "; then it is asked about" if waits else ", with its check"
    offers.append(Offer(wanted, "u", f"undo {one_line(wanted, 60)}", f"{_on(found[wanted])}{then}"))
    changes = sum(len(set(targets)) for targets in found.values())
    hosts = len({target for targets in found.values() for target in targets})
    price = f"{counted(changes, 'change')} on {counted(hosts, 'host')}"
    offers.append(Offer(ALL, "U", "undo all", f"{price}; ends the run" if waits else f"{price}, the latest first"))
    return tuple(offers)


def _on(targets: list[str]) -> str:
    names = list(dict.fromkeys(targets))
    if names == ["*"]:
        return "once"
    return f"on {one_line(', '.join(names), 60)}" if len(names) <= 3 else f"on {len(names)} hosts"
