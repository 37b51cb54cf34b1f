"""What is found on the targets before anything is changed: who they are, what a plan must say, when nothing may begin.

Owns the record of the first meeting, the words, and the rule that one machine behind two names of the inventory is not
changed twice by one step. The survey itself is made by the transports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from runbook.engine.services import Services
from runbook.errors import RefusedError
from runbook.events import fact as f
from runbook.model.plan import PlannedStep
from runbook.ports.target import Keyed, Survey, Target


def meet(services: Services, record: Callable[..., None], target: Target) -> Target:
    """Return the target; the first time in a session, record who it has proven to be."""
    name = target.host.name
    if name not in services.met and isinstance(target, Keyed) and target.host_key:
        mark = object()
        # Two workers may meet the same one at the same time: one of them tells.
        if services.met.setdefault(name, mark) is mark:
            record(f.TargetMet(target=name, place=target.place, host_key=target.host_key))
    return target


def survey_notes(found: Survey) -> list[str]:
    """Say what a target lacks for a change that can be ended, found again and told of later."""
    notes = []
    if found.store == "memory":
        notes.append(f"The job folder goes to memory, and a restart of the host forgets it: {found.why}")
    elif found.store == "none":
        notes.append(f"There is no place for a job folder, so the change will be refused: {found.why}")
    if not found.has_proc:
        notes.append("The host has no /proc: what the job starts is found less surely when it has to be ended")
    return notes


def refuse_twins(steps: Iterable[PlannedStep], machines: Mapping[str, str]) -> None:
    """Raise RefusedError if a step would change one machine twice, under two names.

    `machines` says by name which machine, login and state folder it is, empty where that is not known.
    """
    for step in steps:
        if step.effect == "read":
            continue
        seen: dict[str, str] = {}
        for name in step.hosts:
            machine = machines.get(name, "")
            other = seen.setdefault(machine, name) if machine else name
            if other != name:
                raise RefusedError(
                    f"{other} and {name} are one machine, with the same login and state folder: "
                    f"{step.id} would run twice there",
                    remedy=f"take one of the names out of the inventory, or leave it out with --limit 'all:!{name}'",
                )
