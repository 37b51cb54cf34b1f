"""One job on a host: sent once, followed to its end, ended when it must, and met again when the connection broke.

Owns the order of these and what is told of the end. The questions to the host are those of `remote`.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Protocol

from runbook.errors import AuthError, ClaimLost, ConnectError, DispatchRefused, HostKeyError, TransportError
from runbook.ports.cancel import Cancel
from runbook.ports.target import (
    Cmd,
    Dead,
    Finished,
    JobFinished,
    JobLost,
    JobRunning,
    JobState,
    JobUnknown,
    NoJob,
    NotConfirmed,
    Sink,
)
from runbook.secret import Secret
from runbook.transports.ssh import remote
from runbook.transports.ssh.channel import Running
from runbook.transports.ssh.connection import Connection
from runbook.transports.ssh.output import JobOutput
from runbook.transports.ssh.remote import Answer, question
from runbook.transports.wrapper import LOADER, REMOTE, job_text, one_line

_BELATED = 8.0  # seconds after which the wrapper's own timeout, grace and last look must be over
_LAST = 5.0  # seconds for what is still on its way after a job was ended
_AGAIN = 12.0  # seconds during which a host that went away is looked for


class Ask(Protocol):
    """A question to the host; see `SshTarget`."""

    def __call__(
        self, call: str, *, within: float = 20.0, control: bool = False, most: int = 1 << 20, **settings: str
    ) -> Answer:
        """Return the answer. Raises TransportError."""


class Source(Protocol):
    """Input that is streamed."""

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes, none at the end."""


class Dispatch:
    """One operation on one host."""

    def __init__(self, connection: Connection, cancel: Cancel, key: str, sink: Sink, ask: Ask) -> None:
        self._connection = connection
        self._cancel = cancel
        self._key = key
        self._ask = ask
        self._output = JobOutput(sink)
        self._passed = self._output.passed
        self._sink = sink

    def run(
        self,
        cmd: Cmd,
        intent: str,
        stream: Source | None = None,
        password: Secret | None = None,
        *,
        lease: str = "",
    ) -> Finished:
        """Send a command under the wrapper; `stream` is its input, `lease` the claim without which it does not begin.

        Raises ClaimLost, DispatchRefused, TransportError.
        """
        if self._cancel.is_set():
            raise DispatchRefused(f"cancelled before it was started: {self._cancel.reason}", where=self._key)
        text = job_text(
            cmd, self._key, intent, stream=True, feed_through=stream is not None, password=password, lease=lease
        )
        command = (LOADER if stream is not None else REMOTE) + self._quoted()
        begun = time.monotonic()
        deadline = begun + cmd.timeout + _BELATED
        with ExitStack() as stack:
            running = self._opened(stack)
            running.start(command, one_line(text) if stream is not None else text, stream)  # type: ignore[arg-type]
            why = running.run(deadline, self._cancel)
            if why in {"cancel", "deadline"}:
                return self._stop(running, begun)
            told = self._output.end()
            if told is not None:
                return self._finished(told, time.monotonic() - begun)
            status, granted = running.exit, running.granted
        self._check_greeting(why == "closed" and not granted)
        return self._settle(intent, begun, deadline, status)

    def follow(self, timeout: float) -> Finished:
        """Follow a job that was sent before, from where it was passed on; after `timeout` seconds it is left alone."""
        begun = time.monotonic()
        while True:
            left = timeout - (time.monotonic() - begun)
            finished = self._follow(max(0.0, left), begun)
            if finished is not None:
                return finished
            if not self._reconnected(min(_AGAIN, max(1.0, left))):
                evidence = (f"the connection broke: {self._connection.why_dead()}",)
                return Finished(None, time.monotonic() - begun, "lost", dead=False, evidence=evidence)

    def _follow(self, timeout: float, begun: float) -> Finished | None:
        """Follow once; None if the connection broke meanwhile."""
        self._output = JobOutput(self._sink)
        before = dict(self._passed)
        text = question(
            "follow", key=self._key, seconds=str(int(timeout) + 1),
            from_out=str(before["out"]), from_err=str(before["err"]),
        )  # fmt: skip
        deadline = time.monotonic() + timeout
        with self._connection.command(self._output.take, self._cancel) as running:
            running.start(remote.COMMAND, text)
            why = running.run(deadline, self._cancel)
            if why == "cancel":
                return self._stop(running, begun, attached=True)
            told = self._output.end()
        for stream, size in self._output.passed.items():
            self._passed[stream] = before[stream] + size
        seconds = time.monotonic() - begun
        if why == "deadline" or (told is not None and told[1] == "open"):
            return Finished(None, seconds, "timeout", dead=False, evidence=("it still runs; nothing was ended",))
        greeting = self._output.greeting
        if greeting is not None and not greeting.started:
            return Finished(None, 0.0, "lost", evidence=(f"there is no job folder {self._key}",))
        if told is None:
            return self._without_status(seconds) if why == "closed" else None
        if told[1] == "gone":
            return self._without_status(seconds)
        return self._finished(told, seconds)

    def _opened(self, stack: ExitStack) -> Running:
        """Open a channel. Raises DispatchRefused: without one nothing was sent."""
        try:
            return stack.enter_context(self._connection.command(self._output.take, self._cancel))
        except (AuthError, ConnectError, HostKeyError) as error:
            raise DispatchRefused(
                f"nothing was sent: {error.message}", where=error.where, remedy=error.remedy
            ) from error

    def _quoted(self) -> str:
        from shlex import quote

        return f" {quote(self._key)}"

    def _check_greeting(self, is_refused: bool) -> None:
        """Raise DispatchRefused if the wrapper, or the host, has said that nothing was started."""
        greeting = self._output.greeting
        if greeting is not None and not greeting.started:
            if greeting.why == "claimed":
                raise DispatchRefused(
                    "the operation was claimed before", where=self._key, remedy="look what became of it"
                )
            if greeting.why == "unclaimed":
                raise ClaimLost("the run does not hold the host any more", where=self._key)
            raise DispatchRefused(greeting.why, where=self._key, remedy="make room for the job folder")
        if greeting is None and is_refused:
            raise DispatchRefused("the host refuses to run commands for this login", where=self._key)

    def _finished(self, told: tuple[int, str], seconds: float) -> Finished:
        number, why = told
        if why == "exit":
            return Finished(number, seconds)
        living = self._left()
        if living is None:
            result: Dead | NotConfirmed = NotConfirmed(("it was ended, but nobody could look again",))
        elif living:
            result = NotConfirmed(tuple(f"still lives: {line}" for line in living))
        else:
            result = Dead(("looked again: nothing of it lives",))
        return Finished(
            number,
            seconds,
            "timeout" if why == "timeout" else "cancel" if why == "cancel" else "exit",
            dead=isinstance(result, Dead),
            evidence=result.evidence,
        )

    def _left(self) -> tuple[str, ...] | None:
        try:
            return self._ask("left", control=True, key=self._key).all("living")
        except TransportError:
            return None

    def _stop(self, running: Running, begun: float, *, attached: bool = False) -> Finished:
        """End the job, and go on reading what it says at last."""
        try:
            result = remote.verdict_of(self._ask("kill", within=30.0, control=True, key=self._key))
        except TransportError as error:
            result = NotConfirmed((str(error),))
        running.run(time.monotonic() + _LAST)
        told = self._output.end()
        seconds = time.monotonic() - begun
        if told is None or (attached and told[1] == "open"):
            state = self._look()
            if isinstance(state, JobFinished):
                told = (state.exit, _why(state))
        if told is None:
            evidence = ("the wrapper left no status", *result.evidence)
            return Finished(None, seconds, "lost", dead=isinstance(result, Dead), evidence=evidence)
        ended = "timeout" if told[1] == "timeout" else "cancel" if told[1] == "cancel" else "exit"
        return Finished(told[0], seconds, ended, dead=isinstance(result, Dead), evidence=result.evidence)  # type: ignore[arg-type]

    def _settle(self, intent: str, begun: float, deadline: float, status: int | None) -> Finished:
        """Find out what became of a job whose end was not heard, over a new connection if it must be."""
        broke = f"the connection broke: {self._connection.why_dead()}"
        if not self._reconnected(_AGAIN):
            return Finished(None, time.monotonic() - begun, "lost", dead=False, evidence=(broke,))
        state = self._look()
        seconds = time.monotonic() - begun
        match state:
            case NoJob():
                if self._fence(intent, broke):
                    return self._settle(intent, begun, deadline, status)
                evidence = (broke, "there is no sign of it on the host, where nothing can be written either")
                return Finished(None, seconds, "lost", dead=False, evidence=evidence)
            case JobRunning() if not state.evidence:
                return self.follow(max(0.0, deadline - time.monotonic()))
            case JobFinished():
                if is_fenced(state):
                    raise DispatchRefused("it was never started, and never will be", where=self._key)
                finished = self._follow(5.0, begun)
                return finished if finished is not None else self._finished((state.exit, _why(state)), seconds)
            case JobLost() if "no sign" in " ".join(state.evidence) and status is not None:
                raise DispatchRefused("the wrapper ended before it began", where=self._key)
            case _:
                return self._without_status(seconds, state)

    def _without_status(self, seconds: float, state: JobState | None = None) -> Finished:
        state = state if state is not None else self._look()
        if isinstance(state, JobFinished):
            return self._finished((state.exit, _why(state)), seconds)
        told = ("the wrapper left no status", *getattr(state, "evidence", ()))
        return Finished(None, seconds, "lost", dead=isinstance(state, JobLost), evidence=told)

    def _look(self) -> JobState:
        try:
            state = remote.state_of(self._ask("look", control=True, key=self._key, patient="1"), self._connection.boot)
        except TransportError as error:
            return JobUnknown((str(error),))
        greeting = self._output.greeting
        if isinstance(state, NoJob) and greeting is not None and greeting.started:
            return JobUnknown(("it was started, and its job folder is gone",))
        return state

    def _fence(self, intent: str, broke: str) -> bool:
        """Take the place of a job that did not begin; what is still on its way to the host then finds it taken.

        Raises DispatchRefused: from then on it is proven that it never starts. Tells whether it has begun after all.
        """
        try:
            answer = self._ask("fence", control=True, key=self._key, intent=intent).one("fence")
        except TransportError:
            return False
        if answer == "made":
            raise DispatchRefused(f"{broke}; it was not started, and never will be", where=self._key)
        return answer == "taken"

    def _reconnected(self, seconds: float) -> bool:
        """Try for some seconds to have a connection again; a cancel does not end this, for it is only a look.

        Once, where the host fell silent: that took its time already.
        """
        deadline = time.monotonic() + seconds
        pause = 0.2
        while True:
            try:
                self._connection.link(Cancel(), within=max(1.0, deadline - time.monotonic()))
            except (HostKeyError, AuthError):
                return False
            except ConnectError:
                if self._connection.fell_silent or time.monotonic() + pause >= deadline or self._cancel.wait(pause):
                    return False
                pause = min(pause * 2, 2.0)
            else:
                return True


def is_fenced(state: JobState) -> bool:
    """Tell whether the folder was made to keep a job from beginning."""
    return isinstance(state, JobFinished) and _why(state) == "refused"


def _why(state: JobFinished) -> str:
    return state.evidence[0].removeprefix("ended by ") if state.evidence else "exit"
