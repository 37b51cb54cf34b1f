"""The exit codes: the one place that knows which number an outcome or an error has.

The numbers are a promise to scripts. Nothing else in the package names them.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TypeAlias

from msgspec import Struct

from runbook import errors as e
from runbook.events.status import RunStatus


class Exit(IntEnum):
    """How a process of Runbook ends."""

    SUCCEEDED = 0
    FAILED = 1
    USAGE = 2
    INVALID = 3
    UNREACHABLE = 4
    REFUSED = 5
    WAITING = 6
    PARTIAL = 7
    IN_DOUBT = 8
    ABORTED = 9
    UNDO_INCOMPLETE = 10
    AUDIT = 11
    INTERRUPTED = 130
    TERMINATED = 143


class Ending(Struct, frozen=True, kw_only=True):
    """What the number of a run depends on."""

    status: RunStatus
    in_doubt: bool = False
    """Some step may or may not have happened."""
    pending_undo: int = 0
    """Changes that stand and have a way back."""
    going_back: bool = False
    """This run was undone, as far as it could be."""
    effect: bool = False
    """Something may have changed a target."""
    terminated: bool = False
    """The interruption was a SIGTERM."""


_BY_STATUS: dict[RunStatus, Exit] = {
    "succeeded": Exit.SUCCEEDED,
    "undone": Exit.SUCCEEDED,
    "undo_incomplete": Exit.UNDO_INCOMPLETE,
    "partial": Exit.PARTIAL,
    "failed": Exit.FAILED,
    "running": Exit.FAILED,
    "unreachable": Exit.UNREACHABLE,
    "refused": Exit.REFUSED,
    "waiting": Exit.WAITING,
    "paused": Exit.WAITING,
    "in_doubt": Exit.IN_DOUBT,
}


def of_run(ending: Ending) -> Exit:
    """Return the code of a run that came to a rest; of several that hold, 8 comes before 10, 7, 1 and 4."""
    if ending.in_doubt:
        return Exit.IN_DOUBT
    match ending.status:
        case "aborted" if ending.pending_undo:
            return Exit.UNDO_INCOMPLETE
        case "aborted":
            return Exit.ABORTED if ending.going_back else Exit.FAILED
        case "interrupted":
            return of_interrupt(effect=ending.effect, terminated=ending.terminated)
        case status:
            return _BY_STATUS[status]


def of_rehearsal(*, refused: bool, unreachable: bool) -> Exit:
    """Return the code of a rehearsal: a look that found no obstacle succeeded."""
    if refused:
        return Exit.REFUSED
    return Exit.UNREACHABLE if unreachable else Exit.SUCCEEDED


_Table: TypeAlias = tuple[tuple[type[e.RunbookError], Exit], ...]

_BY_ERROR: _Table = (
    (e.UsageError, Exit.USAGE),
    (e.NoTargetError, Exit.UNREACHABLE),
    (e.PlaybookError, Exit.INVALID),
    (e.InventoryError, Exit.INVALID),
    (e.ConfigError, Exit.INVALID),
    (e.ExpressionError, Exit.INVALID),
    (e.TransportError, Exit.UNREACHABLE),
    (e.RefusedError, Exit.REFUSED),
    (e.ApprovalDenied, Exit.WAITING),
    (e.ActionError, Exit.FAILED),
)
"""The first row that fits counts: a pattern without a target is an inventory error, and yet 4."""


def of_interrupt(*, effect: bool = False, terminated: bool = False) -> Exit:
    """Return the code of an interruption that no run came to a rest from."""
    if effect:
        return Exit.FAILED
    return Exit.TERMINATED if terminated else Exit.INTERRUPTED


def of_leaving(*, in_doubt: bool, effect: bool) -> Exit:
    """Return the code of a process that leaves at once: what it leaves running is in doubt."""
    return Exit.IN_DOUBT if in_doubt else of_interrupt(effect=effect)


def of_error(error: BaseException, *, effect: bool = False) -> Exit:
    """Return the code of an error; `effect` says that a change had begun before it."""
    if isinstance(error, e.JournalError):
        return Exit.FAILED if effect else Exit.REFUSED
    return next((code for kind, code in _BY_ERROR if isinstance(error, kind)), Exit.FAILED)


_WORDS: dict[Exit, str] = {
    Exit.SUCCEEDED: "succeeded",
    Exit.FAILED: "failed",
    Exit.USAGE: "usage",
    Exit.INVALID: "invalid",
    Exit.UNREACHABLE: "unreachable",
    Exit.REFUSED: "refused",
    Exit.WAITING: "waiting",
    Exit.PARTIAL: "partial",
    Exit.IN_DOUBT: "in_doubt",
    Exit.ABORTED: "aborted",
    Exit.UNDO_INCOMPLETE: "undo_incomplete",
    Exit.AUDIT: "audit_failed",
    Exit.INTERRUPTED: "interrupted",
    Exit.TERMINATED: "interrupted",
}


def word(code: Exit) -> str:
    """Return the word that stands for a code in the JSON of an error."""
    return _WORDS[code]


def outcome(ending: Ending) -> str:
    """Return the word in JSON `outcome`: that of the code where it says more than the status, else the status."""
    code = of_run(ending)
    if code in (Exit.IN_DOUBT, Exit.UNDO_INCOMPLETE):
        return word(code)
    return ending.status
