"""The head of the report: which run, how it ended, when, how long, by whom, and whether its journal was proved."""

from __future__ import annotations

from runbook.events import fact as f
from runbook.events.outcome import outcome_word
from runbook.report.block import code, item
from runbook.report.decision import about, is_break_glass, who, why
from runbook.report.story import PeopleFact, Story
from runbook.report.summary import outcome_sentence
from runbook.report.word import full_moment, marked, person, took
from runbook.text import counted, markdown
from runbook.text.mark import mark_of


def headline(story: Story, verification: str, now: str) -> list[str]:
    """Return the blocks of the head; `now` is the RFC 3339 time of the report."""
    title = markdown(story.title)
    outcome = _outcome(story)
    return [
        f"# {title}: {outcome}",
        *_warnings(story),
        f"**{markdown(outcome_sentence(story.state))}**",
        "\n".join(_facts(story, verification, now)),
    ]


def _outcome(story: Story) -> str:
    if not story.timed:
        return "nothing is on record"
    status = story.state.status
    if status == "running":
        return f"{marked(status)}, no outcome is on record"
    if status == "aborted" and story.state.pending_undo:
        left = story.state.pending_undo
        return f"{marked(status)}, {counted(left, 'change')} {'stands' if left == 1 else 'stand'}"
    return f"{mark_of(status).symbol} {outcome_word(story.state)}"


def _warnings(story: Story) -> list[str]:
    """A gate passed alone leads the report; nothing may stand above it but the title."""
    blocks = [
        f"**Break-glass**: {markdown(who(told))} passed the gate of {markdown(about(told))} alone. "
        f"Reason: {markdown(why(told)) or 'none is on record'}"
        for told in story.told
        if is_break_glass(told)
    ]
    reasons = [s.opened.options.get("break_glass") for s in story.sessions]
    return [*blocks, *(f"**Break-glass** was given beforehand. Reason: {markdown(str(r))}" for r in reasons if r)]


def _facts(story: Story, verification: str, now: str) -> list[str]:
    opened = story.state.opened
    playbook = opened.playbook if opened else {}
    incident = next((str(i) for s in story.sessions if (i := s.opened.options.get("incident"))), "")
    lines = [
        f"- Run: {code(story.run)}",
        item("Playbook", str(playbook.get("id") or "not on record")),
        item("Incident", incident or "no incident was named"),
    ]
    if story.timed:
        lines.append(item("Began", full_moment(story.timed[0].time)))
        lines.append(item("Last record", f"{full_moment(story.timed[-1].time)}, {_length(story)}"))
    lines.append(item("Who", ", ".join(_people(story)) or "nobody is on record"))
    # A decision from outside may have ended the run since.
    if story.finished is not None and story.finished.why and story.finished.status == story.state.status:
        lines.append(item("Why it rests", story.finished.why))
    lines.append(item("Journal", verification or "not verified for this report"))
    lines.append(item("Report made", f"{full_moment(now)}; all times here are UTC"))
    return lines


def _length(story: Story) -> str:
    length = f"took {took(story.ms)}"
    return length if len(story.sessions) < 2 else f"{length} in {counted(len(story.sessions), 'session')}"


def _people(story: Story) -> list[str]:
    """Return everybody who had the run in hand or decided in it, each once, in order."""
    found = dict.fromkeys(person(s.opened.actor) for s in story.sessions)
    return list(found | dict.fromkeys(told.actor for told in story.told if not _is_by_itself(told.fact)))


def _is_by_itself(fact: PeopleFact) -> bool:
    """Tell whether it may be the playbook or a guard that brought this about."""
    return isinstance(fact, f.UndoAsked) or (isinstance(fact, f.DecisionMade) and fact.source == "policy")
