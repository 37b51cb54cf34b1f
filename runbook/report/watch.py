"""What guards saw, with which normal values they compared, and the lines about breaches."""

from __future__ import annotations

from collections.abc import Iterator

from runbook.events import fact as f
from runbook.events.plain import thaw
from runbook.model.scalar import Json
from runbook.report.block import part, table
from runbook.report.story import Story
from runbook.report.word import moment
from runbook.text import markdown


def watched(story: Story) -> list[str]:
    """Return the part about normal values and guards; nothing if the run had none."""
    normal = table(
        ("Normal value", "Is", "Taken (UTC)", "From"),
        (
            (taken.baseline, _number(taken.value), moment(each.time), _source(taken))
            for each in story.all(f.BaselineTaken)
            if isinstance(taken := each.fact, f.BaselineTaken)
        ),
    )
    head = ("Guard", "Good", "Bad", "No data", "Lowest", "Highest", "Breached")
    return part("Guards and normal values", [normal, table(head, _guards(story))])


def breach_lines(story: Story) -> list[str]:
    """Return a line for every breach, with what the run did about it."""
    lines = []
    for each in story.all(f.GuardBreached):
        breach = each.fact
        if isinstance(breach, f.GuardBreached):
            words = f"{breach.guard}, answered by {breach.response}"
            when = markdown(moment(each.time))
            lines.append(f"- **Guard breached**: {markdown(words)}, {when} UTC. Reason: {markdown(breach.why)}")
    return lines


def _source(taken: f.BaselineTaken) -> str:
    if taken.state != "good":
        return f"no data: {taken.evidence[0]}" if taken.evidence else "no data"
    return "during the incident" if taken.during_incident else "history"


def _guards(story: Story) -> Iterator[tuple[str, ...]]:
    """Yield a line per guard; which end of its numbers is the bad one only the playbook knows, so both are told."""
    samples: dict[str, list[f.GuardSampled]] = {}
    for each in story.all(f.GuardSampled):
        if isinstance(each.fact, f.GuardSampled):
            samples.setdefault(each.fact.guard, []).append(each.fact)
    breached = {each.fact.guard for each in story.all(f.GuardBreached) if isinstance(each.fact, f.GuardBreached)}
    for guard in dict.fromkeys((*samples, *sorted(breached))):
        taken = samples.get(guard, [])
        counts = (str(sum(1 for s in taken if s.state == state)) for state in ("good", "bad", "no data"))
        numbers = [found for s in taken if isinstance(found := thaw(s.value), int | float)]
        ends = (f"{min(numbers):g}", f"{max(numbers):g}") if numbers else ("unknown", "unknown")
        yield (guard, *counts, *ends, "yes" if guard in breached else "no")


def _number(value: Json) -> str:
    found = thaw(value)
    return f"{found:g}" if isinstance(found, int | float) else "unknown"
