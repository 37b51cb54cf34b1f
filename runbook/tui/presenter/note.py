"""Notes and pinned evidence, and what the guards have seen: the third column of a very wide run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from runbook.events.fact import GuardSampled, NoteWritten
from runbook.events.state import RunState
from runbook.model.plan import Plan
from runbook.text import one_line
from runbook.tui.presenter.instrument import bars, instruments
from runbook.tui.presenter.words import Row, muted, plain, wrapped


def note_rows(notes: tuple[NoteWritten, ...], cells: int, most: int) -> list[Row]:
    """Return the latest notes, newest first."""
    rows: list[Row] = [(muted("NOTES AND EVIDENCE"),)]
    if not notes:
        return [*rows, (muted("none yet: n writes one, i pins output"),)]
    for note in reversed(notes):
        about = " ".join(part for part in (note.actor, note.step) if part)
        text = wrapped((plain(one_line(note.text, 400)),), cells)
        rows += [(muted(one_line(about, cells)),), *text[:3]]
        if len(rows) >= most:
            break
    return rows[:most]


def guard_rows(plan: Plan, state: RunState, samples: Mapping[str, Iterable[GuardSampled]], cells: int) -> list[Row]:
    """Return the history of each guard: its last samples as bars over the whole width."""
    rows: list[Row] = []
    for shown in instruments(plan, state, samples):
        if len(shown.values) < 2:
            continue
        known = [v for v in shown.values if v is not None]
        least, most = (f"{min(known):.4g}", f"{max(known):.4g}") if known else ("", "")
        rows += [
            (plain(shown.name), muted(f"  {len(shown.values)} samples, {least} to {most}")),
            bars(shown.values, cells),
            (),
        ]
    return [(muted("GUARD HISTORY"),), *rows] if rows else []
