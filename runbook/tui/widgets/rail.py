"""The rail of a run: its steps as a list whose cursor is the user's own, while the run keeps its place in sight."""

from __future__ import annotations

from textual.content import Content

from runbook.tui.look import Look
from runbook.tui.presenter.rail import Rail, RailRow
from runbook.tui.widgets.pile import Pile, Row


class RailView(Pile):
    """Lists the steps."""

    def __init__(self, look: Look, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(look.own("▌"), id=id)
        self._look = look
        self._kept: Rail | None = None
        self._rail_rows: tuple[RailRow, ...] = ()

    def draw(self, rail: Rail) -> None:
        """Show other rows; the cursor goes with the run as long as it stands where the run is."""
        if rail == self._kept:
            return
        before, self._kept = self._kept, rail
        follows = before is None or not before.rows or self.cursor == before.at
        moved = before is None or before.at != rail.at
        self._rail_rows = rail.rows
        self.show(tuple(Row(_id(row), (self._line(row),)) for row in rail.rows))
        if follows:
            self.cursor = rail.at
            if moved:
                self.call_after_refresh(self._centre, rail.at)

    def begin(self) -> None:
        """Forget where the cursor stood: the next rows are those of another run."""
        self._kept = None

    def _line(self, row: RailRow) -> Content:
        line = self._look.row(row.words)
        return line.stylize("bold") if row.at else line

    def _centre(self, at: int) -> None:
        """Put the row of the run at mid-height: the eye finds it in one place."""
        height = self.scrollable_content_region.height
        self.scroll_to(y=max(at - height // 2, 0), animate=False, immediate=True)

    @property
    def chosen(self) -> RailRow | None:
        """The row of the cursor."""
        return self._rail_rows[self.cursor] if 0 <= self.cursor < len(self._rail_rows) else None

    @property
    def at_run(self) -> bool:
        """Whether the cursor stands where the run is."""
        return self._kept is None or self.cursor == self._kept.at

    def go_to_run(self) -> None:
        """Put the cursor where the run is."""
        if self._kept is not None:
            self.cursor = self._kept.at
            self._centre(self._kept.at)

    def go_to_step(self, step: str) -> None:
        """Put the cursor on a step."""
        at = next((n for n, row in enumerate(self._rail_rows) if row.step == step), None)
        if at is not None:
            self.cursor = at
            self._centre(at)


def _id(row: RailRow) -> str:
    return f"{row.kind} {row.step} {row.host}"
