"""Reviewing: runs, their facts and their proof. Reads only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Protocol

import msgspec
from msgspec import Struct

from runbook.config import Settings
from runbook.errors import JournalError, RunbookError, UsageError
from runbook.events import fact as f
from runbook.events.elapsed import elapsed
from runbook.events.fold import fold_all
from runbook.events.state import RunState
from runbook.events.status import RunStatus
from runbook.events.timed import Timed
from runbook.journal import (
    Audit,
    Chunk,
    Layout,
    OutputRef,
    Report,
    encode,
    holder,
    list_runs,
    read_output,
    verify_all,
    verify_run,
)
from runbook.journal import find as find_run
from runbook.journal import follow as follow_records
from runbook.journal import read as read_records
from runbook.model.built import built
from runbook.session.record import to_fact
from runbook.text.mark import status_word


class Stop(Protocol):
    """Ends following; `threading.Event` is one."""

    def wait(self, timeout: float) -> bool:
        """Wait at most this long; return whether to stop."""


class KeptRecord(Struct, frozen=True):
    """One record as it stands in the journal."""

    line: str
    """The raw line: JSON that is harmless to look at."""
    prev: str
    """SHA-256 of the raw line before, as the record names it."""
    sha256: str
    """Of its own raw line, as the next record names it."""


class RunSummary(Struct, frozen=True, kw_only=True):
    """One run in a list."""

    id: str
    playbook: str
    title: str
    outcome: RunStatus
    started: str
    ended: str
    live: bool
    """A process writes it now."""
    seconds: float | None = None
    """From its start to its end; None if that cannot be told."""
    verified: bool
    deviated: bool
    unverified: int
    pending_undo: int
    partly_undone: bool = False
    """A part of it was led back, and something of it stands."""
    nothing_undone: bool = False
    """It was to be led back, and all of it stands."""
    handed_over: str = ""
    """The bundle with which it goes on elsewhere; empty if it is here."""
    incident: str = ""
    actor: str = ""
    error: str = ""
    """Why its journal cannot be read; all else is unknown then."""

    @property
    def word(self) -> str:
        """How it ended, in words."""
        if self.nothing_undone:
            return "nothing undone"
        return "partly undone" if self.partly_undone else status_word(self.outcome)


def find(settings: Settings, prefix: str) -> str:
    """Return the full id of the run with this unique prefix. Raises UsageError naming the candidates."""
    return find_run(Layout(settings.state), prefix)


def facts(settings: Settings, run: str) -> Iterator[Timed]:
    """Yield the facts of a run with their times. Raises UsageError, JournalBroken."""
    for record in read_records(Layout(settings.state), run):
        yield Timed(record.seq, record.time, record.mono, to_fact(record))


def record(settings: Settings, run: str, seq: int) -> KeptRecord:
    """Return one record as it stands in the journal. Raises UsageError, JournalBroken."""
    for found in read_records(Layout(settings.state), run):
        if found.seq == seq:
            line = encode(found)
            return KeptRecord(line.decode(), found.prev, hashlib.sha256(line).hexdigest())
    raise UsageError(f"there is no record {seq}", where=run)


def follow(settings: Settings, run: str, stop: Stop) -> Iterator[Timed]:
    """Yield the facts of a live run as they come, until stopped or the run is left by its process."""
    for record in follow_records(Layout(settings.state), run, stop):
        yield Timed(record.seq, record.time, record.mono, to_fact(record))


def state(settings: Settings, run: str) -> RunState:
    """Return the state of a run. Raises UsageError, JournalBroken."""
    return fold_all(timed.fact for timed in facts(settings, run))


def is_live(settings: Settings, run: str) -> bool:
    """Tell whether a process writes this run now."""
    return holder(Layout(settings.state), run) is not None


def runs(settings: Settings) -> tuple[RunSummary, ...]:
    """Return all runs, newest first; one that cannot be read says why."""
    layout = Layout(settings.state)
    return tuple(summary(settings, run) for run in sorted(list_runs(layout), reverse=True))


def summary(settings: Settings, run: str) -> RunSummary:
    """Return one run for a list."""
    try:
        timed = list(facts(settings, run))
        live = is_live(settings, run)
    except (RunbookError, OSError) as error:
        return _unreadable(run, str(error))
    if not timed:
        return _unreadable(run, "nothing is on record")
    folded = fold_all(item.fact for item in timed)
    opened = folded.opened
    status: RunStatus = folded.status
    if folded.live and not live:
        status = "interrupted" if folded.status in ("running", "waiting") else folded.status
    finished = next((t.fact for t in reversed(timed) if isinstance(t.fact, f.RunFinished)), None)
    actor = folded.sessions[-1].actor if folded.sessions else {}
    undone, every = folded.undone_of
    # What stands of a run that had done its work was wanted, whatever was taken back of it later.
    had_succeeded = status == "undone" and any(_is_success(item.fact) for item in timed)
    return RunSummary(
        id=run,
        playbook=str(opened.playbook.get("id", "")) if opened else "",
        title=str(opened.playbook.get("title", "")) if opened else "",
        outcome=status,
        started=timed[0].time,
        ended="" if live else timed[-1].time,
        live=live,
        seconds=elapsed(timed),
        verified=finished.verified if finished else False,
        deviated=folded.deviated,
        unverified=folded.unverified,
        pending_undo=0 if had_succeeded else folded.undo_open,
        partly_undone=status == "undone" and 0 < undone < every,
        nothing_undone=status == "undone" and not undone and every > 0,
        handed_over=folded.handed_over,
        incident=str(opened.options.get("incident", "")) if opened else "",
        actor=f"{actor.get('user', '')}@{actor.get('host', '')}" if actor else "",
    )


def _is_success(fact: f.Fact) -> bool:
    return isinstance(fact, f.RunFinished) and fact.status == "succeeded"


def _unreadable(run: str, error: str) -> RunSummary:
    return RunSummary(
        id=run,
        playbook="",
        title="",
        outcome="interrupted",
        started="",
        ended="",
        live=False,
        verified=False,
        deviated=False,
        unverified=0,
        pending_undo=0,
        error=error,
    )


def verify(settings: Settings, run: str = "") -> Audit | Report:
    """Verify one run, or everything: chain, ledger, heads and side files against each other."""
    layout = Layout(settings.state)
    try:
        return verify_run(layout, run) if run else verify_all(layout)
    except OSError as error:
        raise JournalError(f"cannot be read: {error.strerror}", where=str(error.filename)) from error


def output(settings: Settings, run: str, reference: f.Output) -> Iterator[Chunk]:
    """Yield the output that a fact refers to. Raises UsageError if the file is gone."""
    try:
        kept = msgspec.convert(msgspec.to_builtins(reference), built(OutputRef))
        yield from read_output(Layout(settings.state).folder(run), kept)
    except OSError as error:
        raise UsageError(f"the output cannot be read: {error.strerror}", where=reference.file) from error


def report(settings: Settings, run: str) -> str:
    """Return the report of a run in Markdown."""
    from datetime import UTC, datetime

    from runbook.report.markdown import markdown_report

    timed = list(facts(settings, run))
    proof = verify(settings, run)
    assert isinstance(proof, Report)
    words = {"ok": "verified, unsigned", "open": "verified so far, unsigned", "torn": "torn by a crash, unsigned"}
    verification = words.get(proof.status, f"NOT verified: {proof.status}")
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return markdown_report(run, timed, verification=verification, is_left=not is_live(settings, run), now=now)
