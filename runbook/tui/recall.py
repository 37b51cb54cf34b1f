"""Reading what is on record, on a worker thread: a run with its plan and output, and a live one as it grows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from runbook.errors import RunbookError
from runbook.events import fact as f
from runbook.events.signal import OutputReceived
from runbook.events.state import RunState
from runbook.events.timed import Timed
from runbook.model.plan import Plan
from runbook.text import StreamSanitiser
from runbook.tui.backend import Backend
from runbook.tui.presenter.recording import Recording, Spoken, recording, starts

MOST_STEP = 2 * 1024 * 1024
"""Characters of output of one attempt that are played back; the side file and the pager have all of it."""

MOST = 24 * 1024 * 1024
"""Characters of output of one run that are played back."""

MOST_RUNNING = 4
"""Running places of a live run whose output is read while they run."""

ALIVE = 1.0
"""Seconds between looks whether a followed run is still written by somebody."""


def recall(backend: Backend, run: str) -> Recording:
    """Return a run without its output. Raises RunbookError if nothing of it can be read."""
    timed, trouble = backend.story(run)
    if not timed and trouble:
        raise RunbookError(trouble)
    plan, why = plan_of(backend, timed)
    return recording(run, timed, plan, trouble or why)


def plan_of(backend: Backend, timed: Iterable[Timed]) -> tuple[Plan | None, str]:
    """Return the plan that is on record, or why it cannot be read."""
    opened = next((t.fact for t in timed if isinstance(t.fact, f.SessionOpened) and t.fact.playbook), None)
    if opened is None:
        return None, ""
    try:
        return backend.plan_of(opened), ""
    except RunbookError as error:
        return None, f"its plan: {error}"


def output_of(
    backend: Backend, known: Recording, since: int = -1, stopped: Callable[[], bool] = lambda: False
) -> tuple[list[Spoken], int]:
    """Return the output of records after a number with its moments, and how many characters are left out."""
    begun = starts(known)
    spoken: list[Spoken] = []
    lost = room = 0
    for at, timed in zip(known.at, known.timed, strict=True):
        fact = timed.fact
        if timed.seq <= since or not isinstance(fact, f.StepFinished | f.UndoFinished) or fact.output is None:
            continue
        if stopped():
            break
        key = (fact.step, fact.target, fact.attempt, isinstance(fact, f.UndoFinished))
        start = begun.get(key, max(at - fact.ms / 1000, 0.0))
        found, left = _one(backend, known.run, fact, start, at, min(MOST_STEP, MOST - room))
        room += sum(len(each.event.text) for each in found)
        spoken += found
        lost += left + fact.output.dropped
    return spoken, lost


def _one(
    backend: Backend, run: str, fact: f.StepFinished | f.UndoFinished, start: float, end: float, most: int
) -> tuple[list[Spoken], int]:
    assert fact.output is not None
    clean = {"out": StreamSanitiser(), "err": StreamSanitiser()}
    found: list[Spoken] = []
    lost = 0
    try:
        for chunk in backend.output(run, fact.output):
            stream = "err" if chunk.stream == "err" else "out"
            text = clean[stream].feed(chunk.data)
            if most <= 0:
                lost += len(text)
                continue
            most -= len(text)
            found.append(_spoken(fact, start, end, chunk.at_ms, stream, text, clean[stream].taken()))
    except (RunbookError, OSError):
        # That the file is gone is told by the verification; what could be read is shown.
        pass
    for stream, rest in clean.items():
        if text := rest.flush():
            found.append(_spoken(fact, start, end, int((end - start) * 1000), stream, text, rest.taken()))
    return found, lost


def _spoken(
    fact: f.StepFinished | f.UndoFinished,
    start: float,
    end: float,
    at_ms: int,
    stream: str,
    text: str,
    removed: int,
) -> Spoken:
    said = OutputReceived(
        fact.step, fact.target, fact.attempt, "err" if stream == "err" else "out", text, at_ms, removed
    )
    return Spoken(min(start + at_ms / 1000, end), said)


class Listening:
    """Reads what running steps of a live run have said so far: it is on disk before their outcome is on record."""

    def __init__(self, backend: Backend, run: str) -> None:
        self._backend = backend
        self._run = run
        self._read: dict[tuple[str, str, int], int] = {}
        """Characters that were told of each attempt."""

    def news(self, state: RunState) -> list[OutputReceived]:
        """Return what is new, of a few steps at most; which stream it was is known with the outcome only."""
        found: list[OutputReceived] = []
        running = [key for key, at in state.steps.items() if at.status in ("running", "verifying", "undoing")]
        for step, target in running[:MOST_RUNNING]:
            attempt = state.at(step, target).attempt
            key = (step, target, attempt.number if attempt is not None else 1)
            text = self._text(step, target)
            known = self._read.get(key, 0)
            if len(text) > known:
                self._read[key] = len(text)
                found.append(OutputReceived(*key, "out", text[known:], 0))
        return found

    def _text(self, step: str, target: str) -> str:
        try:
            path = self._backend.readable_output(self._run, step, target)
        except (RunbookError, OSError):
            return ""
        try:
            if path.stat().st_size > MOST_STEP:
                return ""
            return path.read_text(encoding="utf-8", errors="replace")
        finally:
            path.unlink(missing_ok=True)


class Follower:
    """Follows a live run until it is stopped or nobody writes the run any more; hands over what came in batches."""

    def __init__(
        self,
        backend: Backend,
        run: str,
        take: Callable[[tuple[Timed, ...]], None],
        stopped: Callable[[], bool],
        idle: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare; `idle` is called about once a second while nothing comes."""
        self._backend = backend
        self._run = run
        self._take = take
        self._stopped = stopped
        self._idle = idle
        self._held: list[Timed] = []
        self._looked = time.monotonic()

    def follow(self, since: int) -> None:
        """Follow the records after this number; returns when it is over. Raises RunbookError."""
        for timed in self._backend.follow(self._run, self):
            if timed.seq > since:
                self._held.append(timed)
        self._hand_over()

    def wait(self, timeout: float) -> bool:
        """Hand over what came, then wait for more; return whether to stop."""
        self._hand_over()
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            if self._stopped():
                return True
            time.sleep(min(left, 0.05))
        if time.monotonic() - self._looked < ALIVE:
            return self._stopped()
        self._looked = time.monotonic()
        self._idle()
        return self._stopped() or not self._backend.is_live(self._run)

    def _hand_over(self) -> None:
        if self._held:
            held, self._held = tuple(self._held), []
            self._take(held)
