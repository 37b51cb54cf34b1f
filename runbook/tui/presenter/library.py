"""The rows of the library and the facts beside them: from playbooks, runs and the text of an alert."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from runbook.model.plan import PlannedStep
from runbook.model.playbook import UndoNone
from runbook.session.library import COMMON, Entry, OpenLoop, stem
from runbook.session.review import RunSummary
from runbook.text import duration_text
from runbook.tui.presenter.ago import ago, day_ago, moment, span
from runbook.tui.presenter.loops import kind

if TYPE_CHECKING:
    from runbook.session.draft import Draft


class Item(Struct, frozen=True):
    """One playbook in the list."""

    path: str
    title: str
    severity: str
    status: str
    """Of its last run, or of what is open of it; empty if it was never run."""
    says: str
    """The word of the status, where it is not the status itself."""
    when: str
    stale: bool
    error: str


def items(
    entries: Iterable[Entry], runs: Iterable[RunSummary], loops: Iterable[OpenLoop], now: datetime, here: str = ""
) -> tuple[Item, ...]:
    """Return the rows of playbooks in the order given; what is open of a playbook counts more than its last run.

    `here` is the run that goes on in this interface.
    """
    last: dict[str, RunSummary] = {}
    for run in runs:
        last.setdefault(run.playbook, run)
    still: dict[str, OpenLoop] = {}
    for loop in loops:
        if loop.playbook not in still or kind(loop, here) in ("in_doubt", "degraded", "here"):
            still[loop.playbook] = loop
    return tuple(_item(entry, last.get(entry.id), still.get(entry.id), now, here) for entry in entries)


def _item(entry: Entry, last: RunSummary | None, still: OpenLoop | None, now: datetime, here: str) -> Item:
    status, says, when = "", "", "never run"
    if still is not None and not entry.error:
        status, says, when = _open(still, now, here)
    elif last is not None:
        status, says = last.outcome, last.word
        when = "runs now" if last.live else ago(last.ended or last.started, now)
    return Item(
        path=entry.path,
        title=entry.title or entry.id,
        severity=entry.severity,
        status=status,
        says=says,
        when=when,
        stale=entry.stale and not entry.error,
        error=entry.error,
    )


def _open(loop: OpenLoop, now: datetime, here: str) -> tuple[str, str, str]:
    found = kind(loop, here)
    since = ago(loop.stopped or loop.since, now)
    if found == "degraded":
        end = moment(loop.until)
        left = (end - now).total_seconds() if end else 0.0
        return "waiting", "on now", f"ends in {span(left)}" if left > 0 else "its time is up" if end else "without end"
    if found == "in_doubt":
        return "in_doubt", "in doubt", since
    if found == "here":
        return "running", "open here", "F4 shows it"
    if found == "running":
        return "running", "runs now", f"since {since.removesuffix(' ago')}"
    words = {"undo": "undo pending", "unreadable": "record to look at"}.get(found, "to resume")
    return "waiting", words, since


def fault_of(error: str, path: str) -> tuple[str, str]:
    """Return the short and the whole form of why a playbook cannot be used; the short one begins at its place."""
    name = path.rpartition("/")[2]
    short = error.replace(path, name, 1) if path else error
    return short, error


def spread(text: str) -> str:
    """Return pasted or typed text of an alert as one line."""
    return " ".join(text.split())


def stems(alert: str) -> frozenset[str]:
    """Return the beginnings of words that a match is shown by."""
    return frozenset(stem(word) for word in re.findall(r"[a-z0-9]+", alert.lower()) if word not in COMMON)


def matches(text: str, wanted: frozenset[str]) -> tuple[tuple[int, int], ...]:
    """Return where in a text the words of an alert stand."""
    return tuple(m.span() for m in re.finditer(r"[A-Za-z0-9]+", text) if stem(m[0].lower()) in wanted)


def matching_words(entry: Entry, wanted: frozenset[str]) -> tuple[str, ...]:
    """Return the words of a playbook that answer an alert, each once, those of its symptoms first."""
    found: dict[str, str] = {}
    for text in (*entry.symptoms, entry.title, entry.summary, entry.id):
        for start, end in matches(text, wanted):
            found.setdefault(stem(text[start:end].lower()), text[start:end])
    return tuple(found.values())


def count_words(shown: int, of: int, filtered: bool) -> tuple[str, str]:
    """Return how many playbooks are listed: the number, and the words behind it."""
    if filtered:
        return str(shown), f" of {of} playbooks {'matches' if shown == 1 else 'match'}"
    return str(of), f" playbook{'' if of == 1 else 's'}"


def hint(shown: int, of: int, filtered: bool) -> str:
    """Return what stands below the list."""
    if not of:
        return "There is no playbook. `runbook new` writes one, the demo shows one."
    if not filtered:
        return ""
    if not shown:
        return "No playbook matches. Esc clears the text. `runbook new` writes one, the demo shows one."
    rest = of - shown
    if not rest:
        return "Esc clears the text"
    return f"Esc clears the text and lists the other {rest}"


class StepLine(Struct, frozen=True):
    """One step in the preview's list."""

    id: str
    effect: str
    says: str
    """The effect in words: `by hand` for what a person does."""
    stage: str
    gate: bool


class Facts(Struct, frozen=True):
    """What the preview says below the summary."""

    effects: tuple[tuple[str, str], ...]
    """How many steps of each effect, in words, with the effect."""
    no_way_back: tuple[str, ...]
    """Changing steps that have none."""
    changes: bool
    hosts: tuple[str, ...]
    hosts_note: str
    steps: tuple[StepLine, ...]
    """In order."""


BY_HAND = ("manual", "ask", "choose")


def facts(draft: Draft) -> Facts:
    """Return what a playbook would do."""
    every = [(unit, step) for unit in draft.plan.units for step in unit.steps]
    counts: dict[str, int] = {}
    for _, step in every:
        counts[says(step)] = counts.get(says(step), 0) + 1
    order = ("change", "destructive", "read", "by hand", "wait", "notify")
    effects = tuple((f"{counts[word]} {word}", word) for word in order if counts.get(word))
    changing = [step for _, step in every if step.effect != "read"]
    return Facts(
        effects=effects,
        no_way_back=tuple(step.id for step in changing if isinstance(step.undo, UndoNone)),
        changes=bool(changing),
        hosts=tuple(draft.plan.hosts) if draft.hosts_known else (),
        hosts_note=_hosts_note(draft),
        steps=tuple(
            StepLine(step.id, step.effect, says(step), unit.id if unit.is_stage else "", unit.approve != "none")
            for unit, step in every
        ),
    )


def says(step: PlannedStep) -> str:
    """Return what a step does to a target, in one word or two."""
    if step.kind in BY_HAND:
        return "by hand"
    return step.kind if step.kind in ("wait", "notify") else step.effect


def _hosts_note(draft: Draft) -> str:
    if draft.hosts_known:
        return ""
    return ", ".join(f"{group.name} = {group.pattern}" for group in draft.groups)


_OPEN_STILL = frozenset({"running", "waiting", "paused", "interrupted", "in_doubt"})
"""A run that is one of these has not come to its end."""


def last_words(run: RunSummary, now: datetime) -> tuple[str, str, tuple[str, ...]]:
    """Return status, word and the rest about a run: how long it took, and when it was."""
    within = "after" if run.outcome in _OPEN_STILL else "in"
    took = f"{within} {duration_text(run.seconds)}" if run.seconds is not None and not run.live else ""
    when = "runs now" if run.live else ago(run.ended or run.started, now)
    return run.outcome, run.word, tuple(part for part in (took, when) if part)


def reviewed_words(entry: Entry, now: datetime) -> str:
    """Return when a playbook was reviewed."""
    if not entry.reviewed:
        return "never"
    return day_ago(entry.reviewed, now) or entry.reviewed
