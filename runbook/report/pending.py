"""The section that says what is still open, with the command that goes on from there."""

from __future__ import annotations

from runbook.events import degradation
from runbook.events import fact as f
from runbook.events.state import NO_WAY_BACK, Attempt, RunState, StepState
from runbook.events.status import BAD, RESUMABLE
from runbook.report.block import code, fenced, item, part, section
from runbook.report.story import Story
from runbook.report.summary import left_unverified
from runbook.report.word import FEW, at, full_moment, places, together
from runbook.text import markdown


def still_open(story: Story) -> list[str]:
    """Return the section of open loops; one sentence if there is none."""
    blocks = [
        *_session(story),
        *part("In doubt", _doubts(story)),
        *part("Waiting for an answer", _questions(story)),
        *part("Undo that is not complete", _undo(story)),
        *part("Still degraded", _degraded(story)),
        *part("Changes left unverified", ["\n".join(_unverified(story.state))]),
        *part("Changes that stand and can be undone", _standing(story)),
        *part("Changes that stand and have no way back", ["\n".join(dict.fromkeys(_for_good(story.state)))]),
        *part("Leases still held", [_leases(story)]),
        *part("Secrets found in files of Runbook", ["\n".join(_secrets(story))]),
    ]
    return section("What is still open", blocks or ["Nothing is open as far as the record goes."])


def _leases(story: Story) -> str:
    names = sorted(story.state.leases)
    return "\n".join(f"- {markdown(name)}" for name in ([places(names)] if len(names) > FEW else names))


def _session(story: Story) -> list[str]:
    blocks = []
    if story.state.live:
        blocks.append("The last session is not closed on record: it still runs, or it was ended by force.")
    elif story.sessions and story.sessions[-1].closed is None:
        blocks.append("The last session was ended by force.")
    if story.state.handed_over:
        blocks.append(f"The run was handed over and goes on elsewhere; the bundle is {code(story.state.handed_over)}.")
    elif not story.state.live and story.state.status in RESUMABLE - {"undo_incomplete"}:
        # Where all was well but for targets that were left out there is nothing to retry.
        well = bool(story.state.left_out) and not any(at.status in BAD for at in story.state.steps.values())
        failed = ["--failed-hosts"] if story.state.status == "partial" and not well else []
        blocks.append(f"The run can be taken up again: {code('runbook', 'resume', story.run, *failed)}")
    if story.state.left_out:
        left = markdown(places(sorted(story.state.left_out)))
        blocks.append(f"Left out, so that nothing of this run is known to be done there: {left}")
    return blocks


def _doubts(story: Story) -> list[str]:
    blocks: list[str] = []
    for row in story.rows:
        if row.status != "in_doubt":
            continue
        found = story.state.at(row.step, row.target)
        blocks.append(item(markdown(at(row.step, row.target)), found.error or "its outcome is unknown"))
        if found.evidence:
            blocks.append(fenced("\n".join(found.evidence)))
    return [*blocks, f"Nothing is run again until a person decides: {_next('resume', story)}"] if blocks else []


def _questions(story: Story) -> list[str]:
    blocks = []
    for question in story.state.questions.values():
        on = f" ({markdown(question.step)} on {markdown(places(question.places))})" if question.step else ""
        offered = ", ".join(markdown(choice.id) for choice in question.choices)
        blocks.append(f"- {markdown(question.title)}{on}. Possible answers: {offered or 'none is on record'}")
    if not blocks:
        return []
    return ["\n".join(blocks), f"To answer: {code('runbook', 'decide', story.run, 'STEP', 'CHOICE')}"]


def _undo(story: Story) -> list[str]:
    left = {(step, target): again for step, target, again in story.state.undo_left}
    said: list[tuple[str, str, str]] = []
    for place in dict.fromkeys([*left, *story.state.steps]):
        words = _undo_end(story.state.at(*place), open_still=place in left)
        if not words and place in left:
            words = "to be run again" if left[place] else "to be undone"
        if words:
            said.append((*place, words))
    lines = [item(markdown(where), words) for where, words in together(said)]
    return ["\n".join(lines), f"To go on: {_next('undo', story)}"] if lines else []


def _undo_end(found: StepState, *, open_still: bool) -> str:
    """Return how the undo of a step came to a bad end, or to none; empty if it did not."""
    if any(a.undo_open for a in found.attempts):
        return "its undo began, and how it ended is not on record"
    for attempt in reversed(found.attempts):
        end = attempt.undone
        why = f" ({end.error})" if end is not None and end.error else ""
        if end is not None and end.status == "undo_failed":
            return f"its undo failed{why}"
        if end is not None and end.status == "unreachable":
            return f"it could not be reached; undo it when it is back{why}"
        # One that is no longer to be undone was left by a decision, and is told there.
        if end is not None and end.status == "drifted" and open_still:
            return end.error or "changed by somebody else since; nothing was overwritten"
    return ""


def _degraded(story: Story) -> list[str]:
    lines = []
    for found in degradation.still_open(story.state):
        head = f"{found.what} since {full_moment(found.since)}, until {full_moment(found.until)}"
        then = {
            degradation.RESTORES: "then the service restores itself, if its numbers agree",
            "alarm": "nothing restores it by itself",
        }.get(found.at_expiry, "what happens then is not on record")
        sure = "" if found.is_certain else "; whether it was turned at all is not on record"
        lines.append(item(markdown(at(found.step, found.target)), f"{head}; {then}{sure}"))
    return ["\n".join(lines), f"To lead it back: {_next('undo', story)}"] if lines else []


def _unverified(state: RunState) -> list[str]:
    said = (
        (*place, state.at(*place).error or "no check of it is on record as good") for place in left_unverified(state)
    )
    return [item(markdown(where), why) for where, why in together(said)]


def _standing(story: Story) -> list[str]:
    ways = (
        (step, target, f"way back: {_way(attempt)}")
        for step, target, attempt in _changes(story.state)
        if not _way(attempt).startswith(NO_WAY_BACK)
    )
    lines = [item(markdown(where), way) for where, way in together(dict.fromkeys(ways))]
    if not lines:
        return []
    return ["\n".join(dict.fromkeys(lines)), f"They are left as they are; to take them back: {_next('undo', story)}"]


def _for_good(state: RunState) -> list[str]:
    ways = (
        (step, target, _way(attempt).removeprefix(NO_WAY_BACK).strip())
        for step, target, attempt in [*_changes(state), *_left(state)]
        if _way(attempt).startswith(NO_WAY_BACK)
    )
    return [item(markdown(where), way) for where, way in together(dict.fromkeys(ways))]


def _changes(state: RunState) -> list[tuple[str, str, Attempt]]:
    return [(step, target, state.change(step, target, number)) for step, target, number in reversed(state.standing)]


def _left(state: RunState) -> list[tuple[str, str, Attempt]]:
    """Return the changes that an undo passed by because they have no way back: they stand all the same."""
    return [
        (step, target, attempt)
        for (step, target), found in state.steps.items()
        for attempt in found.attempts
        if attempt.may_have_changed and attempt.undone is not None and attempt.undone.status == "none"
    ]


def _way(attempt: Attempt) -> str:
    if attempt.undone is not None and attempt.undone.status == "none":
        return f"{NO_WAY_BACK} {attempt.undone.error or 'there is none'}"
    if attempt.planned is None:
        return "not known, its plan is not on record"
    return attempt.planned.undo or "not described in its plan"


def _secrets(story: Story) -> list[str]:
    names = [each.fact.file for each in story.timed if isinstance(each.fact, f.SecretFound)]
    return [item("A declared secret was found, replace it", name) for name in names]


def _next(verb: str, story: Story) -> str:
    return code("runbook", verb, story.run)
