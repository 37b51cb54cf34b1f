"""Ctrl-C while no command has taken the signals for itself: it ends the process with a word, and is never lost.

Owns the handler of SIGINT from the first line of the process, before which nothing was done that would have to be
cleaned up, and again at its end. In between `interrupt` has it.
"""

from __future__ import annotations

import os
import signal
from types import FrameType

INTERRUPTED = 128 + signal.SIGINT

_came = False


def answer_at_once() -> None:
    """Have Ctrl-C end the process without a traceback; where it is ignored, as in the background, it stays so."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)


def answer_in_order() -> None:
    """Have Ctrl-C raise KeyboardInterrupt, and remember it: from here on there may be something to clean up.

    Python drops what is raised while it looks after its own, such as the lock of a module that is being imported.
    """
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, _raise)


def came() -> bool:
    """Tell whether a Ctrl-C came that should have ended the process, once for each."""
    global _came
    was, _came = _came, False
    return was


def answer_with(code: int) -> None:
    """Have Ctrl-C end the process with its exit code: all is told, and Python puts its things away."""
    if signal.getsignal(signal.SIGINT) in (_leave, _raise):
        signal.signal(signal.SIGINT, lambda *_: os._exit(code))


def _leave(_: int, frame: FrameType | None) -> None:  # noqa: ARG001
    try:
        os.write(2, b"runbook: interrupted\n")
    finally:
        os._exit(INTERRUPTED)


def _raise(_: int, frame: FrameType | None) -> None:  # noqa: ARG001
    global _came  # noqa: PLW0603
    _came = True
    raise KeyboardInterrupt
