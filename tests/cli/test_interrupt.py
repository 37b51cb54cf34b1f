from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook.cli.ending import left_behind
from runbook.cli.front import Front
from runbook.cli.interrupt import Interrupts
from runbook.cli.stream import Stream
from tests.cli.conftest import DEADLINE, Call

SLOW = """\
schema: runbook/v1
id: slow
title: It takes long
steps:
  - id: {first}
    command: [touch, "HERE/made"]
    effect: change
    verify: [{{command: [test, -e, "HERE/made"]}}]
    undo: [{{command: [rm, "HERE/made"]}}]
  - id: long
    command: [sh, -c, "touch HERE/begun; while test -e HERE/begun && ! test -e HERE/go; do sleep 0.05; done"]
    effect: read
  - id: last
    command: [touch, "HERE/last"]
    effect: change
    verify: [{{command: [test, -e, "HERE/last"]}}]
    undo: [{{command: [rm, "HERE/last"]}}]
"""

STUBBORN = """\
schema: runbook/v1
id: slow
title: It does not want to end
steps:
  - id: stubborn
    command:
      - sh
      - -c
      - "trap '' INT TERM HUP; touch HERE/begun; while test -e HERE/begun && ! test -e HERE/go; do sleep 0.05; done"
    effect: change
    verify: [{command: [test, -e, "HERE/go"]}]
    undo: {none: a test}
"""

Live = subprocess.Popen[str]


@pytest.fixture
def live(place: Path) -> Iterator[Live]:
    """Start a run whose second step waits, and wait until it does."""
    (place / "playbooks/slow.yaml").write_text(SLOW.format(first="touch").replace("HERE", str(place)))
    with begun(place) as process:
        yield process
        process.kill()
    (place / "go").touch()


def begun(place: Path, *words: str) -> Live:
    process = subprocess.Popen(
        [sys.executable, "-m", "runbook", "replay", "slow", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + DEADLINE
    while not (place / "begun").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


def test_ctrl_c_stops_the_running_step_and_the_run_can_be_resumed(live: Live, call: Call, place: Path) -> None:
    live.send_signal(signal.SIGINT)
    out, err = live.communicate(timeout=DEADLINE)

    assert live.returncode == 1
    assert "asked to stop: the running step is stopped and looked at; a second Ctrl-C leaves at once" in err
    assert out.startswith("◆ INTERRUPTED  It takes long · run ")
    assert not (place / "last").exists()
    (place / "go").touch()
    run = call("audit", "list", "--output", "json").json[0]["id"]
    assert call("resume", run).code == 0
    assert (place / "last").exists()


def test_a_signal_before_any_effect_tells_which_one(place: Path) -> None:
    text = SLOW.format(first="touch").replace("HERE", str(place))
    steps = text.split("  - id: ")
    (place / "playbooks/slow.yaml").write_text("  - id: ".join([steps[0], steps[2]]))

    codes = []
    for number in (signal.SIGINT, signal.SIGTERM):
        (place / "begun").unlink(missing_ok=True)
        with begun(place) as process:
            process.send_signal(number)
            process.communicate(timeout=DEADLINE)
            codes.append(process.returncode)

    assert codes == [130, 143]


def test_a_closed_terminal_lets_the_running_step_end(live: Live, place: Path) -> None:
    live.send_signal(signal.SIGHUP)
    (place / "go").touch()
    out, _ = live.communicate(timeout=DEADLINE)

    assert live.returncode == 1
    assert "INTERRUPTED" in out
    assert not (place / "last").exists()


def test_a_run_from_another_terminal_is_steered(live: Live, call: Call, place: Path) -> None:
    run = call("audit", "list", "--output", "json").json[0]["id"]

    assert call("note", run, "looking", "at", "it").out == "sent to the live run\n"
    assert call("pause", run, "--reason", "lunch").out == "pause was asked for\n"
    (place / "go").touch()
    out, err = live.communicate(timeout=DEADLINE)

    assert live.returncode == 6
    assert "note: looking at it" in err
    assert "◆ waiting     pause was asked for: lunch" in err
    assert out.startswith("◆ PAUSED")


def test_a_live_run_is_watched_to_its_end(live: Live, call: Call, place: Path) -> None:
    run = call("audit", "list", "--output", "json").json[0]["id"]
    watcher = subprocess.Popen(
        [sys.executable, "-m", "runbook", "watch"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert watcher.stdout is not None
    first = watcher.stdout.readline()
    (place / "go").touch()
    live.communicate(timeout=DEADLINE)
    rest, _ = watcher.communicate(timeout=DEADLINE)

    assert watcher.returncode == 0
    assert f"It takes long (slow) on local · run {run}" in first
    assert "✓ succeeded   last on local" in rest
    assert "no run is live" in (nothing := call("watch")).err
    assert nothing.code == 2
    assert call("watch", run[:20]).code == 0


def test_a_cancelled_run_stops_its_step(live: Live, call: Call) -> None:
    run = call("audit", "list", "--output", "json").json[0]["id"]

    assert call("cancel", run, "--reason", "wrong host").code == 0
    live.communicate(timeout=DEADLINE)

    assert live.returncode == 1


def test_a_second_writer_is_refused(live: Live, call: Call) -> None:
    run = call("audit", "list", "--output", "json").json[0]["id"]

    assert call("resume", run).code == 5


EARLY = """
import os, signal, sys
sys.argv = ["runbook", "replay", "slow"]

class Finder:
    \"\"\"Sends a Ctrl-C at the import of a module, as an operator may at any.\"\"\"

    def find_spec(self, name, *_):
        if name == "AT":
            sys.meta_path.remove(self)
            try:
                os.kill(os.getpid(), signal.SIGINT)
            except KeyboardInterrupt:
                if not LOST:
                    raise

sys.meta_path.insert(0, Finder())
from runbook.__main__ import main
sys.exit(main())
"""


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize(
    "at", ["runbook.cli.main", "click", "runbook.cli.run", "runbook.cli.conduct", "runbook.engine.plan"]
)
def test_ctrl_c_at_any_moment_of_the_start_ends_it_and_changes_nothing(place: Path, at: str, lost: bool) -> None:
    """Also where what it raises is lost, as Python does with it in the midst of an import."""
    (place / "playbooks/slow.yaml").write_text(SLOW.format(first="touch").replace("HERE", str(place)))
    script = EARLY.replace("AT", at).replace("LOST", str(lost))

    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=DEADLINE)

    assert (done.returncode, (place / "made").exists()) == (130, False)
    assert "interrupted" in done.stderr.lower() + done.stdout.lower()
    assert "Traceback" not in done.stderr


class Wishes:
    """A control that only remembers."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def cancel(self, reason: str) -> None:
        self.heard.append(f"cancel {reason}")

    def interrupt(self, reason: str) -> None:
        self.heard.append(f"interrupt {reason}")


def test_the_signals_of_before_come_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]

    with Interrupts(Wishes(), Front()).watched():
        pass

    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


def test_a_hangup_that_was_to_be_ignored_stays_ignored() -> None:
    old = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        wishes = Wishes()
        with Interrupts(wishes, Front()).watched():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, old)

    assert wishes.heard == []


def test_the_second_ctrl_c_leaves_at_once() -> None:
    program = """
import os, signal, threading
from runbook.cli.front import Front
from runbook.cli.interrupt import Interrupts
from runbook.cli.stream import Stream
class Deaf:
    def cancel(self, reason): os.kill(os.getpid(), signal.SIGINT)
    def interrupt(self, reason): pass
with Interrupts(Deaf(), Front()).watched():
    os.kill(os.getpid(), signal.SIGINT)
    threading.Event().wait(60)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=DEADLINE, check=False)

    assert done.returncode == 130


def test_nothing_is_told_after_the_last_word(capfd: pytest.CaptureFixture[str]) -> None:
    stream = Stream(sys.stderr)
    other = threading.Thread(target=stream.line, args=("a step that goes on meanwhile",))
    with stream.last_word(DEADLINE):
        other.start()
        stream.line("left at once")
    other.join(DEADLINE)

    assert capfd.readouterr().err == "left at once\n"


def test_who_leaves_at_once_is_told_what_is_in_doubt_and_how_to_go_on(call: Call, place: Path) -> None:
    (place / "playbooks/slow.yaml").write_text(STUBBORN.replace("HERE", str(place)))
    with begun(place, "--output", "json") as process:
        assert process.stderr is not None
        process.send_signal(signal.SIGINT)
        for line in process.stderr:
            if "asked to stop" in line:
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=DEADLINE)
    (place / "go").touch()

    listed = call("audit", "list", "--output", "json").json[0]
    run = listed["id"]
    assert process.returncode == 8
    assert json.loads(out) == {
        "id": run,
        "playbook": "slow",
        "outcome": "in_doubt",
        "exit": 8,
        "started": listed["started"],
        "why": err.splitlines()[-1].removeprefix("runbook: "),
    }
    assert err.splitlines()[-1] == (
        "runbook: left at once; stubborn on local is in doubt, it may still run "
        f"· run {run} · next: runbook resume {run}"
    )


@pytest.mark.parametrize(
    ("run", "open_changes", "effect", "code", "words"),
    [
        ("", [], False, 130, "left at once; nothing was changed"),
        ("R", [], False, 130, "left at once; nothing was changed · run R · next: runbook resume R"),
        ("R", [], True, 1, "left at once; no change was running · run R · next: runbook resume R"),
        (
            "R",
            [("a", "h1"), ("a", "h2"), ("a", "h3"), ("b", "*")],
            True,
            8,
            (
                "left at once; a on h1, a on h2, a on h3 and 1 more are in doubt, it may still run · run R "
                "· next: runbook resume R"
            ),
        ),
    ],
)
def test_the_last_line_says_what_is_left_behind(
    run: str, open_changes: list[tuple[str, str]], effect: bool, code: int, words: str
) -> None:
    assert left_behind(run, open_changes, effect=effect) == (code, words)
