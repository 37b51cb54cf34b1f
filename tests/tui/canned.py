"""A canned session for the screens: playbooks, runs and open loops as a test wants them, at a fixed time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from textual.pilot import Pilot
from textual.widget import Widget

from runbook.config import Settings
from runbook.engine.rehearsal import Rehearsed
from runbook.errors import RunbookError
from runbook.events import fact as f
from runbook.events.timed import Timed
from runbook.journal import Chunk, Report
from runbook.model.plan import Plan
from runbook.session import library
from runbook.session.control import Control
from runbook.session.doctor import Checkup
from runbook.session.draft import Draft, draft
from runbook.session.health import Seen
from runbook.session.library import Entry, OpenLoop, Page
from runbook.session.order import Order
from runbook.session.preference import Preferences
from runbook.session.rehearse import Rehearsal
from runbook.session.review import KeptRecord, RunSummary, Stop
from runbook.tui.carrier import Act

NOW = datetime(2026, 11, 14, 3, 12, tzinfo=UTC)


def at(**before: float) -> str:
    """Return a time before the fixed one, as a journal writes it."""
    return (NOW - timedelta(**before)).isoformat().replace("+00:00", "Z")


def entry(name: str, title: str, severity: str = "sev2", **more: Any) -> Entry:
    """Return a playbook in a list."""
    return Entry(
        id=name,
        title=title,
        severity=severity,
        **{
            "path": f"/playbooks/{name}.yaml",
            "owner": "sre@example.com",
            "reviewed": "2026-11-01",
            "source": "local",
            **more,
        },
    )


def summary(name: str, outcome: str, began: dict[str, float], took: float = 660, **more: Any) -> RunSummary:
    """Return a run in a list."""
    start = NOW - timedelta(**began)
    return RunSummary(
        id=f"01k{name[:6]:x<6}{int(start.timestamp())}",
        playbook=name,
        title=name,
        outcome=outcome,  # type: ignore[arg-type]
        started=start.isoformat(),
        ended=(start + timedelta(seconds=took)).isoformat(),
        **{
            "live": False,
            "seconds": None if more.get("live") else took,
            "verified": outcome == "succeeded",
            "deviated": False,
            "unverified": 0,
            "pending_undo": 0,
            "actor": "kim@ops",
            **more,
        },
    )


POOL = """The database pool is exhausted since the last config push. Puts
the file back to a good tag and restarts in waves: 1, 2, 3 hosts.
"""

ENTRIES = (
    entry(
        "config-rollback",
        "Roll back a bad configuration",
        "sev1",
        summary=POOL,
        symptoms=("pool exhausted", "order failure rate"),
    ),
    entry("connections", "Find what holds the connections", summary="Pool or leak?", symptoms=("pool exhausted",)),
    entry("cache-degradation", "Put the inventory on its local cache", symptoms=("pool timeout",)),
    entry(
        "failover", "Fail over the primary database", "sev1", symptoms=("pool lost",), reviewed="2026-02-01", stale=True
    ),
    entry("callback-replay", "Replay backed-up payment callbacks", "sev1", symptoms=("callbacks exhausted",)),
    entry("broken", "", "", error="/playbooks/broken.yaml:12:7: steps[1]: unknown key vrify; did you mean verify?"),
    *(entry(f"other-{n}", f"Another playbook, number {n}", "sev3", symptoms=("disk",)) for n in range(8)),
)

RUNS = (
    summary("callback-replay", "interrupted", {"minutes": 20}, 540),
    summary("cache-degradation", "succeeded", {"minutes": 45}, 60),
    summary("config-rollback", "succeeded", {"days": 9}),
    summary("connections", "succeeded", {"days": 9}),
    summary("config-rollback", "failed", {"days": 40}, 333),
    summary("failover", "failed", {"days": 160}),
)

LOOPS = (
    OpenLoop(
        run="01kcallba",
        playbook="callback-replay",
        status="interrupted",
        since=at(minutes=20),
        why="interrupted",
        next="runbook resume 01kcallba",
        stopped=at(minutes=11),
        at="replay on queue-1",
    ),
    OpenLoop(
        run="01kcache0",
        playbook="cache-degradation",
        status="degraded",
        since=at(minutes=42),
        why="inventory-1: file /opt/inventory/switch.json is degraded",
        next="runbook undo 01kcache0 degrade",
        until=at(minutes=-18),
    ),
)


class Canned:
    """Answers as the session would, from what it was given."""

    def __init__(
        self,
        entries: tuple[Entry, ...] = ENTRIES,
        loops: tuple[OpenLoop, ...] = LOOPS,
        runs: tuple[RunSummary, ...] = RUNS,
        settings: Settings | None = None,
        playbook: Path | None = None,
    ) -> None:
        self.known = entries
        self.loops = loops
        self.past = runs
        self.settings = settings
        self.playbook = playbook
        """The file that stands behind every entry, where a test needs a plan."""
        self.calls: list[tuple[str, object]] = []
        self.rehearsed: tuple[Rehearsed, ...] = ()
        self.examined: tuple[Checkup, ...] = ()
        self.held = threading.Event()
        self.held.set()
        """Cleared: a rehearsal waits before its end."""
        self.seen: dict[str, Seen] = {}
        """How the hosts are."""

    def preferences(self) -> Preferences:
        """Return nothing particular."""
        return Preferences()

    def entries(self) -> tuple[Entry, ...]:
        """Return all playbooks."""
        return self.known

    def ranked(self, entries: tuple[Entry, ...], alert: str) -> tuple[Entry, ...]:
        """Return those that answer an alert, best first."""
        return library.ranked(entries, alert)

    def open_loops(self) -> tuple[OpenLoop, ...]:
        """Return what is open."""
        return self.loops

    def page(self, order: Order) -> Page:
        """Return one playbook."""
        raise NotImplementedError

    def draft(self, order: Order) -> Draft:
        """Return an order as far as it is known."""
        self.calls.append(("draft", order))
        if self.playbook is None or self.settings is None:
            raise RunbookError("there is no file", where=order.playbook)
        return draft(self.settings, replace(order, playbook=str(self.playbook)))

    def rehearse(self, order: Order, told: Callable[[Rehearsed], None], control: Control) -> Rehearsal:
        """Tell what was given, step by step."""
        self.calls.append(("rehearse", order))
        for step in self.rehearsed:
            told(step)
        while not self.held.wait(0.02):
            if control.cancel_token.is_set():
                break
        plan = self.draft(order).plan
        return Rehearsal(playbook=plan.playbook, plan=plan, steps=self.rehearsed, missing=())

    def examine(self, order: Order, heard: Callable[[Checkup], None], control: Control) -> tuple[Checkup, ...]:
        """Tell what was given, host by host."""
        self.calls.append(("examine", order))
        for checkup in self.examined:
            heard(checkup)
        while not self.held.wait(0.02):
            if control.cancel_token.is_set():
                break
        return self.examined

    def runs(self) -> tuple[RunSummary, ...]:
        """Return all runs."""
        return self.past

    def facts(self, run: str) -> tuple[Timed, ...]:
        """Return no record."""
        return ()

    def story(self, run: str) -> tuple[tuple[Timed, ...], str]:
        """Return the record as it was given."""
        return self.facts(run), ""

    def follow(self, run: str, stop: Stop) -> Iterator[Timed]:
        """Follow nothing."""
        return iter(())

    def is_live(self, run: str) -> bool:
        """Tell that nobody writes."""
        return False

    def record(self, run: str, seq: int) -> KeptRecord:
        """Return no record."""
        raise RunbookError("there is no such record", where=run)

    def plan_of(self, opened: f.SessionOpened) -> Plan:
        """Return no plan."""
        raise NotImplementedError

    def output(self, run: str, reference: f.Output) -> Iterator[Chunk]:
        """Return no output."""
        return iter(())

    def readable_output(self, run: str, step: str, target: str) -> Path:
        """Return no file."""
        raise RunbookError("there is no output", where=run)

    def health(self, control: Control) -> Mapping[str, Seen]:
        """Return what is known of the hosts."""
        return self.seen

    def health_here(self, plan: Plan) -> Mapping[str, Seen]:
        """Return what is known of the hosts."""
        return self.seen

    def usual(self, playbook: str, apart_from: str) -> dict[str, float]:
        """Return no earlier times."""
        return {}

    def verify(self, run: str) -> Report:
        """Return no proof."""
        raise NotImplementedError

    def report(self, run: str) -> str:
        """Return no report."""
        return ""

    def start(self, order: Order) -> Act:
        """Remember what was to be run."""
        self.calls.append(("start", order))
        raise NotImplementedError

    def resume(self, run: str, take_over: str = "") -> Act:
        """Remember what was to be resumed."""
        self.calls.append(("resume", f"{run} {take_over}".strip()))
        raise NotImplementedError

    def undo(self, run: str, step: str = "", target: str = "", reason: str = "") -> Act:
        """Remember what was to be undone."""
        self.calls.append(("undo", run))
        raise NotImplementedError

    def note(self, run: str, text: str, step: str = "") -> str:
        """Remember a note."""
        self.calls.append(("note", text))
        return "noted"

    def handover(self, run: str, path: Path, reason: str) -> Path:
        """Remember what was to be handed over."""
        self.calls.append(("handover", (run, path, reason)))
        return path


def plain(widget: Widget) -> str:
    """Return what a widget and all in it show, as text."""
    leaves = [w for w in (widget, *widget.query("*")) if w.display and not w.children]
    lines = [strip.text.rstrip() for leaf in leaves for strip in leaf.render_lines(leaf.outer_size.region)]
    return "\n".join(lines)


async def holds(pilot: Pilot[Any], wanted: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something holds, however busy the machine is."""
    deadline = time.monotonic() + seconds
    while not wanted():
        assert time.monotonic() < deadline, "it did not come to hold"
        await pilot.pause(0.02)
