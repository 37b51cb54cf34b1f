"""Probing: one look, `expect`, `until`, and the checks that verify a change. Only reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from runbook.engine.bind import Bound, bind, written
from runbook.engine.context import StepContext, border
from runbook.errors import ActionError, RunbookError, TransportError
from runbook.events import fact as f
from runbook.events.plain import freeze, freeze_object, thaw_object
from runbook.events.status import Status
from runbook.expression import compile_expression, render
from runbook.model.plan import PlannedAct
from runbook.model.playbook import Until
from runbook.model.scalar import Json
from runbook.ports.action import Bad, Good, NoData, Observation, Probe, Verdict
from runbook.ports.target import Sink
from runbook.text.unit import seconds


class Sample(Struct, frozen=True):
    """One look, judged."""

    state: str
    """good, bad or no data."""
    result: dict[str, Json]
    evidence: tuple[str, ...]


class Window(Struct, frozen=True):
    """How a probe is waited for, in seconds."""

    every: float
    within: float
    for_: float


def window(until: Until | None, names: Mapping[str, object]) -> Window | None:
    """Return how to wait, with the durations that parameters give; None to look once. Raises ActionError."""
    if until is None:
        return None
    every, within, for_ = (
        _duration(key, written, names)
        for key, written in (("every", until.every), ("within", until.within), ("for", until.for_))
    )
    if every <= 0 or within <= 0 or for_ < 0:
        raise ActionError("every and within must be positive, and for not negative", where="until")
    if for_ > within:
        raise ActionError(f"for ({for_:g} s) is longer than within ({within:g} s)", where="until")
    return Window(every, within, for_)


def _duration(key: str, written: float | str, names: Mapping[str, object]) -> float:
    if not isinstance(written, str):
        return written
    text = str(render(written, names))
    try:
        return seconds(text)
    except ValueError as error:
        raise ActionError(f"{key}: {str(error).rstrip('.')}", where="until") from error


class Silence:
    """A sink that keeps nothing."""

    def write(self, stream: str, data: bytes) -> None:
        """Take bytes and drop them."""


def run_probe(context: StepContext, attempt: int) -> None:
    """Run a reading step to its outcome and record it."""
    clock = context.services.monotonic
    began = clock()
    step = context.step
    context.record(f.ReadStarted(step=context.step.id, target=context.place, attempt=attempt))
    if not step.source.until:
        context.phase("applying")
    sink = context.sink(attempt)
    status: Status
    values: dict[str, Json] = {}
    result: dict[str, Json] = {}
    error, dispatched = "", True
    evidence: tuple[str, ...] = ()
    try:
        probe = context.services.catalogue.probe(step.uses)
        raw = written(step, context.state)
        bound = bind(context.services, context.info(), raw, context.names, is_literal=step.is_literal)
        until = window(step.source.until, context.names)
        if until is not None:
            context.phase("sampling", limit=until.within)
        sample = sample_until(context, probe, bound, sink, step.source.expect, until, tell=context.seen)
        result, evidence = sample.result, sample.evidence
        status, error = _status(sample, bool(step.source.until), context)
        if status == "succeeded":
            values = capture(context, result)
    except TransportError as failed:
        status, error, dispatched = "unreachable", str(failed), False
    except RunbookError as failed:
        status, error = "failed", str(failed)
    if status != "succeeded" and context.cancel.is_set():
        status, error = "cancelled", context.cancel.reason
    output = sink.close()
    context.record(
        f.StepFinished(
            step=context.step.id,
            target=context.place,
            attempt=attempt,
            status=status,
            values=values,
            result=shown(result),
            error=error,
            evidence=list(evidence),
            dispatched=dispatched,
            exit=_exit(result),
            output=output,
            ms=int((clock() - began) * 1000),
        )
    )


def _status(sample: Sample, waited: bool, context: StepContext) -> tuple[Status, str]:
    if sample.state == "good":
        return "succeeded", ""
    why = sample.evidence[0] if sample.evidence else ""
    last = context.target.last_read
    if sample.state == "no data" and last is not None and last.ended == "timeout":
        return "timed_out", why
    if sample.state == "no data":
        return "failed", f"no data{': ' if why else ''}{why}"
    if waited:
        return "failed", f"it did not hold in time{': ' if why else ''}{why}"
    return "failed", why or "it does not hold"


def sample_until(
    context: StepContext,
    probe: Probe[Struct, Struct],
    bound: Bound,
    sink: Sink,
    expect: str,
    until: Window | None,
    tell: Callable[[str, tuple[str, ...], float], None] = lambda *_: None,
) -> Sample:
    """Look once, or until it holds steadily for `until.for`, at most for `until.within`.

    The moment of asking counts, so that a slow answer never lengthens the time for which it held. `tell` hears of each
    look, and of the limit.
    """
    clock = context.services.monotonic
    asked = clock()
    sample = look(context, probe, bound, sink, expect)
    if until is None:
        return sample
    deadline = clock() + until.within
    good_since = asked if sample.state == "good" else None
    while True:
        tell(sample.state, sample.evidence, until.within)
        if good_since is not None and (not until.for_ or min(asked, deadline) - good_since >= until.for_):
            return sample
        if asked >= deadline or context.cancel.is_set():
            if good_since is not None:
                told = f"it held for {max(0.0, min(asked, deadline) - good_since):.0f} s, {until.for_:.0f} s are wanted"
                return Sample("bad", sample.result, (told, *sample.evidence))
            return sample
        # The look that completes the time is due when it is over, not with the sample after.
        held = deadline if good_since is None else good_since + until.for_
        now = clock()
        context.cancel.wait(max(0.0, min(until.every, deadline - now, held - now)))
        asked = clock()
        sample = look(context, probe, bound, sink, expect)
        if sample.state != "good":
            good_since = None
        elif good_since is None:
            good_since = asked


def look(context: StepContext, probe: Probe[Struct, Struct], bound: Bound, sink: Sink, expect: str) -> Sample:
    """Look once and judge what was seen."""
    with border(context.step.uses):
        seen: Observation[Struct] = probe.observe(bound.model, context.target, sink)
    match seen:
        case NoData(evidence=evidence):
            return Sample("no data", {}, evidence)
        case Good(value=value, evidence=evidence):
            state = "good"
        case Bad(value=value, evidence=evidence):
            state = "bad"
    result = freeze_object(value)
    if not expect:
        return Sample(state, result, evidence)
    verdict = compile_expression(expect).verdict(expect_names(context.names, result))
    judged = {True: "good", False: "bad", None: "no data"}[verdict]
    words = () if judged == "good" else (f"expected {expect}",)
    return Sample(judged, result, (*words, *evidence))


def expect_names(names: Mapping[str, object], result: Mapping[str, Json]) -> dict[str, object]:
    """Return the names that `expect` and `capture` see: those of the step, `result`, and the fields of the result."""
    thawed = thaw_object(result)
    return {**names, **thawed, "result": thawed}


def capture(context: StepContext, result: Mapping[str, Json]) -> dict[str, Json]:
    """Return the captured values of a step. Raises ExpressionError."""
    wanted = context.step.source.capture
    if not wanted:
        return {}
    names = expect_names(context.names, result)
    return {name: freeze(compile_expression(expression).evaluate(names)) for name, expression in wanted.items()}


def check(context: StepContext, acts: tuple[PlannedAct, ...], *, once: bool = False) -> Verdict:
    """Make written checks, in order, and stop at the first that is not good. `once` looks without waiting."""
    lines: list[str] = []
    for act in acts:
        name = act.title or act.uses
        try:
            probe = context.services.catalogue.probe(act.uses)
            bound = bind(context.services, context.info(act.uses), act.with_, context.names)
            sample = sample_until(
                context, probe, bound, Silence(), act.expect, None if once else window(act.source.until, context.names)
            )
        except TransportError as failed:
            return Verdict("no data", (*lines, f"{name}: {failed}"))
        except RunbookError as failed:
            return Verdict("bad", (*lines, f"{name}: {failed}"))
        lines.append(f"{name}: {sample.state}")
        lines.extend(sample.evidence)
        if sample.state != "good":
            return Verdict("bad" if sample.state == "bad" else "no data", tuple(lines))
    return Verdict("good", tuple(lines))


OUTPUT = frozenset({"stdout", "stderr", "body", "json"})
"""Fields of results that repeat the output: it lies in the side file and never enters the journal."""


def shown(result: Mapping[str, Json]) -> dict[str, Json]:
    """Return a result for the record: without what was written, and with long texts cut."""
    return {key: _cut(value) for key, value in result.items() if key not in OUTPUT}


def _cut(value: Json) -> Json:
    if isinstance(value, str) and len(value) > 2000:
        return value[:2000] + "…"
    if isinstance(value, (list, dict)) and len(str(value)) > 20_000:
        return "…"
    return value


def _exit(result: Mapping[str, Json]) -> int | None:
    found = result.get("exit")
    return found if isinstance(found, int) else None
