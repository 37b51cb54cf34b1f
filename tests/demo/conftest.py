"""A supervisor with units of the test's own, and the polling that all these tests need."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path

import pytest

from runbook.demo import control, tree
from runbook.demo.layout import SHOP_MARK, Layout, Ports
from runbook.demo.shop import _write_control
from runbook.demo.state import new_state, write_state
from runbook.demo.unit import Unit, read_unit, write_unit
from runbook.errors import RunbookError

WITHIN = 20.0


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds, but not for ever."""
    deadline = time.monotonic() + WITHIN
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def crew(home: Path) -> int:
    """How many processes a running shop has: its supervisor, and one for each unit that starts by itself."""
    return 1 + sum(read_unit(file).autostart for file in Layout(home).services.glob("*.json"))


class Supervised:
    """A running supervisor."""

    def __init__(self, home: Path) -> None:
        self.layout = Layout(home)
        self.layout.make_folders()
        state = new_state(home.resolve(), Ports(database=1, order=2, load=3))
        write_state(state)
        _write_control(self.layout)
        self.mark = (SHOP_MARK, state.token)
        self.process: subprocess.Popen[bytes] | None = None

    def add(self, name: str, *argv: str, **options: object) -> None:
        write_unit(self.layout.unit(name), Unit(argv=argv, **options))  # type: ignore[arg-type]

    def start(self) -> None:
        with self.layout.log("supervisor").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "runbook.demo.supervisor", str(self.layout.home)],
                env={"PATH": "/usr/bin:/bin", self.mark[0]: self.mark[1]},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )
        until(self.layout.socket.exists)

    def ctl(self, *words: str) -> str:
        """Ask as the control program does, without the start of a program."""
        line = control.request([*words])
        assert line is not None
        with chdir(self.layout.run):
            status, _, text = control.ask(".", line).partition(b"\n")
        if status != b"0":
            raise RunbookError(text.decode(), where="ctl")
        return text.decode()

    def show(self, name: str) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self.ctl("show", name).splitlines())

    def leave(self) -> None:
        """Let go of the pipe, as an opener does that vanishes."""
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()

    def wait(self) -> None:
        assert self.process is not None
        self.process.wait(WITHIN)

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        self.wait()

    def end(self) -> None:
        self.leave()
        if self.process is not None:
            self.signal(signal.SIGTERM)
        assert tree.end(self.mark, within=WITHIN) == []


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Supervised]:
    home = Supervised(tmp_path / ("long and with spaces " * 6))
    try:
        yield home
    finally:
        home.end()
