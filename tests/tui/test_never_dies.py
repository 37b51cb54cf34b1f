"""Whatever happens to the screens: the run is left as the contract says, and the terminal as it was."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pyte
import pytest

from runbook.config import settings
from runbook.journal import Audit
from runbook.session import review
from tests.small_disk import fill, small_disk
from tests.tui.tty import Forked, Screen, Tty

__all__ = ["small_disk"]

pytestmark = pytest.mark.slow

# What a hostile host, playbook or colleague writes: a title and a clipboard, the cursor home, C1, bidi, no width, wide.
EVIL = "\x1b]2;OWNED\x07\x1b]52;c;T1dORUQ=\x07\x1b[2J\x1b[H\x9b31mOWNED\u202e\u200b[/dev/sda1][@click=app.bell]x[/]宽"
"""In a playbook it stands in the escapes of JSON, which are those of YAML."""

STEPS = """\
schema: runbook/v1
id: {id}
title: "Walk {evil}"
summary: "Small {evil}"
symptoms: ["kettle {evil}"]
severity: sev3
reviewed: 2026-11-01
owner: "me {evil}"
params:
  there: {{type: string, default: "{there}", help: "help {evil}"}}
  other: {{type: string, default: "[/dev/sda1]"}}
steps:
  - id: touch
    title: "Make it {evil}"
    guide: "Guide **x** {evil}"
    command: [sh, -c, {script}]
    effect: change
    timeout: 30s
    verify: [{{command: [test, -e, "{there}"]}}]
    undo: [{{command: [rm, "{there}"]}}]
  - id: tell
    command: [echo, "{{{{ params.other }}}}"]
    effect: read
"""


def steps(script: str, there: Path, *, evil: str = "", name: str = "walk") -> str:
    """Return a playbook whose first step changes something by a script."""
    return STEPS.format(id=name, evil=json.dumps(evil)[1:-1], there=there, script=json.dumps(script))


class Place:
    """A folder with a playbook, and what is opened in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.there = folder / "there"
        self.go = folder / "go"
        self.ttys: list[Tty] = []
        (folder / "playbooks").mkdir(mode=0o700)

    def write(self, script: str, evil: str = "") -> None:
        """Write the playbook; `$there` and `$go` are files."""
        words = f"there={shlex.quote(str(self.there))} go={shlex.quote(str(self.go))}; {script}"
        (self.folder / "playbooks/walk.yaml").write_text(steps(words, self.there, evil=evil))

    def open(self, *argv: str, code: str = "", columns: int = 80, rows: int = 24) -> Tty:
        """Open the screens, at the playbook unless words say otherwise; `code` is run in the process before."""
        self.ttys.append(Forked(*argv, code=code, columns=columns, rows=rows, cwd=str(self.folder)))
        return self.ttys[-1]

    def running(self, tty: Tty, says: str = "begun") -> None:
        """Go on until the first step has said something that its plan does not say."""
        tty.until("READY")
        tty.insist("enter", "WAITING")
        tty.insist("enter", "RUNNING")
        tty.until(says)

    def runs(self) -> list[str]:
        """Return the outcomes of all runs, as the journal tells them; it must be untouched and closed."""
        audit = review.verify(settings())
        assert isinstance(audit, Audit)
        assert ({run.status for run in audit.runs}, audit.holds) == ({"ok"}, True), audit
        return [run.outcome for run in review.runs(settings())]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    found = Place(tmp_path)
    yield found
    found.go.touch()
    for tty in found.ttys:
        tty.close()


SAYS = "printf 'be%s\\n' gun"
"""The word stands nowhere but in the output: what is written here, the screen shows as the plan."""

WAITS = f'touch "$there"; {SAYS}; until [ -e "$go" ] || [ ! -e "$there" ]; do sleep 0.05; done; echo over'

BREAKS = """
from pathlib import Path
from runbook.tui.widgets.now_line import NowLine
render = NowLine.render
def broken(self):
    if "RUNNING" in self.now.first.plain and Path("there").exists():
        Path("go").touch()
        raise ValueError("no picture of [/dev/sda1]")
    return render(self)
NowLine.render = broken
"""
"""Fails while a step is on its way that has changed something, and lets that step end."""


def told(words: str) -> Callable[[str], bool]:
    """Say that these words are told in passing, however their lines are broken."""
    return lambda text: words in " ".join(line.rpartition("▌")[2].strip(" ▇│") for line in text.split("\n"))


def test_a_widget_that_fails_ends_the_screens_and_not_the_run(place: Place) -> None:
    place.write(WAITS)
    tty = place.open("open", "walk", code=BREAKS)
    tty.until("READY")
    tty.insist("enter", "WAITING")
    tty.insist("enter", "the screens failed")

    assert (tty.end(), tty.is_restored) == (1, True)
    left = tty.raw.decode().rpartition("\x1b[?1006l")[2]
    assert "the screens failed: ValueError: no picture of [/dev/sda1]; RUNBOOK_DEBUG=1 shows where" in left
    assert "journal.jsonl" in left
    assert "Traceback" not in left
    assert "runbook resume" in left
    assert place.runs() == ["interrupted"]


def test_an_error_of_the_engine_is_shown_in_words(place: Place) -> None:
    place.write("true")
    code = "import runbook.engine.run as r\ndef broken(*a, **k): raise RuntimeError('engine at [/dev/sda1] broke')\n"
    tty = place.open("open", "walk", code=f"{code}r.Run.__init__ = broken")
    tty.until("READY")
    tty.insist("enter", "engine at [/dev/sda1] broke")
    tty.insist("q", lambda _: tty.process.poll() is not None)

    assert (tty.end(), tty.is_restored) == (0, True)


@pytest.mark.parametrize(
    ("number", "code", "outcome"), [(signal.SIGTERM, 1, "interrupted"), (signal.SIGHUP, 1, "interrupted")]
)
def test_a_signal_leaves_the_run_to_be_resumed(place: Place, number: signal.Signals, code: int, outcome: str) -> None:
    place.write(WAITS)
    tty = place.open("open", "walk")
    place.running(tty)
    tty.signal(number)
    if number == signal.SIGHUP:
        tty.until("what runs comes to its end first")
        place.go.touch()

    assert (tty.end(), tty.is_restored) == (code, True)
    assert place.runs() == [outcome]
    assert "runbook resume" in tty.raw.decode()


def test_a_terminal_that_is_lost_leaves_the_run_to_be_resumed(place: Place) -> None:
    place.write(WAITS)
    tty = place.open("open", "walk")
    place.running(tty)
    tty.hang_up()
    place.go.touch()

    tty.end()
    assert place.runs() == ["interrupted"]


def test_a_lost_terminal_is_noticed_where_no_signal_tells(place: Place) -> None:
    place.write(WAITS)
    deaf = "import asyncio.unix_events as u, signal as s\nadd = u._UnixSelectorEventLoop.add_signal_handler\n"
    deaf += "u._UnixSelectorEventLoop.add_signal_handler = "
    deaf += "lambda self, n, *a: s.signal(n, s.SIG_IGN) if n == s.SIGHUP else add(self, n, *a)"
    tty = place.open("open", "walk", code=deaf)
    place.running(tty)
    tty.hang_up()
    place.go.touch()

    tty.end()
    assert place.runs() == ["interrupted"]


def test_ctrl_c_twice_leaves_at_once_and_tells_of_the_doubt(place: Place) -> None:
    place.write(f"trap '' TERM INT; {WAITS}")
    tty = place.open("open", "walk")
    place.running(tty)
    tty.press("ctrl+c")
    tty.until(told("leaves at once"))
    tty.press("ctrl+c")

    assert (tty.end(), tty.is_restored) == (8, True)
    assert "left at once; touch on local is in doubt, it may still run" in tty.raw.decode()


def test_leaving_during_a_run_asks_and_waits_for_what_runs(place: Place) -> None:
    place.write(WAITS)
    tty = place.open("open", "walk")
    place.running(tty)
    tty.press("q")
    tty.until("A run is open")
    tty.press("esc")
    tty.until("RUNNING")
    tty.press("q")
    tty.until("A run is open")
    tty.press("down", "enter")
    tty.until("what runs comes to its end first")
    assert place.there.exists()
    place.go.touch()

    assert (tty.end(), tty.is_restored) == (6, True)
    assert place.runs() == ["paused"]


def test_a_run_that_was_killed_is_first_in_the_library_and_its_doubt_is_asked_with_evidence(place: Place) -> None:
    pid = place.folder / "pid"
    place.write(f'echo $$ > {pid}; {SAYS}; until [ -e "$go" ]; do sleep 0.05; done')
    tty = place.open("open", "walk")
    place.running(tty)
    tty.process.kill()
    assert tty.end() == -signal.SIGKILL
    # The machine went down with it: all of the session that the step runs in.
    session = os.getsid(int(pid.read_text()))
    for each in psutil.pids():
        with suppress(OSError):
            if os.getsid(each) == session:
                os.kill(each, signal.SIGKILL)

    again = place.open()
    again.until(lambda text: "walk" in text.split("\n")[1])
    again.insist("\x0f", "resume")
    again.insist("enter", "IN DOUBT")
    asked = again.until("What is true?")
    assert "touch on local" in asked
    assert "local: " in asked
    again.insist("m", "Why")
    again.press("the file is there", "enter")
    again.insist("enter", "WAITING  tell")
    again.insist("enter", "SUCCEEDED")
    again.insist("q", lambda _: again.process.poll() is not None)

    assert (again.end(), again.is_restored) == (0, True)
    assert place.runs() == ["succeeded"]


def test_it_goes_to_the_background_and_comes_back_whole_while_the_step_goes_on(place: Place) -> None:
    place.write(WAITS)
    place.ttys.append(
        Tty(["/bin/bash", "--norc", "--noprofile", "--noediting", "-i"], {"PS1": "$ "}, cwd=str(place.folder))
    )
    tty = place.ttys[-1]
    tty.until("$")
    tty.press(shlex.join([sys.executable, "-P", "-m", "runbook", "open", "walk"]), "enter")
    place.running(tty)
    tty.press("ctrl+z")
    tty.until("Stopped")
    tty.until(lambda _: tty.is_restored)
    seen = len(tty.raw)
    place.go.touch()
    tty.press("fg", "enter")
    tty.until("WAITING  tell")
    # What came since then is a whole screen, on a terminal that shows nothing of before.
    drawn = Screen(80, 24)
    tty.until(lambda text: "\n".join(line.rstrip() for line in drawn_anew(drawn, tty.raw[seen:])) == text)
    assert tty.takes_keys
    tty.insist("enter", "SUCCEEDED")
    tty.insist("q", lambda _: tty.is_restored)
    tty.press("exit", "enter")

    assert tty.end() == 0
    assert place.runs() == ["succeeded"]


def drawn_anew(screen: Screen, data: bytearray) -> list[str]:
    """Return what these bytes draw on an empty screen."""
    screen.reset()
    pyte.ByteStream(screen).feed(bytes(data))
    return list(screen.display)


def test_a_pager_that_is_missing_gives_the_terminal_back(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGER", "/nowhere/pager")
    place.write(f'touch "$there"; {SAYS}')
    tty = place.open("open", "walk")
    tty.until("READY")
    tty.insist("enter", "WAITING  Make")
    tty.insist("enter", "WAITING  tell")
    tty.press("up")
    tty.insist("L", told("/nowhere/pager: No such file"))
    tty.insist("enter", "SUCCEEDED")
    tty.insist("q", lambda _: tty.process.poll() is not None)

    assert (tty.end(), tty.is_restored) == (0, True)


def test_what_ends_the_process_ends_its_pager_first(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGER", "sh -c 'echo paged; exec cat'")
    place.write(f'touch "$there"; {SAYS}')
    tty = place.open("open", "walk")
    tty.until("READY")
    tty.insist("enter", "WAITING  Make")
    tty.insist("enter", "WAITING  tell")
    tty.press("up")
    tty.until(lambda text: "▌ touch" in text and "Make it" in text)
    tty.press("L")
    tty.until("paged")
    tty.press("ctrl+c")
    tty.signal(signal.SIGTERM)

    assert (tty.end(), tty.is_restored) == (1, True), tty.text
    assert place.runs() == ["interrupted"]


OURS = re.compile(
    rb"\x1b(?:\[[0-9;:?<>=$]*[A-Za-z]|\[[?0-9;]*\$p|\]2;[^\x00-\x1f]*\x1b\\|\]22;[a-z-]*\x07|\][0-9]+;\?\x1b\\|[=>])"
)
"""What the screens themselves write besides text: cursor, colours, modes, pointer, and a title of clean words."""


def test_hostile_text_reaches_no_terminal(place: Place) -> None:
    evil = place.folder / "evil"
    evil.write_text(EVIL * 15_000 + "\n")
    place.write(f'cat {evil}; cat {evil} >&2; touch "$there"', evil=EVIL)
    tty = place.open()
    tty.until("Which alert is it?")
    tty.press("kettle")
    tty.until("▌ Walk")
    tty.press("enter")
    tty.until("READY")
    tty.insist("enter", "WAITING  Make")
    tty.press("2", "1")
    tty.insist("enter", "WAITING  tell")
    tty.press("up", "3", "2", "1")
    tty.insist("enter", "SUCCEEDED")
    tty.insist("ctrl+p", "Walk")
    tty.press("esc", "f5")
    tty.until("What happened?")
    tty.insist("q", lambda _: tty.process.poll() is not None)

    assert (tty.end(), tty.is_restored) == (0, True)
    left = OURS.sub(b"", bytes(tty.raw)).decode()
    assert {c for c in left if (ord(c) < 32 and c not in "\r\n\a\t") or 0x7F <= ord(c) < 0xA0} == set()
    assert not {"\u202e", "\u200b"} & set(left)
    assert [title for title in tty.screen.titles if title.startswith("OWNED")] == []
    assert b"\x1b]52;" not in tty.raw


def test_on_a_full_disk_nothing_more_is_changed_the_screens_say_so_and_the_run_goes_on_later(
    place: Place, small_disk: Path
) -> None:
    # The journals alone: claims and jobs have room.
    settings().state.mkdir(mode=0o700, parents=True)
    (settings().state / "runs").symlink_to(small_disk)
    # Its intent is longer than what may be left of the last block of the journal.
    place.write(f'touch "$there"; : {"x" * 9000}')
    tty = place.open("open", "walk")
    tty.until("READY")
    tty.insist("enter", "WAITING")
    filler = fill(small_disk)
    tty.insist("enter", "INTERRUPTED")
    assert "the disk is full" in tty.until("free space there")
    assert not place.there.exists()
    filler.unlink()
    tty.press("enter")
    # Who takes it up again sees the change before it is made.
    tty.until("WAITING  Make it")
    tty.insist("enter", "WAITING  tell")
    assert place.there.exists()
    tty.insist("p", "PAUSED")
    tty.press("q")

    assert (tty.end(), tty.is_restored) == (0, True)
    assert place.runs() == ["paused"]
