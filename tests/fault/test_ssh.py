"""Connections that break in every phase of a changing command: what ran, ran once, and what is told is true."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from runbook.errors import ConnectError, DispatchRefused
from runbook.ports.cancel import Cancel
from runbook.ports.target import Cmd, Finished, JobFinished, JobRunning, NoJob, OpKey, Stream
from runbook.transports.ssh import SshTransport
from runbook.transports.ssh.channel import Running
from runbook.transports.ssh.link import Link
from runbook.transports.ssh.liveness import Liveness
from runbook.transports.ssh.target import SshTarget
from runbook.transports.ssh.wire import Wire, dial
from tests.sshd import MISSING, PROGRAM, Sshd

pytestmark = [pytest.mark.fault, pytest.mark.skipif(PROGRAM is None, reason=MISSING)]

OP = OpKey("run1", "step", "web1", 1, "main")


class Gathered:
    def __init__(self) -> None:
        self.out = b""
        self.err = b""

    def write(self, stream: Stream, data: bytes) -> None:
        if stream == "out":
            self.out += data
        else:
            self.err += data


@pytest.fixture
def own(tmp_path: Path, home: Path) -> Iterator[Sshd]:
    """An sshd that may be broken."""
    one = Sshd(tmp_path / "own")
    one.start()
    one.know(home)
    yield one
    one.stop()


@pytest.fixture
def target(own: Sshd) -> Iterator[SshTarget]:
    transport = SshTransport(liveness=Liveness(every=0.3, dead=1.5))
    yield transport.target(own.host(), Cancel())
    transport.close()


class Step:
    """A counting command that waits at a gate, begun in the background."""

    def __init__(self, own: Sshd, target: SshTarget) -> None:
        self.count = own.home / "count"
        self.gate = own.home / "gate"
        self.sink = Gathered()
        script = 'echo ran >>"$1"; echo begun; while [ ! -e "$2" ]; do sleep 0.02; done; seq 1 5000; exit 7'
        self.cmd = Cmd(("sh", "-c", script, "sh", str(self.count), str(self.gate)), timeout=60)
        self._pool = ThreadPoolExecutor(1)
        self.future = self._pool.submit(target.change, self.cmd, OP, self.sink)

    def begun(self) -> None:
        until(lambda: b"begun\n" in self.sink.out)

    def end(self) -> Finished:
        self.gate.touch()
        try:
            return self.future.result(60)
        finally:
            self._pool.shutdown()

    @property
    def runs(self) -> int:
        return len(self.count.read_text().splitlines()) if self.count.exists() else 0


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.005)


WHOLE = b"begun\n" + b"".join(b"%d\n" % n for n in range(1, 5001))


def test_a_connection_that_is_cut_is_made_again_and_the_command_goes_on(own: Sshd, target: SshTarget) -> None:
    step = Step(own, target)
    step.begun()

    own.cut()
    finished = step.end()

    assert (finished.exit, finished.ended) == (7, "exit")
    assert step.sink.out == WHOLE
    assert step.runs == 1


def test_a_command_that_ends_while_nobody_listens_is_found_again(own: Sshd, target: SshTarget) -> None:
    step = Step(own, target)
    step.begun()

    own.stop()
    step.gate.touch()
    until(lambda: "7 exit" in next(own.home.glob(".local/state/runbook/jobs/*/status")).read_text())
    own.start()
    finished = step.end()

    assert (finished.exit, finished.ended) == (7, "exit")
    assert step.sink.out == WHOLE
    assert step.runs == 1


def test_a_host_that_stays_away_leaves_a_doubt_which_the_folder_settles_later(
    own: Sshd, target: SshTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runbook.transports.ssh.job._AGAIN", 1.0)
    step = Step(own, target)
    step.begun()

    own.stop()
    finished = step.future.result(20)

    assert (finished.exit, finished.ended, finished.dead) == (None, "lost", False)
    own.start()
    assert isinstance(target.job(OP), JobRunning)
    step.end()
    sink = Gathered()
    assert target.attach(OP, sink, 30.0).exit == 7
    assert sink.out == WHOLE
    assert target.job(OP) == JobFinished(7)
    assert step.runs == 1


def test_a_host_that_freezes_and_comes_back_has_run_the_command_once(own: Sshd, target: SshTarget) -> None:
    step = Step(own, target)
    step.begun()

    stopped = own.processes()[1:]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    finished = step.end()

    assert (finished.exit, finished.ended) == (7, "exit")
    assert step.sink.out == WHOLE
    assert step.runs == 1


def test_a_host_that_stays_frozen_is_looked_for_once_and_its_command_is_found_when_it_thaws(
    own: Sshd, target: SshTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runbook.transports.ssh.connection._GLIMPSE", 2.0)
    dialled: list[str] = []

    def counted(address: str, *more: Any) -> Wire:
        dialled.append(address)
        return dial(address, *more)

    monkeypatch.setattr("runbook.transports.ssh.connection.dial", counted)
    step = Step(own, target)
    step.begun()

    stopped = own.freeze()
    finished = step.future.result(60)

    assert (finished.exit, finished.ended, finished.dead) == (None, "lost", False)
    with pytest.raises(ConnectError, match="and a look after that"):
        target.release_lease("run1")
    assert len(dialled) == 1
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)
    until(lambda: isinstance(target.job(OP), JobRunning))
    step.end()
    assert target.attach(OP, Gathered(), 30.0).exit == 7
    assert step.runs == 1


def test_a_host_that_was_frozen_before_was_provably_sent_nothing(
    own: Sshd, target: SshTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runbook.transports.ssh.connection._HANDSHAKE", 1.0)
    stopped = own.freeze()
    step = Step(own, target)

    with pytest.raises(DispatchRefused, match="nothing was sent"):
        step.future.result(60)

    for pid in stopped:
        os.kill(pid, signal.SIGCONT)
    until(lambda: target.job(OP) == NoJob())
    assert step.runs == 0


def test_what_is_on_its_way_to_a_frozen_host_never_starts_once_it_is_told_so(
    own: Sshd, target: SshTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[int] = []
    start = Running.start

    def frozen_start(running: Running, command: str, *more: object) -> None:
        if "runbook-job" in command and not stopped:
            stopped.extend(own.processes()[1:])
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
        start(running, command, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(Running, "start", frozen_start)
    step = Step(own, target)

    with pytest.raises(DispatchRefused, match="never will be"):
        step.future.result(60)
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)
    until(lambda: not any(pid in own.processes() for pid in stopped))

    assert step.runs == 0
    assert target.job(OP) == NoJob()
    assert target.fence(OP)
    with pytest.raises(DispatchRefused, match="claimed before"):
        target.change(step.cmd, OP, Gathered())
    assert step.runs == 0


def test_a_cancel_ends_the_command_on_a_host_whose_connection_was_cut(own: Sshd, home: Path) -> None:
    cancel = Cancel()
    transport = SshTransport(liveness=Liveness(every=0.3, dead=1.5))
    step = Step(own, transport.target(own.host(), cancel))
    step.begun()

    own.cut()
    cancel.set("enough")
    finished = step.future.result(60)
    transport.close()

    assert (finished.ended, finished.dead) == ("cancel", True)
    assert step.runs == 1


def test_a_connection_that_breaks_while_a_command_is_sent_is_told_as_such(
    own: Sshd, target: SshTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute = Link.execute
    broken: list[bool] = []

    def broken_execute(link: Link, channel: Any, command: str) -> bool:
        if len(broken) < 2 and "runbook-look" not in command:
            # The next byte cannot be written, while nothing has told of an end yet.
            link.wire._below.shutdown(socket.SHUT_WR)
            broken.append(True)
        return execute(link, channel, command)

    monkeypatch.setattr(Link, "execute", broken_execute)

    assert target.read(Cmd(("true",)), Gathered()).ended == "lost"
    with pytest.raises(DispatchRefused, match="never will be"):
        target.change(Cmd(("touch", str(own.home / "made"))), OP, Gathered())

    assert len(broken) == 2
    assert target.job(OP) == NoJob()
    assert not (own.home / "made").exists()
