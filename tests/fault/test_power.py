"""A loss of power takes what was written and not synced: that is read again on resume, and nothing changed twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runbook.events import fact as f
from runbook.journal import list_runs
from tests.engine.desk import Desk, touch

pytestmark = pytest.mark.fault

PACKAGE = Path(__file__).parents[2] / "runbook"

CHILD = """
import os, sys
from pathlib import Path
from runbook.config import settings
from runbook.journal import Disk
from runbook.session.order import Order
from runbook.session.run import start
from runbook.session.unattended import Unattended
folder = Path(sys.argv[1]).parent
plain = Disk.sync
def sync(disk, descriptor):
    size = os.fstat(descriptor).st_size
    plain(disk, descriptor)
    name = os.readlink(f"/proc/self/fd/{descriptor}")
    if name.endswith("journal.jsonl"):
        (folder / "durable").write_text(str(size))
Disk.sync = sync
start(settings(folder), Order(playbook=sys.argv[1]), Unattended())
"""


def read(name: str) -> str:
    return f"  - {{id: {name}, command: [sh, -c, 'echo {name} >> DIR/log'], effect: read}}\n"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="names the journal by /proc")
@pytest.mark.parametrize(
    "point",
    [
        "before-sync:2",
        "before-sync:3",
        "after-write:5",
        "after-write:9",
        "after-write:10",
        "after-write:12",
        "after-write:17",
    ],
)
def test_what_was_not_on_disk_is_read_again_and_no_change_is_made_twice(desk: Desk, point: str) -> None:
    body = "steps:\n" + "".join(map(read, "abc")) + touch("change") + "".join(map(read, "de"))
    playbook = desk.playbook(body)
    env = {**os.environ, "RUNBOOK_FAILPOINT": point, "PYTHONPATH": str(PACKAGE.parent)}

    child = subprocess.run([sys.executable, "-c", CHILD, str(playbook)], env=env, cwd=desk.folder, check=False)
    assert child.returncode == -signal.SIGKILL
    (run,) = list_runs(desk.layout)
    os.truncate(desk.layout.journal(run), int(desk.text("durable")))
    acknowledged = desk.facts(run)

    assert desk.resume(run).status == "succeeded"
    log = desk.lines("log")
    assert log.count("change") == 1
    assert log.index("change") > log.index("c")
    assert set(log) == {*"abcde", "change"}
    assert desk.facts(run)[: len(acknowledged)] == acknowledged
    outcomes = [fact.step for fact in desk.facts(run) if isinstance(fact, f.StepFinished)]
    assert outcomes == [*"abc", "change", *"de"]
    assert desk.holds()
