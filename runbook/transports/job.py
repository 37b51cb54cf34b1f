"""Jobs on this machine: a command under the wrapper, followed, met again, and ended.

Owns the dispatch and the following of the output files. The folder itself is the business of `folder`, the search
for processes that of `process`. The wrapper goes on when this process dies; everything here can be picked up by
another one.
"""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress

from runbook.errors import DispatchRefused
from runbook.ports.cancel import Cancel
from runbook.ports.target import Cmd, Dead, Finished, NotConfirmed, OpKey, Sink
from runbook.transports import process
from runbook.transports.folder import JobFolder, Output, Status, Wrapper
from runbook.transports.wake import Wake
from runbook.transports.wrapper import ARGV, job_text

_SOON, _LATE = 0.005, 0.05  # seconds between two looks at the output: while it flows, and when it is silent
_BELATED = 8.0  # seconds after which the wrapper's own timeout, grace and last look must be over


class Following:
    """The end of a job as its watcher sees it: output passed on, and what woke the watcher last."""

    def __init__(self, folder: JobFolder, output: Output, wake: Wake, cancel: Cancel, wrapper: int = -1) -> None:
        """Watch; `wrapper` is a descriptor that ends with the wrapper, -1 if there is none."""
        self._folder = folder
        self._output = output
        self._wake = wake
        self._cancel = cancel
        self._wrapper = wrapper

    def wait(self, deadline: float) -> str:
        """Pass on output until the wrapper `ended`, a `cancel`, or the `deadline`; say which."""
        poll = select.poll()
        poll.register(self._wake.descriptor, select.POLLIN)
        if self._wrapper >= 0:
            poll.register(self._wrapper, select.POLLIN)
        pause = _SOON
        while True:
            pause = _SOON if self._output.pump() else min(pause * 1.5, _LATE)
            if self._cancel.is_set():
                return "cancel"
            left = deadline - time.monotonic()
            if left <= 0:
                return "deadline"
            ready = {descriptor for descriptor, _ in poll.poll(min(pause, left) * 1000)}
            if self._wrapper in ready and not os.read(self._wrapper, 4096):
                return "ended"
            if self._wrapper < 0 and not self._alive():
                return "ended"

    def _alive(self) -> bool:
        if self._folder.status() is not None:
            return False
        wrapper = self._folder.wrapper()
        return wrapper is not None and wrapper.lives()


def dispatch(cmd: Cmd, folder: JobFolder, sink: Sink, cancel: Cancel) -> Finished:
    """Run a command under the wrapper in a claimed folder; raises DispatchRefused if it provably was not started."""
    begun = time.monotonic()
    key = folder.path.name
    try:
        child = subprocess.Popen(
            (*ARGV, key),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
        )
    except OSError as error:
        folder.finish(Status(126, "refused"))
        raise DispatchRefused(f"the wrapper cannot be started: {error}", where=key) from error
    assert child.stdin is not None
    assert child.stdout is not None
    wake = Wake()
    try:
        with cancel.calling(wake.call), Output(folder, sink) as output:
            with suppress(BrokenPipeError):
                _send(child.stdin.fileno(), job_text(cmd, key, "", folder=str(folder.path)))
            child.stdin.close()
            following = Following(folder, output, wake, cancel, child.stdout.fileno())
            return _follow(following, folder, output, cmd.timeout + _BELATED, begun)
    finally:
        wake.close()
        child.stdin.close()
        child.stdout.close()
        wrapper = folder.wrapper()
        if wrapper is None or not wrapper.lives():
            child.wait()
        else:
            # It goes on without us; Popen would complain of a child that nobody waits for.
            child.returncode = 0


def attach(folder: JobFolder, sink: Sink, cancel: Cancel, timeout: float) -> Finished:
    """Follow a job that somebody else has started; after `timeout` seconds it is left alone."""
    begun = time.monotonic()
    wake = Wake()
    try:
        with cancel.calling(wake.call), Output(folder, sink) as output:
            return _follow(Following(folder, output, wake, cancel), folder, output, timeout, begun, ours=False)
    finally:
        wake.close()


def end(folder: JobFolder, wait: Callable[[float], None] = time.sleep) -> Dead | NotConfirmed:
    """End all that a job started, and look whether it did; `wait` passes some seconds meanwhile."""
    if folder.before_restart():
        return Dead(("the machine was started anew since: nothing of the job can live",))
    if folder.status() is not None:
        return _after_end(folder)
    # Before the look at `process`: a wrapper that has not begun yet sees this, and does not begin.
    if not folder.decide("cancel") and folder.text("over") == "exit\n":
        _await_wrapper(folder, wait)
        return _after_end(folder)
    result = folder.family().end(wait)
    wrapper = _await_wrapper(folder, wait)
    if wrapper is None or not wrapper.lives():
        return result
    if not wrapper.session:
        return NotConfirmed((f"process {wrapper.pid} does it itself, and goes on", *result.evidence))
    last = process.Family(session=wrapper.session, cookies=(folder.cookie,)).end(wait)
    evidence = ("its wrapper did not end by itself", *result.evidence, *last.evidence)
    return Dead(evidence) if isinstance(last, Dead) else NotConfirmed(evidence)


def lost(op: OpKey) -> Finished:
    """Return how a job is told of which there is no folder."""
    return Finished(None, 0.0, "lost", evidence=(f"there is no job folder {op.text()}",))


def _await_wrapper(folder: JobFolder, wait: Callable[[float], None]) -> Wrapper | None:
    """Give the wrapper the time to write the status."""
    wrapper = folder.wrapper()
    deadline = time.monotonic() + process.GRACE
    while wrapper is not None and wrapper.lives() and time.monotonic() < deadline:
        wait(0.01)
    return wrapper


def _after_end(folder: JobFolder) -> Dead | NotConfirmed:
    """A job that ended by itself may have left a service behind on purpose: that is told, not killed."""
    living = folder.family().living()
    if not living:
        return Dead(("the job had ended",))
    return NotConfirmed(
        ("the job had ended; what it left running was not touched", *(f"lives: {one.line()}" for one in living))
    )


def _follow(
    following: Following, folder: JobFolder, output: Output, limit: float, begun: float, *, ours: bool = True
) -> Finished:
    why = following.wait(begun + limit)
    result: Dead | NotConfirmed | None = None
    if why == "deadline" and not ours:
        output.drain()
        seconds = time.monotonic() - begun
        return Finished(None, seconds, "timeout", dead=False, evidence=("it still runs; nothing was ended",))
    if why != "ended":

        def wait(seconds: float) -> None:
            output.pump()
            time.sleep(seconds)

        result = end(folder, wait)
    output.drain()
    return _finished(folder, result, time.monotonic() - begun)


def _finished(folder: JobFolder, result: Dead | NotConfirmed | None, seconds: float) -> Finished:
    status = folder.status()
    if status is not None:
        folder.sync()
        if status.why == "exit" and result is None:
            return Finished(status.exit, seconds)
    if status is None and folder.wrapper() is None and not folder.family().living():
        raise DispatchRefused("the wrapper ended before it began", where=folder.path.name)
    if result is None:
        result = _look(folder)
    dead = isinstance(result, Dead)
    if status is None:
        evidence = ("the wrapper left no status", *result.evidence)
        return Finished(None, seconds, "lost", dead=dead, evidence=evidence)
    return Finished(
        status.exit,
        seconds,
        {"timeout": "timeout", "cancel": "cancel"}.get(status.why, "exit"),  # type: ignore[arg-type]
        dead=dead,
        evidence=result.evidence,
    )


def _look(folder: JobFolder) -> Dead | NotConfirmed:
    """Look again after the wrapper has ended the job itself, or has vanished."""
    living = folder.family().living()
    if living:
        return NotConfirmed(tuple(f"still lives: {one.line()}" for one in living))
    return Dead(("looked again: nothing of it lives",))


def _send(descriptor: int, text: bytes) -> None:
    rest = memoryview(text)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
