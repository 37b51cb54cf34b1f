"""The run: steps with their status per host, and what the step in focus will do, does and did."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from runbook.session.control import Control
from runbook.tui.carrier import Ended
from runbook.tui.look import Look, bold, line
from runbook.tui.messages import ReviewWanted
from runbook.tui.scene import Scene
from runbook.tui.screens.base import Frame
from runbook.tui.widgets.now_line import Now


class RunScreen(Frame):
    """One run, live."""

    MODE = "Run"
    CSS_PATH = "run.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "next", "review", id="run.next"),
        Binding("p", "pause", "pause", id="run.pause"),
        Binding("ctrl+c", "stop", "stop step", id="run.stop", priority=True),
    ]

    def __init__(self, look: Look, scene: Scene) -> None:
        super().__init__(look)
        self.scene = scene
        self._control: Control | None = None
        self._ended: Ended | None = None

    def body(self) -> Iterable[Widget]:
        """Rail and views."""
        yield Horizontal(VerticalScroll(Static(id="rail")), VerticalScroll(Static(id="output")))

    def open(self, scene: Scene, control: Control) -> None:
        """Show another run."""
        self.scene, self._control, self._ended = scene, control, None
        self.refresh_scene()

    def on_mount(self) -> None:
        """Show what was there before the screen was."""
        self.refresh_scene()

    def refresh_scene(self) -> None:
        """Draw the scene again: something came."""
        if not self.is_attached:
            return
        state, plan = self.scene.state, self.scene.plan
        self.say(Now("live", first=self.look.status(state.status, loud=True), second=Content(line(self._why()))))
        rows = [
            Content.assemble(self.look.status(at.status), "  ", line(step), " ", line(target))
            for (step, target), at in state.steps.items()
        ]
        title = bold(line(plan.title)) if plan else Content("")
        self.query_one("#rail", Static).update(Content("\n").join([title, *rows]))
        lines = self.scene.spool.since(max(0, self.scene.spool.end - 200))
        self.query_one("#output", Static).update(Content("\n".join(each.text for each in lines)))

    def tick(self) -> None:
        """Draw what only time changes."""

    def ended(self, ended: Ended) -> None:
        """Tell how it ended."""
        self._ended = ended
        self.refresh_scene()

    def _why(self) -> str:
        if self._ended is None:
            return ""
        return self._ended.words or (self._ended.result.why if self._ended.result else "")

    def action_next(self) -> None:
        """Open the review once the run is at rest."""
        if self._ended is not None and self.scene.run:
            self.post_message(ReviewWanted(self.scene.run))

    def action_pause(self) -> None:
        """Let what runs come to its end, then pause."""
        if self._control is not None:
            self._control.pause("paused in the terminal interface")

    def action_stop(self) -> None:
        """Stop the running step, and look whether it did."""
        if self._control is not None:
            self._control.cancel("Ctrl-C")
