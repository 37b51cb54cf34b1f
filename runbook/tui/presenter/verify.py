"""What was checked of a step, host by host, and what its checks said."""

from __future__ import annotations

from runbook.events.state import RunState, StepState
from runbook.model.plan import Plan, PlannedStep
from runbook.text import one_line
from runbook.tui.presenter.place import places, unit_of, where
from runbook.tui.presenter.rail import COLUMNS
from runbook.tui.presenter.words import BLANK, Row, bold, fit, mark, muted, plain, said, shortened, wrapped

_NONE = {
    "notify": "It tells people: there is nothing to check.",
    "manual": "A person says what is true: nothing else is checked.",
    "ask": "A person answers: nothing is checked.",
    "choose": "A person decides: nothing is checked.",
}
"""What is said of the kinds of steps that neither change nor read anything."""


_COMMANDS = frozenset({"command", "shell"})
"""What brings no check of its own."""


def _evidence(at: StepState, planned: PlannedStep) -> tuple[str, ...]:
    """Return what speaks for the outcome; of a step that tells people, what they were told."""
    told = at.result.get("message") if planned.kind == "notify" else None
    return (*at.evidence, told) if isinstance(told, str) else at.evidence


def verify_rows(plan: Plan, state: RunState, step: str, cells: int) -> list[Row]:
    """Return the checks of a step and what they said, at full length; of many hosts those not well come first."""
    found = unit_of(plan, step)
    if found is None:
        return []
    unit, planned = found
    rows: list[Row] = []
    checks = _checks(planned)
    if checks:
        rows.append((muted("checks"),))
        rows += [row for check in checks for row in wrapped((muted("· "), plain(check)), cells, 2)]
        rows.append(BLANK)
    elif planned.kind in _NONE:
        rows += [(muted(_NONE[planned.kind]),), BLANK]
    elif _is_unchecked(planned):
        why = planned.source.unchecked
        words = f"Nothing checks it: {one_line(str(why), 400)}" if why is not None else "Nothing checks it."
        rows += [*wrapped((("! ", "$wait"), plain(words)), cells, 2), BLANK]
    elif planned.effect == "read":
        rows += [(muted("It reads only: its result is its verdict."),), BLANK]
    where_all = list(places(unit, planned))
    if len(where_all) > COLUMNS:
        where_all.sort(key=lambda p: _rank(state.at(step, p)))
    for place in where_all:
        at = state.at(step, place)
        name = where(place) or "once"
        rows.append((bold(fit(one_line(name, 40), _room(unit.hosts))), plain(" "), *verdict(at, planned)))
        for line in _evidence(at, planned):
            rows += wrapped((plain("  "), plain(one_line(line, 2000))), cells, 4)
        if at.error:
            rows += wrapped((plain("  "), ("! ", "$wait"), plain(one_line(at.error, 2000))), cells, 4)
    return rows


def verify_brief(plan: Plan, state: RunState, step: str, cells: int, most: int) -> list[Row]:
    """Return one row per host, in as many rows as there is room; hosts that are not well come first."""
    found = unit_of(plan, step)
    if found is None or most <= 0:
        return []
    unit, planned = found
    where_all = sorted(places(unit, planned), key=lambda p: _rank(state.at(step, p)))
    if len(where_all) <= most:
        where_all = list(places(unit, planned))
    room = _room(unit.hosts)
    rows: list[Row] = []
    for place in where_all[:most]:
        at = state.at(step, place)
        name = where(place) or "once"
        evidence = [muted(f"  {one_line(line, 200)}") for line in (at.error, *_evidence(at, planned)) if line][:2]
        style = "bold" if at.status in ("running", "verifying") else "$muted" if at.status == "pending" else ""
        row: Row = ((fit(one_line(name, 40), room), style), plain(" "), *verdict(at, planned), *evidence)
        rows.append(shortened(row, cells))
    more = len(where_all) - most
    if more > 0 and rows:
        rows[-1] = (muted(f"and {more + 1} more: 4 verify"),)
    return rows


def verdict(at: StepState, step: PlannedStep) -> Row:
    """Say what is known of one place: completed is not verified."""
    if at.status == "succeeded":
        if step.effect == "read" or step.kind != "action":
            return (said("succeeded", "by hand" if at.by_hand else "holds" if step.kind == "probe" else "done"),)
        if at.verified:
            return (said("succeeded", "verified"),)
        return (mark("waiting"), ("  completed, not verified"[1:], "$wait"))
    if at.status == "verifying":
        return (said("verifying"),)
    return (said(at.status, "" if at.status != "pending" else "not yet"),)


def _rank(at: StepState) -> int:
    if at.status in ("succeeded", "skipped", "undone"):
        return 2
    return 1 if at.status == "pending" else 0


def _room(hosts: tuple[str, ...]) -> int:
    return min(max((len(h) for h in hosts), default=4), 20) + 1


def _is_unchecked(step: PlannedStep) -> bool:
    """Tell whether a change is a command that nobody wrote a check for."""
    return step.effect != "read" and not step.checks and (step.uses in _COMMANDS or step.source.unchecked is not None)


def _checks(step: PlannedStep) -> list[str]:
    found: list[str] = []
    for check in step.checks:
        argv = check.with_.get("argv")
        words = check.title or (" ".join(str(a) for a in argv) if isinstance(argv, list) else check.uses)
        found.append(one_line(words + (f", expects {check.expect}" if check.expect else ""), 400))
    if not found and step.kind == "action" and step.effect != "read" and not _is_unchecked(step):
        found.append(f"the check that {step.uses} brings")
    return found
