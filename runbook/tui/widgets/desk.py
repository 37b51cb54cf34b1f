"""The views of a step: guide, plan, output, verify; one at a time where it is narrow, all together where there is room.

The same for a live run, one that is followed and one that is played back: it draws a scene.
"""

from __future__ import annotations

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.reactive import reactive
from textual.style import Style
from textual.widget import Widget
from textual.widgets import Input

from runbook.model.plan import Plan
from runbook.model.question import Question
from runbook.text import counted
from runbook.tui.look import Look
from runbook.tui.presenter.guide import brief, guide_rows, guide_text, heading
from runbook.tui.presenter.place import places, unit_of, where
from runbook.tui.presenter.verify import verify_brief, verify_rows
from runbook.tui.presenter.view import agreement, plan_rows
from runbook.tui.presenter.words import Row, Word, ends, muted, plain, shortened, width
from runbook.tui.scene import Scene
from runbook.tui.widgets.output import OutputView
from runbook.tui.widgets.page import Page, Rows

VIEWS = ("guide", "plan", "output", "verify")
BEFORE = "before"
"""Guide and plan together: what is shown before a step is run."""


SPREAD = (60, 22)
"""Columns and rows from which all views stand together."""

LOW = 11
"""Rows below which the output stands without guide and checks."""

FLAT = 6
"""Rows below which the names of the views give way."""

_TOGETHER = {"title", "guide", "plan-head", "plan", "output-head", "well", "verify-head"}
_ALONE = {
    "guide": {"title", "guide"},
    "plan": {"title", "plan"},
    "output": {"brief", "well", "tail", "verify-brief"},
    "verify": {"verify"},
    BEFORE: {"title", "guide", "plan-head", "plan"},
}
_EXTRAS = {"title", "brief", "verify-brief"}
_PARTS = (*sorted(_TOGETHER), "brief", "tail", "verify-brief", "verify")


class Tabs(Widget):
    """Names the views, the active one underlined."""

    active: reactive[str] = reactive("guide")

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        # The colours of links would cover those of the views.
        self.auto_links = False

    def render(self) -> Content:
        """Draw the row."""
        names = []
        for number, view in enumerate(VIEWS, 1):
            is_on = view == self.active or (self.active == BEFORE and number < 3)
            click = Style.from_meta({"@click": f"screen.view({number})"})
            style = "bold $accent" if is_on else "$muted"
            name = Content.assemble(
                (f"{number} ", style), (view.capitalize(), f"{style} underline" if is_on else style)
            )
            names.append(name.stylize(click))
        return Content("   ").join(names)


class Desk(Vertical):
    """Draws one step of a scene."""

    view: reactive[str] = reactive("guide")
    zoomed: reactive[bool] = reactive(False)

    def __init__(self, look: Look, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._look = look
        self._scene = Scene()
        self._step = self.target = ""
        self._asked: Question | None = None
        self._known: tuple[object, ...] | None = None
        """What the pages were drawn of."""

    def compose(self) -> ComposeResult:
        """Build the views."""
        look = self._look
        yield Tabs(id="tabs")
        yield Page(look, id="title")
        yield VerticalScroll(Page(look), id="guide", can_focus=False)
        yield Page(look, id="brief")
        yield Page(look, id="plan-head")
        yield VerticalScroll(Page(look), id="plan")
        yield Page(look, id="output-head")
        yield OutputView(look, id="well")
        yield Page(look, id="tail")
        yield Page(look, id="verify-head")
        yield Page(look, id="verify-brief")
        yield VerticalScroll(Page(look), id="verify")
        yield Input(placeholder="find in the output", id="find")

    def on_mount(self) -> None:
        """Begin with the guide."""
        self._arrange()

    def on_resize(self) -> None:
        """Show as much together as there is room for."""
        self._arrange()
        for scroll in self.query(VerticalScroll):
            # Text that fits without a bar and not beside one would stand by what size came before.
            scroll.show_vertical_scrollbar = False

    @property
    def spread(self) -> bool:
        """Whether all views stand together."""
        return self.size.width >= SPREAD[0] and self.size.height >= SPREAD[1] and not self.zoomed

    @property
    def shows_plan(self) -> bool:
        """Whether what the step will do is in sight."""
        return bool(self.query_one("#plan").display)

    def _arrange(self) -> None:
        """Show the parts that the view and the room want; a part that stays as it is costs nothing."""
        if not self.is_mounted:
            return
        low = self.size.height < LOW
        wanted = _TOGETHER if self.spread else _ALONE[self.view] - (_EXTRAS if low else set())
        if self.spread:
            wanted = wanted | {"verify" if self.view == "verify" else "verify-brief"}
        for part in _PARTS:
            self.query_one(f"#{part}").display = part in wanted
        self.query_one(Tabs).display = not self.spread and not self.size.height < FLAT
        for part in ("guide", "plan", "verify"):
            self.query_one(f"#{part}").set_class(self.spread or self.view == BEFORE, "-part")
        self.query_one("#plan").set_class(self.spread, "-inset")
        self.query_one("#verify-brief").set_class(self.spread, "-inset")
        self.query_one(Tabs).active = self.view
        self._known = None
        self.draw()

    @property
    def well(self) -> OutputView:
        """The output."""
        return self.query_one(OutputView)

    @property
    def find_line(self) -> Input:
        """Where the text to find is typed."""
        return self.query_one("#find", Input)

    def watch_view(self) -> None:
        """Show another view."""
        self._arrange()

    def watch_zoomed(self) -> None:
        """Give one view all the room, or give it back."""
        self._arrange()

    def show(self, scene: Scene, step: str, target: str = "", asked: Question | None = None) -> None:
        """Show a step of a scene; `target` is the host whose output stands alone."""
        if step != self._step or scene is not self._scene:
            self.target = target
            for scroll in self.query(VerticalScroll):
                scroll.scroll_home(animate=False)
        elif target:
            self.target = target
        self._scene, self._step, self._asked = scene, step, asked
        self.draw()

    def draw(self) -> None:
        """Draw what is new and in sight: facts change the pages, output only the well."""
        scene = self._scene
        if scene.plan is None or not self.is_mounted:
            return
        known = (scene.state, self._step, self._asked, self.size)
        if self._known is None or any(a is not b and a != b for a, b in zip(known[1:], self._known[1:], strict=True)):
            fresh = True
        else:
            fresh = known[0] is not self._known[0]
        self._known = known
        if fresh:
            self._draw_pages(scene.plan)
        if self.well.display:
            self.well.look_at(scene.spool, self._step, self.target, self.speaking)
            self._tell()

    def _draw_pages(self, plan: Plan) -> None:
        state, step, asked = self._scene.state, self._step, self._asked
        text = guide_text(plan, step, asked)
        signed = not self.query_one("#plan-head").display
        most = 5 if self.spread else 3
        self.query_one("#brief").set_class(not text.strip(), "-none")
        self._page("title", lambda w: heading(plan, step, state, w, asked))
        self._page("guide", lambda w: guide_rows(text, w) or [(muted("This step has no guide."),)])
        self._page("plan", lambda w: plan_rows(plan, state, step, w, asked, signed=signed))
        self._page("verify", lambda w: verify_rows(plan, state, step, w))
        self._page("brief", lambda w: brief(text, w, 2))
        self._page("verify-brief", lambda w: verify_brief(plan, state, step, w, most))
        self._page("plan-head", lambda w: [ends(self._named(2), agreement(plan, state, step, asked), w)])
        self._page("verify-head", lambda _: [self._named(4)])

    def _page(self, name: str, make: Rows) -> None:
        widget = self.query_one(f"#{name}")
        if widget.display:
            (widget if isinstance(widget, Page) else widget.query_one(Page)).show(make)

    def _named(self, number: int) -> Row:
        is_on = VIEWS[number - 1] == self.view
        style = "bold $accent" if is_on else "$muted"
        return ((f"{number} ", style), (VIEWS[number - 1].capitalize(), f"{style} underline" if is_on else style))

    # --- output --------------------------------------------------------------------------------------------------

    @property
    def hosts(self) -> tuple[str, ...]:
        """The places of the step."""
        found = unit_of(self._scene.plan, self._step) if self._scene.plan is not None else None
        return places(*found) if found is not None else ()

    @property
    def speaking(self) -> tuple[str, ...]:
        """The places that have said something."""
        return tuple(h for h in self.hosts if len(self._scene.spool.numbers(self._step, h)))

    @on(OutputView.Turned)
    def _turned(self, event: OutputView.Turned) -> None:
        """Show the output of another host; all of them stand before the first."""
        event.stop()
        choices = ("", *self.speaking) if len(self.speaking) > 1 else ("",)
        at = choices.index(self.target) if self.target in choices else 0
        self.target = choices[(at + event.by) % len(choices)]
        self.draw()

    @on(OutputView.Changed)
    def _tell(self) -> None:
        self._page("tail", self._tail)
        self._page("output-head", self._output_head)

    def _tail(self, cells: int) -> list[Row]:
        words = self._follow_words(with_host=True)
        return [
            words if width(words) <= cells else shortened(self._follow_words(with_host=True, with_lines=False), cells)
        ]

    def _output_head(self, cells: int) -> list[Row]:
        left: list[Word] = [*self._named(3)]
        if len(self.speaking) > 1:
            left += [plain("  "), ("all hosts", "" if self.target else "$muted")]
            for host in self.speaking[:4]:
                left += [plain("   "), (where(host), "bold" if host == self.target else "$muted")]
            if len(self.speaking) > 4:
                left += [muted(f"   +{len(self.speaking) - 4}")]
        right = self._follow_words(with_host=False)
        gap = cells - width(tuple(left)) - width(right)
        return [(*left, plain(" " * gap), *right) if gap > 1 else shortened((*left, plain("  "), *right), cells)]

    def _follow_words(self, *, with_host: bool, with_lines: bool = True) -> Row:
        well, spool = self.well, self._scene.spool
        parts: list[Word] = []
        if not well.lines:
            return (muted("no output"),)
        if well.needle:
            found = f"hit {well.hit} of {len(well.hits)}" if well.hits else "no line holds that"
            parts.append((found, "" if well.hits else "$wait"))
        else:
            parts.append(muted("following") if well.follows else ("stopped: G follows", "$wait"))
        if with_lines:
            parts.append(muted(counted(well.lines, "line")))
        if with_host and len(self.speaking) > 1:
            parts.append(muted(where(self.target) or "all hosts"))
        if well.removed:
            parts.append(muted(f"{counted(well.removed, 'control')} removed"))
        if spool.lost:
            parts.append((f"{spool.lost} characters not shown", "$wait"))
        if spool.dropped:
            parts.append((f"{spool.dropped} earlier lines: L pager", "$wait"))
        row: list[Word] = []
        for part in parts:
            row += ([muted(" · ")] if row else []) + [part]
        return tuple(row)

    # --- finding -------------------------------------------------------------------------------------------------

    def open_find(self) -> None:
        """Let a text be typed."""
        self.add_class("-finding")
        self.find_line.focus()

    def close_find(self) -> None:
        """End it; the hits stay until another text is looked for."""
        self.remove_class("-finding")
        self.well.focus()

    @on(Input.Changed, "#find")
    def _typed(self, event: Input.Changed) -> None:
        self.well.find(event.value)

    @property
    def is_searching(self) -> bool:
        """Whether keys belong to a search: its text is typed, or its hits are walked."""
        return self.find_line.has_focus or (self.well.has_focus and bool(self.well.needle))

    @on(Input.Submitted, "#find")
    def _submitted(self) -> None:
        self.well.next_hit(1)
        self.close_find()

    @on(OutputView.Left)
    def _end_find(self, event: OutputView.Left | None = None) -> None:
        if event is not None:
            event.stop()
        self.find_line.value = ""
        self.well.find("")
        self.close_find()

    def on_key(self, event: events.Key) -> None:
        """Go from hit to hit while a text is typed; Esc ends it."""
        if not self.find_line.has_focus:
            return
        match event.key:
            case "up":
                self.well.next_hit(-1)
            case "down":
                self.well.next_hit(1)
            case "escape":
                self._end_find()
            case _:
                return
        event.stop()
        event.prevent_default()

    def scroll_view(self, by: int) -> None:
        """Move what is read by a screen."""
        if self.view == "output" or self.well.has_focus:
            self.well.action_page(by)
            return
        name = "plan" if self.view == BEFORE else self.view
        scroll = self.query_one(f"#{name}", VerticalScroll)
        scroll.scroll_relative(y=by * max(scroll.size.height - 1, 1), animate=False)
