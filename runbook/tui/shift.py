"""The end of a shift: a run is handed over to somebody else, from wherever it is looked at.

A part of the application: it asks for reason and file, has the bundle written on a thread, and tells what comes next.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import App

from runbook.errors import RunbookError
from runbook.events.fold import fold_all
from runbook.events.timed import Timed
from runbook.tui import messages as msg
from runbook.tui.backend import Backend
from runbook.tui.look import Look
from runbook.tui.scene import Scene

if TYPE_CHECKING:
    from runbook.events.state import RunState
    from runbook.model.plan import Plan
    from runbook.tui.dialogs.handover import Handed


class Shift(App[int]):
    """An application whose runs can be handed over."""

    backend: Backend
    look: Look
    scene: Scene

    def on_handover_wanted(self, message: msg.HandoverWanted) -> None:
        """Read the run, then ask for reason and file."""
        self.run_worker(partial(self._read_for_handover, message.run), thread=True, exit_on_error=False)

    def _read_for_handover(self, run: str) -> None:
        from runbook.tui.recall import plan_of

        try:
            facts = self.backend.facts(run)
            plan, _ = plan_of(self.backend, facts)
        except (RunbookError, OSError) as error:
            self.call_from_thread(self._tell_bad, f"The run cannot be read: {error}")
            return
        self.call_from_thread(self._ask_for_handover, run, fold_all(timed.fact for timed in facts), plan)

    def _ask_for_handover(self, run: str, state: RunState, plan: Plan | None) -> None:
        from runbook.tui.dialogs.handover import HandoverSheet
        from runbook.tui.screens.reading import wrong_file

        sheet = HandoverSheet(self.look, state, plan, path=f"~/{run}.bundle", check=wrong_file)
        self.push_screen(sheet, partial(self._hand_over, run))

    def _hand_over(self, run: str, handed: Handed | None) -> None:
        if handed is not None:
            self.notify("Writing the file …", markup=False)
            self.run_worker(partial(self._write_bundle, run, handed), thread=True, exit_on_error=False)

    def _write_bundle(self, run: str, handed: Handed) -> None:
        try:
            path = self.backend.handover(run, handed.path, handed.reason)
            facts = self.backend.facts(run)
        except (RunbookError, OSError) as error:
            self.call_from_thread(self._tell_bad, f"The run is not handed over: {error}")
            return
        self.call_from_thread(self._tell_handover, run, path, facts)

    def _tell_handover(self, run: str, path: Path, facts: tuple[Timed, ...]) -> None:
        from runbook.tui.dialogs.handover import HandedSheet

        if self.scene.run == run:
            last = self.scene.records[-1].seq if self.scene.records else -1
            self.scene.take_all((timed for timed in facts if timed.seq > last), time.monotonic())
        self.push_screen(
            HandedSheet(self.look, run, path, fold_all(timed.fact for timed in facts)),
            partial(self._show_record, run),
        )
        self.post_message(msg.HandedOver(run))

    def _show_record(self, run: str, _: None) -> None:
        self.post_message(msg.ReviewWanted(run))

    def _tell_bad(self, words: str) -> None:
        self.notify(words, severity="error", markup=False)
