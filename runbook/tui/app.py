"""The application: four modes, one carried run, and the way out.

Owns what goes between the screens: who carries a run, who is asked, when the process may end. Leaves drawing to the
screens and everything about runs to the session behind `backend`.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import time
from collections import deque
from collections.abc import Callable
from functools import cached_property, partial
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.scrollbar import ScrollBar, ScrollBarRender
from textual.widgets import Input

from runbook.errors import RunbookError
from runbook.events.status import RESUMABLE
from runbook.model.question import Answer, NoAnswer, Question
from runbook.session.order import Order
from runbook.text.mark import status_word
from runbook.tui import messages as msg
from runbook.tui.ascii import PlainBar
from runbook.tui.backend import Backend
from runbook.tui.bridge import Asked, Bridge
from runbook.tui.carrier import Act, Carrier, Ended
from runbook.tui.comfort import Comfort
from runbook.tui.commands import Command, of_playbooks, of_runs, of_steps
from runbook.tui.errand import Errand
from runbook.tui.ground import Ground
from runbook.tui.look import Look, look_of, theme_of
from runbook.tui.pager import show_in_pager
from runbook.tui.presenter.title import title_words
from runbook.tui.scene import Scene
from runbook.tui.screens.library import LibraryScreen
from runbook.tui.shift import Shift
from runbook.tui.theme import THEMES

if TYPE_CHECKING:
    from runbook.session.library import OpenLoop
    from runbook.tui.dialogs.sheet import Sheet
    from runbook.tui.screens.prepare import PrepareScreen
    from runbook.tui.screens.review import ReviewScreen
    from runbook.tui.screens.run import RunScreen

DRAWS = 1 / 20
"""Seconds between looks for what came, while a run is carried."""

MORE = 0.005
"""Seconds until the rest is looked for, if more came than can be taken at once."""


class RunbookApp(Comfort, Shift, Errand, Ground):
    """The terminal interface."""

    TITLE = "runbook"
    CSS_PATH = "global.tcss"
    DEFAULT_MODE = "library"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f2", "go('library')", "Library", show=False, id="library", tooltip="Choose a playbook"),
        Binding(
            "f3", "go('prepare')", "Prepare", show=False, id="prepare", tooltip="Values, targets, what would change"
        ),
        Binding("f4", "go('run')", "Run", show=False, id="run", tooltip="The run that is open"),
        Binding("f5", "go('review')", "Review", show=False, id="review", tooltip="Past runs"),
        Binding("q", "leave", "leave", show=False, id="leave", tooltip="Leave; asks during a run"),
        Binding("ctrl+q", "leave", "leave", show=False, system=True, tooltip="Leave, also where letters are text"),
        Binding("ctrl+z", "suspend_process", "suspend", show=False, system=True),
    ]

    def __init__(
        self, backend: Backend, look: Look | None = None, theme: str = "", orders: tuple[Order, ...] = ()
    ) -> None:
        """Build the interface.

        Args:
            backend: the use cases.
            look: what the terminal can draw; default: found out.
            theme: the name of a theme; default: chosen by the terminal.
            orders: what to prepare at once, and after each run that succeeded.
        """
        super().__init__()
        self.owns_process = False
        """Nothing but this application lives in the process."""
        self.backend = backend
        self.look = look or look_of()
        self.is_ascii = not self.look.unicode
        ScrollBar.renderer = PlainBar if self.is_ascii else ScrollBarRender
        self._orders = deque(orders)
        self.stakes = ""
        """What ends with the interface, and is asked about while a run is not over."""
        self.demo: str | None = None
        """The incident that is to be staged, if the interface was left for that."""
        self.left_by = ""
        """The signal that ended the interface."""
        self.was_told = False
        """The run knows that the interface ends, and how it shall come to its rest."""
        self.at_once = False
        """The user leaves without waiting for the rest of the run."""
        self.carrier: Carrier | None = None
        self._bridge: Bridge | None = None
        self._asked: list[Asked] = []
        """Questions that wait for an answer, oldest first."""
        self._sheet: tuple[Asked, Sheet] | None = None
        """The question that is put now."""
        self._takes_on = False
        """More output waits, and a turn to take it is set."""
        self._stale = False
        """Something was taken that is not drawn."""
        self.scene = Scene()
        self.library = LibraryScreen(self.look, backend)
        self.library.carried = self._carried
        for theme_known in THEMES:
            self.register_theme(theme_known)
        self.wear(theme or theme_of())
        self.add_mode("library", lambda: self.library)
        self.add_mode("prepare", lambda: self.prepare)
        self.add_mode("run", lambda: self.run_screen)
        self.add_mode("review", lambda: self.review)

    # Only the library is there at the first paint; the other screens are imported right after it.

    @cached_property
    def prepare(self) -> PrepareScreen:
        """The form, from its first use on."""
        from runbook.tui.screens.prepare import PrepareScreen

        return PrepareScreen(self.look, self.backend)

    @cached_property
    def run_screen(self) -> RunScreen:
        """The run, from its first use on."""
        from runbook.tui.screens.run import RunScreen

        return RunScreen(self.look, self.scene)

    @cached_property
    def review(self) -> ReviewScreen:
        """The review, from its first use on."""
        from runbook.tui.screens.review import ReviewScreen

        screen = ReviewScreen(self.look, self.backend)
        screen.carried = self._carried
        return screen

    def on_mount(self) -> None:
        """Take the signals that end a terminal program; the run is left in good order by each of them."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._interrupted)
        loop.add_signal_handler(signal.SIGTERM, partial(self._leave_by, "SIGTERM", cancel=True))
        loop.add_signal_handler(signal.SIGHUP, partial(self._leave_by, "SIGHUP: the terminal was closed", cancel=False))
        self.set_interval(DRAWS, self._draw)
        self.set_interval(1.0, self._tick)
        self.call_after_refresh(self.run_worker, self._warm_up, thread=True, exit_on_error=False)
        if self.owns_process:
            # What is loaded by now stays: a collector that walks over it again and again holds back keys by 0.1 s.
            self.set_timer(1.0, gc.freeze)
        if self._orders:
            self.call_after_refresh(self._prepare, self._orders.popleft())

    def _interrupted(self) -> None:
        """Take what `kill -INT` sends; Ctrl-C is a key here."""
        if self.carrier is not None and self.carrier.is_live:
            self.on_stop_wanted()
        else:
            self._leave_by("SIGINT", cancel=True)

    def _leave_by(self, why: str, *, cancel: bool) -> None:
        self.left_by = why.partition(":")[0]
        self._leave_so(why, "cancel" if cancel else "interrupt")

    # --- between the screens ------------------------------------------------------------------------------------

    async def action_go(self, mode: str) -> None:
        """Go to a mode."""
        await self.switch_mode(mode)

    def offers(self) -> tuple[Command, ...]:
        """Return what the palette offers: playbooks, steps of the open run, runs, screens."""
        return (
            *of_playbooks(self.library.entries, lambda path: partial(self.post_message, msg.PlaybookChosen(path))),
            *of_steps(self.scene.plan, self.scene.state, lambda step: partial(self._show_step, step)),
            *of_runs(self.library.runs, lambda run: partial(self.post_message, msg.ReviewWanted(run))),
        )

    async def _show_step(self, step: str) -> None:
        await self.switch_mode("run")
        self.call_after_refresh(self.run_screen.board.rail.go_to_step, step)

    async def on_playbook_chosen(self, message: msg.PlaybookChosen) -> None:
        """Prepare it."""
        await self._prepare(Order(playbook=message.playbook, guided=True))

    async def _prepare(self, order: Order) -> None:
        self.prepare.open(order)
        await self.switch_mode("prepare")

    def on_demo_wanted(self, message: msg.DemoWanted) -> None:
        """Leave for the stage: the shop is opened in plain lines, then its playbook is prepared here."""
        if self.carrier is not None and self.carrier.is_live:
            self.notify("a run is open; it comes to a rest first (F4 shows it)", severity="warning", markup=False)
            return
        self.demo = message.incident
        self.exit(return_code=0)

    async def on_loop_chosen(self, message: msg.LoopChosen) -> None:
        """Take it up where it is: a run to resume at its question, an undo after a look, all else in review."""
        loop = message.loop
        match loop.next.split(" ")[1:]:
            case _ if loop.run == self._carried() and loop.status != "degraded":
                await self.switch_mode("run")
            case ["resume", *_]:
                await self.on_resume_wanted(msg.ResumeWanted(loop.run))
            case ["undo", _, *step]:
                from runbook.tui.dialogs.undo_loop import UndoSheet

                sheet = UndoSheet(self.look, loop, "".join(step[:1]).partition("@")[0])
                self.push_screen(sheet, partial(self._took_up, loop, sheet.step))
            case _:
                await self.on_review_wanted(msg.ReviewWanted(loop.run))

    async def _took_up(self, loop: OpenLoop, step: str, how: str | None) -> None:
        if how == "undo":
            await self.on_undo_wanted(msg.UndoWanted(loop.run, step))
        elif how == "look":
            await self.on_review_wanted(msg.ReviewWanted(loop.run))

    async def on_begin_wanted(self, message: msg.BeginWanted) -> None:
        """Open the run; its first question stands before anything is executed."""
        await self._carry(self.backend.start(message.order), Scene())

    async def on_resume_wanted(self, message: msg.ResumeWanted) -> None:
        """Go on with a run, with its record in sight."""
        await self._carry_on(message.run, self.backend.resume(message.run, message.take_over))

    async def on_undo_wanted(self, message: msg.UndoWanted) -> None:
        """Walk a run back, with its record in sight."""
        await self._carry_on(message.run, self.backend.undo(message.run, message.step, message.target))

    def on_handed_over(self) -> None:
        """Show it as such wherever the run stands in a list, or is looked at."""
        self.library.reload()
        self.run_screen.refresh_scene()

    async def on_review_wanted(self, message: msg.ReviewWanted) -> None:
        """Show a run's record."""
        self.review.open(message.run)
        await self.switch_mode("review")

    # --- the carried run ----------------------------------------------------------------------------------------

    async def _carry_on(self, run: str, act: Act) -> None:
        try:
            facts = await asyncio.to_thread(self.backend.facts, run)
            opened = facts[0].fact if facts else None
            plan = await asyncio.to_thread(self.backend.plan_of, opened) if opened is not None else None  # type: ignore[arg-type]
        except RunbookError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        scene = Scene(run, plan)
        scene.take_all(facts, time.monotonic())
        await self._carry(act, scene)

    async def _carry(self, act: Act, scene: Scene) -> None:
        if self.carrier is not None and self.carrier.is_live:
            self.notify("a run is open; it comes to a rest first (F4 shows it)", severity="warning", markup=False)
            return
        self.scene = scene
        bridge = Bridge(self.backend.plan_of, self._run_id, self._wake, seq=len(scene.records))
        self._bridge = bridge
        self.carrier = Carrier(act, bridge, bridge, lambda _: self._post(msg.CarrierEnded()))
        self.run_screen.open(scene, self.carrier.control)
        await self.switch_mode("run")
        self.carrier.start()

    def _run_id(self) -> str:
        return self.carrier.control.run if self.carrier is not None else ""

    def _carried(self) -> str:
        """Return the run that goes on here; nothing if none does."""
        return self._run_id() if self.carrier is not None and self.carrier.is_live else ""

    def _wake(self) -> None:
        self._post(msg.Woken())

    def _post(self, message: msg.Woken | msg.CarrierEnded) -> None:
        # The screens may be gone while the run comes to its rest.
        if self.is_running:
            self.post_message(message)

    def on_woken(self) -> None:
        """Look at once: a question or a fact came."""
        self._take()

    def _take(self) -> None:
        """Take what came; it is drawn at the next turn, so that a burst does not draw each piece of it."""
        if self._bridge is None:
            return
        batch = self._bridge.drain()
        self.scene.take_all(batch.events, time.monotonic())
        if batch.dropped:
            self.scene.spool.lost += batch.dropped
        for gone in batch.withdrawn:
            self._withdraw(gone)
        self._stale = self._stale or bool(batch.events)
        for asked in batch.asked:
            self._ask(asked)
        if batch.more and not self._takes_on:
            # Not at once: keys and drawing have their turn between.
            self._takes_on = True
            self.set_timer(MORE, self._take_on)

    def _take_on(self) -> None:
        self._takes_on = False
        self._take()

    def _draw(self) -> None:
        self._take()
        if self._stale:
            self._stale = False
            self.run_screen.refresh_scene()
            self._retitle()

    def _tick(self) -> None:
        if self.lost_terminal and not self.left_by:
            self._leave_by("SIGHUP: the terminal was lost", cancel=False)
            return
        if self.carrier is not None:
            self.run_screen.tick()
            for between in self.screen_stack[1:-1]:
                # It shows what lies below it as it was, until it is drawn anew.
                between.refresh()
        self._retitle()

    def _retitle(self) -> None:
        ended = self.carrier is None or not self.carrier.is_live
        self.name_terminal(
            self.look.own(title_words(self.scene, time.monotonic(), asked=self.open_question, ended=ended))
        )

    def _ask(self, asked: Asked) -> None:
        self._asked.append(asked)
        self.ring_if_away()
        self._put(asked)
        self._retitle()

    def _put(self, asked: Asked) -> None:
        if asked.question.kind == "proceed":
            self.run_screen.put(asked)
            return
        from runbook.tui.dialogs.question import sheet_for

        sheet = sheet_for(asked.question, self.look, self.scene.state)
        self._sheet = (asked, sheet)
        self.push_screen(sheet, partial(self._answered, asked))

    def _answered(self, asked: Asked, answer: Answer | NoAnswer | None) -> None:
        self._sheet = None
        if answer is None:
            # Put aside, not answered: the run goes on waiting, and Enter opens the question again.
            return
        if self.failure is not None:
            # Keys that come while the screens fail are nobody's decision: the question stays open.
            return
        if asked in self._asked:
            self._asked.remove(asked)
        if not asked.reply.done():
            asked.reply.set_result(answer)

    def _withdraw(self, asked: Asked) -> None:
        if asked in self._asked:
            self._asked.remove(asked)
        self.run_screen.take_back(asked)
        if self._sheet is not None and self._sheet[0] is asked:
            sheet = self._sheet[1]
            while sheet in self.screen_stack and self.screen is not sheet:
                self.pop_screen()
            if self.screen is sheet:
                sheet.dismiss(None)

    def on_question_answered(self, message: msg.QuestionAnswered) -> None:
        """Pass on the answer that was given on the run screen itself."""
        self._answered(message.asked, message.answer)

    def on_question_wanted(self) -> None:
        """Open the question that waits for an answer again."""
        self.action_question()

    def on_health_wanted(self) -> None:
        """Look how the hosts are; what is known is at hand."""
        if self.carrier is not None and self.carrier.is_live:
            self.scene.take_health(self.backend.health(self.carrier.control))
            self.run_screen.show_health()

    def on_pager_wanted(self, message: msg.PagerWanted) -> None:
        """Show the whole output of a step in a pager."""
        self.run_worker(partial(self._page, message), thread=True, exit_on_error=False)

    def _page(self, message: msg.PagerWanted) -> None:
        try:
            path = self.backend.readable_output(message.run, message.step, message.target)
        except (RunbookError, OSError) as error:
            self.call_from_thread(self.notify, str(error), severity="error", markup=False)
            return
        try:
            self.call_from_thread(show_in_pager, self, path)
        finally:
            path.unlink(missing_ok=True)

    def action_question(self) -> None:
        """Open the question that waits for an answer again."""
        if self._asked and self._sheet is None:
            self._put(self._asked[0])

    @property
    def open_question(self) -> Question | None:
        """The question that waits for an answer here."""
        return self._asked[0].question if self._asked else None

    def on_carrier_ended(self) -> None:
        """Tell how it ended."""
        self._draw()
        if self.carrier is not None and self.carrier.ended is not None:
            self._tell_end(self.carrier.ended)

    def _tell_end(self, ended: Ended) -> None:
        self.run_screen.ended(ended)
        self.library.reload()
        self.bell()
        self._retitle()
        if self._orders and ended.result is not None and ended.result.status == "succeeded":
            self.prepare.open(self._orders.popleft())
            self.run_screen.tell_next()

    # --- the way out --------------------------------------------------------------------------------------------

    def action_leave(self) -> None:
        """Leave; a run that is carried has to come to a rest first, and how is asked."""
        state = self.scene.state
        is_live = self.carrier is not None and self.carrier.is_live
        is_open = self.carrier is not None and state.status in RESUMABLE and not state.handed_over
        if not is_live and not (is_open and self.stakes):
            self.exit(return_code=0)
            return
        from runbook.tui.dialogs.quit import QuitSheet, RestSheet

        if not isinstance(self.screen, QuitSheet | RestSheet):
            word = status_word(state.status)
            self.push_screen(QuitSheet(self.look) if is_live else RestSheet(self.look, word, self.stakes), self._leave)

    async def action_quit(self) -> None:
        """Leave the same way, whoever asks for it."""
        self.action_leave()

    def action_help_quit(self) -> None:
        """Take Ctrl-C where no part of the screen does."""
        self.on_stop_wanted()

    def on_stop_wanted(self) -> None:
        """Stop the running step; asked again, leave at once."""
        if self.carrier is None or not self.carrier.is_live:
            self.notify(f"Nothing runs. {self._leave_key} leaves.", markup=False)
            return
        control = self.carrier.control
        if control.cancel_token.is_set():
            self.at_once = True
            self.exit(return_code=0)
        elif any(at.status in ("running", "verifying", "undoing") for at in self.scene.state.steps.values()):
            control.cancel("Ctrl-C")
            told = "The running step is stopped, and it is checked whether it did. ^c again leaves at once."
            self.notify(told, markup=False)
        else:
            told = f"Nothing runs now. {self._leave_key} leaves, and asks how the run shall rest."
            self.notify(told, markup=False)

    @property
    def _leave_key(self) -> str:
        return "^q" if isinstance(self.focused, Input) else "q"

    def _leave(self, how: str | None) -> None:
        if how:
            self._leave_so("left from the terminal interface", {"stop": "cancel"}.get(how, how))

    def _leave_so(self, why: str, how: str) -> None:
        """Leave; the run comes to its rest behind the screens: by `pause`, `cancel` or `interrupt`."""
        if self.carrier is not None and self.carrier.is_live:
            control = self.carrier.control
            steer: dict[str, Callable[[str], None]] = {"pause": control.pause, "cancel": control.cancel}
            steer.get(how, control.interrupt)(why)
            self.was_told = True
            for asked in self._asked:
                if not asked.reply.done():
                    asked.reply.set_result(NoAnswer(why))
        self.exit(return_code=0)
