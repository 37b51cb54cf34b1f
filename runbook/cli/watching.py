"""Words for guards and baselines: one line each, the same in the narration and in `audit show`."""

from __future__ import annotations

from runbook.events import fact as f
from runbook.events.plain import thaw
from runbook.model.scalar import Json
from runbook.text import one_line

LINE = 300


def watch_words(fact: f.BaselineTaken | f.GuardSampled | f.GuardBreached) -> str:
    """Return what a guard or a baseline saw."""
    match fact:
        case f.BaselineTaken():
            when = ", taken during the incident" if fact.during_incident else ""
            why = f": {fact.evidence[0]}" if fact.evidence and fact.state != "good" else ""
            return one_line(f"baseline {fact.baseline}: {_number(fact.value)}{when}{why}", LINE)
        case f.GuardSampled():
            why = f": {fact.evidence[0]}" if fact.evidence and fact.state == "no data" else ""
            return one_line(f"guard {fact.guard}: {fact.state}, {_number(fact.value)}{why}", LINE)
        case f.GuardBreached():
            return one_line(f"guard {fact.guard} was breached, {fact.response}: {fact.why}", LINE)


def _number(value: Json) -> str:
    """Return a sample as text; what is not known says so."""
    found = thaw(value)
    return f"{found:g}" if isinstance(found, int | float) else "unknown"
