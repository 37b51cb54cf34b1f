"""An action and a probe, written with nothing but the ports."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from runbook.model.scalar import Effect
from runbook.ports.action import (
    Already,
    Done,
    Good,
    Inspection,
    NotDone,
    Observation,
    OpenOp,
    Proceed,
    Settlement,
    StepPlan,
    Verdict,
    Work,
)
from runbook.ports.target import Cmd, Finished, Reader, Sink, Stream


class DrainWith(Struct, frozen=True):
    flag: str


class DrainBefore(Struct, frozen=True):
    drained: bool


class DrainResult(Struct, frozen=True):
    drained: bool = True


class Nowhere:
    def write(self, stream: Stream, data: bytes) -> None:
        pass


def is_there(path: str, t: Reader) -> bool:
    finished: Finished = t.read(Cmd(("test", "-e", path)), Nowhere())
    return finished.exit == 0


def verdict(good: bool) -> Verdict:
    return Verdict("good" if good else "bad")


class Drain:
    name: ClassVar[str] = "acme.drain"
    summary: ClassVar[str] = "Take the host out of rotation by a flag file"
    effect: ClassVar[Effect] = "change"
    once: ClassVar[bool] = False
    brings_verify: ClassVar[bool] = True
    brings_undo: ClassVar[bool] = True
    model = DrainWith
    before = DrainBefore
    result = DrainResult

    def inspect(self, w: DrainWith, t: Reader) -> Inspection[DrainBefore]:
        before = DrainBefore(is_there(w.flag, t))
        return Already(before, "drained") if before.drained else Proceed(before)

    def plan(self, w: DrainWith, b: DrainBefore) -> StepPlan:
        return StepPlan("Drain the host", (f"mkdir {w.flag}",), undo="Take it back into rotation")

    def apply(self, w: DrainWith, b: DrainBefore, work: Work) -> DrainResult:
        work.run("drain", Cmd(("mkdir", w.flag)))
        return DrainResult()

    def settle(self, w: DrainWith, b: DrainBefore, o: OpenOp, t: Reader) -> Settlement:
        wanted = not o.key.name.startswith("undo")
        return Done({"exit": 0}) if is_there(w.flag, t) == wanted else NotDone()

    def verify(self, w: DrainWith, b: DrainBefore, r: DrainResult | None, t: Reader) -> Verdict:
        return verdict(is_there(w.flag, t))

    def drift(self, w: DrainWith, b: DrainBefore, r: DrainResult | None, t: Reader) -> Verdict:
        return verdict(is_there(w.flag, t) or r is None)

    def undo(self, w: DrainWith, b: DrainBefore, r: DrainResult | None, work: Work) -> None:
        if is_there(w.flag, work.target) or r is not None:
            work.run("refill", Cmd(("rmdir", w.flag)))

    def undone(self, w: DrainWith, b: DrainBefore, r: DrainResult | None, t: Reader) -> Verdict:
        return verdict(not is_there(w.flag, t))


class Drained:
    name: ClassVar[str] = "acme.drained"
    summary: ClassVar[str] = "Look whether the host is out of rotation"
    effect: ClassVar[Effect] = "read"
    once: ClassVar[bool] = False
    model = DrainWith
    result = DrainResult

    def observe(self, w: DrainWith, t: Reader, sink: Sink) -> Observation[DrainResult]:
        return Good(DrainResult(is_there(w.flag, t)))


class NoProbe:
    name = "acme.half"
    summary = "Neither a probe nor an action"
    effect = "read"
    once = False
    model = DrainWith
    before = DrainBefore
    result = DrainResult
