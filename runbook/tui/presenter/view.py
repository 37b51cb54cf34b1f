"""The plan of a step: what will happen in words, commands and diffs, the same for many hosts told once."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from runbook.events.fact import StepPlanned
from runbook.events.state import NO_WAY_BACK, RunState
from runbook.model.plan import Plan, PlannedStep, Unit
from runbook.model.question import Question
from runbook.text import reveal
from runbook.tui.presenter.place import places, unit_of, where
from runbook.tui.presenter.words import BLANK, Row, bold, count, mark, muted, plain, wrapped

WELL = "on $well"
"""The ground of words of hosts."""


class _Same(Struct, frozen=True):
    """What is planned alike for some places."""

    words: str
    commands: tuple[str, ...]
    diff: str
    notes: tuple[str, ...]
    undo: str
    answer: str


def plan_rows(plan: Plan, state: RunState, step: str, cells: int, asked: Question | None = None) -> list[Row]:
    """Return what a step will do, as far as it is known."""
    found = unit_of(plan, step)
    if found is None:
        return [(muted("no such step in this plan"),)]
    unit, planned = found
    rows: list[Row] = []
    groups = _groups(state, planned, places(unit, planned))
    for same, hosts in groups.items():
        if rows:
            rows.append(BLANK)
        rows.extend(_group(same, hosts, planned, cells))
    unknown = [p for p in places(unit, planned) if state.at(step, p).planned is None]
    if unknown:
        rows.extend([BLANK] if rows else [])
        rows.extend(_unknown(planned, unknown, cells))
    rows.append(BLANK)
    rows.extend(_agreement(unit, planned, state, cells, asked))
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
    return ", ".join(named) if len(named) <= 6 else f"{count(len(named), 'host')}: {', '.join(named[:4])} …"


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
    if on:
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


def _unknown(step: PlannedStep, hosts: list[str], cells: int) -> list[Row]:
    if step.kind not in ("action", "probe"):
        return [(muted("nothing is run by this step"),)]
    names = _names(hosts)
    rows = wrapped((muted(f"known when its turn comes{f': {names}' if names else ''}"),), cells)
    argv = step.with_.get("argv")
    if isinstance(argv, list):
        rows += wrapped((muted("$ "), plain(reveal(" ".join(str(a) for a in argv)))), cells, 2)
    else:
        rows += wrapped((muted("uses "), plain(step.uses)), cells, 2)
    return rows


def _agreement(unit: Unit, step: PlannedStep, state: RunState, cells: int, asked: Question | None) -> list[Row]:
    """Say who agreed to what, or who has to."""
    digest = asked.digest if asked is not None and asked.step == step.id else ""
    told = f"plan {digest[:4]} {digest[4:8]}" if digest else ""
    made = [d for d in state.decisions if d.kind in ("approve", "proceed", "confirm") and d.step in (step.id, unit.id)]
    agreed = [d for d in made if d.choice in ("approve", "run", "run_on", "confirm")]
    if agreed:
        last = agreed[-1]
        who = f" by {reveal(last.actor)}" if last.actor else ""
        said: Row = (
            mark("succeeded"),
            (" approved", "$good"),
            muted(f"{who} · plan {last.digest[:4]} {last.digest[4:8]}"),
        )
        return wrapped(said, cells, 2)
    if unit.approve != "none":
        who = "an operator" if unit.approve == "operator" else "a second person"
        return [(mark("waiting"), plain(f" {who} has to approve it"), *((muted(f" · {told}"),) if told else ()))]
    limits = f"timeout {step.timeout:g} s"
    return [(muted(" · ".join(part for part in (told, limits) if part)),)]
