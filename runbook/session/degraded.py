"""What is still degraded after all runs, gathered from their journals: one run may restore what another degraded.

A list of playbooks shows it at every start, so the journal is imported only if one of its files speaks of a switch.
"""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from runbook.config import Settings

MARKS = (b'"opens":', b'"closes":')
"""What a journal holds that speaks of a switch, see `runbook.events.degradation`."""


class StillDegraded(Struct, frozen=True, kw_only=True):
    """Something that a run has degraded and nobody has put back."""

    run: str
    playbook: str
    step: str
    target: str
    since: str
    until: str
    words: str
    """What it is, and for how long, in one line."""
    next: str
    """The command that leads back."""


def degradations(settings: Settings) -> tuple[StillDegraded, ...]:
    """Return what is still degraded, by all runs that can be read; those that cannot are open loops of their own."""
    speaking = [file.parent.name for file in sorted(settings.state.glob("runs/*/journal.jsonl")) if _speaks(file)]
    return _gathered(settings, speaking) if speaking else ()


def _speaks(journal: Path) -> bool:
    """Tell whether a journal holds a turn of a switch; most do not, and folding them all would take its time."""
    try:
        data = journal.read_bytes()
    except OSError:
        return False
    return any(mark in data for mark in MARKS)


def _gathered(settings: Settings, runs: list[str]) -> tuple[StillDegraded, ...]:
    from datetime import UTC, datetime

    from runbook.errors import RunbookError
    from runbook.events.degradation import Turn, open_of, turns
    from runbook.journal import Layout
    from runbook.session.record import state_of

    every: list[Turn] = []
    playbooks: dict[str, str] = {}
    for run in runs:
        try:
            state = state_of(Layout(settings.state), run)
        except (RunbookError, OSError):
            continue
        playbooks[run] = str(state.opened.playbook.get("id", "")) if state.opened else ""
        every.extend(turns(state, run))
    return tuple(
        StillDegraded(
            run=found.run,
            playbook=playbooks[found.run],
            step=found.step,
            target=found.target,
            since=found.since,
            until=found.until,
            words=f"{found.target}: {found.words(datetime.now(UTC))}",
            next=f"runbook undo {found.run} {found.step}",
        )
        for found in open_of(every)
    )
