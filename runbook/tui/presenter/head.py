"""What stands at the right of row 0 during a run: incident, and the seal of the journal."""

from __future__ import annotations

from runbook.events.state import RunState
from runbook.text import one_line
from runbook.tui.presenter.words import Row, mark, muted, plain


def seal(state: RunState, *, error: str = "", more: bool = False) -> Row:
    """Return incident and seal; `more` adds playbook and user."""
    if not state.sessions:
        return ()
    opened, last = state.sessions[0], state.sessions[-1]
    words = []
    if more:
        user = f"{last.actor.get('user', '')}@{last.actor.get('host', '')}".strip("@")
        words = [one_line(str(opened.playbook.get("id", "")), 40), one_line(user, 40)]
    incident = one_line(str(opened.options.get("incident", "") or ""), 40)
    row: list[tuple[str, str]] = [muted(f"{word}   ") for word in (*words[:1], incident, *words[1:]) if word]
    if error:
        return (*row, mark("failed"), ("  journal cannot be written: no change will start"[1:], "$bad"))
    return (*row, mark("succeeded"), muted(" journal "), plain(str(state.facts)), muted(" on disk "))
