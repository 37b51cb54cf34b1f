"""A recorded rollback for the review: facts at the times of the incident, their output, and a canned session."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta

from msgspec.structs import replace

from runbook.errors import RunbookError
from runbook.events import fact as f
from runbook.events.timed import Timed
from runbook.journal import Chunk, Report
from runbook.model.plan import Plan
from runbook.session.review import KeptRecord, RunSummary, Stop
from tests import builders as b
from tests.tui import scenes
from tests.tui.canned import Canned, summary

RUN = "01K9ZQ3M4T7N2V8X5C6B1A0W9E"
OTHER = "01K8AAAAAAAAAAAAAAAAAAAAAA"
BROKEN = "01K7BBBBBBBBBBBBBBBBBBBBBB"

OUTPUT = (
    Chunk("out", 41_000, b"pool order-db: active 64, waiting 0\n"),
    Chunk("err", 60_000, b"Job for order-service.service failed: timeout [/dev/sda1]\n"),
    Chunk("err", 60_000, b"bind 0.0.0.0:8080: \x1b[31maddress already in use\n"),
)
NOTHING = f.Output("output/x", b.digest("x"), 0)
KEPT = f.Output("output/restart@order-2.1.out", b.digest("restart"), 138)


def at_times(facts: Sequence[tuple[float, f.Fact]]) -> tuple[Timed, ...]:
    """Put facts into a journal, each at its second."""
    return tuple(
        Timed(
            seq,
            (b.START + timedelta(seconds=at)).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            int((1000 + at) * 1e9),
            fact,
        )
        for seq, (at, fact) in enumerate(facts)
    )


def incident(
    *, retried: bool = True, reason: str = "old pid held port 8080, killed it, port is free"
) -> tuple[Timed, ...]:
    """The rollback of the incident; or the same up to the failure, after which it was aborted."""
    times: list[tuple[float, f.Fact]] = []

    def tell(at: float, *facts: f.Fact) -> None:
        times.extend((at, fact) for fact in facts)

    def change(step: str, host: str, start: float, end: float, attempt: int = 1) -> None:
        first, intended, *rest = b.changed(step, host, attempt, ms=int((end - start) * 1000))
        tell(start, first, intended)
        tell(end, *(replace(x, output=None) if isinstance(x, f.StepFinished) else x for x in rest))

    freeze = b.asked("manual", "freeze", ["*"], title="Stop the release automation")
    approve = b.approval()
    tell(0, b.opened(), freeze)
    tell(51, b.decided(freeze, "done"), f.StepFinished(step="freeze", target="*", attempt=1, status="succeeded"))
    for host in b.HOSTS:
        tell(62, f.ReadStarted(step="compare", target=host, attempt=1))
    for host in b.HOSTS:
        tell(66, f.StepFinished(step="compare", target=host, attempt=1, status="succeeded", ms=4000))
    tell(67, *(b.restore_planned(host) for host in b.HOSTS), *(b.planned("restart", host) for host in b.HOSTS))
    tell(70, approve)
    tell(238, b.decided(approve, "approve"))
    change("restore", "order-1", 240, 246)
    change("restart", "order-1", 250, 281)
    change("restore", "order-2", 340, 346)
    first, intended, failed = b.broken("restart", "order-2")
    tell(350, first, intended)
    tell(471, replace(failed, output=KEPT, ms=121_000))
    failure = b.asked("failure", "restart", ["order-2"], title="restart failed. Nothing runs now")
    tell(472, failure)
    if not retried:
        tell(500, b.decided(failure, "abort", reason=reason), *b.ended("aborted", unverified=1, why="aborted by kim"))
        return at_times(times)
    tell(480, b.decided(failure, "retry_failed", reason=reason), b.planned("restart", "order-2"))
    change("restart", "order-2", 504, 535, 2)
    tell(540, f.NoteWritten(text="pool order-db: active 64, waiting 0", step="restart", actor="olga"))
    change("restore", "order-3", 560, 566)
    change("restart", "order-3", 580, 609)
    for host in b.HOSTS:
        tell(611, f.ReadStarted(step="answers", target=host, attempt=1))
    for host in b.HOSTS:
        tell(617, f.StepFinished(step="answers", target=host, attempt=1, status="succeeded", ms=6000))
    tell(620, f.ReadStarted(step="soak", target="*", attempt=1))
    soaked = f.StepFinished(
        step="soak", target="*", attempt=1, status="succeeded", ms=120_000, evidence=["error rate 0.4 %"]
    )
    tell(740, soaked)
    tell(821, *b.ended(verified=True))
    return at_times(times)


def run(name: str, outcome: str, days: float, **more: object) -> RunSummary:
    """A run in the list."""
    return replace(summary("config-rollback", outcome, {"days": days}, 821, incident="INC-2041", **more), id=name)


RUNS = (
    run(RUN, "succeeded", 0.2),
    run(OTHER, "aborted", 3, pending_undo=3, unverified=1),
    replace(run(BROKEN, "interrupted", 9), playbook="", incident="", error="record 7: the chain is broken"),
    summary("cache-degradation", "succeeded", {"days": 30}),
)


class Recorded(Canned):
    """A session with two recorded runs."""

    def __init__(self, runs: tuple[RunSummary, ...] = RUNS, plan: Plan | None = None) -> None:
        super().__init__(runs=runs)
        self.journals = {RUN: incident(), OTHER: incident(retried=False)}
        self.plan = plan or scenes.plan()
        self.report_: Report = Report(RUN, "ok", 60)
        self.live: set[str] = set()
        self.coming: list[tuple[Timed, ...]] = []
        """Batches of records that a follower gets, one after the other."""
        self.stopped = threading.Event()

    def story(self, run: str) -> tuple[tuple[Timed, ...], str]:
        """Return what is on record."""
        if run not in self.journals:
            return (), f"run {run}: record 7: the chain is broken"
        return self.journals[run], ""

    def facts(self, run: str) -> tuple[Timed, ...]:
        """Return what is on record."""
        return self.story(run)[0]

    def is_live(self, run: str) -> bool:
        """Tell whether somebody writes."""
        return run in self.live

    def follow(self, run: str, stop: Stop) -> Iterator[Timed]:
        """Give the batches, then nothing until it is stopped."""
        yield from self.journals[run]
        while not stop.wait(0.01):
            if self.coming:
                yield from self.coming.pop(0)
        self.stopped.set()

    def record(self, run: str, seq: int) -> KeptRecord:
        """Return a raw line."""
        timed = self.journals[run][seq]
        return KeptRecord(
            f'{{"seq":{seq},"type":"{timed.fact.type}","evil":"[/x] \\u001b[2J"}}', "0" * 64, b.digest(str(seq))
        )

    def plan_of(self, opened: f.SessionOpened) -> Plan:
        """Return the plan."""
        return self.plan

    def output(self, run: str, reference: f.Output) -> Iterator[Chunk]:
        """Return the output of the failed restart."""
        return iter(OUTPUT if reference == KEPT else ())

    def verify(self, run: str) -> Report:
        """Return the verdict."""
        self.calls.append(("verify", run))
        return self.report_

    def report(self, run: str) -> str:
        """Return a report."""
        if run not in self.journals:
            raise RunbookError("there is no such run")
        return f"# Run {run}\n"
