"""The command line as tests call it: in this process for words and codes, in one of its own for terminals and pipes."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from runbook.cli.front import Front
from runbook.cli.main import run
from runbook.cli.stream import Stream
from runbook.cli.style import Style

DEADLINE = 60.0
"""Seconds in which everything must have happened; a test waits for what it expects, never for a time."""

TOUCH = """\
schema: runbook/v1
id: touch-file
title: Touch a file
summary: A small thing.
symptoms: ["file is missing"]
severity: sev3
reviewed: 2026-11-01
params:
  file: {{type: path, default: {file}}}
steps:
  - id: look
    title: Look around
    command: [sh, -c, "echo hello; echo oops >&2"]
    effect: read
  - id: touch
    title: Make the file
    guide: Look **closely**.
    command: [touch, "{{{{ params.file }}}}"]
    effect: change
    verify: [{{command: [test, -e, "{{{{ params.file }}}}"]}}]
    undo: [{{command: [rm, "{{{{ params.file }}}}"]}}]
"""


class Said:
    """What a command wrote, and its exit code."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    @property
    def json(self) -> Any:
        """Stdout as JSON."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """Stdout as one JSON value per line."""
        return [json.loads(line) for line in self.out.splitlines()]


Call = Callable[..., Said]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working folder, with one playbook in it."""
    (tmp_path / "playbooks").mkdir(mode=0o700)
    (tmp_path / "playbooks/touch-file.yaml").write_text(TOUCH.format(file=tmp_path / "made"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def call(place: Path) -> Call:
    """Run one command line in this process, with plain streams."""

    def _call(*words: str) -> Said:
        out, err = io.StringIO(), io.StringIO()
        front = Front((Stream(out, Style()), Stream(err, Style(), narration=True)))
        code = run(list(words), front)
        return Said(code, out.getvalue(), err.getvalue())

    return _call


@pytest.fixture
def command(place: Path) -> Call:
    """Run one command line in a process of its own, without a terminal."""

    def _command(*words: str, env: dict[str, str] | None = None) -> Said:
        done = subprocess.run(
            [sys.executable, "-m", "runbook", *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={**os.environ, **(env or {})},
            timeout=DEADLINE,
            check=False,
        )
        return Said(done.returncode, done.stdout.decode(), done.stderr.decode())

    return _command


class Terminal:
    """A command line on a terminal of its own."""

    def __init__(self, words: list[str], env: dict[str, str] | None = None, columns: int = 240) -> None:
        self._master, slave = pty.openpty()
        # Wide, so that no path of a test is longer than a line.
        termios.tcsetwinsize(slave, (24, columns))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "runbook", *words],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "dumb", **(env or {})},
            start_new_session=True,
        )
        os.close(slave)
        self.text = ""
        self._seen = 0

    def until(self, wanted: str) -> str:
        """Read until something stands on the screen behind what was waited for before; return what came with it."""
        deadline = time.monotonic() + DEADLINE
        while wanted not in self.text[self._seen :]:
            if time.monotonic() > deadline or not self._read():
                raise AssertionError(f"{wanted!r} did not come:\n{self.text}")
        end = self.text.index(wanted, self._seen) + len(wanted)
        part, self._seen = self.text[self._seen : end], end
        return part

    def type(self, text: str) -> None:
        """Type a text, without Enter."""
        os.write(self._master, text.encode())

    def enter(self, text: str = "") -> None:
        """Type a line."""
        self.type(f"{text}\n")

    def end(self) -> int:
        """Wait for the process and return its exit code."""
        while self._read():
            pass
        return self.process.wait(DEADLINE)

    def close(self) -> None:
        """End the process, if it still lives."""
        self.process.kill()
        self.process.wait()
        os.close(self._master)

    def _read(self) -> bool:
        if not select.select([self._master], [], [], DEADLINE)[0]:
            return False
        with suppress(OSError):
            data = os.read(self._master, 65536)
            self.text += data.decode("utf-8", "replace").replace("\r\n", "\n")
            return bool(data)
        return False


@pytest.fixture
def terminal(place: Path) -> Iterator[Callable[..., Terminal]]:
    """Run command lines on terminals."""
    opened: list[Terminal] = []

    def _open(*words: str, env: dict[str, str] | None = None, columns: int = 240) -> Terminal:
        opened.append(Terminal(list(words), env, columns))
        return opened[-1]

    yield _open
    for each in opened:
        each.close()


def steady(text: str, place: Path) -> str:
    """Return a text in which what differs from run to run has a fixed name."""
    text = re.sub(r"\b01[0-9a-z]{24}\b", "RUN", text.replace(str(place), "HERE"))
    return re.sub(r"\b\d+:\d\d\b", "0:00", text)
