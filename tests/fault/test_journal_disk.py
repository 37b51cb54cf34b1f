"""Full, read-only, limited and failing disks under a real journal, and processes that die in it."""

import errno
import os
import resource
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from runbook.errors import JournalFull
from runbook.journal import Disk, Entry, Layout, Writer, holder, read, verify_all, verify_run
from tests.small_disk import MEBIBYTE, fill, small_disk

__all__ = ["small_disk"]

pytestmark = pytest.mark.fault
RUN = "run-1"


def entry(number: int, size: int = 100) -> Entry:
    return Entry("StepFinished", "step.finished", step="restart", data={"number": number, "text": "x" * size})


def numbers(layout: Layout) -> list[int]:
    return [record.data["number"] for record in read(layout, RUN)]


def test_on_a_full_disk_the_kept_space_closes_the_run_and_no_change_starts(small_disk: Path) -> None:
    layout = Layout(small_disk / "state")
    with Writer.create(layout, RUN) as writer:
        writer.append(entry(0), durable=True)
        writer.require_room()
        filler = fill(small_disk)
        for number in range(1, 41):
            writer.append(entry(number, 800), durable=True)
        with pytest.raises(JournalFull, match="free space there and go on"):
            writer.require_room()
        filler.unlink()
        writer.require_room()
        filler = fill(small_disk)
        writer.append(entry(41), durable=True)
        writer.close("failed")
        filler.unlink()

    assert numbers(layout) == list(range(42))
    assert verify_all(layout).holds
    assert verify_run(layout, RUN).status == "ok"


def test_when_the_kept_space_is_used_up_nothing_torn_is_left_and_the_run_goes_on_later(small_disk: Path) -> None:
    layout = Layout(small_disk / "state")
    with Writer.create(layout, RUN) as writer:
        writer.append(entry(0), durable=True)
        filler = fill(small_disk)
        acknowledged = 0
        with suppress(JournalFull):
            while acknowledged < 1000:
                writer.append(entry(acknowledged + 1, 5000), durable=True)
                acknowledged += 1
        with pytest.raises(JournalFull, match="free space"):
            writer.append(entry(acknowledged + 1, 5000), durable=True)
        assert numbers(layout) == list(range(acknowledged + 1))
        assert verify_run(layout, RUN).status == "open"
        filler.unlink()
        writer.append(entry(acknowledged + 1), durable=True)
        writer.close("failed")

    assert acknowledged >= 30
    assert numbers(layout) == list(range(acknowledged + 2))
    assert verify_run(layout, RUN).status == "ok"


def test_no_run_begins_on_a_disk_that_is_nearly_full(small_disk: Path) -> None:
    (small_disk / "filler").write_bytes(b"x" * 8 * MEBIBYTE)
    layout = Layout(small_disk / "state")

    with pytest.raises(JournalFull, match="a run needs 16384 KiB"):
        Writer.create(layout, RUN)
    assert list(layout.all_runs.iterdir()) == []


@pytest.mark.parametrize("torn", [b"", b'{"code":"step.fin'])
def test_a_run_that_died_can_be_closed_on_a_full_disk(small_disk: Path, torn: bytes) -> None:
    layout = Layout(small_disk / "state")
    with Writer.create(layout, RUN) as writer:
        writer.append(entry(0), durable=True)
        os.link(layout.ballast(RUN), small_disk / "kept")
    os.link(small_disk / "kept", layout.ballast(RUN))
    (small_disk / "kept").unlink()
    with layout.journal(RUN).open("ab") as file:
        file.write(torn)
    fill(small_disk)

    with Writer.append_to(layout, RUN) as writer:
        assert bool(writer.repair) == bool(torn)
        writer.append(entry(1), durable=True)
        writer.close("failed")
    assert numbers(layout) == [0, 1]
    assert verify_run(layout, RUN).status == "ok"


def test_a_disk_that_became_read_only_is_told(small_disk: Path) -> None:
    layout = Layout(small_disk / "state")
    Layout(small_disk / "state").prepare(Disk())
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)

    with pytest.raises(JournalFull, match=r"Read-only file system; mount it writable") as caught:
        Writer.create(layout, RUN)
    assert caught.value.where


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a child with rights of its own")
def test_a_folder_without_the_right_to_write_is_told(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o500)
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from runbook.errors import JournalFull\n"
        "from runbook.journal import Layout, Writer\n"
        "if os.geteuid() == 0:\n"
        "    os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try:\n"
        "    Writer.create(Layout(Path('state')), 'run-1')\n"
        "except JournalFull as error:\n"
        "    print(error)\n"
    )
    if os.geteuid() == 0:
        os.chown(state, 65534, 65534)
    told = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, text=True, capture_output=True, check=True, env=importable()
    )

    assert "Permission denied; give yourself write access" in told.stdout
    assert list(state.iterdir()) == []


def importable() -> dict[str, str]:
    """Return an environment in which a child finds this package from any folder."""
    return os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}


def test_the_limit_for_file_sizes_is_told_and_leaves_no_torn_line(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "state")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with Writer.create(layout, RUN) as writer:
            writer.append(entry(0), durable=True)
            resource.setrlimit(resource.RLIMIT_FSIZE, (5000, before[1]))
            with pytest.raises(JournalFull, match="ulimit -f"):
                writer.append(entry(1, 10_000), durable=True)
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            writer.append(entry(2), durable=True)
            writer.close("failed")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)

    assert numbers(layout) == [0, 2]
    assert verify_run(layout, RUN).status == "ok"


class NthFails(Disk):
    """Fails the n-th call of writing, syncing, syncing a folder or reserving."""

    def __init__(self, number: int, code: int) -> None:
        self.left = number
        self.code = code

    def count(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise OSError(self.code, os.strerror(self.code))

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        self.count()
        return super().write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        self.count()
        super().sync(descriptor)

    def sync_folder(self, folder: Path) -> None:
        self.count()
        super().sync_folder(folder)

    def reserve(self, path: Path, size: int) -> None:
        self.count()
        super().reserve(path, size)


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_whatever_call_fails_only_acknowledged_records_count_and_the_log_verifies(tmp_path: Path, code: int) -> None:
    wrong: list[tuple[int, str]] = []
    for number in range(1, 40):
        layout = Layout(tmp_path / str(number) / "state")
        acknowledged: list[int] = []
        disk = NthFails(number, code)
        with suppress(JournalFull), Writer.create(layout, RUN, disk=disk) as writer:
            for value in range(5):
                with suppress(JournalFull):
                    writer.append(entry(value), durable=True)
                    acknowledged.append(value)
            writer.close("succeeded")
        if disk.left > 0:
            break
        if not verify_all(layout).holds:
            wrong.append((number, "the log does not verify"))
        if layout.folder(RUN).exists():
            kept = numbers(layout)
            if [value for value in kept if value in acknowledged] != acknowledged:
                wrong.append((number, "an acknowledged record is lost"))
            with Writer.append_to(layout, RUN) as writer:
                writer.append(entry(9), durable=True)
                writer.close("failed")
            if verify_run(layout, RUN).status != "ok":
                wrong.append((number, "the run cannot be gone on with"))
    else:
        wrong.append((number, "the sequence was longer than the loop"))

    assert wrong == []


DYING = """
import os, signal, sys
from pathlib import Path
from runbook.journal import Entry, Layout, Writer

point, wanted = sys.argv[1], int(sys.argv[2])
passed = 0

def crash(here):
    global passed
    passed += here == point
    if here == point and passed == wanted:
        os.kill(os.getpid(), signal.SIGKILL)

with Writer.create(Layout(Path("state")), "run-1", crash=crash) as writer:
    for number in range(3):
        writer.append(Entry("T", "c", data={"number": number}), durable=True)
        os.write(1, b"%d\\n" % number)
    writer.close("succeeded")
    os.write(1, b"closed\\n")
"""


@pytest.mark.parametrize("wanted", [1, 2])
@pytest.mark.parametrize(
    "point", ["before-write", "after-write", "before-sync", "after-sync", "before-head", "after-head"]
)
def test_a_process_killed_at_any_point_loses_nothing_it_acknowledged(tmp_path: Path, point: str, wanted: int) -> None:
    layout = Layout(tmp_path / "state")
    child = subprocess.run(
        [sys.executable, "-c", DYING, point, str(wanted)],
        cwd=tmp_path,
        capture_output=True,
        check=False,
        env=importable(),
    )
    acknowledged = [int(word) for word in child.stdout.split() if word != b"closed"]

    assert child.returncode == -signal.SIGKILL, child.stderr
    assert holder(layout, RUN) is None
    assert numbers(layout)[: len(acknowledged)] == acknowledged
    assert verify_all(layout).holds
    with Writer.append_to(layout, RUN) as writer:
        writer.append(Entry("T", "c", data={"number": 9}), durable=True)
        writer.close("failed")
    assert verify_run(layout, RUN).status == "ok"


def test_the_lock_names_the_process_that_holds_it_and_falls_with_it(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "state")
    script = (
        "from pathlib import Path; from runbook.journal import Layout, Writer\n"
        "writer = Writer.create(Layout(Path('state')), 'run-1'); print('ready', flush=True); input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=importable(),
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        found = holder(layout, RUN)
        child.kill()
        child.wait()
        after = holder(layout, RUN)

    assert found is not None
    assert (found.pid, bool(found.boot), bool(found.start), found.since.endswith("Z")) == (child.pid, True, True, True)
    assert after is None
