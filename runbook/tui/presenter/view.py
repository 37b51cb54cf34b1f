"""The plan of a step: what will happen in words, commands and diffs, the same for many hosts told once."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct
from rich.cells import cell_len

from runbook.events.fact import StepPlanned
from runbook.events.state import NO_WAY_BACK, RunState
from runbook.model.plan import Plan, PlannedStep
from runbook.model.question import Question
from runbook.text import counted, duration_text, one_line, reveal
from runbook.tui.presenter.place import limit_of, places, unit_of, where
from runbook.tui.presenter.words import BLANK, Row, bold, mark, muted, plain, shortened, width, wrapped

WELL = "on $well"
"""The ground of words of hosts."""


NOT_KNOWN = "known when its turn comes"


class _Same(Struct, frozen=True):
    """What is planned alike for some places."""

    words: str
    commands: tuple[str, ...]
    diff: str
    notes: tuple[str, ...]
    undo: str
    answer: str


def plan_rows(
    plan: Plan, state: RunState, step: str, cells: int, asked: Question | None = None, *, signed: bool = True
) -> list[Row]:
    """Return what a step will do, as far as it is known.

    What is asked about is shown for the places that an answer holds for, and for no others. With `signed` the last
    row says who agreed.
    """
    found = unit_of(plan, step)
    if found is None:
        return [(muted("no such step in this plan"),)]
    unit, planned = found
    rows: list[Row] = []
    here = asked.places if asked is not None and asked.step == step else places(unit, planned)
    groups = _groups(state, planned, here)
    for same, hosts in groups.items():
        if rows:
            rows.append(BLANK)
        rows.extend(_group(same, hosts, planned, cells))
    unplanned = [p for p in here if state.at(step, p).planned is None]
    to_come = [p for p in unplanned if state.at(step, p).status in ("pending", "waiting")]
    skipped = [p for p in unplanned if state.at(step, p).status == "skipped"]
    ran = [p for p in unplanned if p not in to_come and p not in skipped]
    over = "it only reads, and was not planned before" if planned.effect == "read" else "it ended before it was planned"
    for hosts, words in ((ran, over), (skipped, "skipped"), (to_come, NOT_KNOWN)):
        if hosts:
            rows.extend([BLANK] if rows else [])
            rows.extend(_unplanned(planned, hosts, cells, words))
    if signed:
        rows += [BLANK, shortened(agreement(plan, state, step, asked), cells)]
    return rows


def _groups(state: RunState, step: PlannedStep, where_all: Iterable[str]) -> dict[_Same, list[str]]:
    groups: dict[_Same, list[str]] = {}
    for place in where_all:
        planned = state.at(step.id, place).planned
        if planned is not None:
            groups.setdefault(_same(planned), []).append(place)
    return groups


def _same(planned: StepPlanned) -> _Same:
    return _Same(
        planned.words, tuple(planned.commands), planned.diff, tuple(planned.notes), planned.undo, planned.answer
    )


def _names(hosts: list[str]) -> str:
    named = [where(h) for h in hosts if where(h)]
    if not named:
        return ""
    return ", ".join(named) if len(named) <= 6 else f"{counted(len(named), 'host')}: {', '.join(named[:4])} …"


def _group(same: _Same, hosts: list[str], step: PlannedStep, cells: int) -> list[Row]:
    rows: list[Row] = []
    names = _names(hosts)
    for text in reveal(same.words).split("\n"):
        rows.extend(wrapped((plain(text),), cells))
    if same.answer == "already":
        rows.append((mark("succeeded"), plain(" it is so already: nothing is to be done")))
    if same.answer == "refuse":
        rows.append((mark("refused"), plain(" it is refused, and nothing is run")))
    sudo = "as root, with sudo" if step.source.sudo or step.with_.get("sudo") is True else ""
    on = ", ".join(part for part in (sudo, f"on {names}" if names else "") if part)
    for command in same.commands:
        for number, line in enumerate(reveal(command).split("\n")):
            rows.extend(wrapped(((f"{'$' if not number else ' '} ", "$muted"), bold(line)), cells, 2))
    if on and same.commands and width(rows[-1]) + cell_len(on) + 3 <= cells:
        rows[-1] = (*rows[-1], muted(f"   {on}"))
    elif on:
        rows.extend(wrapped((muted(f"  {on}" if same.commands else on),), cells, 2))
    if same.diff:
        rows.extend(_diff(line) for line in reveal(same.diff).rstrip("\n").split("\n"))
    for note in same.notes:
        rows.extend(wrapped((muted(reveal(note)),), cells, 2))
    if same.undo:
        rows.extend(_undo(same.undo, cells))
    return rows


def _undo(undo: str, cells: int) -> list[Row]:
    if undo.startswith(NO_WAY_BACK):
        return wrapped((("! no way back: ", "$wait"), plain(reveal(undo[len(NO_WAY_BACK) :].strip()))), cells, 2)
    return wrapped((("undo: ", "$muted"), plain(reveal(undo))), cells, 2)


def _diff(line: str) -> Row:
    if line.startswith(("+++", "---", "@@")):
        return ((line, f"$muted {WELL}"),)
    if line.startswith("+"):
        return ((line, f"$good {WELL}"),)
    if line.startswith("-"):
        return ((line, f"$bad {WELL}"),)
    return ((line, WELL),)


def _unplanned(step: PlannedStep, hosts: list[str], cells: int, words: str) -> list[Row]:
    if step.kind not in ("action", "probe"):
        return [(muted("nothing is run by this step"),)]
    names = _names(hosts)
    rows = wrapped((muted(f"{words}{f': {names}' if names else ''}"),), cells)
    argv, script = step.with_.get("argv"), step.with_.get("script")
    if isinstance(argv, list):
        rows += wrapped((muted("$ "), plain(reveal(" ".join(str(a) for a in argv)))), cells, 2)
    elif isinstance(script, str):
        for number, line in enumerate(reveal(script.strip(), keep="\n").split("\n")):
            rows += wrapped((muted("  " if number else "$ "), plain(line)), cells, 2)
    else:
        rows += wrapped((muted("uses "), plain(step.uses)), cells, 2)
    return rows


def agreement(plan: Plan, state: RunState, step: str, asked: Question | None = None) -> Row:
    """Say who agreed to what, or who has to."""
    found = unit_of(plan, step)
    if found is None:
        return ()
    unit, planned = found
    digest = asked.digest if asked is not None and asked.step == step else ""
    told: Row = (muted(f"plan {_short(digest)}"),) if digest else ()
    kinds = ("approve", "proceed", "confirm")
    agreed = [
        d
        for d in state.decisions
        if d.kind in kinds and d.choice in ("approve", "run", "run_on", "confirm") and d.step in (step, unit.id)
    ]
    if agreed and not digest:
        last = agreed[-1]
        who = f" by {one_line(last.actor, 40)}" if last.actor else ""
        return (mark("succeeded"), (" approved", "$good"), muted(f"{who} · plan {_short(last.digest)}"))
    if unit.approve != "none" and not agreed:
        who = "an operator" if unit.approve == "operator" else "a second person"
        return (mark("waiting"), muted(f" {who} has to approve it"), *(((" · ", "$muted"), *told) if told else ()))
    after = limit_of(planned) if planned.kind in ("action", "probe") else 0.0
    limit = (muted(f"gives up after {duration_text(after)}"),) if after else ()
    return (*told, *(((" · ", "$muted"),) if told and limit else ()), *limit)


def _short(digest: str) -> str:
    return f"{digest[:4]} {digest[4:8]}"
