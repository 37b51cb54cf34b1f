import errno
import json
import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runbook.errors import JournalBroken, JournalError, JournalFull, JournalLocked, UsageError
from runbook.journal import Disk, Entry, Layout, Room, Writer, holder, read, read_book, verify_run
from runbook.journal.record import digest

MakeRun = Callable[..., Layout]


def entry(number: int = 0) -> Entry:
    return Entry("StepFinished", "step.finished", step="restart", target="app-1", data={"number": number})


def numbers(layout: Layout, run: str = "run-1") -> list[int]:
    return [record.data["number"] for record in read(layout, run)]


class Recording(Disk):
    """Notes the calls that matter, and fails a sync or write when told."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.sync_fails = False
        self.largest_write = 1 << 30
        self.free = Room(1 << 40, 1 << 20)

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        self.calls.append("write")
        return super().write(descriptor, data[: self.largest_write])

    def sync(self, descriptor: int) -> None:
        self.calls.append("sync")
        if self.sync_fails:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().sync(descriptor)

    def room(self, folder: Path) -> Room:
        return self.free


def test_records_are_chained_and_stamped(layout: Layout) -> None:
    moment = datetime(2026, 11, 1, 3, 4, 5, 6, tzinfo=UTC)
    with Writer.create(layout, "run-1", clock=lambda: (moment, 42)) as writer:
        records = writer.append(entry(0), entry(1), durable=True)

    lines = layout.journal("run-1").read_bytes().splitlines()
    assert [json.loads(line)["prev"] for line in lines] == ["0" * 64, digest(lines[0])]
    assert tuple(read(layout, "run-1")) == records
    assert {(record.log, record.run, record.time, record.mono) for record in records} == {
        ("run-1", "run-1", "2026-11-01T03:04:05.000006Z", 42)
    }


def test_entries_given_together_go_out_in_one_write_and_one_sync(layout: Layout) -> None:
    disk = Recording()
    with Writer.create(layout, "run-1", disk=disk) as writer:
        writer.append(entry(0), durable=True)
        disk.calls.clear()
        writer.append(entry(1), entry(2), entry(3), durable=True)

    assert disk.calls == ["write", "sync"]


def test_entries_that_need_not_be_durable_are_written_without_a_sync(layout: Layout) -> None:
    disk = Recording()
    with Writer.create(layout, "run-1", disk=disk) as writer:
        writer.append(entry(0), durable=True)
        disk.calls.clear()
        writer.append(entry(1), durable=False)
        assert numbers(layout) == [0, 1]

    assert disk.calls == ["write"]


def test_short_writes_are_gone_on_with(layout: Layout) -> None:
    disk = Recording()
    disk.largest_write = 7
    with Writer.create(layout, "run-1", disk=disk) as writer:
        writer.append(*map(entry, range(3)), durable=True)
        writer.close("succeeded")

    assert numbers(layout) == [0, 1, 2]
    assert verify_run(layout, "run-1").status == "ok"


def test_an_entry_that_cannot_go_on_record_leaves_no_trace(layout: Layout) -> None:
    with Writer.create(layout, "run-1") as writer:
        writer.append(entry(0), durable=True)
        with pytest.raises(TypeError):
            writer.append(entry(1), Entry("X", "x", data={"ratio": 0.5}), durable=True)
        writer.append(entry(2), durable=True)

    assert numbers(layout) == [0, 2]


class Held(Recording):
    """Holds every sync until the gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()

    def sync(self, descriptor: int) -> None:
        self.calls.append("held")
        self.gate.wait(10)
        super().sync(descriptor)


def wait_for(disk: Recording, call: str, count: int) -> None:
    deadline = time.monotonic() + 10
    while disk.calls.count(call) < count:
        assert time.monotonic() < deadline, disk.calls
        time.sleep(0.001)


def test_threads_share_syncs_and_every_record_is_there_once(layout: Layout) -> None:
    threads = 20
    disk = Held()
    with Writer.create(layout, "run-1", disk=disk) as writer:
        writer.append(entry(-1), durable=True)
        disk.calls.clear()
        disk.gate.clear()
        workers = [
            threading.Thread(target=writer.append, args=(entry(n),), kwargs={"durable": True}) for n in range(threads)
        ]
        for worker in workers:
            worker.start()
        wait_for(disk, "write", threads)
        disk.gate.set()
        for worker in workers:
            worker.join()
        syncs = disk.calls.count("sync")
        writer.close("succeeded")

    assert syncs in (1, 2)
    assert sorted(numbers(layout)) == list(range(-1, threads))
    assert verify_run(layout, "run-1").status == "ok"


def test_a_sync_holds_up_no_write_and_covers_only_what_was_written_before_it(layout: Layout) -> None:
    disk = Held()
    with Writer.create(layout, "run-1", disk=disk) as writer:
        writer.append(entry(0), durable=True)
        disk.calls.clear()
        disk.gate.clear()
        first = threading.Thread(target=writer.append, args=(entry(1),), kwargs={"durable": True})
        first.start()
        wait_for(disk, "held", 1)
        writer.write(entry(2), durable=True)
        assert numbers(layout) == [0, 1, 2]
        disk.gate.set()
        first.join()
        assert disk.calls == ["write", "held", "write", "sync"]
        writer.sync()
        writer.sync()

    assert disk.calls == ["write", "held", "write", "sync", "held", "sync"]


def test_an_append_returns_only_after_the_sync_that_covers_it(layout: Layout) -> None:
    points: list[str] = []
    with Writer.create(layout, "run-1", crash=points.append) as writer:
        writer.append(entry(0), durable=True)
        opening = points.copy()
        points.clear()
        writer.append(entry(1), durable=True)
        plain = points.copy()
        points.clear()
        writer.close("succeeded")

    write = ["before-write", "after-write", "before-sync", "after-sync"]
    assert opening == [*write, "before-head", "after-head"]
    assert plain == write
    assert points[-2:] == ["before-head", "after-head"]


def test_a_second_writer_is_refused_and_told_who_holds_the_run(layout: Layout) -> None:
    with Writer.create(layout, "run-1"):
        found = holder(layout, "run-1")
        with pytest.raises(JournalLocked, match=f"process {os.getpid()} writes"):
            Writer.append_to(layout, "run-1")

    assert found is not None
    assert found.pid == os.getpid()
    assert holder(layout, "run-1") is None


def test_a_run_is_begun_once(layout: Layout, make_run: MakeRun) -> None:
    make_run("run-1")

    with pytest.raises(UsageError, match="run-1 already"):
        Writer.create(layout, "run-1")
    assert verify_run(layout, "run-1").status == "ok"


def test_an_unknown_run_is_not_gone_on_with(layout: Layout) -> None:
    with pytest.raises(UsageError):
        Writer.append_to(layout, "run-1")


def test_a_later_session_goes_on_with_the_chain_and_adds_heads(layout: Layout, make_run: MakeRun) -> None:
    make_run("run-1", records=2, outcome="paused")
    with Writer.append_to(layout, "run-1") as writer:
        writer.append(entry(2), durable=True)
        assert verify_run(layout, "run-1").status == "open"
        writer.append(entry(3), durable=True)
        head = writer.close("succeeded")

    assert head is not None
    assert (head.seq, head.sessions, head.outcome) == (3, 2, "succeeded")
    heads = read_book(layout).of("run-1")
    assert [(anchor.is_closed, anchor.head.seq) for anchor in heads] == [(False, 0), (True, 1), (False, 2), (True, 3)]
    assert verify_run(layout, "run-1").status == "ok"


def test_a_session_that_records_nothing_adds_no_head(layout: Layout, make_run: MakeRun) -> None:
    make_run("run-1")
    with Writer.append_to(layout, "run-1") as writer:
        assert writer.close("succeeded") is None

    assert len(read_book(layout).of("run-1")) == 2
    assert verify_run(layout, "run-1").status == "ok"


def test_a_closed_writer_takes_nothing_more(layout: Layout) -> None:
    writer = Writer.create(layout, "run-1")
    writer.append(entry(), durable=True)
    writer.close("succeeded")

    with pytest.raises(JournalError, match="closed"):
        writer.append(entry(1), durable=True)
    writer.release()


def test_a_torn_line_is_set_aside_and_told(layout: Layout, make_run: MakeRun) -> None:
    make_run("run-1", records=3, outcome=None)
    path = layout.journal("run-1")
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"code":"step.fin')

    with Writer.append_to(layout, "run-1") as writer:
        repair = writer.repair
        writer.append(entry(3), durable=True)
        writer.close("succeeded")

    assert repair is not None
    assert (repair.size, repair.offset, repair.sha256) == (17, len(whole), digest(b'{"code":"step.fin'))
    assert (layout.folder("run-1") / repair.file).read_bytes() == b'{"code":"step.fin'
    assert numbers(layout) == [0, 1, 2, 3]
    assert verify_run(layout, "run-1").status == "ok"


def test_tears_at_one_place_do_not_overwrite_each_other(layout: Layout, make_run: MakeRun) -> None:
    make_run("run-1", records=1, outcome=None)
    path = layout.journal("run-1")
    whole = path.read_bytes()
    files = []
    for torn in (b"{first", b"{second"):
        path.write_bytes(whole + torn)
        with Writer.append_to(layout, "run-1") as writer:
            assert writer.repair is not None
            files.append(layout.folder("run-1") / writer.repair.file)

    assert [file.read_bytes() for file in files] == [b"{first", b"{second"]


def test_nothing_is_appended_to_a_broken_chain(layout: Layout, make_run: MakeRun) -> None:
    make_run("run-1", outcome=None)
    path = layout.journal("run-1")
    broken = path.read_bytes().replace(b'"number":1', b'"number":7')
    path.write_bytes(broken)

    with pytest.raises(JournalBroken, match=r"journal\.jsonl:3: .*nothing was appended"):
        Writer.append_to(layout, "run-1")
    assert path.read_bytes() == broken
    assert holder(layout, "run-1") is None


def test_a_run_that_died_before_its_first_record_can_be_gone_on_with(layout: Layout) -> None:
    Writer.create(layout, "run-1").release()
    layout.journal("run-1").unlink()

    with Writer.append_to(layout, "run-1") as writer:
        writer.append(entry(0), durable=True)
        writer.close("failed")

    assert verify_run(layout, "run-1").status == "ok"


def test_the_copy_of_the_heads_is_completed_after_a_crash(layout: Layout, make_run: MakeRun) -> None:
    make_run("run-1", outcome=None)
    copy = layout.heads("run-1")
    copy.write_bytes(copy.read_bytes()[:50])
    assert verify_run(layout, "run-1").status == "open"

    with Writer.append_to(layout, "run-1") as writer:
        writer.append(entry(4), durable=True)
        writer.close("succeeded")

    assert copy.read_bytes() == layout.ledger.read_bytes()


def test_a_failed_sync_is_final_for_what_must_be_durable(layout: Layout) -> None:
    disk = Recording()
    with Writer.create(layout, "run-1", disk=disk) as writer:
        writer.append(entry(0), durable=True)
        disk.sync_fails = True
        with pytest.raises(JournalFull, match="disk fails"):
            writer.append(entry(1), durable=True)
        disk.sync_fails = False
        syncs = disk.calls.count("sync")
        with pytest.raises(JournalFull):
            writer.append(entry(2), durable=True)
        with pytest.raises(JournalFull):
            writer.require_room()
        writer.append(entry(3), durable=False)
        with pytest.raises(JournalFull):
            writer.close("failed")

    assert disk.calls.count("sync") == syncs
    assert numbers(layout) == [0, 1, 3]
    assert verify_run(layout, "run-1").status == "open"


def test_a_journal_that_was_removed_promises_nothing_more(layout: Layout) -> None:
    with Writer.create(layout, "run-1") as writer:
        writer.append(entry(0), durable=True)
        layout.journal("run-1").unlink()

        with pytest.raises(JournalFull, match="was removed"):
            writer.append(entry(1), durable=True)
        with pytest.raises(JournalFull, match="was removed"):
            writer.require_room()


def test_a_failed_sync_fails_all_who_waited_for_it(layout: Layout) -> None:
    disk = Recording()
    with Writer.create(layout, "run-1", disk=disk) as writer:
        writer.append(entry(0), durable=True)
        disk.sync_fails = True
        failures: list[BaseException] = []

        def append(number: int) -> None:
            try:
                writer.append(entry(number), durable=True)
            except JournalFull as error:
                failures.append(error)

        workers = [threading.Thread(target=append, args=(number,)) for number in range(10)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    assert len(failures) == 10


@pytest.mark.parametrize("room", [Room(16 * 1024 * 1024 - 1, 1000), Room(1 << 40, 10)])
def test_a_run_does_not_begin_without_room(layout: Layout, room: Room) -> None:
    disk = Recording()
    disk.free = room

    with pytest.raises(JournalFull, match="free space"):
        Writer.create(layout, "run-1", disk=disk)
    assert list(layout.all_runs.iterdir()) == []


def test_file_systems_that_count_no_inodes_are_fine(layout: Layout) -> None:
    disk = Recording()
    disk.free = Room(1 << 40, None)

    with Writer.create(layout, "run-1", disk=disk) as writer:
        assert len(writer.append(entry(), durable=True)) == 1


@pytest.mark.parametrize("call", ["reserve", "sync_folder"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO])
def test_nothing_half_made_remains_of_a_run_that_could_not_begin(layout: Layout, call: str, code: int) -> None:
    disk = Recording()
    layout.prepare(disk)

    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    setattr(disk, call, fail)
    with pytest.raises(JournalFull) as caught:
        Writer.create(layout, "run-1", disk=disk)
    assert caught.value.remedy
    assert list(layout.all_runs.iterdir()) == []


def test_a_session_that_the_ledger_did_not_take_is_announced_once_it_can_be(layout: Layout) -> None:
    with Writer.create(layout, "run-1") as writer:
        layout.ledger.mkdir()
        with pytest.raises(JournalFull):
            writer.append(entry(0), durable=True)
        with pytest.raises(JournalFull):
            writer.append(entry(1), durable=True)
        layout.ledger.rmdir()
        writer.append(entry(2), durable=True)
        writer.close("succeeded")

    assert numbers(layout) == [0, 2]
    assert verify_run(layout, "run-1").status == "ok"


def test_the_kept_space_is_given_back_at_the_end(layout: Layout) -> None:
    with Writer.create(layout, "run-1") as writer:
        taken = layout.ballast("run-1").stat()
        writer.append(entry(), durable=True)
        writer.close("succeeded")

    assert taken.st_blocks * 512 >= 256 * 1024
    assert not layout.ballast("run-1").exists()


@pytest.mark.parametrize("point", ["before-write", "after-write", "after-sync"])
def test_after_a_write_that_was_broken_off_nothing_is_appended_behind_it(layout: Layout, point: str) -> None:
    armed = False

    def interrupt(here: str) -> None:
        if armed and here == point:
            raise KeyboardInterrupt

    with Writer.create(layout, "run-1", crash=interrupt) as writer:
        writer.append(entry(0), durable=True)
        armed = True
        with pytest.raises(KeyboardInterrupt):
            writer.append(entry(1), durable=True)
        armed = False
        with pytest.raises(JournalFull, match="broken off"):
            writer.append(entry(2), durable=True)

    assert numbers(layout) in ([0], [0, 1])
    assert verify_run(layout, "run-1").status == "open"
