"""The instruments: guards and normal values with what was seen of them, as a row each and as bars."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from runbook.events.fact import BaselineTaken, GuardSampled
from runbook.events.plain import thaw
from runbook.events.state import GuardState, RunState
from runbook.model.plan import Plan
from runbook.model.playbook import Guard
from runbook.text import one_line
from runbook.tui.presenter.words import Row, Word, bold, fit, muted, plain, said, width

BARS = " ▁▂▃▄▅▆▇█"
ASCII_BARS = "_-=#"
NAME = 17
_STATE = 10


class Instrument(Struct, frozen=True):
    """One guard or normal value."""

    kind: str
    name: str
    state: Row
    value: str
    limits: Row
    more: Row
    values: tuple[float | None, ...]
    """What was seen, oldest first; None: no data."""
    full: float = 0.0
    """What a full bar stands for, if nothing more was seen."""


def instruments(plan: Plan, state: RunState, samples: Mapping[str, Iterable[GuardSampled]]) -> tuple[Instrument, ...]:
    """Return all guards, those in trouble first, then the normal values that no guard watches."""
    guards = [_guard(guard, state, tuple(samples.get(guard.id, ()))) for guard in plan.guards]
    rank = {guard.id: _rank(state.guards.get(guard.id)) for guard in plan.guards}
    order = sorted(range(len(guards)), key=lambda n: rank[plan.guards[n].id])
    watched = " ".join(guard.fail_when for guard in plan.guards)
    rest = [_normal(b.id, state) for b in plan.baseline if f"baseline.{b.id}" not in watched]
    return (*(guards[n] for n in order), *rest)


def _rank(at: GuardState | None) -> int:
    if at is None:
        return 2
    return 0 if at.breached or at.bad or at.missing else 1


def _guard(guard: Guard, state: RunState, samples: tuple[GuardSampled, ...]) -> Instrument:
    at = state.guards.get(guard.id, GuardState())
    values = tuple(number_of(s.value) if s.state != "no data" else None for s in samples)
    last = at.last
    value = "" if last is None else "no data" if last.state == "no data" else number_text(number_of(last.value))
    return Instrument(
        "GUARD",
        one_line(guard.id.replace("-", " ").replace("_", " "), 60),
        _state(guard, at, watched=state.live),
        value,
        _limit(guard.fail_when),
        _more(guard, at, state),
        values,
    )


def _limit(fail_when: str) -> Row:
    """Say what is bad: a plain limit as a number, all else as it is written."""
    found = _PLAIN.fullmatch(fail_when.strip())
    if found is None:
        return (muted("bad: "), plain(one_line(fail_when, 60)))
    return (muted("limit " if found[1].startswith(">") else "least "), plain(found[2]))


_PLAIN = re.compile(r"value\s*([<>]=?)\s*(-?[0-9.]+)")


def _state(guard: Guard, at: GuardState, *, watched: bool) -> Row:
    if at.breached:
        return (said("failed", "breached"),)
    if at.last is None:
        return (said("pending", "not armed" if guard.arm_after else "waits"),)
    if at.bad:
        return (("! ", "bold $wait"), (f"bad {at.bad}/{guard.threshold}", "bold $wait"))
    if at.missing:
        return (("? ", "$wait"), (f"{at.missing}/{guard.threshold}", "$wait"))
    # A run at rest takes no samples: what was well then may not be so any more, least of all after an undo.
    return (said("succeeded", "ok"),) if watched else (said("pending", "was ok"),)


def _more(guard: Guard, at: GuardState, state: RunState) -> Row:
    if at.last is not None and not state.live:
        return (muted("nobody watches now"),)
    words = [f"{at.bad or at.missing} of {guard.threshold} to a breach"]
    for taken, value in normal_of(guard.fail_when, state):
        during = " during the incident" if taken.during_incident else ""
        words.append(f"normal {number_text(value) or 'unknown'}{during}")
    if at.last is None and guard.arm_after:
        words = [f"watches from the end of {guard.arm_after} on"]
    return (muted(" · ".join(words)),)


def _normal(name: str, state: RunState) -> Instrument:
    taken = state.baselines.get(name)
    if taken is None:
        return Instrument("NORMAL", one_line(name), (said("pending", "not yet"),), "", (), (), ())
    known = taken.state == "good"
    when: Row = (muted("taken during the incident" if taken.during_incident else "from history"),)
    status = said("succeeded", "known") if known else ("? unknown", "$wait")
    return Instrument("NORMAL", one_line(name), (status,), number_text(number_of(taken.value)), when, (), ())


def normal_of(expression: str, state: RunState) -> Iterator[tuple[BaselineTaken, float | None]]:
    """Yield the normal values that an expression compares with, as far as they are taken."""
    for name, taken in state.baselines.items():
        if f"baseline.{name}" in expression:
            yield taken, number_of(taken.value)


def number_of(value: object) -> float | None:
    """Return a value of the record as a number; None if it is none."""
    found = thaw(value)  # type: ignore[arg-type]
    return float(found) if isinstance(found, (int, float)) and not isinstance(found, bool) else None


def number_text(value: float | None) -> str:
    """Return a number as instruments show it: short, no more digits than tell something."""
    if value is None:
        return ""
    if value == int(value) and abs(value) < 1e7:
        return str(int(value))
    return f"{value:.4g}"


def instrument_row(shown: Instrument, cells: int, *, ascii_only: bool = False) -> Row:
    """Return an instrument in one row: name, state, value at the right of its column, limits, bars."""
    head: Row = (muted(fit(shown.kind, 7)), plain(fit(shown.name, NAME)))
    state = (*shown.state, plain(" " * max(_STATE - width(shown.state), 1)))
    value: Row = (bold(f"{shown.value:>7}"), plain("  "))
    row: Row = (*head, *state, *value)
    room = cells - width(row)
    bars_room = min(16 if cells < 140 else 24, max(room, 0)) if len(shown.values) > 1 else 0
    for part in (shown.limits, shown.more):
        if part and width(part) + 2 <= room - bars_room:
            row = (*row, *part, plain("   "))
            room = cells - width(row)
    if not bars_room:
        return row
    drawn = bars(shown.values, min(bars_room, room), full=shown.full, ascii_only=ascii_only)
    return (*row, plain(" " * max(room - width(drawn), 0)), *drawn)


def bars(values: Sequence[float | None], cells: int, *, full: float = 0.0, ascii_only: bool = False) -> Row:
    """Return the latest values as bars, one cell each, the last one in the colour of text; no data is a gap."""
    latest = values[-cells:] if cells > 0 else ()
    known = [v for v in latest if v is not None]
    if not known:
        return ()
    steps = ASCII_BARS if ascii_only else BARS[1:]
    low, high = min(0.0, *known), max(full, *known)
    drawn: list[str] = []
    for value in latest:
        if value is None:
            drawn.append(" ")
            continue
        share = (value - low) / (high - low) if high > low else 0.0
        drawn.append(steps[min(int(share * len(steps)), len(steps) - 1)])
    words: tuple[Word, ...] = (("".join(drawn[:-1]), "$muted 70%"), (drawn[-1], ""))
    return tuple(word for word in words if word[0])
