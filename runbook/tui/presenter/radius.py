"""The blast radius: every step with its effect, on how many hosts, and its way back; before anything is done."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.cells import cell_len

from runbook.engine.rehearsal import Rehearsed
from runbook.events.state import NO_WAY_BACK
from runbook.model.plan import Plan, PlannedStep, Unit
from runbook.model.playbook import UndoNone
from runbook.text import counted, duration_text, one_line
from runbook.tui.presenter.words import BLANK, Row, Word, bold, fit, muted, plain, said, shortened, width, wrapped

if TYPE_CHECKING:
    from runbook.session.draft import Draft

_EFFECT = 14
"""Cells of the widest effect, and one."""

_OTHERS = 34
"""Cells that the columns behind the name want."""

_MOST = 3
"""Rows that a way back may take."""

BY_HAND = ("manual", "ask", "choose")


def headline(draft: Draft) -> str:
    """Return the radius in numbers: `3 hosts × 3 changing steps`."""
    changing = [(u, s) for u in draft.plan.units for s in u.steps if s.effect != "read"]
    if not changing:
        return "nothing is changed by any step"
    if not draft.hosts_known:
        return f"{counted(len(changing), 'changing step')}, hosts not known yet"
    hosts = {host for _, step in changing for host in step.hosts}
    return f"{counted(len(hosts), 'host')} × {counted(len(changing), 'changing step')}"


def rows(draft: Draft, seen: Iterable[Rehearsed], cells: int) -> list[Row]:
    """Return the table, and below it waves and gates."""
    undo = {step.step: step.undo for step in seen if step.undo}
    names = [_named(step, inner=unit.is_stage) for unit in draft.plan.units for step in unit.steps]
    first = min(max([cell_len(name) for name in names] + [6]) + 2, max(cells - _OTHERS, 14))
    found: list[Row] = [
        (muted(fit("STEP", first)), muted(fit("EFFECT", _EFFECT)), muted(fit("HOSTS", 6)), muted("WAY BACK")),
    ]
    stage = ""
    for unit in draft.plan.units:
        if unit.is_stage and unit.id != stage:
            found.append(_stage(unit, cells))
        stage = unit.id if unit.is_stage else ""
        for step in unit.steps:
            found += _step(draft, step, undo, first, cells, inner=unit.is_stage)
    return [*found, BLANK, *_waves(draft.plan, cells, known=draft.hosts_known)]


def _stage(unit: Unit, cells: int) -> Row:
    asks = "" if unit.approve == "none" else "  asks before it"
    return shortened((muted(f"stage {one_line(unit.title or unit.id, 60)}"), (asks, "$wait")), cells)


def _step(draft: Draft, step: PlannedStep, undo: dict[str, str], first: int, cells: int, *, inner: bool) -> list[Row]:
    loud = step.effect != "read" or step.kind in BY_HAND
    name = f"{fit(_named(step, inner=inner), first - 2)}  "
    if step.effect == "destructive":
        effect: Word = (fit("! destructive", _EFFECT), "$bad")
    else:
        word = "by hand" if step.kind in BY_HAND else step.kind if step.kind in ("wait", "notify") else step.effect
        effect = (fit(word, _EFFECT), "" if loud else "$muted")
    hosts = "-" if step.once else str(len(step.hosts)) if draft.hosts_known else "?"
    number = (f"{hosts:>4}  ", "" if loud else "$muted")
    head: Row = ((name, "" if loud else "$muted"), effect, number)
    room = cells - width(head)
    if room < 8:
        return [shortened((*head, *_way_back(draft, step, undo)), cells)]
    way = wrapped(_way_back(draft, step, undo), room, 2)
    shown = [*way[: _MOST - 1], shortened(tuple(word for row in way[_MOST - 1 :] for word in row), room)]
    return [(*(head if not n else (plain(" " * width(head)),)), *row) for n, row in enumerate(shown) if row or not n]


def _named(step: PlannedStep, *, inner: bool) -> str:
    return ("  " if inner else "") + one_line(step.id, 60)


def _way_back(draft: Draft, step: PlannedStep, undo: dict[str, str]) -> Row:
    if step.effect == "read":
        return ()
    told = undo.get(step.id, "")
    if isinstance(step.undo, UndoNone) or told.startswith(NO_WAY_BACK):
        why = step.undo.none if isinstance(step.undo, UndoNone) else told[len(NO_WAY_BACK) :].strip()
        return (said("failed", "none: "), muted(one_line(why, 200)))
    if told:
        return (said("succeeded", one_line(told, 200)),)
    if step.undo is not None:
        return (said("succeeded", "as the playbook says"),)
    return (said("succeeded", "its own" if step.uses in draft.brings_undo else "by the action"),)


def _waves(plan: Plan, cells: int, *, known: bool) -> list[Row]:
    found: list[Row] = []
    for unit in plan.units:
        if not unit.is_stage or not known:
            continue
        sizes, total = [], 0
        for wave in unit.waves:
            total += len(wave)
            sizes.append(str(total))
        parts: list[Word] = [plain("Waves "), bold(", ".join(sizes)), plain(f" {'host' if total == 1 else 'hosts'}")]
        if unit.max_unavailable is not None:
            parts += [muted(" · "), plain("at most "), bold(str(unit.max_unavailable)), plain(" down")]
        if unit.pause and len(unit.waves) > 1:
            parts += [muted(" · "), muted(f"pause {duration_text(unit.pause)}")]
        found.extend(wrapped(tuple(parts), cells, 2))
    return found
