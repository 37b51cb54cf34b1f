"""What the palette offers: playbooks, runs, steps, screens, colours, and every key of where one is.

A command is words and something to do; who gathers them knows the application by the few things named in `Offers`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from runbook.events.state import RunState
from runbook.model.plan import Plan
from runbook.session.review import RunSummary
from runbook.text import one_line
from runbook.tui.presenter.ago import ago
from runbook.tui.presenter.guide import title_of
from runbook.tui.presenter.keys import Key, written

if TYPE_CHECKING:
    from runbook.session.library import Entry

Do = Callable[[], Awaitable[object] | object]


class Command(Struct, frozen=True, eq=False):
    """Something that can be done by its name."""

    kind: str
    words: str
    about: str
    do: Do


def of_keys(keys: Iterable[tuple[Key, Do]]) -> Iterator[Command]:
    """Yield what the keys of where one is do."""
    told: set[str] = set()
    for key, do in keys:
        if key.action not in told:
            told.add(key.action)
            yield Command("key", _named(key), written(key.key), do)


def _named(key: Key) -> str:
    """Return by what a key is found: its word in the last row, and what it does."""
    about = key.about or key.does
    return about if not key.does or key.does.lower() in about.lower() else f"{key.does}: {about}"


def of_playbooks(entries: Iterable[Entry], choose: Callable[[str], Do]) -> Iterator[Command]:
    """Yield the playbooks that can be used."""
    for entry in entries:
        if not entry.error:
            yield Command("playbook", one_line(entry.title or entry.id, 80), one_line(entry.id, 60), choose(entry.path))


def of_runs(runs: Iterable[RunSummary], look: Callable[[str], Do]) -> Iterator[Command]:
    """Yield past runs, newest first."""
    now = datetime.now(UTC)
    for run in runs:
        when = "runs now" if run.live else ago(run.started, now)
        about = f"{run.word} {when}"
        yield Command("run", f"{one_line(run.playbook, 60)} {run.id[:10]}", about, look(run.id))


def of_steps(plan: Plan | None, state: RunState, show: Callable[[str], Do]) -> Iterator[Command]:
    """Yield the steps of the run that is open."""
    if plan is None:
        return
    for unit in plan.units:
        for step in unit.steps:
            words = one_line(title_of(plan, step.id, state), 80)
            yield Command("step", words, one_line(step.id, 60), show(step.id))
