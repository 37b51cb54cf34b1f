"""What a worker has at hand for one step in one place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from runbook.engine.card import card
from runbook.engine.mask import kept
from runbook.engine.names import Names
from runbook.engine.services import Services
from runbook.engine.sink import OutputSink
from runbook.engine.survey import meet
from runbook.engine.work import Operations, Watched, op_key
from runbook.errors import ActionError, RunbookError
from runbook.events import fact as f
from runbook.events.signal import PhaseEntered, Signal
from runbook.events.state import Attempt, RunState, StepState
from runbook.model.host import LOCAL, ONCE, Host
from runbook.model.plan import PlannedStep
from runbook.ports.action import ActionInfo
from runbook.ports.cancel import Cancel
from runbook.ports.target import Finished, JobRunning, OpKey, Target
from runbook.secret import Masker

Record = Callable[..., None]
Tell = Callable[[Signal], None]

SAID = 300
"""Characters of what a look saw that are told while there are more looks."""


@contextmanager
def border(name: str) -> Iterator[None]:
    """Turn whatever the code of an action raises against its contract into an ActionError: the run goes on."""
    try:
        yield
    except RunbookError:
        raise
    except Exception as broken:
        why = f"{name} broke: {type(broken).__name__}: {broken}"
        raise ActionError(why, remedy="tell it to who wrote this action") from broken


class StepContext:
    """One step in one place, with the state as it was when the worker was sent."""

    def __init__(
        self,
        services: Services,
        names: Names,
        record: Record,
        tell: Tell,
        state: RunState,
        step: PlannedStep,
        place: str,
        cancel: Cancel | None = None,
        rate: Callable[[], float | None] | None = None,
        soon: Record | None = None,
    ) -> None:
        self.services = services
        self._record = record
        self._soon = soon or record
        self.tell = tell
        self.state = state
        self.step = step
        self.place = place
        self.cancel = cancel or services.cancel
        self._names = names
        self.rate = rate or (lambda: self.at.rate)
        """Gives the rate that somebody has set by now."""
        # No cached properties: those of Python 3.11 share one lock, and all hosts would wait for the slowest.
        self._target: Watched | None = None
        self._known_names: Mapping[str, object] | None = None
        self._own_masker: Masker | None = None

    def record(self, *facts: f.Fact) -> None:
        """Record facts of this step; what its output gave is masked as the step wants it."""
        self._record(*(kept(self.step.source, self._masker, fact) for fact in facts))

    def record_soon(self, *facts: f.Fact) -> None:
        """Record facts that need not be on disk before a look, only before something is sent that may change.

        Whatever is sent then has an intent that is on disk, and so is all that was written before it.
        """
        self._soon(*(kept(self.step.source, self._masker, fact) for fact in facts))

    def after_cancel(self) -> StepContext:
        """Return the same place with a token of its own, to look at it after a cancel."""
        return StepContext(
            self.services,
            self._names,
            self._record,
            self.tell,
            self.state,
            self.step,
            self.place,
            Cancel(),
            soon=self._soon,
        )

    @property
    def _masker(self) -> Masker:
        """What masks the output of this step: the secrets of the run, and the patterns of the step alone."""
        patterns = self.step.source.redact
        if not patterns:
            return self.services.masker
        if self._own_masker is None:
            self._own_masker = self._made_masker(patterns)
        return self._own_masker

    def _made_masker(self, patterns: Iterable[str]) -> Masker:
        masker = Masker()
        for name, secret in self.services.secrets.items():
            masker.add(secret, name)
        for pattern in patterns:
            masker.redact(pattern)
        return masker

    @property
    def names(self) -> Mapping[str, object]:
        """The names that templates and expressions see here."""
        if self._known_names is None:
            self._known_names = self._names.at(self.state, self.step, self.place)
        return self._known_names

    @property
    def at(self) -> StepState:
        """The state of the step in this place."""
        return self.state.at(self.step.id, self.place)

    def info(self, uses: str = "") -> ActionInfo:
        """Return what is known of the action. Raises ActionError if it does not exist here."""
        found = self.services.catalogue.info(uses or self.step.uses)
        if found is None:
            raise ActionError(f"there is no action {uses or self.step.uses} here")
        return found

    @property
    def target(self) -> Watched:
        """The target; connects. Raises TransportError."""
        if self._target is None:
            host = self.services.plan.hosts.get(self.place)
            if host is None and not self.place.startswith(ONCE):
                # Never this machine in the place of another.
                raise ActionError(f"{self.place} is not among the hosts of this run")
            host = host or Host(LOCAL, "local")
            self._target = Watched(self._connect(host))
        return self._target

    @property
    def jobs(self) -> frozenset[OpKey]:
        """The jobs that were begun or met again here; does not connect."""
        return frozenset(self._target.jobs) if self._target is not None else frozenset()

    @property
    def last(self) -> Finished | None:
        """How the last command here ended; does not connect."""
        return self._target.last if self._target is not None else None

    def _connect(self, host: Host) -> Target:
        transport = self.services.transports.get(host.transport)
        if transport is None:
            raise ActionError(f"{host.name} needs the transport {host.transport}, which this version does not have")
        return meet(self.services, self._record, transport.target(host, self.cancel))

    def phase(self, phase: str, words: str = "", limit: float = 0.0) -> None:
        """Tell what is being done, and after how many seconds it gives up."""
        self.tell(PhaseEntered(self.step.id, self.place, phase, words, limit))  # type: ignore[arg-type]

    def seen(self, state: str, evidence: tuple[str, ...], limit: float) -> None:
        """Tell what the latest of several looks saw, masked as the step wants it."""
        first = "" if self.step.source.sensitive else next((line for line in evidence if line.strip()), "")
        said = self._masker.mask(first[:SAID]) if first else ""
        self.phase("sampling", f"{state}: {said}" if said else state, limit)

    def sink(self, attempt: int, *, undo: bool = False) -> OutputSink:
        """Open the side file of an attempt."""
        services = self.services
        return OutputSink(
            self._masker,
            services.outputs.open(self.step.id, self.place, attempt, undo=undo),
            self.tell,
            services.monotonic,
            (self.step.id, self.place, attempt),
            keep=not self.step.source.sensitive,
            listened=bool(services.listeners),
        )

    def key(self, attempt: int) -> OpKey:
        """Return the key of an attempt; its operations put their name in."""
        return OpKey(self.services.run_id, self.step.id, self.place, attempt, "")

    def living(self, attempt: Attempt) -> tuple[str, ...]:
        """Return a line for each operation of an attempt whose job still runs. Raises TransportError."""
        lines: list[str] = []
        for operation in attempt.operations:
            if operation.receipt is None:
                job = self.target.job(op_key(self.key(attempt.number), operation.name, operation.tries, undo=False))
                if isinstance(job, JobRunning):
                    lines.append(f"the job of {operation.name} still runs (pid {job.pid})")
        return tuple(lines)

    def operations(self, attempt: Attempt, sink: OutputSink, *, undo: bool = False) -> Operations:
        """Return the operations of an attempt, with those that are on record."""
        known = attempt.undo_operations if undo else attempt.operations
        receipts = {op.name: op.receipt for op in attempt.operations if op.receipt is not None}
        return Operations(
            record=self.record,
            record_soon=self.record_soon,
            tell=self.tell,
            failpoint=self.services.failpoint,
            target=self.target,
            sink=sink,
            cancel=self.cancel,
            key=self.key(attempt.number),
            known=known,
            receipts=receipts,
            undo=undo,
            rate=self.rate,
            card=lambda intended: card(self.services, self.state, attempt, intended),
            introduced=lambda: self.services.introduced.add(self.place),
        )
