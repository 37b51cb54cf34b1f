import subprocess
import sys
import time
from pathlib import Path

import psutil

from runbook.demo import tree

ESCAPE = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(600)
    os._exit(0)
"""


def test_a_process_that_left_its_session_is_found_and_ended(tmp_path: Path) -> None:
    mark = ("RUNBOOK_TEST_MARK", tmp_path.name)
    parent = subprocess.Popen([sys.executable, "-c", ESCAPE], env={mark[0]: mark[1]}, start_new_session=True)
    parent.wait(10)
    deadline = time.monotonic() + 10
    while len(found := tree.members(mark)) != 1:
        assert time.monotonic() < deadline
        time.sleep(0.01)

    left = tree.end(mark, within=10)

    assert left == []
    assert not found[0].is_running() or found[0].status() == psutil.STATUS_ZOMBIE


def test_nothing_carries_a_mark_that_was_never_given(tmp_path: Path) -> None:
    assert tree.members(("RUNBOOK_TEST_MARK", str(tmp_path))) == []
