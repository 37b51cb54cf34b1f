"""What runs once, away from the targets: waiting, and telling people."""

from __future__ import annotations

from collections.abc import Callable

from runbook.engine.context import StepContext
from runbook.engine.probe import Silence
from runbook.errors import RunbookError
from runbook.events import fact as f
from runbook.events.status import Status
from runbook.expression import is_template, render
from runbook.ports.cancel import Cancel
from runbook.ports.target import Cmd


def run_wait(
    record: Callable[..., None],
    cancel: Cancel,
    place: tuple[str, str, int],
    seconds: float,
    clock: Callable[[], float],
) -> None:
    """Let time pass and record it; a cancelled wait is recorded as such."""
    step, target, attempt = place
    began = clock()
    record(f.ReadStarted(step=step, target=target, attempt=attempt))
    stopped = cancel.wait(seconds)
    record(
        f.StepFinished(
            step=step,
            target=target,
            attempt=attempt,
            status="cancelled" if stopped else "succeeded",
            error=cancel.reason if stopped else "",
            ms=int((clock() - began) * 1000),
        )
    )


def run_notify(context: StepContext, attempt: int) -> None:
    """Tell people: the text is recorded, and given to the command if there is one."""
    context.record(f.ReadStarted(step=context.step.id, target=context.place, attempt=attempt))
    status: Status = "succeeded"
    error, exit_code = "", None
    message = str(context.step.with_.get("message", ""))
    try:
        text = str(render(message, context.names)) if is_template(message) else message
        argv = context.step.with_.get("command")
        if isinstance(argv, list) and argv:
            cmd = Cmd(tuple(str(word) for word in argv), timeout=context.step.timeout, stdin=text.encode())
            finished = context.target.read(cmd, Silence())
            exit_code = finished.exit
            if finished.exit != 0:
                status, error = "failed", f"the command ended with {finished.ended} {finished.exit}"
    except RunbookError as failed:
        text, status, error = message, "failed", str(failed)
    context.record(
        f.StepFinished(
            step=context.step.id,
            target=context.place,
            attempt=attempt,
            status=status,
            result={"message": text},
            error=error,
            exit=exit_code,
        )
    )
