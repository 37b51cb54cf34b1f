"""`file.whole`, on a real program."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from runbook.actions.file_whole import FileWhole, WholeResult, WholeWith
from runbook.ports.action import Bad, Good, NoData, Observation
from runbook.testing import Bench
from runbook.testing.work import Silent

PROGRAM = Path(shutil.which("cat") or "/bin/cat").resolve()


@pytest.fixture
def program(tmp_path: Path) -> Path:
    copy = tmp_path / "app"
    copy.write_bytes(PROGRAM.read_bytes())
    return copy


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    folder = tmp_path / "info"
    folder.mkdir()
    (folder / "other.md5sums").write_text("0" * 32 + "  usr/bin/other\n")
    return folder


def see(path: Path, lists: Path, sha256: str = "") -> Observation[WholeResult]:
    return FileWhole().observe(WholeWith(path=str(path), lists=str(lists), sha256=sha256), Bench(), Silent())


def listed(lists: Path, path: Path, name: str = "") -> None:
    sum_ = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    line = f"{sum_}  {name or str(path).lstrip('/')}\n"
    (lists / "goapp:amd64.md5sums").write_text("f" * 32 + f"  {str(path).lstrip('/')}.conf\n{line}")


def test_a_program_that_is_as_its_package_lists_it_is_whole(program: Path, lists: Path) -> None:
    listed(lists, program)

    seen = see(program, lists)

    assert isinstance(seen, Good)
    assert (seen.value.whole, seen.value.package, seen.value.listed) == (True, "goapp:amd64", "same")
    assert (seen.value.elf, seen.value.size) == ("whole", program.stat().st_size)


@pytest.mark.parametrize("kept", [0, 3, 100, 5000, -1])
def test_a_program_that_was_cut_off_anywhere_is_not_whole(program: Path, lists: Path, kept: int) -> None:
    listed(lists, program)
    program.write_bytes(program.read_bytes()[:kept])

    seen = see(program, lists)

    assert isinstance(seen, Bad)
    assert (seen.value.whole, seen.value.listed) == (False, "other")
    assert seen.value.elf == ("none" if 0 <= kept < 4 else "cut off")


def test_one_bit_is_noticed_by_the_list_and_by_the_checksum(program: Path, lists: Path) -> None:
    listed(lists, program)
    data = bytearray(program.read_bytes())
    sha256 = hashlib.sha256(data).hexdigest()
    data[len(data) // 2] ^= 1
    program.write_bytes(data)

    assert isinstance(see(program, lists), Bad)
    assert isinstance(see(program, lists, sha256), Bad)
    assert isinstance(see(program, lists, hashlib.sha256(data).hexdigest().upper()), Good)


def test_without_anybody_who_knows_it_is_not_known(program: Path, lists: Path, tmp_path: Path) -> None:
    for folder in (lists, tmp_path / "nowhere"):
        seen = see(program, folder)

        assert isinstance(seen, NoData)
        assert "give its sha256" in seen.evidence[-1]


def test_what_is_cut_off_is_told_even_if_nobody_lists_it(program: Path, lists: Path) -> None:
    program.write_bytes(program.read_bytes()[:-1])

    seen = see(program, lists)

    assert isinstance(seen, Bad)
    assert "cut off" in seen.evidence[0]


def test_a_missing_file_is_bad_and_a_script_needs_no_length(tmp_path: Path, lists: Path) -> None:
    script = tmp_path / "run"
    script.write_text("#!/bin/sh\n")
    listed(lists, script)

    seen = see(script, lists)

    assert isinstance(see(tmp_path / "missing", lists), Bad)
    assert isinstance(seen, Good)
    assert seen.value.elf == "none"
