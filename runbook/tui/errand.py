"""Errands of the run screen: notes, what earlier runs took, who holds a target; each on a thread, told when it is done.

A part of the application: it asks the session, and hands what comes back to the scene or the screen.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from textual.app import App

from runbook.errors import RunbookError
from runbook.session.result import Held
from runbook.tui import messages as msg
from runbook.tui.backend import Backend
from runbook.tui.look import Look
from runbook.tui.scene import Scene


class Errand(App[int]):
    """An application that looks things up for a run."""

    backend: Backend
    look: Look
    scene: Scene

    def on_note_wanted(self, message: msg.NoteWanted) -> None:
        """Put a note on record."""
        self.run_worker(partial(self._note, message), thread=True, exit_on_error=False)

    def _note(self, message: msg.NoteWanted) -> None:
        try:
            told, severe = f"note: {self.backend.note(message.run, message.text, message.step)}", False
        except RunbookError as error:
            told, severe = f"The note is not on record: {error}", True
        self.call_from_thread(self.notify, told, severity="error" if severe else "information", markup=False)

    def on_holder_wanted(self, message: msg.HolderWanted) -> None:
        """Look which run holds a target, then ask what to do."""
        self.run_worker(partial(self._look_at_holder, message.run, message.held), thread=True, exit_on_error=False)

    def _look_at_holder(self, run: str, held: Held) -> None:
        known = live = False
        if held.run != run:
            with suppress(RunbookError, OSError):
                known = bool(self.backend.facts(held.run))
                live = known and self.backend.is_live(held.run)
        self.call_from_thread(self._ask_about_holder, run, held, known, live)

    def _ask_about_holder(self, run: str, held: Held, known: bool, live: bool) -> None:
        from runbook.tui.dialogs.holder import LOOK, TAKE, HolderSheet
        from runbook.tui.dialogs.reason import ReasonSheet

        def reasoned(reason: str | None) -> None:
            if reason:
                self.post_message(msg.ResumeWanted(run, reason))

        def chosen(what: str | None) -> None:
            if what == LOOK:
                self.post_message(msg.ReviewWanted(held.run))
            elif what == TAKE:
                self.push_screen(ReasonSheet("Why is the target taken over?", self.look), reasoned)

        self.push_screen(HolderSheet(self.look, held, known=known, live=live), chosen)

    def on_usual_wanted(self, message: msg.UsualWanted) -> None:
        """Look what earlier runs took."""
        self.run_worker(partial(self._look_at_usual, message), thread=True, group="usual", exit_on_error=False)

    def _look_at_usual(self, message: msg.UsualWanted) -> None:
        try:
            usual = self.backend.usual(message.playbook, message.run)
        except (RunbookError, OSError):
            # Without them the time that is left is told as unknown, which it is.
            usual = {}
        self.call_from_thread(self._take_usual, message.run, usual)

    def _take_usual(self, run: str, usual: dict[str, float]) -> None:
        if self.scene.run == run:
            self.scene.usual = usual
