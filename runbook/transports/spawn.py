"""Starting one process with pipes of its own, in a session of its own, with nothing of ours but what it needs.

Owns the two ways to do so. posix_spawn(3) takes half the time of the general way, which serves where it cannot: for a
folder to start in, for a program that is not found at once, for a system that cannot make the session on the way.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import cache

_DEFAULT = (signal.SIGPIPE, signal.SIGXFSZ)  # what Python ignores and no other program expects to be ignored


class Child:
    """A process that was started here; its ends of the pipes are ours to close."""

    def __init__(self, pid: int, pipes: tuple[int | None, int, int], popen: subprocess.Popen[bytes] | None) -> None:
        self.pid = pid
        self.stdin, self.stdout, self.stderr = pipes
        self._popen = popen
        self._code: int | None = None

    def poll(self) -> int | None:
        """Return how it ended, as `subprocess` writes it; None while it lives."""
        return self._reap(os.WNOHANG)

    def wait(self) -> int:
        """Wait for its end and return it."""
        code = self._reap(0)
        assert code is not None
        return code

    def close_stdin(self) -> None:
        """Let it see the end of its input; harmless the second time."""
        if self.stdin is not None:
            os.close(self.stdin)
            self.stdin = None

    def close(self) -> None:
        """Give the pipes back."""
        self.close_stdin()
        os.close(self.stdout)
        os.close(self.stderr)

    def _reap(self, options: int) -> int | None:
        if self._popen is not None:
            return self._popen.wait() if not options else self._popen.poll()
        if self._code is None:
            pid, status = os.waitpid(self.pid, options)
            self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code


def spawn(argv: tuple[str, ...], env: dict[bytes, bytes], cwd: str, *, feed: bool) -> Child:
    """Start a program, found by the PATH of `env`; with `feed`, its input is a pipe, else there is none.

    Raises OSError if it cannot be started.
    """
    theirs: list[int] = []
    ours: list[int] = []
    try:
        if feed:
            reader, writer = os.pipe()
            theirs.append(reader)
            ours.append(writer)
        for _ in range(2):
            reader, writer = os.pipe()
            theirs.append(writer)
            ours.append(reader)
        pid, popen = _start(argv, env, cwd, theirs)
    except BaseException:
        for descriptor in ours:
            os.close(descriptor)
        raise
    finally:
        for descriptor in theirs:
            os.close(descriptor)
    *stdin, stdout, stderr = ours
    return Child(pid, (stdin[0] if stdin else None, stdout, stderr), popen)


def _start(
    argv: tuple[str, ...], env: dict[bytes, bytes], cwd: str, pipes: list[int]
) -> tuple[int, subprocess.Popen[bytes] | None]:
    *stdin, stdout, stderr = pipes
    program = program_of(argv[0], env)
    # With a standard stream of ours closed, a pipe can take its number, and would be overwritten on the way.
    if sys.platform == "linux" and program is not None and not cwd and min(pipes) > 2:
        _keep_descriptors()
        first = (os.POSIX_SPAWN_DUP2, stdin[0], 0) if stdin else (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
        actions = (first, (os.POSIX_SPAWN_DUP2, stdout, 1), (os.POSIX_SPAWN_DUP2, stderr, 2))
        pid = os.posix_spawn(program, argv, env, file_actions=actions, setsid=True, setsigdef=_DEFAULT)
        return pid, None
    popen = subprocess.Popen(
        argv,
        stdin=stdin[0] if stdin else subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        env=env,
        cwd=cwd or None,
        start_new_session=True,
    )
    return popen.pid, popen


@cache
def _keep_descriptors() -> None:
    """Pass on none of the descriptors that were passed to us; those made here never are (PEP 446)."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            try:
                os.set_inheritable(int(name), False)
            except OSError:
                # The one by which the folder was read.
                continue


def program_of(name: str, env: dict[bytes, bytes]) -> bytes | None:
    """Find a program as execvp(3) would; None for what is not found, or not plain enough to be looked for here.

    To try one folder after the other in the child takes longer, and this process stands still meanwhile.
    """
    wanted = os.fsencode(name)
    if b"/" in wanted:
        return wanted
    folders = env.get(b"PATH", b"").split(b":")
    if not all(folder.startswith(b"/") for folder in folders):
        return None
    paths = (folder + b"/" + wanted for folder in folders)
    return next((path for path in paths if os.access(path, os.X_OK) and os.path.isfile(path)), None)
