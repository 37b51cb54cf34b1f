"""What the screens ask of the session, as one port: the real one below, a canned one in tests.

Every call may read files and take its time: screens make it on a worker thread. Calls that carry a run out return
what a `Carrier` carries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from runbook.config import Settings
from runbook.errors import RunbookError
from runbook.events import fact as f
from runbook.events.timed import Timed
from runbook.journal import Chunk, Report
from runbook.model.plan import Plan
from runbook.session.control import Control
from runbook.session.health import Seen, Watch
from runbook.session.order import Order
from runbook.session.preference import Preferences
from runbook.session.review import KeptRecord, RunSummary, Stop
from runbook.tui.carrier import Act

if TYPE_CHECKING:
    from runbook.engine.rehearsal import Rehearsed
    from runbook.model.host import Host
    from runbook.session.doctor import Checkup
    from runbook.session.draft import Draft
    from runbook.session.library import Entry, OpenLoop, Page
    from runbook.session.rehearse import Rehearsal


class Backend(Protocol):
    """The use cases behind the screens."""

    def preferences(self) -> Preferences:
        """Return how the user wants the screens. Raises ConfigError."""

    def entries(self) -> tuple[Entry, ...]:
        """Return all playbooks."""

    def ranked(self, entries: tuple[Entry, ...], alert: str) -> tuple[Entry, ...]:
        """Return those that answer an alert, best first."""

    def open_loops(self) -> tuple[OpenLoop, ...]:
        """Return what earlier runs left open."""

    def page(self, order: Order) -> Page:
        """Return one playbook with its plan and values. Raises RunbookError."""

    def draft(self, order: Order) -> Draft:
        """Return an order as far as it is known, each part with its own fault. Raises RunbookError."""

    def rehearse(self, order: Order, told: Callable[[Rehearsed], None], control: Control) -> Rehearsal:
        """Look at the targets and say what would happen; each step is told as it is known. Raises RunbookError."""

    def examine(self, order: Order, heard: Callable[[Checkup], None], control: Control) -> tuple[Checkup, ...]:
        """Look whether all targets are fit, by reading only; each is told as it is done. Raises RunbookError."""

    def runs(self) -> tuple[RunSummary, ...]:
        """Return all runs, newest first."""

    def facts(self, run: str) -> tuple[Timed, ...]:
        """Return the record of a run. Raises RunbookError."""

    def story(self, run: str) -> tuple[tuple[Timed, ...], str]:
        """Return the record of a run as far as it can be read, and why it ends there; nothing if it is whole."""

    def follow(self, run: str, stop: Stop) -> Iterator[Timed]:
        """Yield the record of a live run as it grows. Raises RunbookError."""

    def is_live(self, run: str) -> bool:
        """Tell whether a process writes this run now."""

    def record(self, run: str, seq: int) -> KeptRecord:
        """Return one record as it stands in the journal. Raises RunbookError."""

    def plan_of(self, opened: f.SessionOpened) -> Plan:
        """Return the plan of a recorded run. Raises JournalBroken."""

    def output(self, run: str, reference: f.Output) -> Iterator[Chunk]:
        """Yield recorded output. Raises UsageError."""

    def readable_output(self, run: str, step: str, target: str) -> Path:
        """Write the latest output of a step, harmless to read, into a file that the caller removes.

        Raises UsageError if there is none.
        """

    def health(self, control: Control) -> Mapping[str, Seen]:
        """Return how the hosts of the run that is steered so are, as far as it is known; at once."""

    def health_here(self, plan: Plan) -> Mapping[str, Seen]:
        """Return how the hosts of a run are that is only followed, as far as they are this machine; at once."""

    def usual(self, playbook: str, apart_from: str) -> dict[str, float]:
        """Return the seconds that each step of a playbook took in other runs than this one."""

    def verify(self, run: str) -> Report:
        """Verify the record of a run."""

    def report(self, run: str) -> str:
        """Return the report of a run in Markdown."""

    def start(self, order: Order) -> Act:
        """Return what runs a playbook, guided."""

    def resume(self, run: str, take_over: str = "") -> Act:
        """Return what goes on with a run, guided; with a reason it takes over what another run holds."""

    def undo(self, run: str, step: str = "", target: str = "", reason: str = "") -> Act:
        """Return what walks a run back."""

    def note(self, run: str, text: str, step: str = "") -> str:
        """Put a note on record; return what was done, in words."""

    def handover(self, run: str, path: Path, reason: str) -> Path:
        """Close a resting run here and write the file with which somebody else goes on. Raises RunbookError."""


class _Telling:
    """Hears a rehearsal."""

    def __init__(self, told: Callable[[Rehearsed], None]) -> None:
        self.rehearsed = told

    def hear(self, event: object) -> None:
        """Take no note: a rehearsal tells whole steps."""


class SessionBackend:
    """The session of this user."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._watched: tuple[Mapping[str, Host], Watch | None] = ({}, None)
        """Hosts of a run that is followed, and who looks at them while somebody asks."""

    def preferences(self) -> Preferences:
        """Return how the user wants the screens."""
        from runbook.session.preference import preferences

        return preferences(self._settings)

    def entries(self) -> tuple[Entry, ...]:
        """Return all playbooks."""
        from runbook.session import library

        return library.entries(self._settings)

    def ranked(self, entries: tuple[Entry, ...], alert: str) -> tuple[Entry, ...]:
        """Return those that answer an alert, best first."""
        from runbook.session import library

        return library.ranked(entries, alert)

    def open_loops(self) -> tuple[OpenLoop, ...]:
        """Return what earlier runs left open."""
        from runbook.session import library

        return library.open_loops(self._settings)

    def page(self, order: Order) -> Page:
        """Return one playbook with its plan and values."""
        from runbook.session import library

        return library.show(self._settings, order)

    def draft(self, order: Order) -> Draft:
        """Return an order as far as it is known, each part with its own fault."""
        from runbook.session.draft import draft

        return draft(self._settings, order)

    def rehearse(self, order: Order, told: Callable[[Rehearsed], None], control: Control) -> Rehearsal:
        """Look at the targets and say what would happen; each step is told as it is known."""
        from runbook.session.rehearse import rehearse
        from runbook.session.unattended import Unattended

        return rehearse(self._settings, order, Unattended(), (_Telling(told),), control)

    def examine(self, order: Order, heard: Callable[[Checkup], None], control: Control) -> tuple[Checkup, ...]:
        """Look whether all targets are fit, by reading only; each is told as it is done."""
        from runbook.session.doctor import examine
        from runbook.session.unattended import Unattended

        return examine(self._settings, order, Unattended(), heard, control)

    def runs(self) -> tuple[RunSummary, ...]:
        """Return all runs, newest first."""
        from runbook.session import review

        return review.runs(self._settings)

    def facts(self, run: str) -> tuple[Timed, ...]:
        """Return the record of a run."""
        from runbook.session import review

        return tuple(review.facts(self._settings, run))

    def story(self, run: str) -> tuple[tuple[Timed, ...], str]:
        """Return the record of a run as far as it can be read, and why it ends there."""
        from runbook.session import review

        found: list[Timed] = []
        try:
            for timed in review.facts(self._settings, run):
                found.append(timed)  # noqa: PERF402 (what came before a fault counts)
        except RunbookError as error:
            return tuple(found), str(error)
        return tuple(found), ""

    def follow(self, run: str, stop: Stop) -> Iterator[Timed]:
        """Yield the record of a live run as it grows."""
        from runbook.session import review

        return review.follow(self._settings, run, stop)

    def is_live(self, run: str) -> bool:
        """Tell whether a process writes this run now."""
        from runbook.session import review

        return review.is_live(self._settings, run)

    def record(self, run: str, seq: int) -> KeptRecord:
        """Return one record as it stands in the journal."""
        from runbook.session import review

        return review.record(self._settings, run, seq)

    def plan_of(self, opened: f.SessionOpened) -> Plan:
        """Return the plan of a recorded run."""
        from runbook.session.prepare import from_snapshot

        return from_snapshot(opened).plan

    def output(self, run: str, reference: f.Output) -> Iterator[Chunk]:
        """Yield recorded output."""
        from runbook.session import review

        return review.output(self._settings, run, reference)

    def readable_output(self, run: str, step: str, target: str) -> Path:
        """Write the latest output of a step, harmless to read, into a file that the caller removes."""
        from runbook.session.readable import readable_output

        return readable_output(self._settings, run, step, target)

    def health(self, control: Control) -> Mapping[str, Seen]:
        """Return how the hosts of the run that is steered so are, as far as it is known; at once."""
        return control.health()

    def health_here(self, plan: Plan) -> Mapping[str, Seen]:
        """Return how the hosts of a run are that is only followed, as far as they are this machine; at once."""
        from runbook.session.health import watch_from_here

        if self._watched[0] != plan.hosts:
            self._watched = (plan.hosts, watch_from_here(plan.hosts))
        watch = self._watched[1]
        return watch.seen() if watch is not None else {}

    def usual(self, playbook: str, apart_from: str) -> dict[str, float]:
        """Return the seconds that each step of a playbook took in other runs than this one."""
        from runbook.session.usual import usual_seconds

        return usual_seconds(self._settings, playbook, apart_from)

    def verify(self, run: str) -> Report:
        """Verify the record of a run."""
        from runbook.session import review

        proof = review.verify(self._settings, run)
        assert isinstance(proof, Report)
        return proof

    def report(self, run: str) -> str:
        """Return the report of a run in Markdown."""
        from runbook.session import review

        return review.report(self._settings, run)

    def start(self, order: Order) -> Act:
        """Return what runs a playbook, guided."""
        from runbook.session.run import start

        return lambda asked, heard, control: start(self._settings, order, asked, heard, control)

    def resume(self, run: str, take_over: str = "") -> Act:
        """Return what goes on with a run, guided; with a reason it takes over what another run holds."""
        from runbook.session.run import resume

        return lambda asked, heard, control: resume(
            self._settings, run, asked, heard, control, guided=True, take_over=take_over
        )

    def undo(self, run: str, step: str = "", target: str = "", reason: str = "") -> Act:
        """Return what walks a run back."""
        from runbook.session.run import undo

        return lambda asked, heard, control: undo(
            self._settings, run, asked, heard, control, step=step, target=target, reason=reason
        )

    def note(self, run: str, text: str, step: str = "") -> str:
        """Put a note on record; return what was done, in words."""
        from runbook.session import steer

        return steer.note(self._settings, run, text, step)

    def handover(self, run: str, path: Path, reason: str) -> Path:
        """Close a resting run here and write the file with which somebody else goes on."""
        from runbook.session.handover import handover

        return handover(self._settings, run, path, reason)
