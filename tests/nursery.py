"""Processes of their own for tests that kill them, each forked from one that has imported Runbook and run nothing.

They are as real as those started from a file, without the third of a second that importing takes each time.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]

_NURSE = """
import gc, importlib, io, json, os, sys, time
import git, httpx, jinja2, psutil
import runbook.config, runbook.session.run, runbook.session.unattended
from runbook.engine import failpoint

requests, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
os.dup2(2, 1)
gc.set_threshold(100_000)
gc.freeze()
for line in requests:
    given = json.loads(line)
    if "script" in given:
        answer = os.fork()
        if not answer:
            break
    elif "modules" in given:
        answer = [importlib.import_module(name).__name__ for name in given["modules"]]
        gc.freeze()
    else:
        found, status = os.waitpid(given["pid"], os.WNOHANG)
        answer = os.waitstatus_to_exitcode(status) if found else None
    print(json.dumps(answer), file=answers, flush=True)
else:
    sys.exit()

requests.close()
answers.close()
os.environ.clear()
os.environ.update(given["env"])
os.chdir(given["cwd"])
time.tzset()
importlib.reload(failpoint)
sys.argv = ["-c", *given["arguments"]]
sys.stdin = io.StringIO(given["stdin"])
exec(given["script"], {"__name__": "__main__"})
"""


class Child:
    """A process that runs a script."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self._nursery = nursery
        self.pid = pid
        self._code: int | None = None

    def poll(self) -> int | None:
        """Return how it ended, as `subprocess` says it; None while it lives."""
        if self._code is None:
            self._code = self._nursery.ask({"pid": self.pid})
        return self._code

    def wait(self, seconds: float = 60.0) -> int:
        """Wait for its end and return how it came."""
        deadline = time.monotonic() + seconds
        while (code := self.poll()) is None:
            if time.monotonic() >= deadline:
                self.kill()
                raise AssertionError(f"process {self.pid} did not end in {seconds:g} s")
            time.sleep(0.005)
        return code

    def kill(self) -> None:
        """Kill it, unless it ended before."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


class Nursery:
    """The process from which the others are forked."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _NURSE],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, script: str, *arguments: str, cwd: Path, stdin: str = "", failpoint: str = "") -> Child:
        """Run a script in the environment of the test; it dies where `failpoint` says."""
        env: Mapping[str, str] = {**os.environ, "RUNBOOK_FAILPOINT": failpoint}
        given = {"script": script, "arguments": arguments, "cwd": str(cwd), "stdin": stdin, "env": env}
        return Child(self, self.ask(given))

    def learn(self, *modules: str) -> None:
        """Import more, for all that are started from here on."""
        self.ask({"modules": modules})

    def ask(self, given: Mapping[str, Any]) -> Any:
        """Send a request and return its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(given) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """End it."""
        self._process.communicate(timeout=60)


@cache
def nursery() -> Nursery:
    """Return the nursery of this process."""
    return Nursery()


def close() -> None:
    """End the nursery, if there is one."""
    if nursery.cache_info().currsize:
        nursery().close()
        nursery.cache_clear()
