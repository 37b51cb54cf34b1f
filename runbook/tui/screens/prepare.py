"""Prepare: values, targets, what would change; nothing is executed here.

What was typed is kept for each playbook until its run begins, also while the library is looked at.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import ClassVar

from msgspec.structs import replace
from textual import events, on
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, Vertical
from textual.content import Content
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input, Static

from runbook.errors import RunbookError
from runbook.session.draft import Draft, Field
from runbook.session.order import Order
from runbook.tui.backend import Backend
from runbook.tui.dialogs.whole_diff import WholeDiff
from runbook.tui.look import Look, bold, line, muted
from runbook.tui.messages import BeginWanted
from runbook.tui.presenter import filling as form
from runbook.tui.presenter import preflight, radius, rehearsal
from runbook.tui.presenter.filling import INVENTORY, LIMIT, Filling
from runbook.tui.screens.looking import LookingFrame
from runbook.tui.widgets.begin import Begin
from runbook.tui.widgets.field_row import FieldInput, FieldRow
from runbook.tui.widgets.line_input import NOT_PASTED
from runbook.tui.widgets.now_line import Now
from runbook.tui.widgets.page import Page
from runbook.tui.widgets.pile import Pile
from runbook.tui.widgets.rule import Rule
from runbook.tui.widgets.scroll import Scroll
from runbook.tui.widgets.target_part import TargetPart
from runbook.tui.widgets.view_bar import ViewBar

VIEWS = ("Parameters", "Targets", "Blast radius", "Rehearsal")
WIDE = 110
"""Columns from which all parts stand side by side."""

DEBOUNCE = 0.3
"""Seconds without a key before inventory and limit are read again."""

LOOKS = 0.2
"""Seconds between drawings while a rehearsal runs."""

PATIENCE = 1.0
"""Seconds without a key before the first rehearsal begins by itself."""

AGAIN = 1.0
"""Seconds after the beginning of a run in which nothing that is typed counts here."""

NAMES = 20
"""Columns that the names of fields may take."""


class PrepareScreen(LookingFrame):
    """One playbook before its run."""

    MODE = "Prepare"
    CSS_PATH = "prepare.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "next", "next to fix", id="prepare.next", tooltip="The next value to fix, then begin"),
        Binding("tab", "field(1)", "next field", id="prepare.field", tooltip="The next field, then the next part"),
        Binding("shift+tab", "field(-1)", "back", show=False, id="prepare.back_field", tooltip="The field before"),
        Binding("ctrl+r", "rehearse", "rehearse", id="prepare.rehearse", tooltip="Look again, or stop looking"),
        Binding("ctrl+t", "hosts", "hosts", id="prepare.hosts", tooltip="Take hosts in or out"),
        Binding("ctrl+o", "whole", "whole diff", id="prepare.diff", tooltip="All that the rehearsal found"),
        Binding("escape", "back", "library", id="prepare.library", tooltip="Back; what was typed is kept"),
        *(
            Binding(str(n + 1), f"view({n})", name.lower(), show=False, id=f"prepare.view_{n + 1}", tooltip=name)
            for n, name in enumerate(VIEWS)
        ),
        Binding("z", "zoom", "zoom", show=False, id="prepare.zoom", tooltip="One part on the whole screen"),
    ]

    def __init__(self, look: Look, backend: Backend) -> None:
        super().__init__(look, backend)
        self._kept: dict[str, Filling] = {}
        self._filling = Filling(Order(playbook=""))
        self._view = 0
        self._is_zoomed = False
        self._trouble = ""
        self._waiting: Timer | None = None
        self._shown_of = ""

    @property
    def order(self) -> Order:
        """The order as it is filled in."""
        return self._filling.order()

    def body(self) -> Iterable[Widget]:
        """The parts: side by side, or one at a time."""
        yield Static(id="broken")
        yield ViewBar(VIEWS, id="views")
        yield Horizontal(
            Scroll(
                Vertical(Static("PARAMETERS", classes="heading"), Vertical(id="fields"), id="parameters"),
                TargetPart(self.look, id="targets"),
                Vertical(
                    Static("BASELINE AND GUARDS", classes="heading"), Page(self.look, id="watches"), id="baseline"
                ),
                id="left",
                can_focus=False,
            ),
            Rule(self.look, id="rule"),
            Container(
                Scroll(Static(classes="heading", id="radius-heading"), Page(self.look, id="steps"), id="radius"),
                Scroll(Static(classes="heading", id="diff-heading"), Page(self.look, id="diffs"), id="rehearsal"),
                id="right",
            ),
            id="areas",
        )
        yield Begin(self.look)

    # --- opening ------------------------------------------------------------------------------------------------

    def open(self, order: Order) -> None:
        """Show another playbook, or go on with one; values that come with the order count more than kept ones."""
        kept = self._kept_for(order.playbook)
        is_bare = order == Order(playbook=order.playbook, guided=order.guided)
        self._forget()
        self.conceal()
        if kept is not None and is_bare:
            self._filling = kept
        else:
            last = self._filling
            self._kept.pop(order.playbook, None)
            self._filling = self._kept[order.playbook] = Filling(order)
            if is_bare:
                self._filling.inventory, self._filling.limit = last.inventory, ""
        self._view, self._trouble, self._shown_of = 0, "", ""
        if self.is_attached:
            older = muted("What stands below may be older; nothing is executed here.")
            self.say(Now("rule", first=bold("Reading the playbook"), second=older))
            self._load()

    def _kept_for(self, playbook: str) -> Filling | None:
        """Return what was filled in last for a playbook: the library names its file, an order may name its id."""
        return next(
            (
                filling
                for name, filling in reversed(self._kept.items())
                if playbook == name or (filling.draft is not None and filling.draft.path == playbook)
            ),
            None,
        )

    def on_mount(self) -> None:
        """Show what was chosen before the screen was there."""
        self.set_interval(LOOKS, self._catch_up)
        self._load()

    def on_unmount(self) -> None:
        """Look no longer."""
        self._stop_looking("the terminal interface ended")

    def _load(self) -> None:
        if self._filling.base.playbook:
            self.run_worker(
                partial(self._read, self._filling), thread=True, exclusive=True, group="draft", exit_on_error=False
            )
        else:
            self.say(Now("rule", first=bold("Nothing is chosen"), second=muted("F2 opens the library.")))
            self.reveal()

    def _read(self, filling: Filling) -> None:
        try:
            draft: Draft | str = self._backend.draft(filling.asked())
        except (RunbookError, OSError) as error:
            draft = str(error)
        self.app.call_from_thread(self._was_read, filling, draft)

    def _was_read(self, filling: Filling, draft: Draft | str) -> None:
        if isinstance(draft, Draft):
            filling.draft = draft
        if filling is not self._filling:
            return
        self._trouble = draft if isinstance(draft, str) else ""
        if isinstance(draft, Draft) and self._shown_of != draft.path:
            self._shown_of = draft.path
            self.call_next(self._build, filling)
            return
        self._draw()
        self._rehearse_first()

    def _rehearse_first(self) -> None:
        self.reveal()
        if self._filling.is_ready and self._found.state == "none":
            self._look_at(self._filling.order())

    async def _build(self, filling: Filling) -> None:
        fields = self.query_one("#fields", Vertical)
        await fields.remove_children()
        await fields.mount(*(self._field_row(field) for field in filling.fields()))
        self._row(f":{INVENTORY}").put(filling.inventory)
        self._row(f":{LIMIT}").put(filling.limit)
        room = min(max([len(field.name) for field in filling.fields()] + [len(INVENTORY)]), NAMES) + 2
        for row in self.query(FieldRow):
            row.align(room)
        self._arrange()
        self._draw()
        self._go_to_fix(after="")
        self._rehearse_first()

    def _field_row(self, field: Field) -> FieldRow:
        param = field.param
        words = param.choices if param.type == "choice" else ("true", "false") if param.type == "bool" else ()
        text = self._filling.text(field.name)
        is_secret = param.type == "secret"
        hint = "env:NAME, file:PATH or ask" if is_secret else param.type
        return FieldRow(field.name, text, self.look, words=words, placeholder=hint, secret=is_secret)

    # --- drawing ------------------------------------------------------------------------------------------------

    def _draw(self) -> None:
        if not self.is_attached:
            return
        filling, draft = self._filling, self._filling.draft
        self._tell_time()
        self._say()
        self.set_class(bool(self._trouble), "-broken")
        if draft is None or self._trouble:
            return
        for field in draft.fields:
            self._draw_field(field)
        self.query_one(TargetPart).draw(draft, filling, self._found, self._checked)
        self.query_one("#steps", Page).show(partial(radius.rows, draft, self._found.steps))
        self.query_one("#radius-heading", Static).update(
            Content.assemble(muted("BLAST RADIUS   "), self.look.own(radius.headline(draft)))
        )
        self._draw_rehearsal()
        begin = self.query_one(Begin)
        begin.ready = filling.is_ready
        self._draw_views()
        self.refresh_bindings()

    def _draw_views(self) -> None:
        bar, left = self.query_one(ViewBar), self._filling.to_fix()
        bar.view = self._view
        unfit = preflight.unfit(self._checked) > 0
        wrong, targets = "bold $bad", unfit or any(name.startswith(":") for name in left)
        bar.flags = (
            wrong if any(not name.startswith(":") for name in left) else "",
            wrong if targets else "",
            "",
            "bold $wait" if rehearsal.warnings(self._found) else "",
        )

    def _say(self) -> None:
        filling, draft = self._filling, self._filling.draft
        if self._trouble:
            name = line(filling.base.playbook.rpartition("/")[2])
            first = Content.assemble(self.look.status("failed", loud=True, says="cannot be used"), "  ", bold(name))
            self.say(Now("bad", first=first, second=muted("Nothing is executed here. Esc leads back to the library.")))
            remedy = "Mend it, then F3 or Enter in the library reads it again; `runbook validate` tells every fault."
            self.query_one("#broken", Static).update(Content.assemble(line(self._trouble, 4000), "\n\n", muted(remedy)))
            return
        warnings = rehearsal.warnings(self._found) + preflight.unfit(self._checked)
        refused = rehearsal.refused(self._found)
        status, word, todo = form.now_words(filling, warnings, refused)
        title = line(draft.playbook.title) if draft is not None else line(filling.base.playbook)
        begins = "Enter begins all the same." if refused else "Enter begins; nothing runs here."
        then = begins if filling.is_ready else "Nothing is executed here."
        self.say(
            Now(
                {"waiting": "wait", "succeeded": "good", "refused": "bad"}.get(status, "rule"),
                first=Content.assemble(self.look.status(status, loud=True, says=word), "  ", bold(title)),
                first_right=muted(self.look.own(filling.identity)),
                second=Content.assemble(todo, " " if todo else "", muted(then)),
                second_right=muted(self.look.own(form.headline(filling))),
            )
        )

    def _row(self, name: str) -> FieldRow:
        return next(row for row in self.query(FieldRow) if row.field == name)

    def _draw_field(self, field: Field) -> None:
        row = next((row for row in self.query(FieldRow) if row.field == field.name), None)
        if row is None:
            return
        wrong = self._filling.wrong(field.name)
        typed = field.name in self._filling.typed
        is_told = wrong is not None or row.has_focus_within
        row.tell(
            form.verdict(field, typed, wrong),
            form.message(field, wrong) if is_told else (),
            wrong=wrong is not None and wrong.what != "needs a value",
        )

    def _draw_rehearsal(self) -> None:
        look = self._found
        if look.state == "none":
            look = replace(look, why="begins when all values are good; it only looks")
        self.query_one("#diff-heading", Static).update(
            Content.assemble(muted("REHEARSAL   "), self.look.row(rehearsal.status(look)))
        )
        self.query_one("#diffs", Page).show(partial(rehearsal.rows, look))
        watches = self.query_one("#watches", Page)
        watches.show(partial(rehearsal.watch_rows, look))
        is_watched = any(step.kind in ("baseline", "guard") for step in look.steps)
        self.query_one("#baseline").set_class(is_watched, "-watched")

    # --- typing -------------------------------------------------------------------------------------------------

    @on(FieldRow.Edited)
    def _edited(self, event: FieldRow.Edited) -> None:
        if event.text == self._filling.stands(event.name):
            # A field that was filled in by us.
            return
        if event.name.startswith(":"):
            if event.name == f":{INVENTORY}":
                self._filling.inventory = event.text
            else:
                self._filling.limit = event.text
            self._outdate(targets=True)
            self._read_soon(DEBOUNCE, self._load)
        elif self._filling.draft is not None:
            self._filling.type(event.name, event.text)
            self._outdate(targets=False)
            self._draw()
            self._read_soon(PATIENCE, self._rehearse_first)

    def _read_soon(self, seconds: float, what: Callable[[], None]) -> None:
        if self._waiting is not None:
            self._waiting.stop()
        self._waiting = self.set_timer(seconds, what)

    def on_descendant_focus(self) -> None:
        """Tell what the value in focus is for."""
        self._draw()

    def on_descendant_blur(self) -> None:
        """Tell it no longer."""
        self.call_after_refresh(self._draw)

    @on(FieldRow.Done)
    def _done(self) -> None:
        """Go on, and let what was typed meanwhile follow the focus."""
        view = self._view
        self.action_next()
        self.app.call_later(self._pass_on, view == self._view or not self._is_single)

    def _pass_on(self, in_sight: bool) -> None:
        if sum(row.pass_on(self.focused or self, in_sight) for row in self.query(FieldRow)):
            self.notify(NOT_PASTED, markup=False)

    def action_next(self) -> None:
        """Go to the next value to fix, or to the beginning of the run."""
        row = next((row for row in self.query(FieldRow) if row.has_focus_within), None)
        self._go_to_fix(after=row.field if row is not None else "")

    def _go_to_fix(self, after: str) -> None:
        if self._filling.draft is None:
            return
        names = [field.name for field in self._filling.fields()] + [f":{INVENTORY}", f":{LIMIT}"]
        start = names.index(after) + 1 if after in names else 0
        left = self._filling.to_fix()
        wanted = next((name for name in (*names[start:], *names[:start]) if name in left), None)
        if wanted is None:
            self._draw()
            self.query_one(Begin).focus()
            return
        self._show_view(1 if wanted.startswith(":") else 0)
        self._row(wanted).editor.focus()

    @on(FieldInput.Left)
    def _left_field(self, event: FieldInput.Left) -> None:
        self.action_field(event.by)

    def action_field(self, by: int) -> None:
        """Go to the next field; behind the last one of a view to the next view."""
        chain = [w for w in self.focus_chain if not isinstance(w, ViewBar | Begin)]
        at = chain.index(self.focused) + by if self.focused in chain else -1 if by < 0 else 0
        if self._is_single and self.focused in chain and not 0 <= at < len(chain):
            self._show_view((self._view + by) % len(VIEWS))
            chain = [w for w in self.focus_chain if not isinstance(w, ViewBar | Begin)]
            at = 0 if by > 0 else -1
        if chain:
            chain[at % len(chain)].focus()

    @on(Begin.Pressed)
    def _begin(self) -> None:
        if self._filling.is_ready and time.monotonic() >= self.sight:
            self._stop_looking("the run begins")
            # Enter twice begins once; where the run is refused, the form takes keys again.
            self.sight = time.monotonic() + AGAIN
            self.post_message(BeginWanted(self._filling.order()))

    # --- the parts ----------------------------------------------------------------------------------------------

    @property
    def _is_single(self) -> bool:
        return self.size.width < WIDE or self._is_zoomed

    def _arrange(self) -> None:
        self.set_class(self._is_single, "-single")
        for number in range(len(VIEWS)):
            self.set_class(self._is_single and number == self._view, f"-view-{number}")

    def on_resize(self, event: events.Resize) -> None:
        """One part at a time, or all side by side."""
        self._arrange()

    @on(ViewBar.Turned)
    def _turned(self, event: ViewBar.Turned) -> None:
        self._show_view(event.view)

    def _show_view(self, view: int) -> None:
        self._view = view
        self._arrange()
        self._draw_views()

    def action_view(self, view: int) -> None:
        """Show a part and go there."""
        self._show_view(view)
        # Not into a field: the next digit would be typed there.
        target = ("ViewBar", "ViewBar", "#radius", "#rehearsal")[view]
        self.query_one(target).focus()

    def action_rehearse(self) -> None:
        """Look again; while it looks, stop it."""
        if self._rehearser.is_looking:
            self._stop_looking("stopped by hand")
            self._draw()
        elif self._filling.is_ready:
            self._look_at(self._filling.order())
        else:
            self._go_to_fix(after="")

    def action_hosts(self) -> None:
        """Go to the hosts; there, take the one of the cursor in or out."""
        pile = self.query_one("#hosts", Pile)
        if pile.has_focus and pile.row is not None:
            self._toggle(pile.row.id)
            return
        self._show_view(1)
        target = pile if pile.rows else self._row(f":{INVENTORY}").editor
        target.focus()

    @on(Pile.Chosen, "#hosts")
    def _host_chosen(self, event: Pile.Chosen) -> None:
        self._toggle(event.row)

    @on(Pile.Moved, "#hosts")
    def _host_looked_at(self, event: Pile.Moved) -> None:
        self.query_one(TargetPart).tell(event.row)

    @on(Pile.Edge, "#hosts")
    def _left_hosts(self, event: Pile.Edge) -> None:
        self.action_field(event.by)

    def _toggle(self, host: str) -> None:
        self._filling.toggle(host)
        self._row(f":{LIMIT}").put(self._filling.limit)
        self._outdate(targets=True)
        self._load()

    def action_whole(self) -> None:
        """Show all that the rehearsal found."""
        draft = self._filling.draft
        if draft is not None:
            self.app.push_screen(WholeDiff(self.look, draft.playbook.title, self._found))

    def action_zoom(self) -> None:
        """Give the part in focus the whole screen, or take it back."""
        focused = self.focused
        parts = ("#parameters", "#targets", "#radius", "#rehearsal")
        here = [
            n
            for n, part in enumerate(parts)
            if focused is not None and self.query_one(part) in focused.ancestors_with_self
        ]
        self._is_zoomed = not self._is_zoomed
        self._show_view(here[0] if here else self._view)

    async def action_back(self) -> None:
        """Go back to the library; what was typed is kept."""
        if self._is_zoomed:
            self.action_zoom()
            return
        await self.run_action("app.go('library')")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer what is possible now."""
        if self._trouble and action in ("next", "field", "rehearse", "hosts", "view", "zoom"):
            return False
        if action == "next":
            return not isinstance(self.focused, Input | Begin | Pile)
        if action == "whole":
            return bool(self._found.steps)
        return True
