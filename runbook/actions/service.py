"""`service.status`, `service.start`, `service.stop`, `service.restart`: one unit of systemd or of a control program.

Owns what the four words mean: when nothing is to be done, what proves that it was done, and the way back. How a
manager is asked is left to its driver, and what counts as healthy to `service_health`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, ClassVar, Generic, TypeVar

from msgspec import Meta, Struct

from runbook.actions.capture import Captured, change, explained
from runbook.actions.form import text_of
from runbook.actions.service_choice import DriverName, ServiceWith, choose, driver_of
from runbook.actions.service_driver import Driver, UnitState, Verb
from runbook.actions.service_health import Aim, Stability, Stillness, diagnosis, watch
from runbook.actions.service_settle import receipt, settle
from runbook.errors import ActionError
from runbook.model.scalar import Effect, Json, Seconds
from runbook.ports.action import (
    Already,
    Bad,
    Good,
    Inspection,
    NoData,
    Observation,
    OpenOp,
    Proceed,
    Refuse,
    Settlement,
    StepPlan,
    Verdict,
    Work,
)
from runbook.ports.target import OpKey, Reader, Sink
from runbook.text import one_line

GLANCE = 2.0
"""Seconds for which a unit must be up to be left alone: long enough to tell a quick crash loop."""


class StatusWith(ServiceWith, frozen=True, kw_only=True):
    """Which unit to look at."""

    stable_for: Annotated[Seconds, Meta(description="How long it must run without a restart; 0: one look")] = 0.0


class RunWith(ServiceWith, frozen=True, kw_only=True):
    """Which unit is to run."""

    verify: Stability = Stability()


class StopWith(ServiceWith, frozen=True, kw_only=True):
    """Which unit is to stop."""

    verify: Stillness = Stillness()


class StatusResult(Struct, frozen=True):
    """The unit as its manager describes it."""

    up: bool = False
    load: str = ""
    active: str = ""
    sub: str = ""
    main_pid: int = 0
    restarts: int = 0
    invocation: str = ""
    since: str = ""
    result: str = ""
    exit_status: int = 0


class ServiceBefore(Struct, frozen=True):
    """Who manages the unit, and how it was."""

    driver: DriverName
    state: UnitState


class ServiceResult(Struct, frozen=True):
    """The unit right after the command."""

    active: str
    was: str
    """The invocation right before the command."""
    invocation: str
    main_pid: int


class ServiceStatus:
    """Tells whether a unit is up; over a window, whether it stays so."""

    name: ClassVar[str] = "service.status"
    summary: ClassVar[str] = "Look whether a service is up, and for how long without a restart"
    effect: ClassVar[Effect] = "read"
    once: ClassVar[bool] = False
    model = StatusWith
    result = StatusResult

    def observe(self, w: StatusWith, t: Reader, sink: Sink) -> Observation[StatusResult]:
        """Look once, or over the window: good if it is up, with the end of its log if not."""
        try:
            driver = driver_of(w, choose(w, t))
        except ActionError as error:
            return NoData((str(error),))
        verdict, state = watch(driver, t, Aim(True, w.stable_for, w.stable_for))
        if state is None or verdict.state == "no data":
            return NoData(verdict.evidence)
        found = StatusResult(
            verdict.state == "good", state.load, state.active, state.sub, state.main_pid, state.restarts,
            state.invocation, state.since, state.result, state.exit_status,
        )  # fmt: skip
        if state.load == "not-found":
            return Bad(found, (f"unit {w.unit} not found on {t.host.name}",))
        return Good(found, verdict.evidence) if found.up else Bad(found, verdict.evidence)


V = TypeVar("V", RunWith, StopWith)


class _Change(Generic[V]):
    """What start, stop and restart have in common."""

    effect: ClassVar[Effect] = "change"
    once: ClassVar[bool] = False
    brings_verify: ClassVar[bool] = True
    brings_undo: ClassVar[bool] = True
    before = ServiceBefore
    result = ServiceResult
    verb: ClassVar[Verb]

    def inspect(self, w: V, t: Reader) -> Inspection[ServiceBefore]:
        """Refuse a unit that is not there; leave alone one that is as it should be."""
        try:
            name = choose(w, t)
            driver = driver_of(w, name)
            state = driver.show(t)
        except ActionError as error:
            return Refuse(error.message, error.remedy)
        no = _refuse_load(w, name, state, self.verb, t.host.name)
        if no:
            return no
        before = ServiceBefore(name, state)
        why = self._why_already(driver, t, state)
        return Already(before, why) if why else Proceed(before)

    def plan(self, w: V, b: ServiceBefore) -> StepPlan:
        """Say it without what changes by itself from look to look, such as process ids."""
        stale = "The unit file was changed since it was loaded: `systemctl daemon-reload` was not run"
        return StepPlan(
            words=f"{self.verb.capitalize()} {w.unit}",
            commands=tuple(driver_of(w, b.driver).typed(verb) for verb in self._verbs(w, b)),
            notes=(stale,) if b.state.stale else (),
            undo=self._way_back(w, b),
        )

    def apply(self, w: V, b: ServiceBefore, work: Work) -> ServiceResult:
        """Run the command, in one operation; it comes back when the manager is done.

        A unit that failed is forgiven before, in an operation of its own: else systemd may refuse it as started too
        often. Where rules of sudo forbid that, the start itself tells.
        """
        for verb in self._verbs(w, b)[:-1]:
            _forgive(w, b, work, verb)
        done = _carry_out(w, b, work, self.verb, self.verb)
        pid = done["main_pid"]
        active, was, invocation = (text_of(done[key]) for key in ("active", "was", "invocation"))
        return ServiceResult(active, was, invocation, pid if isinstance(pid, int) else 0)

    def settle(self, w: V, b: ServiceBefore, o: OpenOp, t: Reader) -> Settlement:
        """Tell by the job of the command and by the unit."""
        return settle(driver_of(w, b.driver), o, t)

    def verify(self, w: V, b: ServiceBefore, r: ServiceResult | None, t: Reader) -> Verdict:
        """Watch the unit until it is as the step wants it, and stays so."""
        v = w.verify
        return watch(driver_of(w, b.driver), t, Aim(self.verb != "stop", v.stable_for, v.within, self._not_this(b, r)))[
            0
        ]

    def drift(self, w: V, b: ServiceBefore, r: ServiceResult | None, t: Reader) -> Verdict:
        """Look whether the unit is as this step left it, as far as the way back depends on it."""
        if self._back(b) is None:
            return Verdict("good", ("there is nothing to take back",))
        try:
            state = driver_of(w, b.driver).show(t)
        except ActionError as error:
            return Verdict("no data", (str(error),))
        if r is None:
            return Verdict("good", (state.line(), "the step did not come to its end, so any state may be its own"))
        is_same = state.active == r.active
        return Verdict("good" if is_same else "bad", (state.line(), f"this step left it {r.active}"))

    def undo(self, w: V, b: ServiceBefore, r: ServiceResult | None, work: Work) -> None:
        """Stop or start it again if it was so before, in one operation."""
        back = self._back(b)
        if back is None:
            return

        def check() -> None:
            verdict = self.drift(w, b, r, work.target)
            if verdict.state != "good":
                raise ActionError(
                    f"{w.unit} is not as this step left it: {'; '.join(verdict.evidence)}",
                    where=work.target.host.name,
                    remedy="look at it, then start or stop it by hand",
                )

        _carry_out(w, b, work, f"{back}-again", back, check)

    def undone(self, w: V, b: ServiceBefore, r: ServiceResult | None, t: Reader) -> Verdict:
        """Look whether it is up or down as before."""
        back = self._back(b)
        if back is None:
            return Verdict("good", ("there was nothing to take back",))
        is_up = back == "start"
        if is_up and (b.state.restarts or not b.state.is_up):
            # It did not run steadily before, so that it need not now.
            return self._not_down(w, b, t)
        return watch(driver_of(w, b.driver), t, Aim(is_up, GLANCE if is_up else 0.0, w.verify.within))[0]

    def _not_down(self, w: V, b: ServiceBefore, t: Reader) -> Verdict:
        try:
            state = driver_of(w, b.driver).show(t)
        except ActionError as error:
            return Verdict("no data", (str(error),))
        return Verdict("bad" if state.is_down else "good", (state.line(), f"before: {b.state.line()}"))

    def _verbs(self, w: V, b: ServiceBefore) -> tuple[Verb, ...]:
        """Return what is done, in order."""
        forgiven = self.verb != "stop" and b.state.active == "failed" and driver_of(w, b.driver).bears_grudges
        return ("reset-failed", self.verb) if forgiven else (self.verb,)

    def _why_already(self, driver: Driver, t: Reader, state: UnitState) -> str:
        """Say why nothing is to be done; empty if something is."""
        return ""

    def _back(self, b: ServiceBefore) -> Verb | None:
        """Return what leads back; None: nothing does, and nothing has to."""
        return "stop" if b.state.is_down else None

    def _way_back(self, w: V, b: ServiceBefore) -> str:
        back = self._back(b)
        return f"{back.capitalize()} {w.unit} again" if back else "Nothing to take back"

    def _not_this(self, b: ServiceBefore, r: ServiceResult | None) -> str:
        """Return the invocation that proves nothing."""
        return ""


class ServiceStart(_Change[RunWith]):
    """Starts a unit, and watches that it stays up."""

    name: ClassVar[str] = "service.start"
    summary: ClassVar[str] = "Start a service and watch that it stays up"
    verb: ClassVar[Verb] = "start"
    model = RunWith

    def _why_already(self, driver: Driver, t: Reader, state: UnitState) -> str:
        if not state.is_up:
            return ""
        verdict, _ = watch(driver, t, Aim(True, GLANCE, GLANCE))
        return f"it runs: {verdict.evidence[0]}" if verdict.state == "good" else ""


class ServiceStop(_Change[StopWith]):
    """Stops a unit, and looks that it is down."""

    name: ClassVar[str] = "service.stop"
    summary: ClassVar[str] = "Stop a service and look that it is down"
    verb: ClassVar[Verb] = "stop"
    model = StopWith

    def _why_already(self, driver: Driver, t: Reader, state: UnitState) -> str:
        return f"it is down: {state.line()}" if state.is_down else ""

    def _back(self, b: ServiceBefore) -> Verb | None:
        return None if b.state.is_down else "start"


class ServiceRestart(_Change[RunWith]):
    """Restarts a unit, proves that another process runs, and watches that it stays up."""

    name: ClassVar[str] = "service.restart"
    summary: ClassVar[str] = "Restart a service, prove that it was, and watch that it stays up"
    verb: ClassVar[Verb] = "restart"
    model = RunWith

    def _way_back(self, w: RunWith, b: ServiceBefore) -> str:
        return super()._way_back(w, b) if b.state.is_down else "The process is new; nothing to take back"

    def _not_this(self, b: ServiceBefore, r: ServiceResult | None) -> str:
        return r.was if r is not None else b.state.invocation


def _carry_out(
    w: ServiceWith, b: ServiceBefore, work: Work, name: str, verb: Verb, check: Callable[[], None] = lambda: None
) -> dict[str, Json]:
    """Run the command of a verb as one operation. Raises ActionError, with the log in the output, if it fails."""
    driver, t = driver_of(w, b.driver), work.target
    now = driver.show(t)

    def body(key: OpKey) -> Mapping[str, Json]:
        check()
        got = change(work, key, driver.command(verb))
        if got.finished.ended != "exit" or got.exit != 0:
            for line in diagnosis(driver, t):
                work.sink.write("err", f"{line}\n".encode())
            raise ActionError(f"{driver.typed(verb)} {_why_failed(got)}", where=key.target)
        try:
            return receipt(now.invocation, driver.show(t))
        except ActionError:
            # It was done all the same; verify will tell that the manager cannot be asked.
            return receipt(now.invocation, UnitState(w.unit, "", "", ""))

    intent: dict[str, Json] = {"do": verb, "unit": w.unit, "was": now.invocation, "active": now.active}
    return work.op(name, intent, body)


def _forgive(w: ServiceWith, b: ServiceBefore, work: Work, verb: Verb) -> None:
    """Have the manager forget that the unit has failed; raises TransportError if its end is not known."""
    intent: dict[str, Json] = {"do": verb, "unit": w.unit}
    work.op(verb, intent, lambda key: {"exit": change(work, key, driver_of(w, b.driver).command(verb)).exit})


def _why_failed(got: Captured) -> str:
    """Say why the command did not do it: the first line tells, the others of systemctl say where to look."""
    if got.finished.ended != "exit":
        return f"did not come back in {got.finished.seconds:.0f} s and was ended; the manager may still be at work"
    lines = [line for line in got.err.split("\n") if line.strip()]
    return f"failed with exit {got.exit}" + (f": {explained(one_line(lines[0], 300))}" if lines else "")


def _refuse_load(w: ServiceWith, name: DriverName, state: UnitState, verb: Verb, host: str) -> Refuse | None:
    """Refuse a unit that its manager does not have, or would not start."""
    manager = "systemctl --user" if w.user else "systemctl"
    match state.load:
        case "not-found":
            remedy = f"`{manager} list-unit-files` shows the names" if name == "systemd" else f"`{w.control} list`"
            return Refuse(f"unit {w.unit} not found on {host}", remedy)
        case "masked" if verb != "stop":
            return Refuse(f"{w.unit} is masked", f"{manager} unmask {w.unit}")
        case "bad-setting" | "error" if verb != "stop":
            return Refuse(f"the unit file of {w.unit} cannot be loaded", f"systemd-analyze verify {w.unit}")
        case _:
            return None
