"""Doing what was decided: one move on the thread of a worker, which records what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from msgspec.structs import replace

from runbook.engine import move as m
from runbook.engine.change import apply
from runbook.engine.context import Record, StepContext, Tell
from runbook.engine.inspection import inspect
from runbook.engine.lease import claim
from runbook.engine.names import Names
from runbook.engine.once import run_notify, run_wait
from runbook.engine.probe import run_probe
from runbook.engine.sampling import baseline_of
from runbook.engine.services import Services
from runbook.engine.settle import leave_in_doubt, settle
from runbook.engine.undo import run_again, undo, unreached
from runbook.events import fact as f
from runbook.events.state import RunState
from runbook.model.plan import PlannedStep
from runbook.ports.cancel import Cancel


class Executor:
    """Does the moves of one session; safe from any number of workers."""

    def __init__(
        self,
        services: Services,
        names: Names,
        steps: Mapping[str, PlannedStep],
        *,
        record: Record,
        record_soon: Record,
        tell: Tell,
        lose: Callable[[Mapping[str, m.Away]], None],
        reading: Cancel,
        rates: Mapping[tuple[str, str], float],
    ) -> None:
        """Take what the session offers its workers.

        Args:
            services: the ports.
            names: what templates can name.
            steps: all steps of the plan by id.
            record: records facts, and returns when they are on disk.
            record_soon: records facts that need not be on disk at once: those of a step that only reads, and those of
                a change that something durable follows before anything is sent.
            tell: passes on a signal, which is never kept.
            lose: is told which targets could not be claimed, by their names.
            reading: ends what only waits or reads.
            rates: the rate that was asked for last, by step and target; it may change while a step runs.
        """
        self._services = services
        self._names = names
        self._steps = steps
        self._record = record
        self._record_soon = record_soon
        self._tell = tell
        self._lose = lose
        self._reading = reading
        self._rates = rates

    def execute(self, move: m.Move, state: RunState) -> None:
        """Do what was decided in this state; returns when its facts are recorded. Raises what a worker cannot take."""
        match move:
            case m.Inspect():
                inspect(self._context(move.step, move.target, state), early=move.early)
            case m.Begin():
                self._begin(move, state)
            case m.Retry():
                self._retry(move)
            case m.Skip():
                self._record(
                    *(f.StepSkipped(step=move.step, target=t, why=move.why, reason=move.reason) for t in move.targets)
                )
            case m.Fail():
                self._record(
                    f.StepFinished(
                        step=move.step,
                        target=move.target,
                        attempt=move.attempt,
                        status=move.status,
                        error=move.error,
                        dispatched=False,
                        ms=move.ms,
                    )
                )
            case m.Conclude():
                self._record(
                    f.StepFinished(
                        step=move.step,
                        target=move.target,
                        attempt=move.attempt,
                        status="succeeded",
                        values={"choice": move.decision.choice, **move.decision.values},
                        verified=False,
                    )
                )
            case m.Hold():
                self._pass_time((move.unit, f"#{move.wave}", 1), move.seconds)
            case m.Claim():
                self._claim(move.targets, state)
            case m.Settle():
                self._settle(move, state)
            case m.TakeBaseline():
                wanted = next(b for b in self._services.plan.baseline if b.id == move.baseline)
                self._record(baseline_of(self._services, self._names, state, wanted))
            case m.Breach():
                self._record(f.GuardBreached(guard=move.guard, cause=move.cause, response=move.response, why=move.why))
            case m.GoBack():
                self._record(
                    f.UndoAsked(steps=[list(entry) for entry in move.steps], abort=move.abort, reason=move.reason)
                )
            case m.Undo(away=away) if away:
                self._record(unreached(move.step, move.target, state, away))
            case m.Undo():
                context = self._context(move.step, move.target, state)
                run_again(context) if move.again else undo(context)
            case _:
                raise AssertionError(move)

    def _claim(self, targets: tuple[str, ...], state: RunState) -> None:
        began = self._services.monotonic()
        lost = claim(self._services, self._record, self._steps, targets, state)
        ms = int((self._services.monotonic() - began) * 1000)
        self._lose({name: replace(away, ms=ms) for name, away in lost.items()})

    def _begin(self, move: m.Begin, state: RunState) -> None:
        step = self._steps[move.step]
        reads = step.effect == "read"
        record = self._record_soon if step.kind == "probe" else self._record
        context = self._context(move.step, move.target, state, self._reading if reads else None, record)
        match step.kind:
            case "action":
                apply(context, move.attempt)
            case "wait":
                self._pass_time((move.step, move.target, move.attempt), step.source.wait or 0.0)
            case "notify":
                run_notify(context, move.attempt)
            case _:
                run_probe(context, move.attempt)

    def _pass_time(self, place: tuple[str, str, int], seconds: float) -> None:
        run_wait(self._record, self._reading, place, seconds, self._services.monotonic)

    def _retry(self, move: m.Retry) -> None:
        """Wait, then decide for another attempt as the playbook says; it is planned and agreed to like the first."""
        if self._reading.wait(move.delay):
            return
        self._record(
            f.DecisionMade(
                question=f"retry/{move.step}@{move.target}#{move.attempt}",
                kind="failure",
                step=move.step,
                places=[move.target],
                choice="retry",
                reason="its `retry` says so",
                source="policy",
                actor="the playbook",
            )
        )

    def _settle(self, move: m.Settle, state: RunState) -> None:
        context = self._context(move.step, move.target, state)
        if move.away:
            leave_in_doubt(context, move.attempt, move.away)
            return
        if not move.undo:
            settle(context, move.attempt)
            return
        attempt = state.change(move.step, move.target, move.attempt)
        run_again(context) if attempt.again else undo(context)

    def _context(
        self, step: str, target: str, state: RunState, cancel: Cancel | None = None, record: Record | None = None
    ) -> StepContext:
        planned = self._steps[step]
        rate = partial(self._rates.get, (step, target))
        record = record or self._record
        return StepContext(
            self._services,
            self._names,
            record,
            self._tell,
            state,
            planned,
            target,
            cancel,
            rate,
            soon=self._record_soon,
        )
