"""One command that only reads, as a child of this process: streams, deadline, cancel, and nothing left behind.

Owns the loop around the child. What a job leaves in a folder is no concern here; the search for descendants is that
of `process`.
"""

from __future__ import annotations

import errno
import os
import select
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO

from runbook.errors import DispatchRefused
from runbook.ports.cancel import Cancel
from runbook.ports.target import Cmd, Dead, Finished, Sink, Stream
from runbook.transports.folder import BLOCK
from runbook.transports.process import Family
from runbook.transports.spawn import Child, spawn
from runbook.transports.wake import Wake
from runbook.transports.wrapper import COOKIE, encoded, unmasked, words

_DRAIN = 0.25  # seconds for what is on its way when the command has ended and somebody else holds its output
_OURS = {errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE}


def run(cmd: Cmd, sink: Sink, cancel: Cancel, *, stdin: BinaryIO | None = None) -> Finished:
    """Run a command to its end, its deadline, or the cancel; `stdin` is streamed in place of `cmd.stdin`.

    Raises DispatchRefused if this machine cannot start any process at all. A command that cannot be started ends as
    in a shell, with 126 or 127, and evidence.
    """
    begun = time.monotonic()
    argv = words(cmd)
    if cancel.is_set():
        return Finished(None, 0.0, "cancel", evidence=("cancelled before it was started",))
    mark = os.urandom(8).hex()
    # In bytes, as a process takes it: to decode all of it for each command would cost more than the command's own part.
    env = {**os.environb, **{os.fsencode(name): os.fsencode(value) for name, value in unmasked(cmd.env).items()}}
    env[os.fsencode(COOKIE)] = mark.encode()
    data = cmd.stdin if isinstance(cmd.stdin, bytes) else encoded(cmd.stdin.unmask())
    try:
        child = spawn(argv, env, cmd.cwd, feed=bool(data or stdin))
    except OSError as error:
        if error.errno in _OURS:
            raise DispatchRefused(f"no process can be started: {error.strerror}", where=argv[0]) from error
        return _not_started(cmd, error, time.monotonic() - begun)
    family = Family(session=child.pid, cookies=(mark,), sudo=cmd.sudo)
    wake = Wake()
    try:
        with cancel.calling(wake.call):
            return _Loop(child, sink, family, wake).run(data, stdin, begun, cmd.timeout)
    except BaseException:
        family.end()
        raise
    finally:
        wake.close()
        child.close()


class _Loop:
    """The one loop that reads, feeds and watches a child."""

    def __init__(self, child: Child, sink: Sink, family: Family, wake: Wake) -> None:
        self._child = child
        self._sink = sink
        self._family = family
        self._poll = select.poll()
        self._streams: dict[int, Stream] = {}
        names: tuple[Stream, ...] = ("out", "err")
        for name, pipe in zip(names, (child.stdout, child.stderr), strict=True):
            os.set_blocking(pipe, False)
            self._streams[pipe] = name
            self._poll.register(pipe, select.POLLIN)
        self._wake = wake
        self._poll.register(wake.descriptor, select.POLLIN)
        self._cancelled = False
        self._ended = False
        self._exit_at = -1
        if sys.platform == "linux":
            self._exit_at = os.pidfd_open(child.pid)
            self._poll.register(self._exit_at, select.POLLIN)
        self._feed: Callable[[], bytes] | None = None
        self._pending = memoryview(b"")

    def run(self, data: bytes, stdin: BinaryIO | None, begun: float, timeout: float) -> Finished:
        try:
            self._start_feed(data, stdin)
            deadline = begun + timeout
            while not self._ended and not self._cancelled and time.monotonic() < deadline:
                self._turn(deadline - time.monotonic())
            if not self._ended:
                return self._stop("cancel" if self._cancelled else "timeout", begun)
            self._drain()
            code = self._child.wait()
            evidence = self._left_behind()
            seconds = time.monotonic() - begun
            return Finished(code if code >= 0 else 128 - code, seconds, dead=not evidence, evidence=evidence)
        finally:
            if self._exit_at >= 0:
                os.close(self._exit_at)

    def _turn(self, seconds: float) -> None:
        """Wait at most this long for something to do, and do it."""
        limit = seconds if self._exit_at >= 0 else min(seconds, 0.02)
        for descriptor, _ in self._poll.poll(max(0.0, limit) * 1000):
            if descriptor in self._streams:
                self._read(descriptor)
            elif descriptor == self._exit_at:
                self._ended = True
                self._poll.unregister(descriptor)
            elif descriptor == self._wake.descriptor:
                self._cancelled = True
                self._poll.unregister(descriptor)
            else:
                self._write()
        if self._exit_at < 0:
            self._ended = self._child.poll() is not None

    def _read(self, descriptor: int) -> None:
        try:
            data = os.read(descriptor, BLOCK)
        except BlockingIOError:
            return
        if data:
            self._sink.write(self._streams[descriptor], data)
        else:
            self._poll.unregister(descriptor)
            del self._streams[descriptor]

    def _drain(self) -> None:
        """Read what is still on its way; only somebody else who holds the output can make this wait."""
        deadline = time.monotonic() + _DRAIN
        while self._streams and time.monotonic() < deadline:
            for descriptor, _ in self._poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                if descriptor in self._streams:
                    self._read(descriptor)
                else:
                    self._poll.unregister(descriptor)

    def _start_feed(self, data: bytes, stdin: BinaryIO | None) -> None:
        pipe = self._child.stdin
        if pipe is None:
            return
        rest = [data]
        self._feed = (lambda: stdin.read(BLOCK)) if stdin else (lambda: rest.pop() if rest else b"")
        os.set_blocking(pipe, False)
        self._poll.register(pipe, select.POLLOUT)

    def _write(self) -> None:
        pipe = self._child.stdin
        assert pipe is not None
        assert self._feed is not None
        if not self._pending:
            self._pending = memoryview(self._feed())
        with suppress(BlockingIOError):
            try:
                if self._pending:
                    self._pending = self._pending[os.write(pipe, self._pending) :]
                    return
            except BrokenPipeError:
                pass  # it has read as much as it wanted
            self._poll.unregister(pipe)
            self._child.close_stdin()

    def _stop(self, why: str, begun: float) -> Finished:
        """End all that was started, and go on reading meanwhile, lest somebody hangs on a full pipe."""

        def wait(seconds: float) -> None:
            until = time.monotonic() + seconds
            while (left := until - time.monotonic()) > 0:
                self._turn(left)

        result = self._family.end(wait)
        wait(0.0)
        self._turn(0.0)
        code = self._child.poll()
        if code is None and isinstance(result, Dead):
            code = self._child.wait()
        return Finished(
            None if code is None else code if code >= 0 else 128 - code,
            time.monotonic() - begun,
            "cancel" if why == "cancel" else "timeout",
            dead=isinstance(result, Dead),
            evidence=result.evidence,
        )

    def _left_behind(self) -> tuple[str, ...]:
        """Say who was left running; a look at all processes costs more than most reads, so only a hint asks for it."""
        if not self._streams:
            try:
                os.killpg(self._child.pid, 0)
            except ProcessLookupError:
                return ()
            except PermissionError:
                pass
        living = tuple(f"left running: {one.line()}" for one in self._family.living())
        if self._streams:
            return ("the command ended, but its output is held open: what comes later was not read", *living)
        return living


def _not_started(cmd: Cmd, error: OSError, seconds: float) -> Finished:
    place = error.filename if isinstance(error.filename, str) else cmd.argv[0]
    if cmd.cwd and place == cmd.cwd:
        return Finished(126, seconds, evidence=(f"cannot enter {cmd.cwd}: {error.strerror}",))
    number = 127 if error.errno == errno.ENOENT else 126
    return Finished(number, seconds, evidence=(f"{place}: {error.strerror}", "the command was not started"))
