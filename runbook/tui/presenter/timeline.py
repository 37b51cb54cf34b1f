"""The timeline of a recorded run: a row per step and host, its attempts as bars on the time of the run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from runbook.events import fact as f
from runbook.events.fold import fold_all
from runbook.events.outcome import came_to
from runbook.events.state import RunState, StepState
from runbook.text import counted, duration_text, one_line
from runbook.text.mark import mark_of, status_word
from runbook.tui.presenter.place import places, unit_of, where
from runbook.tui.presenter.recording import Recording, starts
from runbook.tui.presenter.words import Row, Word, fit, joined, muted, plain

SINGLE = 6
"""Hosts up to which each has a row of its own."""

_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
_LABEL = 10
"""Cells that a label on the axis has for itself."""
_RESULT = 13
_TOOK = 7


class Bar(Struct, frozen=True):
    """One attempt, or one way back."""

    start: float
    end: float
    status: str
    seq: int
    """The record that ended it, or began it if nothing did."""


class TimeRow(Struct, frozen=True):
    """A step in one place, or in several that went alike."""

    step: str
    places: tuple[str, ...]
    host: str
    bars: tuple[Bar, ...]
    took: float | None
    status: str
    says: str
    first: bool = True
    """The first row of its step."""


class Pause(Struct, frozen=True):
    """A time in which a person was asked."""

    at: float
    until: float | None
    seq: int


class Timeline(Struct, frozen=True):
    """All rows, and the questions."""

    rows: tuple[TimeRow, ...]
    asked: tuple[Pause, ...]
    span: float


def timeline(known: Recording) -> Timeline:
    """Return the timeline of a recording."""
    state = fold_all(timed.fact for timed in known.timed)
    bars = _bars(known)
    rows: list[TimeRow] = []
    for step, hosts, in_stage in _steps(known, bars):
        found = unit_of(known.plan, step) if known.plan is not None else None
        by_person = found is not None and found[1].kind in ("manual", "ask", "choose")
        rows += [
            replace(row, says="done") if by_person and row.says == "ok" else row
            for row in _rows(step, hosts, bars, state, together=not in_stage or len(hosts) > SINGLE)
        ]
    return Timeline(tuple(rows), tuple(_asked(known)), known.span)


def _bars(known: Recording) -> dict[tuple[str, str], list[Bar]]:
    begun = starts(known)
    found: dict[tuple[str, str], list[Bar]] = {}
    over: set[tuple[str, str, int, bool]] = set()
    asked: dict[str, float] = {}
    for at, timed in zip(known.at, known.timed, strict=True):
        fact = timed.fact
        match fact:
            case f.QuestionAsked(question=question):
                asked.setdefault(question.step, at)
            case f.StepFinished() | f.UndoFinished():
                key = (fact.step, fact.target, fact.attempt, isinstance(fact, f.UndoFinished))
                start = begun.get(key, min(asked.get(fact.step, at), at - fact.ms / 1000))
                found.setdefault(key[:2], []).append(Bar(max(start, 0.0), at, fact.status, timed.seq))
                over.add(key)
            case f.StepSkipped():
                found.setdefault((fact.step, fact.target), []).append(Bar(at, at, "skipped", timed.seq))
            case _:
                pass
    for key, start in begun.items():
        if key not in over:
            status = "undoing" if key[3] else "running"
            found.setdefault(key[:2], []).append(Bar(start, known.span, status, _begun(known, key)))
    return found


def _begun(known: Recording, key: tuple[str, str, int, bool]) -> int:
    kinds = (f.UndoStarted,) if key[3] else (f.AttemptStarted, f.ReadStarted)
    for timed in reversed(known.timed):
        fact = timed.fact
        if isinstance(fact, kinds) and (fact.step, fact.target, fact.attempt) == key[:3]:
            return timed.seq
    return -1


def _steps(known: Recording, bars: Mapping[tuple[str, str], list[Bar]]) -> Iterable[tuple[str, tuple[str, ...], bool]]:
    """Yield the steps in the order of the plan, then those that it does not know, each with its places."""
    told: set[str] = set()
    for unit in known.plan.units if known.plan is not None else ():
        for step in unit.steps:
            told.add(step.id)
            yield step.id, places(unit, step), unit.is_stage
    more: dict[str, list[str]] = {}
    for step_id, place in bars:
        if step_id not in told:
            more.setdefault(step_id, []).append(place)
    for step_id, hosts in more.items():
        yield step_id, tuple(hosts), True


def _rows(
    step: str, hosts: tuple[str, ...], bars: Mapping[tuple[str, str], list[Bar]], state: RunState, *, together: bool
) -> list[TimeRow]:
    groups: dict[object, list[str]] = {}
    for host in hosts:
        at = state.at(step, host)
        alike: object = (came_to(at), _says(at)) if together else host
        groups.setdefault(alike, []).append(host)
    rows: list[TimeRow] = []
    worst = sorted(groups.values(), key=lambda group: mark_of(came_to(state.at(step, group[0]))).tone not in _FIRST)
    for group in worst if together else groups.values():
        at = state.at(step, group[0])
        of_group = [bars.get((step, host), []) for host in group]
        merged = tuple(bar for each in of_group for bar in each) if len(group) == 1 else _merged(of_group)
        took = sum(bar.end - bar.start for bar in merged) if merged else None
        host = one_line(where(group[0]), 60) if len(group) == 1 else counted(len(group), "host")
        rows.append(TimeRow(step, tuple(group), host, merged, took, came_to(at), _says(at), first=not rows))
    return rows


_FIRST = ("bad", "doubt", "wait", "live")


def _merged(bars: list[list[Bar]]) -> tuple[Bar, ...]:
    """Return hosts that went side by side as one bar, from the first beginning to the last end."""
    every = [bar for each in bars for bar in each]
    if not every:
        return ()
    last = max(every, key=lambda bar: bar.end)
    return (Bar(min(bar.start for bar in every), last.end, last.status, last.seq),)


def _says(at: StepState) -> str:
    """Say in a word or two how a step came out; completed is never worded as verified."""
    tries = len([a for a in at.attempts if not a.again])
    match at.status:
        case "succeeded" if at.by_hand:
            return "by hand"
        case "succeeded" if tries > 1:
            return f"{tries}{ {2: 'nd', 3: 'rd'}.get(tries, 'th') } try"
        case "succeeded" if at.attempt is not None and at.attempt.effect != "read":
            return "verified" if at.verified else "unverified"
        case "succeeded":
            return "ok"
        case _:
            return status_word(came_to(at))


def _asked(known: Recording) -> Iterable[Pause]:
    open_: dict[str, tuple[float, int]] = {}
    found: list[Pause] = []
    for at, timed in zip(known.at, known.timed, strict=True):
        match timed.fact:
            case f.QuestionAsked(question=question):
                open_.setdefault(question.id, (at, timed.seq))
            case f.DecisionMade(question=asked) if asked in open_:
                began, seq = open_.pop(asked)
                found.append(Pause(began, at, seq))
            case _:
                pass
    found += [Pause(at, None, seq) for at, seq in open_.values()]
    return sorted(found, key=lambda pause: pause.at)


# --- words ------------------------------------------------------------------------------------------------------


class Measure(Struct, frozen=True):
    """Where the columns stand."""

    name: int
    host: int
    bars: int
    right: bool
    """Took and result are in sight."""


def measure(of: Timeline, cells: int) -> Measure:
    """Return the columns in so many cells."""
    most = 22 if cells >= 100 else 14
    name = min(max([4, *(len(row.step) for row in of.rows)]), most)
    host = min(max([4, *(len(row.host) for row in of.rows)]), 16 if cells >= 100 else 11)
    right = cells - name - host >= 45
    bars = cells - name - host - 3 - (_TOOK + 2 + _RESULT if right else 0)
    return Measure(name, host, max(bars, 8), right)


def axis_row(of: Timeline, cells: int) -> Row:
    """Return the row above the bars: what the columns are, and the time."""
    m = measure(of, cells)
    step = next((s for s in _STEPS if of.span <= 0 or s / of.span * m.bars >= _LABEL), _STEPS[-1])
    ticks = ""
    for number in range(int(of.span // step) + 1):
        at = _cell(number * step, of.span, m.bars)
        text = duration_text(number * step)
        if at >= len(ticks) and at + len(text) <= m.bars:
            ticks = ticks.ljust(at) + text
    right = f"{'TOOK':>{_TOOK}}  RESULT" if m.right else ""
    return (muted(f"{fit('STEP', m.name)} {fit('HOST', m.host)}  {fit(ticks, m.bars)}{right}"),)


def row_words(row: TimeRow, of: Timeline, at: float, cells: int) -> Row:
    """Return one row as it stands at a moment: what is to come is thin and grey."""
    m = measure(of, cells)
    left = (
        plain(fit(one_line(row.step, 60) if row.first else "", m.name)),
        muted(" " + fit(row.host, m.host) + "  "),
    )
    drawn = _drawn(row.bars, of.span, at, m.bars)
    if not m.right:
        return (*left, *drawn)
    took = duration_text(row.took) if row.took is not None else ""
    mark = mark_of(row.status)
    symbol, tone = ("!", "$wait") if row.says == "unverified" else (mark.symbol, f"${mark.tone}")
    return (*left, *drawn, muted(f"{took:>{_TOOK}}  "), (fit(f"{symbol} {row.says}", _RESULT), tone))


def asked_words(of: Timeline, at: float, cells: int) -> Row:
    """Return the row of the questions."""
    m = measure(of, cells)
    drawn: list[Word] = [plain(" ")] * m.bars
    _playhead(drawn, of.span, at, m.bars)
    for pause in of.asked:
        here = _cell(pause.at, of.span, m.bars)
        drawn[here] = ("◆", "$wait") if pause.at <= at else ("◆", "$muted")
    waited = sum((pause.until if pause.until is not None else of.span) - pause.at for pause in of.asked)
    answered = sum(pause.until is not None for pause in of.asked)
    said = counted(answered, "answer") if answered == len(of.asked) else "no answer yet"
    left = muted(fit("you were asked", m.name + m.host + 1) + "  ")
    right = (muted(f"{duration_text(waited):>{_TOOK}}  {fit(said, _RESULT)}"),) if m.right else ()
    return (left, *joined(drawn), *right)


def _cell(at: float, span: float, cells: int) -> int:
    return min(int(at / span * (cells - 1) + 0.5), cells - 1) if span > 0 else 0


def _playhead(drawn: list[Word], span: float, at: float, cells: int) -> None:
    if at < span:
        drawn[_cell(at, span, cells)] = ("│", "$accent")


def _drawn(bars: tuple[Bar, ...], span: float, at: float, cells: int) -> Iterable[Word]:
    drawn: list[Word] = [plain(" ")] * cells
    _playhead(drawn, span, at, cells)
    now = _cell(at, span, cells)
    for bar in sorted(bars, key=lambda bar: bar.start):
        mark = mark_of(bar.status)
        first, last = _cell(bar.start, span, cells), _cell(bar.end, span, cells)
        for here in range(first, last):
            if bar.start <= at and here <= now:
                drawn[here] = ("━", f"${mark.tone}" if bar.end <= at else "$live")
            else:
                drawn[here] = ("─", "$muted")
        drawn[last] = (mark.symbol, f"bold ${mark.tone}") if bar.end <= at else ("◦", "$muted")
    return joined(drawn)
