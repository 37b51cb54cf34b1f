"""Where a run goes: the inventory, a limit, and the hosts that are in or left out."""

from __future__ import annotations

from functools import partial

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.events import Resize
from textual.widgets import Static

from runbook.session.draft import Draft
from runbook.tui.look import Look, line, muted
from runbook.tui.presenter.filling import INVENTORY, LIMIT, Filling, fault
from runbook.tui.presenter.preflight import NAME, Preflight, finding_rows, first_in_need, head_row, status
from runbook.tui.presenter.preflight import host_row as checked_row
from runbook.tui.presenter.rehearsal import Look as Found
from runbook.tui.presenter.rehearsal import host_row as rehearsed_row
from runbook.tui.presenter.rehearsal import is_bad
from runbook.tui.presenter.words import Row as Words
from runbook.tui.presenter.words import muted as words_muted
from runbook.tui.presenter.words import said
from runbook.tui.widgets.field_row import FieldRow
from runbook.tui.widgets.page import Page
from runbook.tui.widgets.pile import Pile, Row

HOSTS = 12
"""Hosts in sight; more are scrolled."""


class TargetPart(Vertical):
    """Two fields and a list."""

    def __init__(self, look: Look, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self._look = look
        self._checked = Preflight()
        self._drawn: tuple[Draft, Filling, Found, Preflight] | None = None
        self._cells = 0

    def compose(self) -> ComposeResult:
        """Build the part."""
        yield Static(classes="heading")
        yield FieldRow(f":{INVENTORY}", "", self._look, placeholder="the file that names the hosts", path=True)
        yield FieldRow(f":{LIMIT}", "", self._look, placeholder="all hosts of the pattern")
        yield Page(self._look, id="preflight")
        yield Pile(self._look.own("▌"), quiet=True, id="hosts")
        yield Page(self._look, id="findings")

    def on_resize(self, event: Resize) -> None:
        """Draw for another width; a part that was out of sight had none."""
        if event.size.width != self._cells and self._drawn is not None:
            self.draw(*self._drawn)

    def draw(self, draft: Draft, filling: Filling, found: Found, checked: Preflight) -> None:
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
        self._checked, self._cells = checked, self.size.width
        self._drawn = (draft, filling, found, checked)
        self.query_one("#preflight", Page).show(partial(self._head, inside))
        pile = self.query_one(Pile)
        pile.show(tuple(self._host(host, is_in, found) for host, is_in in hosts))
        pile.styles.height = min(sum(len(row.lines) for row in pile.rows), HOSTS)
        pile.display = bool(hosts)
        self.tell(pile.row.id if pile.row is not None and pile.has_focus else "")

    def tell(self, host: str) -> None:
        """Tell all that was found on a host; without one on that which needs it most, if there is one."""
        here = host or first_in_need(self._checked)
        self.query_one("#findings", Page).show(lambda cells: finding_rows(here, self._checked, cells) if here else ())

    def _head(self, hosts: int, cells: int) -> list[Words]:
        names = head_row(self._checked, cells - NAME)
        return [(words_muted("PREFLIGHT   "), *status(self._checked, hosts)), *([names] if names else [])]

    def _host(self, host: str, is_in: bool, found: Found) -> Row:
        name = f"{line(host, 24):<{NAME}}"
        if not is_in:
            return Row(host, (Content.assemble(muted(name), "  ", self._look.status("skipped", says="left out")),))
        seen = self._look.row(rehearsed_row(host, found, 60))
        if self._checked.of(host) is None and self._checked.state != "running":
            return Row(host, (Content.assemble(name, "  ", seen),))
        cells = max(self.size.width - NAME - 2, 20)
        lines = [Content.assemble(name, self._look.row(checked_row(host, self._checked, cells)))]
        if is_bad(host, found):
            lines.append(Content.assemble(" " * NAME, seen))
        return Row(host, tuple(lines))
