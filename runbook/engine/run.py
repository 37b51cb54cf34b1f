"""Carrying out: one scheduler that owns the state, and a bounded pool of workers.

The scheduler folds facts in the order of the journal, asks `decide`, and sends workers. A worker records its own
facts, so an intent is on disk before the worker goes on; the scheduler learns of it through its queue. A turn of the
scheduler is taken under its lock by whoever has a reason to: the worker that has just ended, or the thread of the
session when the bell rings. Signal handlers and other processes only set the cancel token or drop mail.
"""

from __future__ import annotations

import heapq
import queue
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Literal

from msgspec import Struct

from runbook.engine import move as m
from runbook.engine.asking import Asking
from runbook.engine.decide import Rules, decide, first_open
from runbook.engine.executor import Executor
from runbook.engine.jump import jumping
from runbook.engine.lease import away_after, give_back
from runbook.engine.mask import mask_fact
from runbook.engine.names import Names
from runbook.engine.pace import pace_by_mail
from runbook.engine.pool import Pool, size_for
from runbook.engine.sampling import Sampler
from runbook.engine.services import Services
from runbook.engine.telling import Telling
from runbook.engine.trace import forget_left
from runbook.errors import JournalError
from runbook.events import fact as f
from runbook.events.fold import fold
from runbook.events.signal import Signal
from runbook.events.state import RunState
from runbook.model.plan import PlannedStep
from runbook.ports.cancel import Cancel
from runbook.ports.recorder import Mail

IDLE = 0.1
"""Seconds between looks into the inbox while nothing else happens."""

_STEERING: dict[str, Literal["pause", "cancel", "interrupt"]] = {
    "pause": "pause",
    "cancel": "cancel",
    "interrupt": "interrupt",
}


class _Recorded(Struct, frozen=True):
    seq: int
    facts: tuple[f.Fact, ...]


class _Ended(Struct, frozen=True):
    key: object
    error: BaseException | None = None


_TOLD = (m.Skip, m.Fail, m.Conclude, m.GoBack, m.Breach, m.Retry)
"""Moves that only put something on record."""


class _Task(Struct, frozen=True):
    key: object
    move: m.Move
    state: RunState


class Run:
    """One session of a run, from a state to a rest."""

    def __init__(self, services: Services, state: RunState) -> None:
        self.state = state
        self._services = services
        self._names = Names(
            services.plan, services.run_id, services.params, services.host_params, services.include_params
        )
        self._news: deque[_Recorded | _Ended] = deque()
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._scheduling = threading.Lock()
        self._ready: deque[_Task] = deque()
        """What the last turn has sent and nobody has begun."""
        self._rest: m.Rest | None = None
        self._is_over = False
        """No more turns: there is a rest, or the session ends by an error."""
        self._away: dict[str, m.Away] = {}
        """The targets that could not be reached or claimed, since somebody last decided about them."""
        self._thread = threading.local()
        self._late: list[tuple[int, int, _Recorded]] = []
        self._next_seq: int | None = None
        self._ended: list[_Ended] = []
        self._busy: set[object] = set()
        self._first = 0
        self._steps: dict[str, PlannedStep] = {s.id: s for unit in services.plan.units for s in unit.steps}
        self._jumping = jumping(services.plan)
        self._telling = Telling(services.recorder, self._hear, lambda error: self._tell_scheduler(_Ended(None, error)))
        self._deaf: set[int] = set()
        self._reading = Cancel()
        """Ends what only waits or reads: with the session, and at the breach of a guard."""
        self._sampler = Sampler(services, self._names, self.record)
        self._asking = Asking(services, self.record)
        self._fatal: BaseException | None = None
        self._pool = Pool(size_for(min(s.parallel, len(s.hosts)) for s in self._steps.values()))
        self._resting = False
        self._rates = {place: at.rate for place, at in state.steps.items() if at.rate is not None}
        self._executor = Executor(
            services,
            self._names,
            self._steps,
            record=self.record,
            record_soon=self.record_soon,
            tell=self.tell,
            lose=self._lose,
            reading=self._reading,
            rates=self._rates,
        )

    def record(self, *facts: f.Fact) -> None:
        """Record facts and pass them on; returns when they, and all before them, are on disk. Raises JournalFull."""
        recorded = self._put(facts)
        self._telling.flush()
        self._tell_scheduler(recorded)

    def record_soon(self, *facts: f.Fact) -> None:
        """Record facts that only looks may follow before they are on disk. Raises JournalFull.

        Nobody hears of them until then, and nothing but reading begins. What a loss of power takes with it is read
        again; of a change it is the beginning, when nothing was sent yet, or how an operation ended, which its target
        tells.
        """
        recorded = self._put(facts)
        self._tell_scheduler(recorded)
        self._telling.soon()

    def _put(self, facts: tuple[f.Fact, ...]) -> _Recorded:
        masker = self._services.masker
        shown = tuple(mask_fact(masker, fact) for fact in facts)
        seq = self._telling.put(*shown)
        if self._next_seq is None:
            # The first fact of a session is recorded before anybody else is there.
            self._next_seq = seq
        return _Recorded(seq, shown)

    def tell(self, signal: Signal) -> None:
        """Pass a signal to the listeners; it is never kept."""
        self._telling.tell(signal)

    def _hear(self, event: f.Fact | Signal) -> None:
        """Tell the listeners; called for one event at a time."""
        for number, listener in enumerate(self._services.listeners):
            if number in self._deaf:
                continue
            try:
                listener.hear(event)
            except Exception as failed:  # noqa: BLE001
                # A listener that fails is told of once and not called again: the run is not its business.
                self._deaf.add(number)
                self.record(f.ListenerFailed(listener=type(listener).__name__, error=repr(failed)[:300]))

    def until_rest(self) -> m.Rest:
        """Carry the run to a rest and return it. Raises JournalError if facts could not be written."""
        cancel = self._services.cancel
        try:
            with cancel.calling(lambda: self._reading.set(cancel.reason)):
                rest = self._turns()
            self._telling.flush()
            return rest
        finally:
            with self._scheduling:
                self._is_over = True
            self._sampler.stop()
            self._asking.stop()
            self._pool.shutdown(wait=self._fatal is None)
            self._telling.stop()

    def _turns(self) -> m.Rest:
        while True:
            with self._scheduling:
                try:
                    self._take_turn()
                    self._employ()
                except BaseException:
                    self._is_over = True
                    raise
            if self._rest is not None:
                return self._rest
            # Not for long, because mail rings no bell.
            with suppress(queue.Empty):
                self._bell.get(timeout=IDLE)

    def _take_turn(self) -> None:
        if self._is_over:
            return
        try:
            self._rest = self._turn()
        except BaseException:
            # What this turn has sent will not be done, and must not be waited for.
            self._busy.difference_update(task.key for task in self._ready)
            self._ready.clear()
            raise
        self._is_over = self._rest is not None

    def _employ(self) -> None:
        while self._ready:
            self._pool.submit(partial(self._work, self._share()))

    def _share(self) -> list[_Task]:
        """Take what one thread does: all that is only put on record, in this order, else a single task."""
        told = [task for task in self._ready if isinstance(task.move, _TOLD)]
        if not told:
            return [self._ready.popleft()] if self._ready else []
        self._ready = deque(task for task in self._ready if not isinstance(task.move, _TOLD))
        return told

    def _turn(self) -> m.Rest | None:
        self._read_mail()
        self._drain()
        if self._fatal is not None and not self._busy:
            raise self._fatal
        if self._fatal is not None:
            return None
        if self._late:
            # A fact is on disk whose predecessor another worker has yet to pass on: the state is not whole.
            return None
        self._sampler.tick(self.state)
        self._first = first_open(self._services.plan, self.state, self._first, self._services.on_failure)
        rules = Rules(
            first=self._first,
            names=self._names.at,
            guided=self._services.guided,
            on_failure=self._services.on_failure,
            unanswered=self._asking.unanswered,
            jumping=self._jumping,
            away=self._away,
        )
        for move in decide(self._services.plan, self.state, rules):
            if isinstance(move, m.Rest):
                if not self._busy:
                    # Mail that came since this turn began counts: a cancel also takes the questions back.
                    return None if self._read_mail() else move
                self._asking.stop()
                continue
            if isinstance(move, m.GoBack) and move.abort and self._busy:
                # What runs may yet change something: the way back is known when it has ended.
                self._asking.stop()
                continue
            self._send(move)
        return None

    def _send(self, move: m.Move) -> None:
        key = m.key_of(move)
        if key in self._busy:
            return
        if m.CLAIMING in self._busy and isinstance(move, (m.Begin, m.Settle, m.Undo)) and not self._only_reads(move):
            # Some targets are on record as claimed by now; another may yet be refused, and then nothing is changed.
            return
        if isinstance(move, m.Ask):
            self._busy.add(key)
            self._asking.ask(move.question, lambda error: self._tell_scheduler(_Ended(key, error)))
            return
        self._busy.add(key)
        self._ready.append(_Task(key, move, self.state))

    def _work(self, tasks: list[_Task]) -> None:
        self._thread.works = True
        while tasks:
            self._news.extend([self._carry_out(task) for task in tasks])
            tasks = self._go_on([task.key for task in tasks])

    def _carry_out(self, task: _Task) -> _Ended:
        try:
            if not self._only_reads(task.move):
                self._telling.flush()
            self._executor.execute(task.move, task.state)
        except BaseException as failed:  # noqa: BLE001
            # The border of a worker: the scheduler ends the session and tells.
            return _Ended(task.key, failed)
        return _Ended(task.key)

    def _go_on(self, ended: list[object]) -> list[_Task]:
        """Take a turn where these tasks have ended; return those that come next on this thread.

        To wake another thread for each of them would cost a command that ends at once more than the command. Where
        another thread's turn has already taken note of all of them, there is nothing new to decide.
        """
        following: list[_Task] = []
        with self._scheduling:
            try:
                if not self._busy.isdisjoint(ended):
                    self._take_turn()
                if not self._is_over:
                    following = self._share()
                    self._employ()
            except BaseException as failed:  # noqa: BLE001
                # The border of a worker, too: the thread of the session raises it.
                self._fatal = self._fatal or failed
            if self._is_over or self._fatal is not None:
                self._bell.put(None)
        return following

    def _lose(self, away: Mapping[str, m.Away]) -> None:
        self._away = self._away | dict(away)

    def _only_reads(self, move: m.Move) -> bool:
        """Tell whether a move may begin while the outcomes of reads before it are still on their way to the disk."""
        return isinstance(move, m.Begin) and self._steps[move.step].kind == "probe"

    def _drain(self) -> None:
        # The bell is emptied first: whoever rings later brings news that the loop below may miss.
        with suppress(queue.Empty):
            while True:
                self._bell.get_nowait()
        while self._news:
            self._take(self._news.popleft())

    def _tell_scheduler(self, item: _Recorded | _Ended) -> None:
        """Pass on news, and wake the scheduler unless a worker goes on: what it records opens nothing before it ends.

        To wake it for every fact would cost a command that ends at once more than the command.
        """
        self._news.append(item)
        if isinstance(item, _Ended) or self._late or not getattr(self._thread, "works", False):
            self._bell.put(None)

    def _take(self, item: _Recorded | _Ended) -> None:
        if isinstance(item, _Ended):
            self._ended.append(item)
            self._failed(item.error)
            self._let_go()
            return
        heapq.heappush(self._late, (item.seq, id(item), item))
        while self._late and self._late[0][0] == self._next_seq:
            _, _, found = heapq.heappop(self._late)
            for fact in found.facts:
                self.state = fold(self.state, fact)
                self._away = away_after(self._away, fact, self._services.plan.hosts)
                if isinstance(fact, (f.DecisionMade, f.UndoAsked, f.UndoFinished)):
                    self._first = 0
                elif isinstance(fact, f.GuardBreached):
                    # Also where it only pauses: a change comes to its end, a look or a wait is done again on resume.
                    self._reading.set(f"guard {fact.guard} was breached")
            self._next_seq = found.seq + len(found.facts)
        self._let_go()

    def _let_go(self) -> None:
        """Take note of ended workers once all that they may have recorded is folded.

        A fact can be on record and still wait here for one before it; deciding without it would send its move again.
        Nothing is decided any more after a failure, and the one before it may never come.
        """
        if self._late and self._fatal is None:
            return
        self._busy.difference_update(item.key for item in self._ended)
        self._ended.clear()

    def _failed(self, error: BaseException | None) -> None:
        if error is None:
            return
        if self._fatal is None:
            self._fatal = error
        self._asking.stop()
        if isinstance(error, JournalError):
            self._services.cancel.set("the journal cannot be written")

    def _read_mail(self) -> bool:
        came = self._services.inbox.take()
        for mail in came:
            self._deliver(mail)
        return bool(came)

    def _deliver(self, mail: Mail) -> None:
        match mail.kind:
            case "pause" | "cancel" | "interrupt":
                self.record(f.SteeringAsked(what=_STEERING[mail.kind], reason=mail.reason, actor=mail.actor))
                if mail.kind == "cancel":
                    self._services.cancel.set(mail.reason or "cancel was asked for")
                self._asking.stop()
            case "note":
                self.record(f.NoteWritten(text=mail.reason, step=mail.step, actor=mail.actor))
            case "decide":
                self._asking.answer_from_outside(mail)
            case "pace":
                step = self._steps.get(mail.step)
                self._rates |= pace_by_mail(self._services.catalogue, self.record, self.state, step, mail)
            case _:
                self.record(f.NoteWritten(text=f"mail of an unknown kind was dropped: {mail.kind}"))

    def catch_up(self) -> None:
        """Fold all that is recorded by now."""
        self._drain()

    def forget_output(self) -> None:
        """Remove what jobs of the run have left in their folders and nobody needs any more."""
        forget_left(self._services, self.state)

    def give_back_leases(self, kept: frozenset[str] = frozenset()) -> None:
        """Return the leases of this run but for those to be kept; a target that cannot be asked keeps its own."""
        give_back(self._services, self.record, tuple(self.state.leases - kept), self.state.copy)
        self._drain()
