"""How fast a step may go: what an operator may set while it runs.

The command line may only tighten what the playbook says, so a rate can be lowered, and raised again up to the written
one, never above it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from msgspec.structs import fields

from runbook.errors import RunbookError, UsageError
from runbook.events import fact as f
from runbook.events.plain import freeze, thaw
from runbook.events.state import RunState, StepState
from runbook.model.plan import PlannedStep
from runbook.ports.action import ActionInfo, Catalogue
from runbook.ports.recorder import Mail


def written_rate(at: StepState, info: ActionInfo | None) -> float | None:
    """Return the rate that the plan of a step says, 0 for no limit; None if its rate cannot be set."""
    if info is None or not info.paced or at.planned is None:
        return None
    default = next((field.default for field in fields(info.model) if field.name == "rate"), 0.0)
    found = thaw(at.planned.arguments["rate"]) if "rate" in at.planned.arguments else default
    return float(found) if isinstance(found, (int, float)) else None


def pace_set(step: str, place: str, rate: float, reason: str, actor: str) -> f.PaceSet:
    """Return the fact that a rate was set."""
    number = freeze(int(rate) if rate.is_integer() else rate)
    return f.PaceSet(step=step, target=place, rate=number, reason=reason, actor=actor)


def checked_rate(at: StepState, info: ActionInfo | None, rate: float, where: str) -> float:
    """Return the rate if it may be set there.

    Raises:
        UsageError: the step has no rate, is over, has no plan yet, or the playbook allows less.
    """
    if info is not None and not info.paced:
        raise UsageError(f"{info.name} has no rate that could be set", where=where)
    if at.status in ("succeeded", "skipped", "undoing", "undone", "undo_failed"):
        raise UsageError(f"the step is {at.status}: there is nothing to slow down", where=where)
    most = written_rate(at, info)
    if most is None:
        raise UsageError("the step has no plan yet", where=where, remedy="set its rate once it runs")
    if not math.isfinite(rate) or rate < 0:
        raise UsageError(f"{rate:g} is no rate", where=where, remedy="give units a second, such as 500")
    if most and not 0 < rate <= most:
        asked = f"{rate:g} a second" if rate else "no limit"
        raise UsageError(
            f"{asked} is more than the playbook allows, which is {most:g} a second",
            where=where,
            remedy="only less can be set; another rate takes a run with other parameters",
        )
    return rate


def pace_by_mail(
    catalogue: Catalogue, record: Callable[..., None], state: RunState, step: PlannedStep | None, mail: Mail
) -> dict[tuple[str, str], float]:
    """Put a rate that came by mail on record and return it by step and place; what may not be set is noted."""
    rate = mail.values.get("rate")
    wanted = float(rate) if isinstance(rate, (int, float)) else -1.0
    places = [place for name, place in state.steps if name == mail.step and mail.target in ("", place)]
    taken: dict[tuple[str, str], float] = {}
    for place in places if step is not None else ():
        try:
            info = catalogue.info(step.uses) if step is not None else None
            checked_rate(state.at(mail.step, place), info, wanted, f"{mail.step}@{place}")
        except RunbookError as wrong:
            record(f.NoteWritten(text=f"a rate could not be set: {wrong}", step=mail.step, actor=mail.actor))
            continue
        record(pace_set(mail.step, place, wanted, mail.reason, mail.actor))
        taken[mail.step, place] = wanted
    if step is None or not places:
        record(f.NoteWritten(text=f"a rate came for no step that was planned: {rate}", step=mail.step))
    return taken
