"""Two recorded runs side by side: what became of them, their values, their steps, what people decided."""

from __future__ import annotations

import json
from collections.abc import Iterable

from msgspec import Struct

from runbook.events.fold import fold_all
from runbook.events.outcome import outcome_word
from runbook.events.state import RunState
from runbook.model.scalar import Json
from runbook.text import counted, duration_text, one_line
from runbook.text.mark import mark_of
from runbook.tui.presenter.decision import decisions
from runbook.tui.presenter.recording import Recording
from runbook.tui.presenter.runs import from_to
from runbook.tui.presenter.timeline import TimeRow, timeline
from runbook.tui.presenter.words import BLANK, Row, Word, bold, fit, muted, plain


class Pair(Struct, frozen=True):
    """One line of the comparison: a name and both sides; equal sides are told quietly."""

    name: str
    one: Row
    other: Row
    differs: bool


def comparison_rows(one: Recording, other: Recording, cells: int) -> list[Row]:
    """Return the comparison in so many cells: what differs is marked, what is the same is grey."""
    states = tuple(fold_all(t.fact for t in each.timed) for each in (one, other))
    name = min(max(cells // 4, 16), 34)
    side = max((cells - name - 4) // 2, 12)
    rows: list[Row] = [_line(pair, name, side) for pair in _heads(one, other, *states)]
    for title, pairs in (
        ("PARAMETERS", _params(*states)),
        ("STEPS", _steps(one, other)),
        ("DECISIONS", _decisions(one, other)),
    ):
        found = list(pairs)
        differing = sum(pair.differs for pair in found)
        said = f"{differing} of {len(found)} differ" if found else "none in either"
        rows += [BLANK, (muted(f"{title}  "), muted(said))]
        rows += [_line(pair, name, side) for pair in found]
    return rows


def _line(pair: Pair, name: int, side: int) -> Row:
    sign: Word = ("! ", "$wait") if pair.differs else plain("  ")
    label = fit(pair.name, name)
    words = plain(label) if pair.differs else muted(label)
    quiet = not pair.differs
    return (sign, words, *_side(pair.one, side, quiet), plain("  "), *_side(pair.other, side, quiet))


def _side(row: Row, cells: int, quiet: bool) -> Row:
    left = cells
    kept: list[Word] = []
    for text, style in row:
        if left <= 0:
            break
        cut = fit(text, min(left, len(text))) if len(text) > left else text
        kept.append((cut, "$muted" if quiet and style != "bold" else style))
        left -= len(cut)
    return (*kept, plain(" " * max(left, 0)))


def _heads(one: Recording, other: Recording, a: RunState, b: RunState) -> Iterable[Pair]:
    yield Pair("run", (bold(one.run),), (bold(other.run),), differs=False)
    yield Pair("status", _status(a), _status(b), outcome_word(a) != outcome_word(b))
    ids = tuple(str(state.opened.playbook.get("id", "")) if state.opened else "" for state in (a, b))
    yield _text("playbook", one_line(ids[0], 60), one_line(ids[1], 60))
    texts = tuple(str(state.opened.playbook.get("sha256", ""))[:12] if state.opened else "" for state in (a, b))
    yield _text("its text, sha256", *texts)
    times = tuple(from_to(each.timed[0].time, each.timed[-1].time) if each.timed else "" for each in (one, other))
    yield Pair("when", (plain(times[0]),), (plain(times[1]),), differs=False)
    yield _text("took", *(_took(each.elapsed) for each in (one, other)))
    if one.breaks or other.breaks:
        yield _text("without its rests", duration_text(one.worked), duration_text(other.worked))
    yield _text("hosts", _hosts(a), _hosts(b))
    yield _text("left unverified", counted(a.unverified, "change"), counted(b.unverified, "change"))


def _took(seconds: float | None) -> str:
    return "not known" if seconds is None else duration_text(seconds)


def _hosts(state: RunState) -> str:
    names = (
        [one_line(str(h.get("name", "")), 40) for h in state.opened.hosts if isinstance(h, dict)]
        if state.opened
        else []
    )
    return ", ".join(names) if len(names) <= 4 else counted(len(names), "host")


def _status(state: RunState) -> Row:
    mark = mark_of(state.status)
    return ((f"{mark.symbol} {outcome_word(state)}", f"${mark.tone}"),)


def _text(name: str, one: str, other: str) -> Pair:
    return Pair(name, (plain(one or "-"),), (plain(other or "-"),), one != other)


def _params(a: RunState, b: RunState) -> Iterable[Pair]:
    both = [state.opened.params if state.opened is not None else {} for state in (a, b)]
    for name in sorted({*both[0], *both[1]}):
        yield _text(one_line(name, 60), _value(both[0], name), _value(both[1], name))


def _value(params: dict[str, Json], name: str) -> str:
    if name not in params:
        return ""
    value = params[name]
    if isinstance(value, dict) and set(value) == {"secret"}:
        return one_line(f"secret, from {value['secret']}", 200)
    return one_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), 200)


def _steps(one: Recording, other: Recording) -> Iterable[Pair]:
    both = [_by_step(timeline(each).rows) for each in (one, other)]
    for key in dict.fromkeys((*both[0], *both[1])):
        a, b = both[0].get(key), both[1].get(key)
        alike = a is not None and b is not None and (a.status, a.says) == (b.status, b.says)
        yield Pair(" ".join(part for part in key if part), _went(a), _went(b), not alike)


def _by_step(rows: Iterable[TimeRow]) -> dict[tuple[str, str], TimeRow]:
    return {(one_line(row.step, 40), row.host): row for row in rows}


def _went(row: TimeRow | None) -> Row:
    if row is None:
        return (muted("not in this run"),)
    mark = mark_of(row.status)
    took = duration_text(row.took) if row.took is not None else ""
    return ((fit(f"{mark.symbol} {row.says}", 14), f"${mark.tone}"), muted(f"{took:>7}"))


def _decisions(one: Recording, other: Recording) -> Iterable[Pair]:
    both: list[dict[str, list[str]]] = []
    for each in (one, other):
        told: dict[str, list[str]] = {}
        for decided in decisions(each):
            if decided.who != "run":
                about = decided.about.partition(", plan ")[0]
                told.setdefault(about, []).append(decided.what + (f": {decided.reason}" if decided.reason else ""))
        both.append(told)
    for about in dict.fromkeys((*both[0], *both[1])):
        yield _text(about, "; ".join(both[0].get(about, [])), "; ".join(both[1].get(about, [])))
