"""The rail: stages and steps with their status in every place, and which row the run is at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from runbook.events.state import RunState
from runbook.events.status import BAD
from runbook.model.plan import Plan, PlannedStep, Unit
from runbook.text import duration_text, one_line
from runbook.tui.presenter.place import Total, places, present, status_at, total, unit_of, wave_at
from runbook.tui.presenter.words import Row, Word, fit, mark, muted, plain, said, shortened, width

COLUMNS = 8
"""Hosts up to which each has a mark of its own."""

_ORDER = ("in_doubt", "failed", "undo_failed", "undone", "waiting", "running", "succeeded", "skipped", "pending")
_AS = {"verifying": "running", "undoing": "running"} | dict.fromkeys(BAD, "failed")


class RailRow(Struct, frozen=True):
    """One row: what it is about, and its words without the bar of the cursor."""

    kind: Literal["stage", "step", "host"]
    step: str
    words: Row
    host: str = ""
    at: bool = False
    """The run is here."""


class Rail(Struct, frozen=True):
    """The rows of the rail, and what stands above and below them."""

    head: Row
    rows: tuple[RailRow, ...]
    foot: tuple[Row, ...]
    at: int
    """The row that the run is at."""


class _Measure(Struct, frozen=True):
    """Where the columns of the rail stand."""

    name: int
    marks: int
    step: int
    """Cells from one mark to the next; 0: counts."""
    word: int
    took: int


def rail(plan: Plan, state: RunState, cells: int, *, opened: str = "", took: dict[str, float] | None = None) -> Rail:
    """Return the rail in so many cells.

    Args:
        plan: the steps.
        state: their statuses.
        cells: the room of a row.
        opened: the step whose hosts are listed.
        took: seconds by step, shown where there is room.
    """
    hosts = _hosts(plan)
    measure = _measure(plan, hosts, cells, with_took=took is not None)
    here = present(plan, state)
    rows: list[RailRow] = []
    at = 0
    for unit in plan.units:
        if unit.is_stage:
            rows.append(RailRow("stage", unit.id, _stage(unit, state, measure)))
        for step in unit.steps:
            if step.id == here:
                at = len(rows)
            words = _step(unit, step, state, measure, hosts, (took or {}).get(step.id))
            rows.append(RailRow("step", step.id, words, at=step.id == here))
            if step.id == opened:
                rows.extend(_listed(unit, step, state, cells))
    return Rail(shortened(_head(hosts, measure), cells), tuple(rows), _foot(plan, state, here, cells), at)


def _hosts(plan: Plan) -> tuple[str, ...]:
    return tuple(dict.fromkeys(host for unit in plan.units for host in unit.hosts))


def _measure(plan: Plan, hosts: tuple[str, ...], cells: int, *, with_took: bool) -> _Measure:
    longest = max((width((plain(_name(unit, s.id)),)) for unit in plan.units for s in unit.steps), default=8)
    took = 7 if with_took and cells >= 38 else 0
    count = len(hosts) or 1
    word = 9
    for step in (2, 1):
        marks = step * count
        if count <= COLUMNS and cells - word - took - marks - 2 >= min(longest, 10):
            wanted = max(longest + 1, len(_prefix(hosts)) + 6 if step == 2 and count > 1 else 0)
            return _Measure(min(wanted, cells - word - took - marks - 1), marks, step, word, took)
    word = 8
    room = min(longest + 1, max(cells - 15 - word - took, 8))
    return _Measure(room, max(cells - room - word - took - 1, 4), 0, word, took)


def _name(unit: Unit, step: str) -> str:
    short = step.rpartition("/")[2]
    return f" {short}" if unit.is_stage else short


def _head(hosts: tuple[str, ...], measure: _Measure) -> Row:
    steps = muted(fit("STEPS", measure.name))
    if not hosts or hosts == ("local",):
        return (steps,)
    if not measure.step:
        return (muted("STEPS  "), muted(f"{len(hosts)} hosts"))
    prefix = _prefix(hosts)
    rests = [host[len(prefix) :] for host in hosts]
    if len(hosts) > 1 and all(len(rest) == 1 for rest in rests) and measure.step == 2:
        first = hosts[0]
        start = measure.name - len(prefix)
        if start >= 0:
            title = fit("STEPS", start) if start >= 6 else " " * start
            return (muted(title), muted(first + " " + " ".join(rests[1:])))
        return (steps, muted(" ".join(rests)))
    if len(hosts) == 1:
        return (steps, muted(one_line(hosts[0], 60)))
    return (steps, muted(f"{len(hosts)} hosts"))


def _prefix(hosts: tuple[str, ...]) -> str:
    first, last = min(hosts), max(hosts)
    same = 0
    while same < min(len(first), len(last)) and first[same] == last[same]:
        same += 1
    return first[:same]


def _stage(unit: Unit, state: RunState, measure: _Measure) -> Row:
    name = fit(one_line(unit.id), measure.name)
    if len(unit.waves) == 1:
        return (muted(name),)
    return (muted(name), muted(f"wave {wave_at(unit, state) + 1} of {len(unit.waves)}"))


def _step(
    unit: Unit, step: PlannedStep, state: RunState, measure: _Measure, hosts: tuple[str, ...], took: float | None
) -> Row:
    where = places(unit, step)
    statuses = {place: status_at(state, step.id, place) for place in where}
    by_hand = any(state.at(step.id, p).by_hand for p in where) or step.kind == "manual"
    summed = total(statuses.values(), by_hand=by_hand)
    name = (
        fit(fit(_name(unit, step.id), measure.name - 1), measure.name),
        "" if summed.over or summed.status != "pending" else "$muted",
    )
    return (
        name,
        *_marks(step, statuses, measure, hosts),
        plain(" "),
        _word(summed, measure),
        *([muted(f"{duration_text(took):>{measure.took}}")] if measure.took and took is not None else ()),
    )


def _word(summed: Total, measure: _Measure) -> Word:
    style = mark(summed.status)[1]
    says = summed.says
    if not measure.step and says == f"{summed.over} of {summed.of}":
        says = f"{summed.over * 100 // summed.of} %"
    loud = summed.status in ("running", "verifying", "undoing", "waiting", "in_doubt", *BAD, "undo_failed")
    return (fit(says, measure.word), f"bold {style}" if loud else style)


def _marks(step: PlannedStep, statuses: Mapping[str, str], measure: _Measure, hosts: tuple[str, ...]) -> Row:
    if step.once:
        return _filled((mark(total(statuses.values()).status),), measure.marks)
    if not measure.step:
        return _filled(_counts(statuses), measure.marks)
    columns: list[Word] = []
    for host in hosts:
        columns.append(mark(statuses[host]) if host in statuses else plain(" "))
        if measure.step == 2:
            columns.append(plain(" "))
    return _filled(tuple(columns), measure.marks)


def _counts(statuses: Mapping[str, str]) -> Row:
    """Return how many places are in which status, bad news first."""
    counts = Counter(_AS.get(status, status) for status in statuses.values())
    words: list[Word] = []
    for status in _ORDER:
        if counts[status]:
            symbol, style = mark(status)
            words += [(f"{symbol}{counts[status]}", style), plain(" ")]
    return tuple(words[:-1])


def _filled(row: Row, cells: int) -> Row:
    row = shortened(row, cells)
    return (*row, plain(" " * max(cells - width(row), 0)))


def _listed(unit: Unit, step: PlannedStep, state: RunState, cells: int) -> list[RailRow]:
    """Return the hosts of a step, those in trouble first."""
    where = list(places(unit, step))
    rank = {status: number for number, status in enumerate(_ORDER)}
    where.sort(key=lambda p: rank[_AS.get(s := status_at(state, step.id, p), s)])
    rows: list[RailRow] = []
    for place in where:
        at = state.at(step.id, place)
        name = one_line("once" if place == "*" else f"wave {place[1:]}" if place.startswith("*") else place, 60)
        error = (muted(f"  {one_line(at.error, 80)}"),) if at.error else ()
        row = shortened(
            (plain("  "), plain(fit(name, min(14, cells // 2))), said(status_at(state, step.id, place)), *error), cells
        )
        rows.append(RailRow("host", step.id, row, host=place))
    return rows


def _foot(plan: Plan, state: RunState, here: str, cells: int) -> tuple[Row, ...]:
    """Say what is in trouble, and what comes next."""
    rows: list[Row] = []
    for unit in plan.units:
        for step in unit.steps:
            bad = [p for p in places(unit, step) if state.at(step.id, p).status in (*BAD, "in_doubt", "undo_failed")]
            if bad and len(places(unit, step)) > COLUMNS:
                status = state.at(step.id, bad[0]).status
                names = ", ".join(one_line(p, 40) for p in bad[:20])
                rows.append(shortened((mark(status), plain(f" {step.id}: "), plain(names)), cells))
    found = unit_of(plan, here)
    if found is not None and (unit := found[0]).is_stage and len(unit.waves) > 1:
        number = wave_at(unit, state) + 1
        if number < len(unit.waves):
            wave = unit.waves[number]
            names = ", ".join(wave) if len(wave) <= 3 else f"{len(wave)} hosts"
            rows.append(shortened((muted(f"wave {number + 1} is next: {names}"),), cells))
        if unit.max_unavailable is not None:
            most = unit.max_unavailable
            rows.append((muted(f"at most {most} host{'' if most == 1 else 's'} down"),))
    return tuple(rows)
