"""Reading records on worker threads, for a screen that shows them: runs, one run, a live one as it grows, its proof.

Owns the workers. What they found is handed to the thread of the screens by `call_later`; what it means there is the
subclass's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from textual.worker import get_current_worker

from runbook.errors import RunbookError
from runbook.events.fold import fold_all
from runbook.events.signal import OutputReceived
from runbook.events.timed import Timed
from runbook.journal import Report
from runbook.model.plan import Plan
from runbook.session.review import KeptRecord, RunSummary
from runbook.tui.backend import Backend
from runbook.tui.look import Look, line
from runbook.tui.presenter.recording import Recording, Spoken, grown
from runbook.tui.recall import Follower, Listening, output_of, plan_of, recall
from runbook.tui.screens.base import Frame
from runbook.tui.search import Found, search

DEBOUNCE = 0.3
"""Seconds after the last letter until records and output are searched."""


class ReadingFrame(Frame):
    """A screen that reads what is on record."""

    def __init__(self, look: Look, backend: Backend) -> None:
        super().__init__(look)
        self._backend = backend

    # --- what a subclass does with what was read --------------------------------------------------------------------

    def took_runs(self, runs: tuple[RunSummary, ...]) -> None:
        """Take all runs."""
        raise NotImplementedError

    def took_run(self, known: Recording, live: bool) -> None:
        """Take one run."""
        raise NotImplementedError

    def took_output(self, run: str, spoken: list[Spoken], lost: int) -> None:
        """Take output of a run."""
        raise NotImplementedError

    def took_more(self, run: str, more: tuple[Timed, ...], plan: Plan | None) -> None:
        """Take what a live run added."""
        raise NotImplementedError

    def took_news(self, run: str, news: list[OutputReceived]) -> None:
        """Take what steps of a live run have said, whose outcome is yet to come."""
        raise NotImplementedError

    def took_end(self, run: str) -> None:
        """Take that nobody writes the run any more."""
        raise NotImplementedError

    def took_proof(self, run: str, report: Report | str) -> None:
        """Take the verdict on a record, or why there is none."""
        raise NotImplementedError

    def took_record(self, seq: int, kept: KeptRecord | None, trouble: str) -> None:
        """Take one raw record."""
        raise NotImplementedError

    def took_other(self, other: Recording) -> None:
        """Take a second run, for a comparison."""
        raise NotImplementedError

    def took_hit(self, text: str, found: Found) -> None:
        """Take what a search found in one run."""
        raise NotImplementedError

    def took_fault(self, why: str) -> None:
        """Take that something cannot be read."""
        raise NotImplementedError

    # --- workers ----------------------------------------------------------------------------------------------------

    def _work(self, do: Callable[[], None], group: str) -> None:
        self.run_worker(do, thread=True, exclusive=True, group=group, exit_on_error=False)

    def read_runs(self) -> None:
        """Read all runs."""
        self._work(self._runs, "runs")

    def read_run(self, run: str) -> None:
        """Read a run, then its output; a live one is followed until somebody looks elsewhere."""
        self._work(partial(self._recall, run), "run")

    def read_other(self, run: str) -> None:
        """Read a second run."""
        self._work(partial(self._recall_other, run), "other")

    def read_record(self, run: str, seq: int) -> None:
        """Read one raw record."""
        self._work(partial(self._read_record, run, seq), "record")

    def verify(self, run: str) -> None:
        """Verify a record."""
        self._work(partial(self._verify, run), "verify")

    def find(self, runs: tuple[RunSummary, ...], text: str) -> None:
        """Search records and output for a text."""
        self._work(partial(self._search, runs, text), "search")

    def export(self, run: str, path: Path) -> None:
        """Write the report of a run into a new file."""
        self._work(partial(self._export, run, path), "export")

    def tell(self, words: str, bad: bool) -> None:
        """Say what came of it."""
        self.notify(line(words), severity="error" if bad else "information", markup=False)

    def _runs(self) -> None:
        try:
            runs = self._backend.runs()
        except (RunbookError, OSError) as error:
            self.call_later(self.took_fault, str(error))
            return
        self.call_later(self.took_runs, runs)

    def _recall(self, run: str) -> None:
        """Read a run, then its output; a live one is followed until somebody looks elsewhere."""
        worker = get_current_worker()
        try:
            live = self._backend.is_live(run)
            known = recall(self._backend, run)
            if worker.is_cancelled:
                return
            self.call_later(self.took_run, known, live)
            spoken, lost = output_of(self._backend, known, stopped=lambda: worker.is_cancelled)
            if spoken or lost:
                self.call_later(self.took_output, run, spoken, lost)
            if live:
                self._follow(known, lambda: worker.is_cancelled)
            elif not worker.is_cancelled:
                self._verify(run)
        except (RunbookError, OSError) as error:
            self.call_later(self.took_fault, str(error))

    def _follow(self, known: Recording, stopped: Callable[[], bool]) -> None:
        """Follow on this worker thread; what came is handed to the thread of the screens."""
        held = [known]

        def take(more: tuple[Timed, ...]) -> None:
            last = held[0].timed[-1].seq if held[0].timed else -1
            plan = held[0].plan or plan_of(self._backend, more)[0]
            held[0] = grown(held[0], more, plan)
            self.call_later(self.took_more, known.run, more, plan)
            spoken, lost = output_of(self._backend, held[0], last, stopped)
            if spoken or lost:
                self.call_later(self.took_output, known.run, spoken, lost)

        listening = Listening(self._backend, known.run)

        def idle() -> None:
            news = listening.news(fold_all(timed.fact for timed in held[0].timed))
            if news and not stopped():
                self.call_later(self.took_news, known.run, news)

        Follower(self._backend, known.run, take, stopped, idle).follow(known.timed[-1].seq if known.timed else -1)
        if not stopped():
            self.call_later(self.took_end, known.run)

    def _search(self, runs: tuple[RunSummary, ...], text: str) -> None:
        worker = get_current_worker()
        time.sleep(DEBOUNCE)
        for found in search(self._backend, runs, text, lambda: worker.is_cancelled):
            if worker.is_cancelled:
                return
            self.call_later(self.took_hit, text, found)

    def _read_record(self, run: str, seq: int) -> None:
        kept: KeptRecord | None = None
        trouble = ""
        try:
            kept = self._backend.record(run, seq)
        except (RunbookError, OSError) as error:
            trouble = str(error)
        if not get_current_worker().is_cancelled:
            self.call_later(self.took_record, seq, kept, trouble)

    def _verify(self, run: str) -> None:
        try:
            report: Report | str = self._backend.verify(run)
        except (RunbookError, OSError) as error:
            report = str(error)
        self.call_later(self.took_proof, run, report)

    def _export(self, run: str, path: Path) -> None:
        try:
            text = self._backend.report(run)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
            told, bad = f"The report is in {path.absolute()}", False
        except RunbookError as error:
            told, bad = f"There is no report: {error}", True
        except OSError as error:
            told, bad = f"The report cannot be written to {path}: {error.strerror}", True
        self.call_later(self.tell, told, bad)

    def _recall_other(self, run: str) -> None:
        try:
            known = recall(self._backend, run)
        except (RunbookError, OSError) as error:
            self.call_later(self.tell, f"That run cannot be read: {error}", True)
            return
        self.call_later(self.took_other, known)


def wrong_file(text: str) -> str:
    """Say what is wrong with the name of a file to write, and what to write; nothing if it is good."""
    path = Path(text).expanduser()
    if not text:
        return "Write the name of a file."
    if path.exists():
        return f"{line(str(path), 80)} is there already. Write another name."
    if not path.parent.is_dir():
        return f"There is no folder {line(str(path.parent), 80)}. Write another one."
    return ""
