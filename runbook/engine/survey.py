"""What the survey of the targets means for a plan: what is said in it, and when nothing may begin.

Owns the words, and the rule that one machine behind two names of the inventory is not changed twice by one step. The
survey itself is made by the transports.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from runbook.errors import RefusedError
from runbook.model.plan import PlannedStep
from runbook.ports.target import Survey


def survey_notes(found: Survey, host: str) -> list[str]:
    """Say what a target lacks for a change that can be ended, found again and told of later."""
    notes = []
    if found.store == "memory":
        notes.append(f"The job folder goes to the memory of {host}, and a restart forgets it: {found.why}")
    elif found.store == "none":
        notes.append(f"{host} has no place for a job folder, so the change will be refused: {found.why}")
    if not found.has_proc:
        notes.append(f"{host} has no /proc: what the job starts is found less surely when it has to be ended")
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
