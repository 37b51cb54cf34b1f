"""The actions against a real systemd: a user's manager in a namespace of its own, where root may make one."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runbook.actions.service import (
    RunWith,
    ServiceRestart,
    ServiceResult,
    ServiceStart,
    ServiceStatus,
    ServiceStop,
    StatusWith,
    StopWith,
)
from runbook.actions.service_health import Stability
from runbook.errors import ActionError
from runbook.ports.action import Already, Bad, Good, NotDone, Proceed, Refuse
from runbook.ports.target import Cmd, Finished, Sink
from runbook.testing import Bench, MemoryWork
from runbook.testing.work import Silent
from tests.demo.conftest import until

MANAGER = "/lib/systemd/systemd"
QUICK = Stability(stable_for=0.6, within=3.0)
UNITS = {
    "order-service.service": "[Service]\nExecStart=/bin/sleep 600\n",
    "loop.service": "[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestart=always\nRestartSec=50ms\n"
    "ExecStart=/bin/sh -c 'sleep 0.1; exit 7'\n",
    "fails.service": "[Service]\nType=notify\nExecStart=/bin/sh -c 'exit 3'\n",
    "once.service": "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n",
    "slow.service": "[Service]\nExecStartPre=/bin/sleep 2\nExecStart=/bin/sleep 600\n",
    **{f"{name}.target": "[Unit]\nDescription=a target\n" for name in ("default", "basic", "sysinit", "shutdown")},
}
BEGIN = """
mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system /run/user || exit
mount -t cgroup2 cgroup2 /sys/fs/cgroup 2>/dev/null
XDG_RUNTIME_DIR=/run/user SYSTEMD_UNIT_PATH=$1 HOME=$1 "$2" --user --log-target=console
exit
"""
# Not exec: as process 1 it would be the manager of a system.


class Inside(Bench):
    """A target whose commands run in the namespace of the manager."""

    def __init__(self, pid: int) -> None:
        super().__init__(env={"XDG_RUNTIME_DIR": "/run/user"})
        self._inside = ("nsenter", "--mount", "--pid", f"--target={pid}", "--")

    def _run(self, cmd: Cmd, sink: Sink) -> tuple[Finished, bytes, bytes]:
        argv = (*self._inside, *cmd.argv)
        return super()._run(Cmd(argv, timeout=cmd.timeout, env=cmd.env, stdin=cmd.stdin), sink)

    def ok(self, *argv: str) -> bool:
        return self._run(Cmd(argv), Silent())[0].exit == 0


def _child(pid: int) -> int:
    words = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(words[0]) if words else 0


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Inside]:
    if os.geteuid() != 0 or not Path(MANAGER).exists() or not shutil.which("unshare") or not shutil.which("nsenter"):
        pytest.skip("a manager of its own needs Linux, root and systemd")
    units = tmp_path / "units"
    units.mkdir()
    for name, text in UNITS.items():
        (units / name).write_text(text)
    (units / "masked.service").symlink_to("/dev/null")
    argv = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", BEGIN, "sh")
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen((*argv, str(units), MANAGER), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        until(lambda: process.poll() is not None or _child(process.pid) != 0)
        inside = Inside(_child(process.pid)) if process.poll() is None else None
        show = ("systemctl", "--user", "show", "--property=Version")
        until(lambda: process.poll() is not None or (inside is not None and inside.ok(*show)))
        if inside is None or process.poll() is not None:
            pytest.skip(f"no manager of its own here: {(tmp_path / 'log').read_text()[-300:]}")
        yield inside
    finally:
        process.kill()
        process.wait()


def apply(action: Any, w: Any, t: Inside) -> tuple[Any, ServiceResult, MemoryWork]:
    found = action.inspect(w, t)
    assert isinstance(found, Proceed), found
    work = MemoryWork(t)
    return found.before, action.apply(w, found.before, work), work


def run_with(unit: str) -> RunWith:
    return RunWith(unit=unit, user=True, verify=QUICK, timeout=20.0)


def test_start_restart_and_undo(target: Inside) -> None:
    w, start, restart = run_with("order-service"), ServiceStart(), ServiceRestart()
    b, started, work = apply(start, w, target)
    assert start.verify(w, b, started, target).state == "good"
    assert isinstance(start.inspect(w, target), Already)

    again, restarted, _ = apply(restart, w, target)
    assert restarted.was == started.invocation
    assert restarted.invocation not in {"", restarted.was}
    assert restart.verify(w, again, restarted, target).state == "good"

    start.undo(w, b, started, MemoryWork(target, undo=True, receipts=work.receipts))
    assert start.undone(w, b, started, target).state == "good"


def test_stop_and_undo(target: Inside) -> None:
    apply(ServiceStart(), run_with("order-service"), target)
    w, action = StopWith(unit="order-service", user=True), ServiceStop()

    b, result, work = apply(action, w, target)
    assert action.verify(w, b, result, target).state == "good"
    assert isinstance(action.inspect(w, target), Already)
    action.undo(w, b, result, MemoryWork(target, undo=True, receipts=work.receipts))

    assert action.undone(w, b, result, target).state == "good"


def test_a_crash_loop_is_never_called_healthy(target: Inside) -> None:
    w, action = run_with("loop"), ServiceRestart()
    b, result, _ = apply(action, w, target)

    assert action.verify(w, b, result, target).state == "bad"
    status = StatusWith(unit="loop", user=True, stable_for=1.0)
    assert isinstance(ServiceStatus().observe(status, target, Silent()), Bad)


def test_the_undo_of_stopping_a_crash_loop_does_not_ask_it_to_be_steady(target: Inside) -> None:
    apply(ServiceStart(), run_with("loop"), target)
    until(lambda: not target.ok("sh", "-c", "systemctl --user show -p NRestarts loop | grep -q =0"))
    w, action = StopWith(unit="loop", user=True), ServiceStop()
    b, result, work = apply(action, w, target)

    action.undo(w, b, result, MemoryWork(target, undo=True, receipts=work.receipts))

    assert action.undone(w, b, result, target).state == "good"


def test_a_unit_that_cannot_start_fails_in_the_words_of_systemctl(target: Inside) -> None:
    w, action = run_with("fails"), ServiceStart()
    found = action.inspect(w, target)
    assert isinstance(found, Proceed)
    work = MemoryWork(target)

    with pytest.raises(ActionError, match=r"failed with exit 1: Job for fails\.service failed"):
        action.apply(w, found.before, work)

    assert isinstance(action.settle(w, found.before, work.open()[0], target), NotDone)
    assert action.verify(w, found.before, None, target).state == "bad"


def test_a_start_that_outlasts_the_command_is_verified_all_the_same(target: Inside) -> None:
    w, action = RunWith(unit="slow", user=True, verify=Stability(0.5, 20.0), timeout=0.5), ServiceStart()
    found = action.inspect(w, target)
    assert isinstance(found, Proceed)

    assert target.ok("systemctl", "--user", "start", "--no-block", "slow")

    assert action.verify(w, found.before, None, target).state == "good"


def test_a_oneshot_that_remains_is_up(target: Inside) -> None:
    w, action = run_with("once"), ServiceRestart()
    b, result, _ = apply(action, w, target)

    assert action.verify(w, b, result, target).state == "good"


@pytest.mark.parametrize(("unit", "words"), [("masked", "is masked"), ("oder-service", "not found on local")])
def test_what_cannot_run_is_refused(target: Inside, unit: str, words: str) -> None:
    found = ServiceRestart().inspect(run_with(unit), target)

    assert isinstance(found, Refuse)
    assert words in found.why


def test_status_is_good_of_a_unit_that_runs(target: Inside) -> None:
    apply(ServiceStart(), run_with("order-service"), target)

    seen = ServiceStatus().observe(StatusWith(unit="order-service", user=True, stable_for=0.3), target, Silent())

    assert isinstance(seen, Good)
    assert seen.value.active == "active"
