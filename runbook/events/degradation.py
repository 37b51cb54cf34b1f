"""What a run has degraded and nobody has put back: told from the facts alone. Pure.

An operation that degrades something says so in its intent, under `opens`: what, until when, since when (by the clock
of the target), and what happens at the expiry. One that puts it back says `closes`. What was undone counts as not done.
Whether a service has restored itself at its expiry is not known here: that takes a look at the target.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from msgspec import Struct

from runbook.events.state import Attempt, RunState
from runbook.model.scalar import Json

OPENS = "opens"
CLOSES = "closes"
RESTORES = "restore_if_check"
"""The word of a degradation whose service restores itself at the expiry, if its numbers agree."""


class Degradation(Struct, frozen=True):
    """Something that is degraded for a while."""

    step: str
    target: str
    what: str
    """The switch, such as `file /opt/inventory/switch.json`."""
    until: str
    """RFC 3339, UTC; empty if it has no end."""
    since: str = ""
    at_expiry: str = ""
    is_certain: bool = True
    """False: the operation was begun, and whether it was carried out is not on record."""
    run: str = ""

    def is_over(self, now: datetime) -> bool:
        """Tell whether its time is up."""
        try:
            return bool(self.until) and datetime.fromisoformat(self.until) <= now.astimezone(UTC)
        except (TypeError, ValueError):
            return False

    def words(self, now: datetime) -> str:
        """Say in one line what is degraded, and for how long."""
        head = f"{self.what} {'is' if self.is_certain else 'may be'} degraded"
        if not self.until:
            return f"{head}, without an end"
        if not self.is_over(now):
            return f"{head} until {self.until}"
        if self.at_expiry == RESTORES:
            return f"{head}; its time was up at {self.until}, the service restores itself if its numbers agree: look"
        return f"{head}, and its time was up at {self.until}: nothing restores it by itself"


class Turn(Struct, frozen=True):
    """One turn of a switch; a later one on the same switch stands above it."""

    at: str
    opened: Degradation
    is_open: bool


def turns(state: RunState, run: str = "") -> tuple[Turn, ...]:
    """Return the turns of switches of a run that were not undone, in order."""
    found: list[Turn] = []
    for (step, target), at in state.steps.items():
        for attempt in at.attempts:
            if attempt.undone is None or attempt.undone.status != "undone":
                found.extend(_of(run, step, target, attempt))
    return tuple(sorted(found, key=lambda turn: turn.at))


def still_open(state: RunState) -> tuple[Degradation, ...]:
    """Return what one run has degraded and neither undone nor put back."""
    return open_after([("", state)])


def open_after(runs: Iterable[tuple[str, RunState]]) -> tuple[Degradation, ...]:
    """Return what is degraded after all of these runs, given oldest first: the last turn of each switch tells."""
    return open_of(turn for run, state in runs for turn in turns(state, run))


def open_of(every: Iterable[Turn]) -> tuple[Degradation, ...]:
    """Return what is degraded after all of these turns; of two at the same second the one given later counts."""
    last: dict[tuple[str, str], Turn] = {}
    for turn in sorted(every, key=lambda turn: turn.at):
        last[turn.opened.target, turn.opened.what] = turn
    return tuple(turn.opened for turn in last.values() if turn.is_open)


def _of(run: str, step: str, target: str, attempt: Attempt) -> Iterator[Turn]:
    if _found_closed(attempt):
        assert attempt.planned is not None
        yield from _turn(run, step, target, attempt.planned.before, CLOSES, certain=True)
    if not attempt.may_have_changed:
        return
    for operation in attempt.operations:
        is_done = operation.receipt is not None
        yield from _turn(run, step, target, operation.intent, OPENS, certain=is_done)
        if is_done:
            # What may have been put back is taken for degraded: the operator has to look.
            yield from _turn(run, step, target, operation.intent, CLOSES, certain=True)


def _found_closed(attempt: Attempt) -> bool:
    """Tell whether the step found that it was put back already."""
    planned, finished = attempt.planned, attempt.finished
    if planned is None or finished is None:
        return False
    return planned.answer == "already" and finished.status == "succeeded"


def _turn(run: str, step: str, target: str, said: Mapping[str, Json], word: str, *, certain: bool) -> Iterator[Turn]:
    told = said.get(word)
    if not isinstance(told, dict) or not isinstance(told.get("what"), str):
        return
    at, what, until, then = (_text(told.get(key)) for key in ("at", "what", "until", "at_expiry"))
    yield Turn(at, Degradation(step, target, what, until, at, then, certain, run), word == OPENS)


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""
