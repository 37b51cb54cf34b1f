"""`file.checksum`."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from runbook.actions.file_checksum import ChecksumResult, ChecksumWith, FileChecksum
from runbook.errors import ActionError
from runbook.ports.action import Bad, Good
from runbook.testing import Bench
from runbook.testing.work import Silent

SUM = sha256(b"content").hexdigest()


def observe(path: object, expected: str = ""):  # type: ignore[no-untyped-def]
    return FileChecksum().observe(ChecksumWith(path=str(path), sha256=expected), Bench(), Silent())


def test_a_file_is_told_by_its_checksum_and_size(tmp_path: Path) -> None:
    path = tmp_path / "-a\nb"
    path.write_bytes(b"content")

    seen = observe(path)

    assert isinstance(seen, Good)
    assert seen.value == ChecksumResult(SUM, 7)


def test_the_expected_checksum_is_good_in_any_case(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"content")

    assert isinstance(observe(tmp_path / "x", f" {SUM.upper()}\n"), Good)


def test_another_content_is_bad_and_tells_both(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"other")

    seen = observe(tmp_path / "x", SUM)

    assert isinstance(seen, Bad)
    assert SUM in seen.evidence[0]
    assert sha256(b"other").hexdigest() in seen.evidence[0]


def test_no_file_and_a_folder_are_bad(tmp_path: Path) -> None:
    assert observe(tmp_path / "nothing") == Bad(ChecksumResult(), (f"{tmp_path}/nothing: no file",))
    assert observe(tmp_path) == Bad(ChecksumResult(), (f"{tmp_path}: a folder",))


@pytest.mark.parametrize("path", ["relative", "-x", "~/x", "/a\0b"])
def test_a_path_that_is_not_absolute_is_an_error(path: str) -> None:
    with pytest.raises(ActionError) as caught:
        observe(path)
    assert caught.value.where == "path"
