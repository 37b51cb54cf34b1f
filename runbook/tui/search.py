"""Full-text search over recorded runs: a plain scan of records and kept output, told as it goes.

The text is the truth and a run is small, so there is no index here. Works on a worker thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec
from msgspec import Struct

from runbook.errors import RunbookError
from runbook.events import fact as f
from runbook.session.review import RunSummary
from runbook.text import StreamSanitiser, one_line
from runbook.tui.backend import Backend

AROUND = 24
"""Characters that are shown before what was found."""
_OVERLAP = 512


class Found(Struct, frozen=True):
    """What one run gave: where the text stands, or nothing; and how many runs were looked through."""

    run: str
    words: str
    done: int
    of: int


def search(backend: Backend, runs: Iterable[RunSummary], text: str, stopped: Callable[[], bool]) -> Iterator[Found]:
    """Look through runs for a text, without regard to case; ends early once `stopped` says so."""
    every = tuple(runs)
    needle = text.lower()
    for number, run in enumerate(every, 1):
        if stopped():
            return
        words = "" if run.error else _in_run(backend, run.id, needle, stopped)
        yield Found(run.id, words, number, len(every))


def _in_run(backend: Backend, run: str, needle: str, stopped: Callable[[], bool]) -> str:
    timed, _ = backend.story(run)
    kept: list[tuple[f.StepFinished | f.UndoFinished, f.Output]] = []
    for each in timed:
        fact = each.fact
        written = msgspec.json.encode(fact).decode("utf-8", "replace")
        if (at := written.lower().find(needle)) >= 0:
            return f"record {each.seq}: {_shown(written, at, len(needle))}"
        if isinstance(fact, f.StepFinished | f.UndoFinished) and fact.output is not None:
            kept.append((fact, fact.output))
    for fact, output in kept:
        if stopped():
            return ""
        if words := _in_output(backend, run, output, needle):
            return f"{one_line(fact.step, 20)}: {words}"
    return ""


def _in_output(backend: Backend, run: str, output: f.Output, needle: str) -> str:
    clean, tail = StreamSanitiser(), ""
    try:
        for chunk in backend.output(run, output):
            text = tail + clean.feed(chunk.data)
            if (at := text.lower().find(needle)) >= 0:
                return _shown(text, at, len(needle))
            tail = text[-_OVERLAP:]
    except (RunbookError, OSError):
        return ""
    return ""


def _shown(text: str, at: int, length: int) -> str:
    start = max(at - AROUND, 0)
    return ("…" if start else "") + one_line(text[start : at + length + 120], 160)
