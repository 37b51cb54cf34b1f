"""The error tree: everything that Runbook itself can fail to do.

A step that fails on a target is an outcome, never one of these. Each error says what went wrong, where, and
the remedy, in one line that an operator can act on. Exit codes are known to `runbook.cli.exit_codes` alone.

    RunbookError
    ├── UsageError                 a command line, parameter or answer that makes no sense
    ├── PlaybookError              a playbook file; knows file, line and column
    ├── InventoryError             an inventory file or a target pattern
    ├── ConfigError                settings, folders, trust
    ├── ExpressionError            a template or an expression that cannot be evaluated
    ├── TransportError
    │   ├── ConnectError           nothing was sent
    │   ├── HostKeyError           nothing was sent
    │   ├── AuthError              nothing was sent
    │   ├── DispatchRefused        the command was provably never started
    │   │   ├── NotPermitted       because the login may not run it
    │   │   └── ClaimLost          because the run does not hold the target any more
    │   └── DeadlineError          a wait ended; says nothing about the far side
    ├── ActionError                an action cannot go on; the target is as its receipts say
    ├── RefusedError               a precheck, a lease or drift said no before any change
    │   └── TargetHeld             a lease
    ├── ApprovalDenied             a person, or the lack of one, said no
    └── JournalError
        ├── JournalBroken          the chain does not hold
        ├── JournalLocked          another process writes this run
        └── JournalFull            not writable; no change may start
"""


class RunbookError(Exception):
    """What, where and the remedy of something that Runbook could not do."""

    def __init__(self, message: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        """What is wrong, without a full stop at its end."""
        self.where = where
        """The file, host, step or option concerned; empty if the message names it."""
        self.remedy = remedy
        """What the operator can do next; empty if there is nothing to do."""

    def __str__(self) -> str:
        line = f"{self.where}: {self.message}" if self.where else self.message
        return f"{line}; {self.remedy}" if self.remedy else line


class UsageError(RunbookError, ValueError):
    """A command line, a parameter or an answer that makes no sense."""


class PlaybookError(RunbookError, ValueError):
    """A fault in a playbook file, with its place."""

    def __init__(self, message: str, *, file: str = "", line: int = 0, column: int = 0, remedy: str = "") -> None:
        where = ":".join(str(part) for part in (file, line, column) if part)
        super().__init__(message, where=where, remedy=remedy)
        self.file = file
        self.line = line
        """Counted from 1; 0 if the fault has no line."""
        self.column = column
        """Counted from 1; 0 if the fault has no column."""


class InventoryError(RunbookError, ValueError):
    """A fault in an inventory, or a pattern that matches no target."""


class NoTargetError(InventoryError, LookupError):
    """A pattern that matches no target: an error, never an empty success."""


class ConfigError(RunbookError):
    """Settings, folders or trust that cannot be used as they are."""


class ExpressionError(RunbookError, ValueError):
    """A template or an expression that cannot be evaluated, with the place inside its text."""

    def __init__(
        self, message: str, *, where: str = "", remedy: str = "", within: str = "", line: int = 0, column: int = 0
    ) -> None:
        place = f"line {line}, column {column}" if line > 1 else f"column {column}" if column else ""
        super().__init__(message, where=where or " ".join(part for part in (within, place) if part), remedy=remedy)
        self.within = within
        """The argument that the text stands in, such as `argv[2]`; empty if nobody said it."""
        self.line = line
        """Counted from 1 within the text; 0 if the fault has no place."""
        self.column = column
        """Counted from 1 within its line; 0 if the fault has no place."""


class TransportError(RunbookError):
    """A target could not be reached or did not answer as it must."""


class ConnectError(TransportError, ConnectionError):
    """No connection; nothing was sent."""


class HostKeyError(TransportError):
    """The key of a host is unknown, changed or revoked; nothing was sent."""


class AuthError(TransportError):
    """The login was refused; nothing was sent."""


class DispatchRefused(TransportError):
    """The command was provably never started on the target."""


class NotPermitted(DispatchRefused):
    """The target does not let the login run the command; it was never started."""


class ClaimLost(DispatchRefused):
    """The run that sent the command does not hold the target any more; it was never started."""


class DeadlineError(TransportError, TimeoutError):
    """A wait ended without an answer; says nothing about the far side."""


class ActionError(RunbookError):
    """An action cannot go on; the target is as its receipts say."""


class RefusedError(RunbookError):
    """A precheck, a lease or drift said no before any change."""


class TargetHeld(RefusedError):
    """Another run, or another copy of this one, holds a target."""

    def __init__(self, message: str, *, where: str = "", remedy: str = "", run: str = "", free: bool = False) -> None:
        super().__init__(message, where=where, remedy=remedy)
        self.run = run
        """The run that holds it."""
        self.free = free
        """No job of that run lives there: a reason takes the target over."""


class ApprovalDenied(RunbookError):
    """A person, or the lack of one, said no."""


class JournalError(RunbookError):
    """The journal cannot be used."""


class JournalBroken(JournalError):
    """The chain of a journal does not hold."""


class JournalLocked(JournalError):
    """Another process writes this run."""


class JournalFull(JournalError, OSError):
    """The journal cannot be written; no change may start."""
