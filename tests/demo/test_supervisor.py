"""What `ctl` promises, and that no process outlives its supervisor."""

import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from runbook.demo import tree
from runbook.errors import RunbookError
from tests.demo.conftest import Supervised, until

SLEEP = (sys.executable, "-c", "import time; time.sleep(600)")
STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
open(sys.argv[1] + f"/{os.getpid()}", "w").close()
time.sleep(600)
"""


def test_a_running_unit_shows_its_figures(supervised: Supervised) -> None:
    before = time.time_ns() // 1000
    supervised.add("sleeper", *SLEEP)
    supervised.start()

    shown = supervised.show("sleeper")

    assert psutil.pid_exists(int(shown.pop("MainPID")))
    assert len(bytes.fromhex(shown.pop("InvocationID"))) == 16
    assert before < int(shown.pop("StartedAt")) <= time.time_ns() // 1000
    assert shown == {
        "Id": "sleeper",
        "LoadState": "loaded",
        "ActiveState": "active",
        "SubState": "running",
        "NRestarts": "0",
        "Result": "success",
        "ExecMainStatus": "0",
    }


def test_stop_start_and_restart_are_done_when_they_return(supervised: Supervised) -> None:
    supervised.add("sleeper", *SLEEP)
    supervised.start()
    first = supervised.show("sleeper")

    supervised.ctl("stop", "sleeper")
    stopped = supervised.show("sleeper")
    assert (stopped["ActiveState"], stopped["SubState"], stopped["MainPID"]) == ("inactive", "dead", "0")
    assert not psutil.pid_exists(int(first["MainPID"]))

    supervised.ctl("start", "sleeper")
    second = supervised.show("sleeper")
    supervised.ctl("start", "sleeper")
    assert supervised.show("sleeper") == second
    supervised.ctl("restart", "sleeper")
    third = supervised.show("sleeper")

    assert [second["ActiveState"], third["ActiveState"]] == ["active", "active"]
    assert len({shown["InvocationID"] for shown in (first, second, third)}) == 3
    assert len({shown["MainPID"] for shown in (first, second, third)}) == 3
    assert third["NRestarts"] == "0"


def test_a_crash_loop_shows_in_the_number_of_restarts(supervised: Supervised) -> None:
    supervised.add("faulty", "/bin/sh", "-c", "echo going down; exit 7", restart_delay=0.05)
    supervised.start()
    first = supervised.show("faulty")

    until(lambda: int(supervised.show("faulty")["NRestarts"]) >= 3)

    later = supervised.show("faulty")
    assert (later["Result"], later["ExecMainStatus"]) in (("exit-code", "7"), ("success", "0"))
    assert later["InvocationID"] != first["InvocationID"]
    assert supervised.ctl("logs", "faulty", "-n", "2") == "going down\ngoing down\n"
    supervised.ctl("stop", "faulty")
    assert supervised.show("faulty")["ActiveState"] in ("inactive", "failed")


def test_a_crash_loop_is_given_up_at_its_limit_and_begins_anew_when_asked(supervised: Supervised) -> None:
    supervised.add("faulty", "/bin/sh", "-c", "echo going down; exit 7", restart_delay=0.01, start_limit=2)
    supervised.start()
    until(lambda: supervised.show("faulty")["ActiveState"] == "failed")
    figures = supervised.show("faulty")
    assert (figures["Result"], figures["NRestarts"], figures["ExecMainStatus"]) == ("start-limit-hit", "2", "7")
    assert supervised.ctl("logs", "faulty", "-n", "10") == "going down\n" * 3
    supervised.ctl("stop", "faulty")

    with suppress(RunbookError):
        # It may be told as up for a moment.
        supervised.ctl("start", "faulty")

    until(lambda: supervised.ctl("logs", "faulty", "-n", "10") == "going down\n" * 6)


def test_a_crash_without_restart_is_failed(supervised: Supervised) -> None:
    supervised.add("once", "/bin/sh", "-c", "exit 3", restart="no")
    supervised.start()
    until(lambda: supervised.show("once")["ActiveState"] == "failed")
    shown = supervised.show("once")
    assert (shown["Result"], shown["ExecMainStatus"], shown["NRestarts"]) == ("exit-code", "3", "0")


def test_a_unit_killed_from_outside_comes_back_as_another_invocation(supervised: Supervised) -> None:
    supervised.add("sleeper", *SLEEP, restart_delay=0.05)
    supervised.start()
    first = supervised.show("sleeper")
    psutil.Process(int(first["MainPID"])).kill()
    until(lambda: supervised.show("sleeper")["NRestarts"] == "1")
    assert supervised.show("sleeper")["InvocationID"] != first["InvocationID"]


def test_stop_ends_descendants_that_left_the_session_and_ignore_sigterm(supervised: Supervised, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    pids.mkdir()
    supervised.add("stubborn", sys.executable, "-c", STUBBORN, str(pids), stop_grace=0.1)
    supervised.start()
    until(lambda: len(list(pids.iterdir())) == 2)

    supervised.ctl("stop", "stubborn")

    assert not any(_lives(int(path.name)) for path in pids.iterdir())
    assert supervised.show("stubborn")["Result"] == "timeout"


def test_a_program_that_does_not_exist_fails_with_one_line(supervised: Supervised) -> None:
    supervised.add("ghost", "/nowhere/ghost", autostart=False)
    supervised.start()
    with pytest.raises(RunbookError, match="ghost cannot be started"):
        supervised.ctl("start", "ghost")
    assert supervised.show("ghost")["ActiveState"] == "failed"


def test_an_edited_unit_takes_effect_with_the_next_restart(supervised: Supervised) -> None:
    supervised.add("talker", "/bin/sh", "-c", "echo one; exec sleep 600")
    supervised.start()
    until(lambda: supervised.ctl("logs", "talker") == "one\n")
    supervised.add("talker", "/bin/sh", "-c", "echo two; exec sleep 600")
    supervised.ctl("restart", "talker")
    until(lambda: supervised.ctl("logs", "talker") == "one\ntwo\n")


def test_an_unknown_unit_is_not_found_and_cannot_be_started(supervised: Supervised) -> None:
    supervised.start()
    assert supervised.show("nobody") == {
        "Id": "nobody",
        "LoadState": "not-found",
        "ActiveState": "inactive",
        "SubState": "dead",
    }
    with pytest.raises(RunbookError, match="no unit nobody"):
        supervised.ctl("start", "nobody")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signalled_supervisor_takes_its_units_along(supervised: Supervised, number: signal.Signals) -> None:
    supervised.add("sleeper", *SLEEP)
    supervised.start()
    supervised.signal(number)
    assert (tree.members(supervised.mark), supervised.layout.socket.exists()) == ([], False)


def test_a_supervisor_whose_opener_is_gone_ends_and_removes_the_folder(supervised: Supervised) -> None:
    supervised.add("sleeper", *SLEEP)
    supervised.start()
    supervised.leave()
    supervised.wait()
    assert (tree.members(supervised.mark), supervised.layout.home.exists()) == ([], False)


def test_a_detached_supervisor_lives_on_without_its_opener(supervised: Supervised) -> None:
    supervised.add("sleeper", *SLEEP)
    supervised.start()
    supervised.ctl("detach")
    supervised.leave()
    assert supervised.show("sleeper")["ActiveState"] == "active"
    supervised.ctl("shutdown")
    supervised.wait()
    assert (tree.members(supervised.mark), supervised.layout.home.exists()) == ([], True)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends any child of a killed parent")
def test_a_killed_supervisor_takes_even_foreign_programs_along(supervised: Supervised) -> None:
    supervised.add("sleeper", "/bin/sleep", "600")
    supervised.start()
    pid = int(supervised.show("sleeper")["MainPID"])
    supervised.signal(signal.SIGKILL)
    until(lambda: not _lives(pid))


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
