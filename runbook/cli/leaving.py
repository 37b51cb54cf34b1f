"""After the screens: the run that they carried comes to its rest under the watch of signals, and the end is told."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from runbook.cli.ending import ending_of, left_behind, result_lines
from runbook.cli.exit_codes import Exit, of_error, of_interrupt, of_run
from runbook.cli.front import Front
from runbook.cli.interrupt import Interrupts
from runbook.session.control import Control
from runbook.text import one_line

if TYPE_CHECKING:
    from runbook.config import Settings
    from runbook.tui.way_out import Left

SLICE = 0.2
"""Seconds between looks at a run that comes to its rest."""

SOON = 0.5
"""Seconds after which it is told what is waited for."""

LINE = 400


def come_to_rest(front: Front, control: Control, join: Callable[[float], bool]) -> None:
    """Wait until a run is at rest; Ctrl-C stops what still runs, and a second one leaves at once.

    `join` waits so many seconds at most and tells whether it is there.
    """

    def behind() -> tuple[Exit, str]:
        # What it did since the screens ended is in its journal, and nobody waits for a look at it.
        return left_behind(control.run, [("a step", "")] if control.started else [], effect=bool(control.started))

    with Interrupts(control, front, behind).watched():
        if not join(SOON):
            front.say("the screens are closed; what runs comes to its end first, Ctrl-C stops it")
        while not join(SLICE):
            pass


def leave_at_once(front: Front, left: Left) -> NoReturn:
    """End the process without waiting for its run."""
    code, words = left_behind(left.run, left.open_changes, effect=bool(left.state and left.state.changes))
    with suppress(OSError):
        front.say(f"runbook: {words}")
    os._exit(code)


def tell_leaving(front: Front, settings: Settings, left: Left) -> None:
    """Tell why the screens ended and how their run rests, where that is not on the screens, and set the exit code."""
    front.code = left.code
    if left.failure is not None:
        _tell_failure(front, left.failure)
        front.code = Exit.FAILED
    elif left.signal and not left.was_live:
        front.code = of_interrupt(terminated=left.signal == "SIGTERM")
    if not left.was_live or left.last is None:
        return
    if left.last.result is not None:
        ending = ending_of(left.last.result, terminated=left.signal == "SIGTERM")
        front.code = of_run(ending)
        front.err.lines(result_lines(left.last.result, ending, front.err.style))
    elif left.last.error is not None:
        front.code = of_error(left.last.error, effect=bool(left.state and left.state.changes))
        front.say(f"runbook: {one_line(left.last.words, LINE)}")
    if left.run and (left.failure is not None or left.last.result is None):
        from runbook.journal import Layout

        front.say(f"runbook: its journal is closed: {one_line(str(Layout(settings.state).journal(left.run)), 4096)}")


def _tell_failure(front: Front, error: BaseException) -> None:
    if os.environ.get("RUNBOOK_DEBUG"):
        import traceback

        front.err.raw("".join(traceback.format_exception(error)))
    what = one_line(f"{type(error).__name__}: {error}", 300)
    front.say(f"runbook: the screens failed: {what}; RUNBOOK_DEBUG=1 shows where, report it with that")
