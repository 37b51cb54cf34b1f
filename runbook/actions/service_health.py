"""Whether a unit is up, or down, and stays so: told over a window of time, never by one look.

A crash loop is up at most of its looks; only the same process over the whole window is healthy. Waiting for the
verdict belongs here; what a failure of it means for a step does not.
"""

from __future__ import annotations

import time
from typing import Annotated

from msgspec import Meta, Struct

from runbook.actions.capture import Keep
from runbook.actions.service_driver import Driver, UnitState
from runbook.errors import ActionError, TransportError
from runbook.model.scalar import Seconds
from runbook.ports.action import Verdict
from runbook.ports.target import Reader
from runbook.text import one_line

LOG_LINES = 20
_SLOWEST, _FASTEST = 1.0, 0.1  # seconds between two looks
_LOOKS = 5  # at least, in a window


class Stability(Struct, frozen=True, forbid_unknown_fields=True):
    """What `verify:` may say about a unit that is to run."""

    stable_for: Annotated[Seconds, Meta(description="How long it must run without a restart")] = 5.0
    within: Annotated[Seconds, Meta(description="How long to wait for that")] = 90.0


class Stillness(Struct, frozen=True, forbid_unknown_fields=True):
    """What `verify:` may say about a unit that is to be stopped."""

    stable_for: Annotated[Seconds, Meta(description="How long it must stay down; 0: one look")] = 0.0
    within: Annotated[Seconds, Meta(description="How long to wait for that")] = 90.0


class Aim(Struct, frozen=True):
    """What a unit is to be, and for how long without a break."""

    up: bool
    stable_for: float
    within: float
    not_this: str = ""
    """An invocation that does not count as up: the process of before."""

    def is_met(self, state: UnitState) -> bool:
        """Tell whether the unit is so at this look."""
        if not self.up:
            return state.is_down
        return state.is_up and state.job == 0 and not self.is_old(state)

    def is_missed(self, state: UnitState) -> bool:
        """Tell whether it is at rest in another state, which nobody is about to change."""
        if not self.up:
            return state.is_up and state.job == 0
        return state.is_down or (state.is_up and state.job == 0 and self.is_old(state))

    def is_old(self, state: UnitState) -> bool:
        """Tell whether it still is the process of before."""
        return self.not_this != "" and state.invocation == self.not_this


class _Window:
    """The looks so far: how long the unit has been as it should, and how often that broke."""

    def __init__(self, aim: Aim) -> None:
        self._aim = aim
        self._first: tuple[float, UnitState] | None = None
        self.breaks = 0
        self.missed = 0
        """Looks in a row at which it was at rest elsewhere."""
        self.seconds = -1.0
        """How long it has been as it should; negative: it is not."""

    def note(self, at: float, state: UnitState | None) -> None:
        """Take a look made at this moment; None: it could not be seen."""
        met = state is not None and self._aim.is_met(state)
        if self._first is not None and state is not None and not (met and state.same_life(self._first[1])):
            self.breaks += 1
            self._first = None
        if state is None:
            self._first = None
        elif met and self._first is None:
            self._first = (at, state)
        self.seconds = at - self._first[0] if self._first else -1.0
        self.missed = self.missed + 1 if state is not None and self._aim.is_missed(state) else 0


def watch(driver: Driver, t: Reader, aim: Aim) -> tuple[Verdict, UnitState | None]:
    """Look until the aim was met for its time without a break, or `within` seconds are over.

    Returns at once, as bad, if the unit is at rest elsewhere. The state is that of the last look that saw it.
    Raises TransportError if the target does not answer.
    """
    window = _Window(aim)
    begun = at = time.monotonic()
    state: UnitState | None = None
    pause = min(_SLOWEST, max(_FASTEST, aim.stable_for / _LOOKS))
    while True:
        # The moment of asking counts, so that a slow answer never lengthens the window.
        why = ""
        try:
            state = driver.show(t)
            window.note(at, state)
        except ActionError as error:
            why = str(error)
            window.note(at, None)
        if state is not None and window.seconds >= aim.stable_for:
            return Verdict("good", (_stable(state, window.seconds, aim),)), state
        if window.missed > 1 or at - begun >= max(aim.within, aim.stable_for):
            break
        time.sleep(pause)
        at = time.monotonic()
    if state is None or why:
        return Verdict("no data", (why, *((f"last seen: {state.line()}",) if state else ()))), state
    return Verdict("bad", (state.line(), *_why_not(state, window, aim), *diagnosis(driver, t))), state


def diagnosis(driver: Driver, t: Reader) -> tuple[str, ...]:
    """Return the last lines of the log of the unit, as far as they can be had."""
    keep = Keep(64 * 1024)
    try:
        finished = t.read(driver.logs(LOG_LINES), keep)
    except TransportError:
        return ()
    got = keep.captured(finished)
    if got.exit != 0:
        return (f"its log cannot be read: {got.why}",)
    lines = [one_line(line, 300) for line in got.out.split("\n") if line.strip()][-LOG_LINES:]
    return ("the end of its log:", *lines) if lines else ()


def _stable(state: UnitState, seconds: float, aim: Aim) -> str:
    if aim.stable_for <= 0:
        return state.line()
    return f"{state.line()}, watched for {seconds:.1f} s" + (" without a restart" if aim.up else "")


def _why_not(state: UnitState, window: _Window, aim: Aim) -> tuple[str, ...]:
    if window.missed > 1:
        return ("it is still the process of before",) if aim.up and aim.is_old(state) else ()
    if aim.stable_for <= 0 and window.breaks == 0:
        return ()
    wanted = "up" if aim.up else "down"
    told = f"it was not {wanted} for {aim.stable_for:g} s without a break in {max(aim.within, aim.stable_for):g} s"
    return (told, *((f"it ended or was replaced {window.breaks} times while it was watched",) * (window.breaks > 0)))
