"""Asking a service for its own numbers: one GET, judged by an expression. Only reads."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

from msgspec import Struct

from runbook.actions.cache_form import Asked, StatusAsked
from runbook.actions.capture import answer
from runbook.actions.http import Http, HttpResult, HttpWith
from runbook.errors import ActionError, ExpressionError
from runbook.expression import compile_expression
from runbook.ports.action import NoData, Verdict
from runbook.ports.target import Cmd, Reader, Stream

STAMP = "%Y-%m-%dT%H:%M:%SZ"
_LOOK_EVERY = 0.25


class Told(Struct, frozen=True):
    """What a service said."""

    state: Literal["good", "bad", "no data"]
    """Whether the expectation holds; no answer, or one without the number, is no data."""
    evidence: tuple[str, ...]
    until: datetime | None = None
    """The expiry that it told, if it was asked for one."""


class _Silence:
    def write(self, stream: Stream, data: bytes) -> None:
        """Take bytes and drop them."""


def ask(asked: Asked, t: Reader) -> Told:
    """Ask once. Raises ActionError if the question makes no sense, TransportError if the target cannot be reached."""
    request = HttpWith(url=asked.url, from_=asked.from_, timeout=asked.timeout)
    seen = Http().observe(request, t, _Silence())
    if isinstance(seen, NoData):
        return Told("no data", (f"{asked.url}: {'; '.join(seen.evidence)}",))
    names = _names(seen.value)
    try:
        verdict = compile_expression(asked.expect).verdict(names)
        until = _until(asked, names)
    except ExpressionError as error:
        raise ActionError(f"{asked.expect}: {error.message}", where="expect", remedy=error.remedy) from error
    head = f"{asked.url}: HTTP {seen.value.status}"
    if verdict is None:
        return Told("no data", (f"{head}, no data for {asked.expect}",), until)
    words = f"{head}, {asked.expect} {'holds' if verdict else 'does not hold'}"
    return Told("good" if verdict else "bad", (words, *_numbers(asked.expect, names)), until)


def settled(within: float, look: Callable[[], Verdict]) -> Verdict:
    """Return the first good verdict, or the last one when the time (in seconds) is up."""
    deadline = time.monotonic() + within
    while (verdict := look()).state != "good" and time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY)
    return verdict


def clock(t: Reader) -> datetime:
    """Return the time of the target, in UTC. Raises ActionError if it has none."""
    got = answer(t, Cmd(("date", "-u", f"+{STAMP}")))
    try:
        return datetime.strptime(got.out.strip(), STAMP).replace(tzinfo=UTC)
    except ValueError as error:
        raise ActionError(f"cannot ask for the time: {got.why}", where=t.host.name) from error


def moment(value: object) -> datetime | None:
    """Return a time that a service tells, as RFC 3339 text or Unix seconds; None if it is none."""
    try:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError):
        return None
    return found.replace(tzinfo=UTC) if found is not None and found.tzinfo is None else found


def _names(found: HttpResult) -> dict[str, object]:
    return {"status": found.status, "body": found.body, "seconds": found.seconds, "json": found.json}


def _until(asked: Asked, names: dict[str, object]) -> datetime | None:
    if not isinstance(asked, StatusAsked) or not asked.until:
        return None
    try:
        return moment(compile_expression(asked.until).evaluate(names))
    except ExpressionError:
        # While it is not degraded, a service may leave the expiry out.
        return None


def _numbers(expect: str, names: dict[str, object]) -> tuple[str, ...]:
    """Return the values that an expectation was judged by, as far as they are single ones."""
    told = []
    for path in sorted(compile_expression(expect).names):
        value: object = names
        for part in path:
            value = value.get(part) if isinstance(value, dict) else None
        if isinstance(value, (str, int, float, bool)) and len(str(value)) <= 80:
            told.append(f"{'.'.join(map(str, path))} = {value}")
    return (", ".join(told),) if told else ()
