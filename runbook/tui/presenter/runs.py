"""The list of runs: a row each, what a typed text finds in it, and what stands above the list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from msgspec import Struct

from runbook.report.word import MONTHS
from runbook.session.review import RunSummary
from runbook.text import counted, duration_text, one_line
from runbook.text.mark import mark_of, status_word
from runbook.tui.presenter.ago import moment
from runbook.tui.presenter.words import Row, fit, muted, plain

_WHEN = 13
_TOOK = 8


def status_of(run: RunSummary) -> str:
    """Return the status that a row shows: a live one runs, unless a person is needed."""
    return "running" if run.live and run.outcome not in ("waiting", "paused", "in_doubt") else run.outcome


def word_of(run: RunSummary) -> str:
    """Return the status of a row in words."""
    status = status_of(run)
    if status == "running" and run.live:
        return "live"
    return run.word if status == run.outcome else status_word(status)


class Columns(Struct, frozen=True):
    """How wide the first columns are."""

    status: int = 14
    name: int = 18


def columns(runs: Iterable[RunSummary], cells: int) -> Columns:
    """Return the columns for these runs in so many cells: as wide as their words, as far as there is room."""
    every = tuple(runs)
    status = max([12, *(len(word_of(run)) + 2 for run in every)]) + 2
    room = max(cells - status - _WHEN - _TOOK - 20, 12)
    return Columns(status, min(max([12, *(len(run.playbook) for run in every)]), room, 40))


def run_words(run: RunSummary, of: Columns, now: datetime, found: str = "") -> Row:
    """Return one run; `found` is where the searched text stands."""
    if run.error:
        return (
            (fit("! unreadable", of.status), "$wait"),
            plain(fit(run.id, 27)),
            muted(f" {one_line(run.error, 300)}"),
        )
    status = status_of(run)
    mark = mark_of(status)
    word = word_of(run)
    tail = [part for part in (one_line(run.incident, 30), one_line(run.actor, 30)) if part]
    left = [counted(run.pending_undo, "undo open", "undos open")] if run.pending_undo and not run.live else []
    left += [f"{run.unverified} unverified"] if run.unverified else []
    left += ["live"] if run.live and word != "live" else []
    left += ["handed over"] if run.handed_over else []
    return (
        (fit(f"{mark.symbol} {word}", of.status), f"${mark.tone}"),
        plain(fit(one_line(run.playbook, 60), of.name) + "  "),
        muted(fit(when(run.started, now), _WHEN)),
        muted(f"{took(run, now):>{_TOOK - 2}}  "),
        *(((found, "$accent"),) if found else ()),
        (", ".join(left) + ("  " if left else ""), "$wait") if not found else plain(""),
        muted("  ".join(tail) if not found else ""),
    )


def head_words(of: Columns) -> Row:
    """Return what the columns are."""
    said = f"{'STATUS':<{of.status}}{'PLAYBOOK':<{of.name + 2}}{'STARTED':<{_WHEN}}{'TOOK':>{_TOOK - 2}}  INCIDENT, BY"
    return (muted(said),)


def when(written: str, now: datetime) -> str:
    """Return a moment in the local time: the time of day for today, else day and month, else the year, too."""
    found = moment(written)
    if found is None:
        return ""
    here, today = found.astimezone(), now.astimezone()
    if here.year != today.year:
        return f"{here.day} {MONTHS[here.month - 1]} {here.year}"
    return f"{here.day:>2} {MONTHS[here.month - 1]} {here:%H:%M}"


def from_to(first: str, last: str) -> str:
    """Return from when to when: `14 Nov 03:15 to 03:29`; one time if it is the same minute."""
    one, other = moment(first), moment(last)
    if one is None or other is None:
        return ""
    one, other = one.astimezone(), other.astimezone()
    begun = f"{one.day} {MONTHS[one.month - 1]} {one:%H:%M}"
    if one.date() == other.date():
        if f"{one:%H:%M}" == f"{other:%H:%M}":
            return begun
        return f"{begun} to {other:%H:%M}"
    return f"{begun} to {other.day} {MONTHS[other.month - 1]} {other:%H:%M}"


def took(run: RunSummary, now: datetime) -> str:
    """Return how long it took from its start to its end, rests included, or has been going on."""
    begun = moment(run.started)
    if run.live and begun is not None:
        return duration_text(max((now - begun).total_seconds(), 0.0))
    return "" if run.seconds is None else duration_text(run.seconds)


def matching(runs: Iterable[RunSummary], text: str, found: Mapping[str, str]) -> tuple[RunSummary, ...]:
    """Return the runs in whose row the words of a text stand, and those in whose record it was found."""
    words = text.lower().split()
    return tuple(run for run in runs if run.id in found or all(word in _row_text(run) for word in words))


def _row_text(run: RunSummary) -> str:
    parts = (run.id, run.playbook, run.title, run.word, run.incident, run.actor, run.error)
    return " ".join((*parts, "live" if run.live else "", when(run.started, datetime.now().astimezone()))).lower()
