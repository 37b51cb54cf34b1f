"""A run in a few rows for the one who takes it over: where it stands, what stands on targets, what nobody has decided.

And, once it is handed over, where the file is and what has to be typed on the other machine.
"""

from __future__ import annotations

from pathlib import Path

from runbook.events.state import NO_WAY_BACK, RunState
from runbook.events.status import BAD
from runbook.model.plan import Plan
from runbook.session.result import CLOSED
from runbook.text import counted, one_line, shell_words
from runbook.tui.presenter.place import present, where
from runbook.tui.presenter.words import BLANK, Row, bold, muted, plain, said, wrapped

_LABEL = 11
_MOST = 4
"""Rows of one kind; more are counted."""


def can_hand_over(state: RunState) -> bool:
    """Tell whether there is something that somebody else could go on with."""
    open_ = state.status not in CLOSED or bool(state.standing)
    return bool(state.sessions) and not state.handed_over and open_


def summary_rows(state: RunState, plan: Plan | None, cells: int) -> list[Row]:
    """Return what the next person has to know, at most so many cells wide."""
    name = str(state.opened.playbook.get("title") or "") if state.opened is not None else ""
    rows: list[Row] = [(said(state.status), plain("  "), bold(one_line(name, 200)))]
    if plan is not None and state.status not in CLOSED and (at := present(plan, state)):
        steps = [step.id for unit in plan.units for step in unit.steps]
        rows += _labelled("Stands at", plain(f"{one_line(at, 60)}, step {steps.index(at) + 1} of {len(steps)}"), cells)
    rows += _trouble(state, cells)
    rows += _changes(state, cells)
    for question in [*state.questions.values()][:_MOST]:
        rows += _labelled("Open", plain(one_line(question.title, 300)), cells)
    if state.deviated:
        rows += _labelled("Deviated", plain("it went another way than the playbook says"), cells)
    for note in state.notes[-2:]:
        rows += _labelled("Note", plain(one_line(note.text, 300)), cells)
    return rows


def _trouble(state: RunState, cells: int) -> list[Row]:
    found = [(key, at) for key, at in state.steps.items() if at.status in (*BAD, "in_doubt", "undo_failed")]
    found.sort(key=lambda each: each[1].status != "in_doubt")
    rows: list[Row] = []
    for (step, place), at in found[:_MOST]:
        on = f" on {one_line(where(place), 60)}" if where(place) else ""
        told = f": {one_line(at.error, 200)}" if at.error else ""
        words = (muted(" " * _LABEL), said(at.status), plain(f" {one_line(step, 60)}{on}{told}"))
        rows += wrapped(words, cells, _LABEL + 2)
    if len(found) > _MOST:
        rows.append((muted(f"{' ' * _LABEL}and {len(found) - _MOST} more"),))
    return rows


def _changes(state: RunState, cells: int) -> list[Row]:
    stands = {key[:2] for key in state.standing}
    if not stands:
        return _labelled("Changes", plain("none stands on any target"), cells)
    hosts = len({target for _, target in stands})
    back = {key[:2] for key in state.standing if _has_way_back(state, key)}
    words = [f"{counted(len(stands), 'change')} on {counted(hosts, 'host')}"]
    words.append(f"{'all' if len(back) == len(stands) else len(back)} can be undone")
    if state.unverified:
        words.append(f"{state.unverified} unverified")
    steps = ", ".join(dict.fromkeys(one_line(step, 60) for step, _ in sorted(stands)))
    return _labelled("Changes", plain(f"{', '.join(words)}: {steps}"), cells)


def _has_way_back(state: RunState, key: tuple[str, str, int]) -> bool:
    planned = state.change(*key).planned
    return planned is None or not planned.undo.startswith(NO_WAY_BACK)


def _labelled(label: str, word: tuple[str, str], cells: int) -> list[Row]:
    return wrapped((muted(label.ljust(_LABEL)), word), cells, _LABEL)


def price_rows(cells: int) -> list[Row]:
    """Return what a handover does."""
    words = (
        "Closes the run here and gives its targets free: only who adopts the file can go on. "
        "The file holds record and output of the run."
    )
    return wrapped((plain(words),), cells)


def commands(run: str, path: Path, state: RunState) -> tuple[str, ...]:
    """Return what the next person types, line by line."""
    then = "undo" if state.status in CLOSED else "resume"
    return f"runbook adopt {shell_words([path.name])}", f"runbook {then} {run}"


def done_rows(run: str, path: Path, state: RunState, cells: int) -> list[Row]:
    """Return where the file is and what the next person types."""
    rows = wrapped((muted("The file".ljust(_LABEL)), bold(one_line(str(path.absolute()), 4000))), cells, _LABEL)
    rows += _labelled("", muted("give it to the one who goes on, and to nobody else: it holds the output"), cells)
    rows.append(BLANK)
    for number, command in enumerate(commands(run, path, state)):
        rows += wrapped((muted(("There" if not number else "").ljust(_LABEL)), bold(command)), cells, _LABEL)
    rows += [
        BLANK,
        *_labelled("Here", plain("the run is closed; nothing runs, and nothing of it can be resumed"), cells),
    ]
    return rows
