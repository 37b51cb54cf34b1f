import errno
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from runbook.journal import (
    Chunk,
    Disk,
    Entry,
    Layout,
    OutputFile,
    OutputRef,
    Writer,
    output_name,
    read_output,
    verify_run,
)

MakeRun = Callable[..., Layout]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "output").mkdir()
    return tmp_path


def written(file: OutputFile) -> OutputRef:
    reference = file.close()
    assert reference is not None
    return reference


def test_the_file_holds_the_bytes_as_they_came(folder: Path) -> None:
    file = OutputFile(folder / "output/a.out")
    file.write("out", b"one\n", 0)
    file.write("err", b"two\xff\n", 5)
    file.write("out", b"three", 100)
    reference = written(file)

    assert (folder / reference.file).read_bytes() == b"one\ntwo\xff\nthree"
    assert (reference.file, reference.size, reference.dropped) == ("output/a.out", 14, 0)


def test_output_comes_back_by_stream_and_time(folder: Path) -> None:
    file = OutputFile(folder / "output/a.out")
    file.write("out", b"a", 0)
    file.write("out", b"b", 10)
    file.write("err", b"c", 11)
    file.write("err", b"d", 900)
    reference = written(file)

    assert list(read_output(folder, reference)) == [
        Chunk("out", 0, b"ab"),
        Chunk("err", 11, b"c"),
        Chunk("err", 900, b"d"),
    ]


def test_no_output_makes_no_file(folder: Path) -> None:
    assert OutputFile(folder / "output/a.out").close() is None
    assert list((folder / "output").iterdir()) == []


def test_many_parts_go_to_an_index_of_their_own(folder: Path) -> None:
    file = OutputFile(folder / "output/a.out")
    expected = [Chunk("out", moment * 100, b"%d\n" % moment) for moment in range(500)]
    for chunk in expected:
        file.write("out", chunk.data, chunk.at_ms)
    reference = written(file)

    assert reference.parts == ()
    assert reference.index is not None
    assert reference.index.file == "output/a.out.idx"
    assert list(read_output(folder, reference)) == expected


def test_small_writes_reach_the_disk_in_large_ones(folder: Path) -> None:
    class Counting(Disk):
        writes = 0

        def write(self, descriptor: int, data: bytes | memoryview) -> int:
            self.writes += 1
            return super().write(descriptor, data)

    disk = Counting()
    file = OutputFile(folder / "output/a.out", disk=disk)
    for _ in range(10_000):
        file.write("out", b"x" * 99 + b"\n", 1)
    reference = written(file)

    assert reference.size == 1_000_000
    assert disk.writes <= 20


def test_what_waits_can_be_handed_to_followers(folder: Path) -> None:
    file = OutputFile(folder / "output/a.out")
    file.write("out", b"now", 0)
    file.flush()

    assert (folder / "output/a.out").read_bytes() == b"now"
    written(file)


def test_beyond_the_cap_the_beginning_and_the_end_are_kept_and_the_gap_is_told(folder: Path) -> None:
    file = OutputFile(folder / "output/a.out", cap_bytes=400)
    for value in range(100):
        file.write("out", b"line %04d\n" % value, value * 50)
    reference = written(file)

    text = (folder / reference.file).read_bytes()
    assert reference.dropped == 600
    assert text.startswith(b"".join(b"line %04d\n" % value for value in range(30)))
    assert b"\n[runbook: 600 bytes left out here]\n" in text
    assert text.endswith(b"".join(b"line %04d\n" % value for value in range(90, 100)))
    streams = [chunk.stream for chunk in read_output(folder, reference)]
    assert streams.count("mark") == 1
    assert list(read_output(folder, reference))[-1] == Chunk("out", 99 * 50, b"line 0099\n")


@pytest.mark.parametrize("size", [399, 400, 401, 10_000])
def test_one_write_beyond_the_cap_is_cut_as_many_are(folder: Path, size: int) -> None:
    file = OutputFile(folder / "output/a.out", cap_bytes=400)
    data = bytes(range(97, 123)) * 400
    file.write("out", data[:size], 0)
    reference = written(file)

    kept = b"".join(chunk.data for chunk in read_output(folder, reference) if chunk.stream == "out")
    assert reference.dropped == max(0, size - 400)
    assert kept == (data[:size] if size <= 400 else data[:300] + data[size - 100 : size])


def test_a_name_that_is_taken_is_not_overwritten(folder: Path) -> None:
    references = []
    for text in (b"first", b"second"):
        file = OutputFile(folder / "output/a.out")
        file.write("out", text, 0)
        references.append(written(file))

    assert [reference.file for reference in references] == ["output/a.out", "output/a-2.out"]
    assert (folder / "output/a.out").read_bytes() == b"first"


def test_a_link_in_the_place_of_the_file_is_not_followed(folder: Path) -> None:
    (folder / "output/a.out").symlink_to(folder / "victim")
    file = OutputFile(folder / "output/a.out")
    file.write("out", b"text", 0)

    assert written(file).file == "output/a-2.out"
    assert not (folder / "victim").exists()


class Failing(Disk):
    """Takes so many bytes and no more."""

    def __init__(self, room: int) -> None:
        self.left = room

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        taken = min(self.left, len(data))
        self.left -= taken
        if not taken:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(descriptor, data[:taken])


def test_a_full_disk_does_not_stop_the_step_and_is_told(folder: Path) -> None:
    file = OutputFile(folder / "output/a.out", disk=Failing(1000))
    for moment in range(100):
        file.write("out", b"x" * 100, moment * 500)
    reference = written(file)

    assert (reference.size, reference.dropped) == (1000, 9000)
    assert "No space left" in reference.trouble
    assert b"".join(chunk.data for chunk in read_output(folder, reference)) == b"x" * 1000


def test_a_file_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    file = OutputFile(tmp_path / "missing/a.out")
    file.write("out", b"text", 0)
    reference = written(file)

    assert (reference.file, reference.size, reference.dropped) == ("", 0, 4)
    assert reference.trouble
    assert list(read_output(tmp_path, reference)) == []


@pytest.mark.parametrize("room", [1 << 30, 5000, 0])
def test_the_reference_goes_on_record_and_is_proved(layout: Layout, room: int) -> None:
    with Writer.create(layout, "run-1") as writer:
        file = OutputFile(layout.output("run-1") / output_name("restart", "app-1", 1), disk=Failing(room))
        for moment in range(100):
            file.write("out", b"x" * 100, moment * 100)
        reference = written(file)
        data = {"output": msgspec.to_builtins(reference)}
        (record,) = writer.append(Entry("StepFinished", "step.finished", data=data), durable=True)
        writer.close("succeeded")

    assert msgspec.convert(record.data["output"], OutputRef) == reference
    assert verify_run(layout, "run-1").status == "ok"


def test_names_of_side_files_are_harmless_and_tell_steps_apart() -> None:
    assert output_name("restart", "app-1.example.com", 2) == "restart@app-1.example.com.2.out"
    assert output_name("restart", None, None) == "restart.1.out"
    hostile = output_name("../../etc", "a/b\x1b[31m", 1)
    assert "/" not in hostile
    assert hostile.isprintable()
    assert not hostile.startswith(".")
    assert output_name("a/b", None, 1) != output_name("a_b", None, 1)
    assert len(output_name("x" * 300, "y" * 300, 1)) < 200
