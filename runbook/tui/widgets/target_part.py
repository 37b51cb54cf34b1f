"""Where a run goes: the inventory, a limit, and the hosts that are in or left out."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from runbook.session.draft import Draft
from runbook.tui.look import Look, line, muted
from runbook.tui.presenter.filling import INVENTORY, LIMIT, Filling, fault
from runbook.tui.presenter.rehearsal import Look as Found
from runbook.tui.presenter.rehearsal import host_row
from runbook.tui.presenter.words import said
from runbook.tui.widgets.field_row import FieldRow
from runbook.tui.widgets.pile import Pile, Row

HOSTS = 12
"""Hosts in sight; more are scrolled."""


class TargetPart(Vertical):
    """Two fields and a list."""

    def __init__(self, look: Look, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self._look = look

    def compose(self) -> ComposeResult:
        """Build the part."""
        yield Static(classes="heading")
        yield FieldRow(f":{INVENTORY}", "", self._look, placeholder="the file that names the hosts", path=True)
        yield FieldRow(f":{LIMIT}", "", self._look, placeholder="all hosts of the pattern")
        yield Pile(self._look.own("▌"), quiet=True, id="hosts")

    def draw(self, draft: Draft, filling: Filling, found: Found) -> None:
        """Show what is known of the targets."""
        patterns = ", ".join(f"{group.name} = {group.pattern}" for group in draft.groups) or "on this machine"
        self.query_one(".heading", Static).update(Content.assemble(muted("TARGETS   "), line(patterns)))
        hosts = filling.hosts()
        inside = sum(1 for _, is_in in hosts if is_in)
        at = next((name for name in filling.to_fix() if name.startswith(":")), "")
        for row in self.query(FieldRow):
            is_here = draft.wrong is not None and at == row.field
            says = f"{len(hosts)} found" if row.field == f":{INVENTORY}" else f"{inside} in"
            verdict = (said("failed", "to fix"),) if is_here else (said("succeeded", says),) if hosts else ()
            row.tell(verdict, fault(draft.wrong) if is_here and draft.wrong else (), wrong=is_here)
        pile = self.query_one(Pile)
        pile.show(tuple(self._host(host, is_in, found) for host, is_in in hosts))
        pile.styles.height = min(len(hosts), HOSTS)
        pile.display = bool(hosts)

    def _host(self, host: str, is_in: bool, found: Found) -> Row:
        name = f"{line(host, 24):<16}"
        if not is_in:
            return Row(host, (Content.assemble(muted(name), "  ", self._look.status("skipped", says="left out")),))
        return Row(host, (Content.assemble(name, "  ", self._look.row(host_row(host, found, 60))),))
