"""The section that comes first: where the run left its playbook, every decision, and what people wrote down."""

from __future__ import annotations

import difflib

from runbook.events import fact as f
from runbook.report.block import fenced, item, part, section, table
from runbook.report.decision import about, argument_lines, deviation, is_decision, what, who, why
from runbook.report.story import Story, Told
from runbook.report.watch import breach_lines
from runbook.report.word import moment
from runbook.text import markdown


def decisions(story: Story) -> list[str]:
    """Return the section of decisions and deviations."""
    made = [told for told in story.told if is_decision(told)]
    blocks = [
        *part("Deviations from the playbook", [_deviations(story)]),
        *part("Every decision", [_table(made) or "No decision is on record."]),
        *part("Questions that nobody answered", ["\n".join(_unanswered(story))]),
        *_edits(story),
        *part("Notes and evidence", _notes(story)),
    ]
    return section("Decisions and deviations", blocks)


def _deviations(story: Story) -> str:
    lines = breach_lines(story)
    lines += [_deviation(told, kind) for told in story.told if (kind := deviation(told))]
    if lines:
        return "\n".join(lines)
    if story.state.deviated or (story.finished is not None and story.finished.deviated):
        return "The run is marked as deviated, but the record that says how is missing."
    return "None is on record."


def _deviation(told: Told, kind: str) -> str:
    when = f"{markdown(moment(told.time))} UTC, by {markdown(who(told))}"
    reason = f"Reason: {markdown(why(told))}" if why(told) else "No reason is on record."
    return f"- **{markdown(kind)}**: {markdown(about(told))}, {when}. {reason}"


def _table(made: list[Told]) -> str:
    return table(
        ("When (UTC)", "Who", "Decision", "About", "Reason"),
        ((moment(t.time), who(t), what(t), about(t), why(t)) for t in made),
    )


def _unanswered(story: Story) -> list[str]:
    return [
        item(f"{markdown(moment(time))} UTC", question.title)
        for time, question in story.unanswered
        if question.id not in story.state.questions
    ]


def _edits(story: Story) -> list[str]:
    blocks: list[str] = []
    for told in story.told:
        fact = told.fact
        if not isinstance(fact, f.DecisionMade) or deviation(told) != "edited":
            continue
        old = argument_lines(told.before, fact.values)
        new = argument_lines(fact.values, fact.values)
        lines = list(difflib.unified_diff(old, new, "as planned", "as edited", lineterm="", n=0))
        shown = fenced("\n".join(lines), "diff") if lines else "The values are as they were."
        blocks.extend(part(f"Edit of {about(told)}, {moment(told.time)} UTC", [shown]))
    return blocks


def _notes(story: Story) -> list[str]:
    blocks: list[str] = []
    for told in story.told:
        if not isinstance(told.fact, f.NoteWritten):
            continue
        head = item(f"{markdown(moment(told.time))} UTC, {markdown(told.actor)}", about(told))
        blocks.extend((head, fenced(told.fact.text)))
    return blocks
