"""Handing a run over: what the next person has to know, the file, and what is typed on the other machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from textual.widgets import Input

from runbook.errors import UsageError
from runbook.events import fact as f
from runbook.events.fold import fold_all
from runbook.events.timed import Timed
from runbook.model.plan import Plan
from runbook.tui.app import RunbookApp
from runbook.tui.dialogs.handover import HandedSheet, HandoverSheet
from runbook.tui.look import Look
from runbook.tui.presenter.handover import can_hand_over, commands, done_rows, summary_rows
from runbook.tui.presenter.words import Row, width
from tests import builders as b
from tests.tui import scenes
from tests.tui.canned import Canned, holds, plain

RUN = "01khandover"
FACTS: list[f.Fact] = [*b.rollback()[:-2], *b.broken("restart", "order-3"), f.SessionClosed(status="failed")]


def lines(rows: list[Row]) -> list[str]:
    return ["".join(word for word, _ in row) for row in rows]


class Kept(Canned):
    """Holds one run at rest, which can be handed over once."""

    def __init__(self) -> None:
        super().__init__(loops=(), runs=())
        self.journal = list(FACTS)

    def facts(self, run: str) -> tuple[Timed, ...]:
        """Return its record."""
        return b.timed(self.journal)

    def plan_of(self, opened: f.SessionOpened) -> Plan:
        """Return its plan."""
        return scenes.plan()

    def handover(self, run: str, path: Path, reason: str) -> Path:
        """Close it."""
        if path.name == "full":
            raise UsageError("the bundle cannot be written: No space left on device", where=str(path))
        self.journal.append(f.SessionClosed(status="failed", next_session=f"{run}-1"))
        return super().handover(run, path, reason)


@pytest.mark.parametrize("cells", [40, 74])
def test_the_summary_says_where_it_stands_and_what_stands_on_targets(cells: int) -> None:
    state = replace(fold_all(FACTS), deviated=True, notes=(f.NoteWritten(text="call \x1b[2Jkim first"),))

    rows = summary_rows(state, scenes.plan(), cells)
    told = "\n".join(lines(rows))

    assert all(width(row) <= cells for row in rows)
    assert "✗ failed  Roll back a bad configuration" in " ".join(told.split("\n")[:2])
    assert "Stands at  answers, step 5 of 7" in told
    assert "✗ failed restart on order-3" in told
    assert "6 changes on 3 hosts, all can" in " ".join(told.split())
    assert "call kim first" in told
    assert "Deviated" in told


def test_what_is_over_without_a_change_or_away_already_is_not_handed_over() -> None:
    state = fold_all(FACTS)

    assert can_hand_over(state)
    assert not can_hand_over(replace(state, handed_over="x"))
    assert not can_hand_over(fold_all([b.opened(), *b.ended()]))
    assert can_hand_over(fold_all(b.rollback()))


def test_the_next_person_resumes_what_is_open_and_undoes_what_is_over() -> None:
    path = Path("/tmp/it's.bundle")
    assert commands(RUN, path, fold_all(FACTS)) == ("runbook adopt 'it'\"'\"'s.bundle'", f"runbook resume {RUN}")
    assert commands(RUN, path, fold_all(b.rollback()))[1] == f"runbook undo {RUN}"
    assert str(path) in "".join(lines(done_rows(RUN, path, fold_all(FACTS), 80)))


async def test_a_run_is_handed_over_from_its_review_with_a_reason_and_only_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("runbook.tui.dialogs.handover.DEAF", 3600.0)
    kept = Kept()
    app = RunbookApp(kept, Look(), "runbook-dark")
    async with app.run_test(size=(80, 24)) as pilot:
        app.review.open(RUN)
        await app.switch_mode("review")
        await holds(pilot, lambda: app.review.check_action("handover", ()) is True)
        await pilot.press("H")
        await holds(pilot, lambda: isinstance(app.screen, HandoverSheet) and getattr(app.focused, "id", "") == "reason")
        await holds(pilot, lambda: "restart on order-3" in plain(app.screen.query_one("#about")))
        await pilot.press("enter")
        await holds(pilot, lambda: "what the next person has to know" in plain(app.screen.query_one("#hint")))
        assert isinstance(app.screen, HandoverSheet)

        app.screen.query_one("#path", Input).value = str(tmp_path / "full")
        await pilot.press(*"shift", "enter")
        await holds(pilot, lambda: any("No space left" in note.message for note in app._notifications))
        assert not any(isinstance(screen, HandedSheet) for screen in app.screen_stack)

        await pilot.press("H")
        await holds(pilot, lambda: isinstance(app.screen, HandoverSheet) and getattr(app.focused, "id", "") == "reason")
        await pilot.press(*"shift", "enter")
        await holds(pilot, lambda: isinstance(app.screen, HandedSheet) and bool(app.screen.query("#done")))
        await holds(pilot, lambda: f"runbook adopt {RUN}.bundle" in plain(app.screen.query_one("#done")))
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, HandedSheet)
        monkeypatch.setattr("runbook.tui.dialogs.handover.DEAF", 0.0)
        await pilot.press("escape")
        await holds(pilot, lambda: app.review.check_action("handover", ()) is False)

    assert [what for name, what in kept.calls if name == "handover"] == [(RUN, Path.home() / f"{RUN}.bundle", "shift")]
