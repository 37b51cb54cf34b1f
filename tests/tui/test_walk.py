"""The whole way with the keyboard alone, in a real terminal of 80 columns and 24 rows."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.tui.tty import PATIENCE, WITHIN, Tty

pytestmark = pytest.mark.slow

WALK = """\
schema: runbook/v1
id: walk
title: Walk through [/dev/sda1]
summary: A small walk.
symptoms: ["the kettle boils over"]
severity: sev3
reviewed: 2026-11-01
params:
  there: {type: path, required: true}
  again: {type: path, required: true}
steps:
  - id: look
    title: Look around
    guide: Look **closely**.
    command: [sh, -c, "echo hello; echo oops >&2"]
    effect: read
  - id: agree
    manual: Tell the channel that you begin.
  - id: touch
    title: Make the file
    approve: operator
    command: [touch, "{{ params.there }}"]
    effect: change
    verify: [{command: [test, -e, "{{ params.there }}"]}]
    undo: [{command: [rm, "{{ params.there }}"]}]
  - id: check
    title: Check what is not there at first
    command: [test, -e, "{{ params.again }}"]
    effect: read
    on_failure: ask
"""

RUNBOOK = [sys.executable, "-P", "-m", "runbook"]

BRIEFLY = """
import sys
from msgspec.structs import replace
from runbook.demo import backlog
from runbook.session import staging

backlog.break_payments.__defaults__ = (2_000,)

def brief(values):
    return {name: "1s" if value in ("2s", "3s", "5s") else value for name, value in values.items()}

for name, one in staging.STAGINGS.items():
    cures = tuple(replace(cure, values=brief(cure.values)) for cure in one.cures)
    staging.STAGINGS[name] = replace(one, cures=cures)
sys.argv[0] = "runbook"
from runbook.__main__ import main
sys.exit(main())
"""
"""The command, watching for a second where the demo watches for several, and with fewer payments in its backlog."""

Open = Callable[..., Tty]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Open programs on terminals of their own, in a folder with one playbook."""
    (tmp_path / "playbooks").mkdir(mode=0o700)
    (tmp_path / "playbooks/walk.yaml").write_text(WALK)
    ttys: list[Tty] = []

    def _open(argv: list[str], **more: int) -> Tty:
        ttys.append(Tty(argv, {"TMPDIR": str(tmp_path)}, cwd=str(tmp_path), **more))
        return ttys[-1]

    yield _open
    for each in ttys:
        each.close()


def now_line(text: str) -> str:
    """The first of the two rows."""
    return text.split("\n")[1]


def is_sheet(text: str) -> bool:
    """Whether a question is put on a sheet."""
    return "look around" in text.rsplit("\n", maxsplit=1)[-1]


def is_review(text: str) -> bool:
    """Whether the record of a run is shown."""
    return "Timeline" in text


def verified(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*RUNBOOK, "audit", "verify"], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )


def test_a_playbook_is_walked_with_its_failure_undone_and_reviewed(tmp_path: Path, opened: Open) -> None:
    there = tmp_path / "there"
    tty = opened(RUNBOOK)
    tty.until("Which alert is it?")
    tty.press("kettle")
    tty.until("▌ Walk through [/dev/sda1]")
    tty.press("enter")
    tty.until("2 values to fix")
    # It takes what is typed once all of it is drawn, which a program sees a moment before.
    tty.rest()
    tty.press(str(there), "enter")
    # The first character makes a path; what a field wants is told where the focus is.
    tty.until(lambda text: "1 value to fix" in text and "It has no value yet" in text)
    tty.press(str(tmp_path / "again"))
    tty.until("READY  Walk through [/dev/sda1]")
    tty.insist("enter", "WAITING")
    tty.until("Look closely.")
    tty.insist("enter", is_sheet)
    tty.until("Tell the channel that you begin.")
    tty.insist("d", "Evidence")
    tty.press("said so", "enter")
    tty.until(lambda text: is_sheet(text) and "touch" in text and "Tell the channel" not in text)
    assert not there.exists()
    tty.insist("y", lambda text: not is_sheet(text))
    tty.insist("enter", lambda text: is_sheet(text) and "FAILED" in text)
    assert there.exists(), tty.text
    tty.insist("U", lambda text: not is_sheet(text))
    tty.until(lambda text: "ABORTED" in now_line(text))
    assert not there.exists()
    tty.insist("enter", is_review)
    tty.insist("q", lambda _: not tty.is_open or tty.process.poll() is not None)
    assert (tty.end(), tty.is_restored) == (0, True)
    found = verified(tmp_path)
    assert (found.returncode, "as it was written" in found.stdout) == (0, True), found


ANSWERS = {
    "ldconfig-refresh": {"it only has to be restarted": "4"},
}
"""What a sheet says to the key that is true here; on all others it is done, approve, or the first option."""


def answer(tty: Tty, incident: str) -> None:
    """Press what the question on the screen asks for."""
    text = tty.text
    if "✓ READY" in now_line(text) or "↵ resume" in text:
        tty.press("enter")
    elif not is_sheet(text):
        if "run step" in text.split("\n")[-1] or "Evidence" in text:
            tty.press("enter")
        elif "To run it, type:" in text:
            tty.press(text.split("To run it, type:")[1].split("\n")[0].strip(), "enter")
    elif "to read first" in text:
        tty.press("pagedown")
    else:
        known = (key for words, key in ANSWERS.get(incident, {}).items() if words in text)
        default = "y" if " y  approve" in text else "d" if "  d  done" in text else "1"
        tty.press(next(known, default))


def heal(tty: Tty, incident: str, playbook: str) -> None:
    """Prepare, and run to the end what is open at the playbook."""
    tty.until(lambda text: "✓ READY" in now_line(text) and playbook in text, 5 * WITHIN)
    until = time.monotonic() + 5 * WITHIN
    while "SUCCEEDED" not in now_line(tty.text):
        assert "FAILED" not in now_line(tty.text), tty.text
        assert time.monotonic() < until, tty.text
        tty.rest()
        before = steady(tty.text)
        answer(tty, incident)
        tty.comes(lambda text, before=before: steady(text) != before, PATIENCE)  # type: ignore[misc]


def steady(text: str) -> str:
    """Return what stands on the screen apart from numbers, such as those of clocks."""
    return re.sub(r"[0-9]+", "0", text)


@pytest.mark.parametrize(
    ("incident", "playbooks"),
    [
        ("config-rollback", ["Roll back"]),
        ("queue-replay", ["Replay"]),
        ("cache-degradation", ["Sell from", "Roll back", "Sell from"]),
        ("service-restart", ["Bring a service up"]),
        ("ldconfig-refresh", ["Lead programs", "Bring a service up"]),
    ],
)
def test_a_shop_is_healed_with_the_keyboard_alone(
    tmp_path: Path, opened: Open, incident: str, playbooks: list[str]
) -> None:
    tty = opened([sys.executable, "-P", "-c", BRIEFLY, "demo", incident])
    heal(tty, incident, playbooks[0])
    for playbook in playbooks[1:]:
        tty.insist("f3", "Prepare")
        heal(tty, incident, playbook)
    tty.insist("enter", is_review)
    tty.insist("q", "the shop is gone")
    assert (tty.end(), tty.is_restored) == (0, True)
    assert "the shop's own numbers are healthy again" in tty.raw.decode()
    found = verified(tmp_path)
    assert (found.returncode, "as it was written" in found.stdout) == (0, True), found
    assert not list(tmp_path.glob("runbook-shop-*"))
