"""The library: the playbook that answers the alert, and what earlier runs left open."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input, Static

from runbook.errors import RunbookError
from runbook.session.library import Entry, OpenLoop
from runbook.session.order import Order
from runbook.session.review import RunSummary
from runbook.tui.backend import Backend
from runbook.tui.look import Look, bold, line, muted
from runbook.tui.messages import DemoWanted, LoopChosen, PlaybookChosen, ReviewWanted
from runbook.tui.presenter import library as show
from runbook.tui.presenter import loops as open_loops
from runbook.tui.presenter.ago import clock
from runbook.tui.screens.base import Frame
from runbook.tui.widgets.alert_input import AlertInput
from runbook.tui.widgets.line_input import NOT_PASTED
from runbook.tui.widgets.loop_line import LoopLine
from runbook.tui.widgets.now_line import Now, NowLine
from runbook.tui.widgets.pile import Pile, Row
from runbook.tui.widgets.preview import Preview, Shown

if TYPE_CHECKING:
    from runbook.session.draft import Draft

DEBOUNCE = 0.12
"""Seconds in which the cursor must rest before a playbook is read for its preview."""

TICK = 20.0
"""Seconds after which ages and the clock are told anew."""

DEMO = "demo:"
"""What the ids of rows begin with that offer the demo."""

INCIDENT = "config-rollback"
"""The incident that the demo stages first."""


class Known(tuple[tuple[Entry, ...], tuple[OpenLoop, ...], tuple[RunSummary, ...]]):
    """Playbooks, open loops and runs, read at one time."""

    __slots__ = ()


class LibraryScreen(Frame):
    """Playbooks ranked by the text of an alert."""

    MODE = "Library"
    CSS_PATH = "library.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        # First, so that they stand in the footer: a list takes its row without a word.
        Binding(
            "enter",
            "prepare",
            "prepare",
            id="library.prepare",
            priority=True,
            tooltip="Values, targets, what would change",
        ),
        Binding(
            "enter",
            "demo",
            "open the demo",
            id="library.demo",
            priority=True,
            tooltip="A broken shop on this machine",
        ),
        Binding("slash", "filter", "find", id="find", tooltip="Type or paste the text of an alert"),
        Binding("tab", "area(1)", "preview", id="library.next", tooltip="The next area of the screen"),
        Binding("shift+tab", "area(-1)", "back", show=False, id="library.previous", tooltip="The area before"),
        Binding("ctrl+o", "loops", "open loops", id="library.loops", tooltip="What earlier runs left open"),
        Binding("escape", "clear", "clear", show=False, id="library.clear", tooltip="Clear the text of the alert"),
        Binding("z", "zoom", "zoom", show=False, id="library.zoom", tooltip="The preview on the whole screen"),
    ]

    def __init__(self, look: Look, backend: Backend) -> None:
        super().__init__(look)
        self._backend = backend
        self._entries: tuple[Entry, ...] = ()
        self._shown: tuple[Entry, ...] = ()
        self._loops: tuple[OpenLoop, ...] = ()
        self._runs: tuple[RunSummary, ...] = ()
        self._drafts: dict[str, Draft | str] = {}
        self._reading: Timer | None = None
        self._is_read = False
        self._wants_loops = False
        """Somebody wants to what is open, and it is not read yet."""
        self._trouble = ""

    def now_line(self) -> NowLine:
        """Return the line of open loops."""
        return LoopLine(self.look)

    def body(self) -> Iterable[Widget]:
        """Filter, list, preview, runs."""
        yield Horizontal(
            Static("Alert text", id="label"),
            AlertInput("paste it, or type a word of it", id="filter"),
            Static(id="count"),
            id="alert",
        )
        yield Horizontal(
            Vertical(Pile(self.look.own("▌"), gap=1, id="list"), Static(id="hint"), id="left"),
            Vertical(Preview(self.look, id="preview"), id="right"),
            Vertical(Static(classes="heading"), Pile(self.look.own("▌"), gap=1, quiet=True, id="runs"), id="past"),
            id="areas",
        )

    def compose(self) -> ComposeResult:
        """Build the rows; without Unicode the rules are of other signs."""
        self.set_class(not self.look.unicode, "-ascii")
        yield from super().compose()

    def on_mount(self) -> None:
        """Begin to look."""
        self.query_one("#filter").focus()
        self.set_interval(TICK, self._draw_ages)
        self.reload()

    def on_screen_resume(self) -> None:
        """Look again at what may have changed meanwhile."""
        self.reload()

    # --- what there is ------------------------------------------------------------------------------------------

    def reload(self) -> None:
        """Look again at playbooks, runs and open loops."""
        if self.is_attached:
            self.run_worker(self._look, thread=True, exclusive=True, group="library", exit_on_error=False)

    def _look(self) -> None:
        try:
            known = Known((self._backend.entries(), self._backend.open_loops(), self._backend.runs()))
        except (RunbookError, OSError) as error:
            self.app.call_from_thread(self._failed, str(error))
            return
        self.app.call_from_thread(self._found, known)

    def _failed(self, why: str) -> None:
        self._trouble = why
        self._say()

    def _found(self, known: Known) -> None:
        self._entries, self._loops, self._runs = known
        self._is_read, self._trouble = True, ""
        self._drafts.clear()
        self._say()
        # Nobody has typed: the cursor stays where it is.
        self._filter(self.alert, keep=True)
        if self._wants_loops:
            self.action_loops()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All playbooks, as far as they are read."""
        return self._entries

    @property
    def runs(self) -> tuple[RunSummary, ...]:
        """All runs, newest first, as far as they are read."""
        return self._runs

    @property
    def alert(self) -> str:
        """The text that was typed or pasted."""
        return show.spread(self.query_one(AlertInput).value)

    def _say(self) -> None:
        rows = open_loops.rows(self._loops, datetime.now(UTC), self.carried())
        loop_line = self.query_one(LoopLine)
        loop_line.loops = rows if not self._trouble else ()
        if self._trouble:
            self.say(Now("bad", first=self.look.status("failed", loud=True), second=Content(line(self._trouble))))
        elif not rows and self._is_read:
            self.say(
                Now(
                    "rule",
                    first=bold("Which alert is it?"),
                    second=muted("Paste its text, or type a word of it. Nothing is open from earlier runs."),
                )
            )
        self.refresh_bindings()

    def _draw_ages(self) -> None:
        if self.is_current:
            self._say()
            self._draw_list()

    # --- the list -----------------------------------------------------------------------------------------------

    @on(Input.Changed, "#filter")
    def _typed(self, event: Input.Changed) -> None:
        # Whoever types looks for a playbook.
        self._wants_loops = False
        self._filter(self.alert, keep=not self.alert)

    def _filter(self, alert: str, *, keep: bool) -> None:
        if not self._is_read:
            return
        self._shown = self._backend.ranked(self._entries, alert) if alert else self._entries
        number, rest = show.count_words(len(self._shown), len(self._entries), bool(alert))
        self.query_one("#count", Static).update(Content.assemble((number, "bold"), (rest, "$muted")))
        hint = show.hint(len(self._shown), len(self._entries), bool(alert))
        self.query_one("#hint", Static).update(muted(hint))
        self._draw_list(keep=keep)

    def _draw_list(self, *, keep: bool = True) -> None:
        now = datetime.now(UTC)
        self.head.right = muted(clock(now))
        wanted = show.stems(self.alert)
        items = show.items(self._shown, self._runs, self._loops, now, self.carried())
        rows = [self._row(item, wanted) for item in items]
        if self._offers_demo:
            rows.append(self._demo_row())
        self.query_one("#list", Pile).show(tuple(rows), keep=keep)
        if not rows:
            self._offer()
            self.query_one(Preview).show(None)
        else:
            self._draw_preview()

    @property
    def _offers_demo(self) -> bool:
        own = any(entry.source != "built-in" for entry in self._entries)
        return self._is_read and (not own or not self._shown) and not any(r.live for r in self._runs)

    def _row(self, item: show.Item, wanted: frozenset[str]) -> Row:
        title = Content(line(item.title))
        if wanted:
            for start, end in show.matches(title.plain, wanted):
                title = title.stylize("bold underline $accent", start, end)
        severity = Content.styled(f"{line(item.severity or '-', 6):<7}", "" if item.severity == "sev1" else "$muted")
        if item.error:
            short = show.fault_of(item.error, item.path)[0]
            return Row(item.path, (title, Content.assemble(self.look.mark("failed"), " ", (line(short), "$bad"))))
        if item.status:
            state = Content.assemble(
                self.look.status(item.status, says=line(item.says)), " ", (self.look.own(item.when), "$muted")
            )
        else:
            state = muted(item.when)
        stale = Content.styled("! stale", "$wait") if item.stale else Content("")
        return Row(item.path, (title, Content.assemble(severity, state)), (Content(""), stale))

    def _demo_row(self) -> Row:
        return Row(
            f"{DEMO}{INCIDENT}",
            (
                Content("See it heal a broken shop"),
                Content.assemble(("demo   ", "$muted"), ("real processes on this machine", "$muted")),
            ),
        )

    # --- the preview --------------------------------------------------------------------------------------------

    @property
    def _entry(self) -> Entry | None:
        row = self.query_one("#list", Pile).row
        return next((entry for entry in self._shown if row is not None and entry.path == row.id), None)

    @on(Pile.Moved, "#list")
    def _moved(self) -> None:
        self._draw_preview()

    def _draw_preview(self) -> None:
        self._offer()
        row, entry = self.query_one("#list", Pile).row, self._entry
        if row is not None and row.id.startswith(DEMO):
            self._show_demo()
            return
        if entry is None:
            self.query_one(Preview).show(None)
            return
        if entry.path not in self._drafts and not entry.error:
            if self._reading is not None:
                self._reading.stop()
            self._reading = self.set_timer(DEBOUNCE, partial(self._read, entry))
        self._show(entry)

    def _show(self, entry: Entry) -> None:
        draft = self._drafts.get(entry.path)
        runs = tuple(run for run in self._runs if run.playbook == entry.id)
        self.query_one(Preview).show(
            Shown(
                entry=entry,
                words=show.matching_words(entry, show.stems(self.alert)),
                last=runs[0] if runs else None,
                now=datetime.now(UTC),
                draft=None if isinstance(draft, str) else draft,
                trouble=draft if isinstance(draft, str) else "",
                full=self.size.width >= 110 or self.has_class("-zoomed"),
            )
        )
        self._show_runs(runs)

    def _show_runs(self, runs: tuple[RunSummary, ...]) -> None:
        now = datetime.now(UTC)
        rows = []
        for run in runs[:50]:
            status, word, rest = show.last_words(run, now)
            who = " ".join(part for part in (run.actor, run.incident) if part)
            rows.append(
                Row(
                    run.id,
                    (
                        Content.assemble(self.look.status(status, says=word), " ", (", ".join(rest), "$muted")),
                        muted(line(f"{run.id[:10]} {who}")),
                    ),
                )
            )
        self.query_one("#runs", Pile).show(tuple(rows))
        self.query_one("#past .heading", Static).update(muted("LAST RUNS" if rows else "NEVER RUN"))

    def _show_demo(self) -> None:
        entry = Entry(
            id=INCIDENT,
            title="See it heal a broken shop",
            summary="A small shop of real processes is made on this machine, without root: orders, payments, "
            "a cache, and their configuration in git.\n\nA bad push breaks it. You heal it with the playbook, "
            "step by step, and its own numbers show it.\n\n"
            "Nothing else is touched. Only the record of the run is left of it.",
            path="",
            source="built-in",
            error="",
            reviewed="",
        )
        self.query_one(Preview).show(Shown(entry=entry, words=(), last=None, now=datetime.now(UTC), bare=True))
        self._show_runs(())

    def _read(self, entry: Entry) -> None:
        self.run_worker(
            partial(self._read_draft, entry.path), thread=True, exclusive=True, group="preview", exit_on_error=False
        )

    def _read_draft(self, path: str) -> None:
        try:
            draft: Draft | str = self._backend.draft(Order(playbook=path))
        except (RunbookError, OSError) as error:
            draft = str(error)
        self.app.call_from_thread(self._read_done, path, draft)

    def _read_done(self, path: str, draft: Draft | str) -> None:
        self._drafts[path] = draft
        entry = self._entry
        if entry is not None and entry.path == path:
            self._show(entry)

    def on_resize(self, event: events.Resize) -> None:
        """Show more or less beside the list."""
        if self._is_read and self._entry is not None:
            self._show(self._entry)

    # --- keys ---------------------------------------------------------------------------------------------------

    @on(Input.Submitted, "#filter")
    def _submitted(self) -> None:
        # Behind what it leads to, which goes by this screen to the application.
        self.call_later(self.app.call_later, self._go_on)
        row = self.query_one("#list", Pile).row
        if self.alert and row is not None and row.id.startswith(DEMO):
            # Whoever looks for a playbook in an incident did not mean to open a shop.
            self.notify("No playbook matches that text. Esc clears it; ↓ and ↵ open the demo.", markup=False)
            return
        self.action_prepare()

    def _go_on(self) -> None:
        if self.query_one(AlertInput).go_on(self.app.screen is self):
            self.notify(NOT_PASTED, markup=False)

    @on(Pile.Chosen, "#list")
    def action_prepare(self) -> None:
        """Prepare the playbook in focus."""
        row = self.query_one("#list", Pile).row
        if row is None:
            return
        if row.id.startswith(DEMO):
            self.post_message(DemoWanted(row.id.removeprefix(DEMO)))
        elif (entry := self._entry) is not None and not entry.error:
            self.post_message(PlaybookChosen(entry.path))

    @on(Pile.Chosen, "#runs")
    def _run_chosen(self, event: Pile.Chosen) -> None:
        self.post_message(ReviewWanted(event.row))

    @on(LoopLine.Chosen)
    def _loop_chosen(self, event: LoopLine.Chosen) -> None:
        self.post_message(LoopChosen(event.loop))

    @on(LoopLine.Left)
    def action_filter(self) -> None:
        """Go to the text of the alert."""
        self.query_one("#filter").focus()

    @on(AlertInput.Left)
    def _left_filter(self, event: AlertInput.Left) -> None:
        if event.by < 0:
            self.action_loops()
            return
        pile = self.query_one("#list", Pile)
        pile.focus()
        pile.action_move(1)

    @on(Pile.Edge, "#list")
    def _left_list(self, event: Pile.Edge) -> None:
        if event.by < 0:
            self.action_filter()

    def action_loops(self) -> None:
        """Go to what is open, once it is known."""
        self._wants_loops = not self._is_read
        if self._loops:
            self.query_one(LoopLine).focus()

    def action_area(self, by: int) -> None:
        """Go to the next or previous area that is in sight."""
        if self.classes & {"-slim", "-tiny"}:
            # A preview of a few columns would tell nothing: list and preview take turns.
            self.action_zoom()
            return
        first = "list" if self.query_one("#list").has_focus else "filter"
        areas = [w for w in (self.query_one(f"#{n}") for n in (first, "preview", "runs")) if w.is_on_screen]
        here = next((n for n, area in enumerate(areas) if area.has_focus), -1 if by > 0 else 0)
        areas[(here + by) % len(areas)].focus()

    def action_clear(self) -> None:
        """Clear the text and begin again."""
        if self.has_class("-zoomed"):
            self.action_zoom()
            return
        self.query_one(AlertInput).value = ""
        self.query_one("#filter").focus()

    def action_zoom(self) -> None:
        """Give the preview the whole screen, or take it back."""
        self.toggle_class("-zoomed")
        self.query_one("#preview" if self.has_class("-zoomed") else "#list").focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer what is possible now."""
        if action == "loops":
            return bool(self._loops) or not self._is_read
        if action in ("prepare", "demo"):
            here = not isinstance(self.focused, LoopLine | Input) and getattr(self.focused, "id", "") != "runs"
            return here and self._leads_to == action
        if action == "filter":
            return not isinstance(self.focused, Input)
        return True

    @property
    def _leads_to(self) -> str:
        """What Enter opens on the row of the cursor: `prepare`, `demo`, or nothing."""
        row = self.query_one("#list", Pile).row
        if row is not None and row.id.startswith(DEMO):
            # Whoever looks for a playbook did not mean to open a shop.
            return "" if self.alert and isinstance(self.focused, AlertInput) else "demo"
        entry = self._entry
        return "prepare" if entry is not None and not entry.error else ""

    def _offer(self) -> None:
        self.query_one(AlertInput).leads_to = self._leads_to
        self.refresh_bindings()

    def action_demo(self) -> None:
        """Open the demo."""
        self.action_prepare()

    def on_descendant_focus(self) -> None:
        """Show on which row Enter would act."""
        self.query_one("#list", Pile).arm(isinstance(self.focused, AlertInput))
        self._offer()
