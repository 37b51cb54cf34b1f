"""The body of a run: progress, rail, views, instruments. Draws a scene, whether it is live, followed or played back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message

from runbook.model.host import LOCAL
from runbook.model.question import Question
from runbook.session.health import Seen
from runbook.tui.look import Look
from runbook.tui.presenter.host import health_rows, host_instruments, host_row
from runbook.tui.presenter.instrument import instrument_row, instruments
from runbook.tui.presenter.note import guard_rows, note_rows
from runbook.tui.presenter.place import unit_of
from runbook.tui.presenter.progress import progress
from runbook.tui.presenter.rail import COLUMNS, Rail, rail
from runbook.tui.presenter.record import record_rows
from runbook.tui.presenter.took import took
from runbook.tui.presenter.words import Row, muted
from runbook.tui.scene import Scene
from runbook.tui.widgets.desk import BEFORE, VIEWS, Desk
from runbook.tui.widgets.page import Page
from runbook.tui.widgets.pile import Pile
from runbook.tui.widgets.progress_line import ProgressLine
from runbook.tui.widgets.rail import RailView
from runbook.tui.widgets.rule import Rule

RECORDS = 7
HOSTS = 10
_ACTIVE = ("running", "verifying", "undoing")


class Board(Vertical):
    """Draws a run, and keeps the place of the user in it."""

    class Moved(Message):
        """Another step is looked at."""

    def __init__(self, look: Look, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._look = look
        self._scene = Scene()
        self._asked: Question | None = None
        self._opened = ""
        """The step whose hosts are listed."""
        self._state: object = None
        self._event = ""
        """What the view was last chosen for by itself."""
        self._now = 0.0
        self._with_hosts = False
        """Hosts stand among the instruments, or could."""

    def compose(self) -> ComposeResult:
        """Rail at the left, views at the right, instruments below."""
        look = self._look
        yield ProgressLine(look)
        with Horizontal(id="columns"):
            with Vertical(id="left"):
                yield Page(look, id="rail-head")
                yield RailView(look, id="rail")
                yield Page(look, id="rail-foot")
                yield Page(look, id="records")
            yield Rule(look, id="rule")
            yield Desk(look, id="desk")
            with Vertical(id="third"):
                yield Page(look, id="hosts")
                yield Page(look, id="history")
                yield Page(look, id="notes")
        yield Page(look, id="instruments")

    @property
    def rail(self) -> RailView:
        """The steps."""
        return self.query_one(RailView)

    @property
    def desk(self) -> Desk:
        """The views."""
        return self.query_one(Desk)

    @property
    def step(self) -> str:
        """The step that is looked at."""
        row = self.rail.chosen
        if row is None:
            return ""
        if row.kind == "stage" and self._scene.plan is not None:
            unit = next((u for u in self._scene.plan.units if u.id == row.step), None)
            return unit.steps[0].id if unit is not None else ""
        return row.step

    # --- drawing -------------------------------------------------------------------------------------------------

    def draw(self, scene: Scene, asked: Question | None, now: float) -> None:
        """Draw what is new of a scene."""
        if scene is not self._scene:
            self._opened, self._event, self._state = "", "", None
            if scene.run != self._scene.run:
                self.rail.begin()
        fresh = self._state is not scene.state or asked is not self._asked
        self._scene, self._asked, self._state, self._now = scene, asked, scene.state, now
        if fresh:
            self._draw_state(now)
        self._draw_desk()

    def redraw(self, now: float) -> None:
        """Draw everything anew: the size or the colours are others."""
        self._state = None
        self.draw(self._scene, self._asked, now)

    def tick(self, now: float) -> None:
        """Draw what only time changes."""
        if self.size.width >= 110:
            self._draw_rail(now)
        scene, active = self._scene, self._at_work
        self.query_one("#hosts").set_class(not scene.health, "-none")
        self._page("hosts", lambda _: health_rows(scene.health, active, now, HOSTS))
        if scene.health or self._with_hosts:
            self._with_hosts = bool(scene.health)
            self._draw_instruments(now)

    @property
    def _at_work(self) -> frozenset[str]:
        """The hosts on which something is done."""
        return frozenset(target for (_, target), at in self._scene.state.steps.items() if at.status in _ACTIVE)

    def _draw_state(self, now: float) -> None:
        scene, plan = self._scene, self._scene.plan
        if plan is None:
            return
        state = scene.state
        self.query_one(ProgressLine).progress = progress(plan, state)
        shown = self._draw_rail(now)
        self.set_class(sum(len(u.hosts) > COLUMNS for u in plan.units) > 0, "-fleet")
        self._page("rail-head", lambda _: [shown.head])
        self._page("rail-foot", lambda _: shown.foot)
        self._page("records", self._records)
        self._page("history", lambda w: guard_rows(plan, state, scene.samples, w))
        self._page("notes", lambda w: note_rows(state.notes, w, 12))
        self._draw_instruments(now)
        self._choose_view(shown)

    def _draw_rail(self, now: float) -> Rail:
        scene = self._scene
        cells = max(self.rail.size.width - 3, 20)
        assert scene.plan is not None
        times = took(scene.plan, scene, now) if cells >= 38 else None
        shown = rail(scene.plan, scene.state, cells, opened=self._opened, took=times)
        self.rail.draw(shown)
        return shown

    def _records(self, cells: int) -> list[Row]:
        head: Row = (muted("JOURNAL  newest first, all on disk"),)
        return [head, *record_rows(self._scene.records, cells, RECORDS)]

    def _draw_instruments(self, now: float) -> None:
        scene = self._scene
        if scene.plan is None:
            return
        found = instruments(scene.plan, scene.state, scene.samples)
        if self.size.width >= 110 and not self.query_one("#third").display:
            # The hosts have no column: they get the rows that the guards leave.
            room = (4 if self.screen.has_class("-tall") else 2) - len(found)
            found = (*found, *host_instruments(scene.health, scene.loads, self._at_work, now, room))
        host: Row = ()
        if self.size.width < 110 and scene.health:
            # It has one row of two, and one more where there are two guards: what a normal value is stands in the
            # guide of its step, too.
            host = host_row(self._health_here(), self._at_work, now, self.size.width - 4)
            if host and len(found) > 1:
                found = found[: 1 if found[1].kind == "NORMAL" else 2]
        self.query_one("#instruments").set_class(not found and not host, "-none")
        self.query_one("#instruments").set_class(bool(host) and len(found) > 1, "-more")
        ascii_only = not self._look.unicode
        last = (host,) if host else ()
        self._page(
            "instruments", lambda w: [*(instrument_row(each, w, ascii_only=ascii_only) for each in found), *last]
        )

    def _health_here(self) -> Mapping[str, Seen]:
        """Return how the hosts of the step are that is looked at; hosts that are this machine are one."""
        seen, hosts = self._scene.health, self.desk.hosts
        here = {name: seen[name] for name in hosts if name in seen}
        return here or {name: one for name, one in seen.items() if name == LOCAL}

    def _draw_desk(self) -> None:
        row = self.rail.chosen
        asked = self._asked if self._asked is not None and self._asked.step == self.step else None
        host = row.host if row is not None else ""
        self.desk.show(self._scene, self.step, host, asked)

    def _page(self, name: str, make: Callable[[int], Sequence[Row]]) -> None:
        page = self.query_one(f"#{name}", Page)
        if page.display:
            page.show(make)

    def _choose_view(self, shown: Rail) -> None:
        """Open the view that the moment wants, once: what the user opens stays until the next moment."""
        if not shown.rows or not self.rail.at_run:
            return
        step = shown.rows[shown.at].step
        found = unit_of(self._scene.plan, step) if self._scene.plan is not None else None
        statuses = {at.status for (name, _), at in self._scene.state.steps.items() if name == step}
        moment = "asks" if self._asked is not None else "runs" if statuses & set(_ACTIVE) else "rests"
        event = f"{moment} {step}"
        if found is None or event == self._event:
            return
        self._event = event
        if moment == "asks":
            self.desk.view = BEFORE
        elif moment == "runs" and found[1].kind in ("action", "probe"):
            self.desk.view = "output"

    # --- moving --------------------------------------------------------------------------------------------------

    @on(Pile.Moved)
    def _moved(self, event: Pile.Moved) -> None:
        event.stop()
        self._draw_desk()
        if self._scene.health:
            self._draw_instruments(self._now)
        self.post_message(self.Moved())

    @on(Pile.Chosen)
    def _chosen(self, event: Pile.Chosen) -> None:
        event.stop()
        self.list_hosts()

    def list_hosts(self) -> None:
        """List the hosts of the step of the cursor, or no more."""
        row = self.rail.chosen
        if row is None or row.kind == "stage" or self._scene.plan is None or len(self.desk.hosts) < 2:
            return
        self._opened = "" if self._opened == row.step else row.step
        self._state = None
        self._draw_rail(self._now)

    def view(self, number: int) -> None:
        """Open one of the four views."""
        self.desk.view = VIEWS[number - 1]

    def areas(self) -> Iterable[RailView | Desk]:
        """Return the areas, left to right."""
        return self.rail, self.desk
