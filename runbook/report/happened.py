"""The section that tells what happened: the timeline, each change with its operations, guards, readings, and errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from runbook.events.fact import Output, StepPlanned
from runbook.events.state import Attempt, Operation
from runbook.events.status import BAD
from runbook.model.scalar import Json
from runbook.report.block import fenced, item, part, section, table
from runbook.report.story import Story
from runbook.report.timeline import Row
from runbook.report.watch import watched
from runbook.report.word import at, marked, moment, places, together, took, value_text
from runbook.text import counted, markdown, size_text

MANY = 8
"""Hosts from which on those that ended alike stand in one row."""


def happened(story: Story) -> list[str]:
    """Return the section of what happened."""
    blocks = [
        _timeline(_alike(story.rows)) or "No step is on record.",
        *_changes(story),
        *watched(story),
        *part("Readings", ["\n".join(_readings(story))]),
        *_errors(story),
    ]
    note = "Steps that the run never reached have no record and are not listed."
    return section("What happened", [*blocks, note])


class _Alike(Struct, frozen=True):
    """Rows of one step that say the same of several hosts."""

    first: Row
    targets: list[str]
    began: str
    took: str


def _alike(rows: Sequence[Row]) -> list[_Alike]:
    """Return the rows, those of many hosts as one where they differ in times alone."""
    found: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        key = (row.step, result(row), str(row.attempts), checked(row), row.decided_by)
        is_host = row.target[:1] not in ("*", "#")
        found.setdefault(key if is_host else (*key, row.target), []).append(row)
    gathered: list[_Alike] = []
    for group in found.values():
        for some in [group] if len(group) > MANY else [[row] for row in group]:
            times = [row.ms for row in some if row.ms is not None]
            ends = dict.fromkeys(took(ms) for ms in (min(times), max(times))) if times else {}
            began = min((row.began for row in some if row.began), default="")
            gathered.append(_Alike(some[0], [row.target for row in some], began, " to ".join(ends)))
    order = {id(row): number for number, row in enumerate(rows)}
    return sorted(gathered, key=lambda each: order[id(each.first)])


def _timeline(rows: Iterable[_Alike]) -> str:
    head = ("Step", "Where", "Result", "Began (UTC)", "Took", "Attempts", "Verified", "Decided by")
    return table(
        head,
        (
            (
                row.step,
                places(each.targets),
                result(row),
                moment(each.began),
                each.took,
                str(row.attempts) if row.attempts else "",
                checked(row),
                row.decided_by,
            )
            for each in rows
            for row in (each.first,)
        ),
    )


def result(row: Row) -> str:
    """Return the status, and how it is known where nobody saw it."""
    if row.is_cut_off:
        return "► began, its end is not on record"
    text = marked(row.status)
    if row.status == "succeeded" and row.on_word:
        return f"{text}, on a person's word"
    if row.by_hand:
        return f"{text}, marked by hand"
    if row.status == "skipped" and row.error:
        return f"{text}: {row.error}"
    if row.status == "succeeded" and row.adopted:
        return f"{text}, found so after a doubt"
    if row.status == "succeeded" and row.effect != "read" and not row.changed:
        return f"{text}, was so already"
    return text


def checked(row: Row) -> str:
    """Return whether the result was verified; a step that only completed never says so."""
    if row.status in ("undone", "skipped", "pending", "waiting"):
        # What was begun and then skipped may have changed something.
        return "not verified" if row.status == "skipped" and row.changed else ""
    if row.effect != "read" and row.status in BAD and not row.changed:
        return "nothing was changed"
    if row.effect == "read":
        return "by nobody" if row.by_hand or row.on_word else "a reading"
    return "verified" if row.verified else "not verified"


def _changes(story: Story) -> list[str]:
    """Return a part per plan: hosts on which the same was done share its commands and its diff."""
    groups: dict[tuple[str, str, str, str], list[tuple[Row, Attempt]]] = {}
    for row in story.rows:
        for attempt in story.state.at(row.step, row.target).attempts:
            if attempt.again or attempt.effect == "read":
                continue
            plan = attempt.planned
            shown = (plan.words, "\n".join(plan.commands), plan.diff) if plan else ("", "", "")
            groups.setdefault((row.step, *shown), []).append((row, attempt))
    blocks: list[str] = []
    for (step, *_), members in groups.items():
        where = places(list(dict.fromkeys(row.target for row, _ in members)))
        blocks.extend(part(f"{step} on {where}", [*_plan(members[0][1].planned), *_done(members)]))
    return blocks


def _plan(planned: StepPlanned | None) -> list[str]:
    if planned is None:
        return ["Its plan is not on record."]
    return [
        f"Planned: {markdown(planned.words)}" if planned.words else "",
        fenced("\n".join(planned.commands), "sh") if planned.commands else "",
        fenced(planned.diff, "diff") if planned.diff else "",
        "\n".join(f"- {markdown(note)}" for note in planned.notes if note.strip()),
    ]


def _done(members: list[tuple[Row, Attempt]]) -> list[str]:
    ends: dict[tuple[int, str], list[str]] = {}
    for row, a in members:
        ends.setdefault((a.number, _end(a)), []).append(row.target)
    lines = [item(f"{markdown(places(hosts))}, attempt {number}", end) for (number, end), hosts in ends.items()]
    operations = table(
        ("Where", "Attempt", "Operation", "Intent", "Receipt"),
        (
            (places((row.target,)), str(a.number), _name(op), intent(op), receipt(op))
            for row, a in members
            for op in a.operations
        ),
    )
    return ["\n".join(lines), operations]


def _end(attempt: Attempt) -> str:
    finished = attempt.finished
    if finished is None:
        return "began, and its outcome is not on record"
    parts = [marked(finished.status)]
    if finished.effect != "read" and finished.status == "succeeded":
        parts.append("verified" if finished.verified else "not verified")
    if not finished.changed:
        parts.append("nothing was changed")
    if not finished.dispatched:
        parts.append("nothing was sent")
    if finished.exit is not None:
        parts.append(f"exit {finished.exit}")
    parts.append(f"took {took(finished.ms)}" if finished.ms else "")
    parts.append(_output(finished.output))
    parts.append(finished.error)
    return "; ".join(part for part in parts if part)


def _name(operation: Operation) -> str:
    return f"{operation.name} ({counted(operation.tries, 'try', 'tries')})" if operation.tries > 1 else operation.name


def intent(operation: Operation) -> str:
    """Return what an operation was about to do, in words."""
    return value_text(_told(operation.intent))


def receipt(operation: Operation) -> str:
    """Return the receipt of an operation in words; an open one says so."""
    if operation.receipt is None:
        return "no receipt: it may have been carried out, or not"
    words = value_text(_told(operation.receipt)) or "done"
    return f"{words} (found out afterwards)" if operation.settled else words


def _told(recorded: Mapping[str, Json]) -> Json:
    """Leave out the name of the job folder: it says again what the row says."""
    return {name: value for name, value in recorded.items() if name != "job"}


def _output(output: Output | None) -> str:
    if output is None:
        return ""
    lost = f", {size_text(output.dropped)} over the limit not kept" if output.dropped else ""
    trouble = f", {output.trouble}" if output.trouble else ""
    return f"output in {output.file} ({size_text(output.size)}, sha256 {output.sha256[:16]}{lost}{trouble})"


def _readings(story: Story) -> list[str]:
    entries: list[tuple[str, str, str]] = []
    for row in story.rows:
        found = story.state.at(row.step, row.target)
        if row.effect != "read" or row.status != "succeeded" or row.on_word:
            continue
        seen = [*found.evidence, value_text(found.values)] if found.values else list(found.evidence)
        if seen:
            entries.append((row.step, row.target, "; ".join(seen)))
    return [item(markdown(where), said) for where, said in together(entries)]


def _errors(story: Story) -> list[str]:
    """Return every attempt that did not succeed with its evidence, also where a later one did."""
    blocks: list[str] = []
    for row in story.rows:
        for attempt in story.state.at(row.step, row.target).attempts:
            ended = attempt.finished
            if ended is None or ended.status == "succeeded" or not (ended.error or ended.evidence):
                continue
            name = markdown(f"{at(row.step, row.target)}, attempt {attempt.number}")
            blocks.append(item(name, f"{marked(ended.status)}: {ended.error or 'no error is on record'}"))
            if ended.evidence:
                blocks.append(fenced("\n".join(ended.evidence)))
    return part("Errors and their evidence", blocks)
