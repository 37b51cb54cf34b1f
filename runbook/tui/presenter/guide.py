"""The guide of a step: what the author of the playbook says about it, as rows that fit."""

from __future__ import annotations

from runbook.errors import RunbookError
from runbook.events.plain import thaw
from runbook.events.state import RunState
from runbook.expression import is_template, render
from runbook.model.plan import Plan, PlannedStep
from runbook.model.question import Question
from runbook.text import one_line
from runbook.tui.presenter.place import unit_of
from runbook.tui.presenter.prose import Block, blocks
from runbook.tui.presenter.words import BLANK, Row, bold, ends, muted, plain, width, wrapped

_STYLES = {"": "", "strong": "bold", "emphasis": "italic", "code": "bold", "heading": "bold", "muted": "$muted"}


def guide_text(plan: Plan, step: str, asked: Question | None = None) -> str:
    """Return the guide of a step in Markdown, filled in where it was put as a question."""
    if asked is not None and asked.step == step and asked.body:
        return asked.body
    found = unit_of(plan, step)
    if found is None:
        return ""
    source = found[1].source
    return "\n\n".join(text for text in (source.manual or "", source.guide) if text)


def title_of(plan: Plan, step: str, state: RunState, asked: Question | None = None) -> str:
    """Return the title of a step, filled in as far as its values are known; its id if it has none."""
    if asked is not None and asked.step == step and asked.kind in ("proceed", "manual", "form", "choose"):
        return one_line(asked.title, 200)
    found = unit_of(plan, step)
    return one_line(_filled(found[1], state), 200) or step if found is not None else step


def _filled(step: PlannedStep, state: RunState) -> str:
    title, opened = step.source.title, state.opened
    if not is_template(title):
        return title
    params: dict[str, object] = {}
    if opened is not None and not step.scope:
        # What differs from host to host, or is a secret, leaves the title as it is written.
        varied = {name for values in opened.host_params.values() for name in values}
        params = {name: thaw(value) for name, value in opened.params.items() if name not in varied}
    try:
        value = render(title, {"params": params})
    except RunbookError:
        return title
    return str(value) if isinstance(value, str | int | float) else title


def effect_words(step: PlannedStep) -> Row:
    """Say what a step may do to its targets."""
    if step.effect == "destructive":
        return (("! destructive", "bold $bad"),)
    if step.kind != "action":
        return (muted("reads only" if step.kind == "probe" else _KINDS.get(step.kind, step.kind)),)
    return (muted("reads only" if step.effect == "read" else step.effect),)


_KINDS = {"manual": "by hand", "ask": "asks you", "choose": "your decision", "wait": "waits", "notify": "tells people"}


def heading(plan: Plan, step: str, state: RunState, cells: int, asked: Question | None = None) -> list[Row]:
    """Return title and effect of a step, with its way back where there is room; a long title goes on below."""
    found = unit_of(plan, step)
    if found is None:
        return []
    right = effect_words(found[1])
    way = next((at.planned.undo for (name, _), at in state.steps.items() if name == step and at.planned), "")
    title: Row = (bold(title_of(plan, step, state, asked)),)
    if way and found[1].effect != "read":
        longer = (*right, muted(f" · undo: {one_line(way, 80)}"))
        row = ends(title, longer, cells)
        if row[-1] == longer[-1]:
            return [row]
    first, *rest = wrapped(title, max(cells - width(right) - 2, 20))
    return [ends(first, right, cells), *rest]


def guide_rows(markdown: str, cells: int) -> list[Row]:
    """Return a guide as rows of at most so many cells."""
    rows: list[Row] = []
    for block in blocks(markdown):
        if rows and not block.close:
            rows.append(BLANK)
        rows.extend(_block(block, cells))
    return rows


def _block(block: Block, cells: int) -> list[Row]:
    if block.kind == "code":
        return [(plain("  "), (text, "bold")) for run in block.runs for text in run.text.split("\n")]
    row: Row = ((block.lead, "$muted"), *((run.text, _STYLES[run.style]) for run in block.runs))
    return wrapped(row if block.lead else row[1:], cells, len(block.lead))


def brief(markdown: str, cells: int, most: int) -> list[Row]:
    """Return the first rows of a guide, quieter from the second paragraph on; what is cut off is told."""
    rows = [row for row in guide_rows(markdown, cells) if row]
    if len(rows) <= most:
        return rows
    more: Row = (muted("… 1 guide"),)
    last, *_ = wrapped(rows[most - 1], max(cells - width(more) - 2, 10))
    return [*rows[: most - 1], ends(last, more, cells)]
