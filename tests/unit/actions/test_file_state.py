"""Looking at files of a target."""

from __future__ import annotations

import os
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.actions.file_state import look, read_file, read_known
from runbook.errors import ActionError, DeadlineError
from runbook.ports.target import Reader
from runbook.testing import Bench

T: Reader = Bench()


def see(path: Path, t: Reader = T):  # type: ignore[no-untyped-def]
    return look(t, str(path), sudo=False, timeout=30)


@pytest.mark.parametrize(
    "name", ["plain", "with space", "-rf", "--", "a\nb", "a\\b", "ünï", "'quoted\"", "$(id)", "*", "tab\t", " "]
)
def test_a_file_of_any_name_is_seen_as_it_is(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"one\ntwo")
    path.chmod(0o640)

    file = see(path).file

    assert (file.kind, file.size, file.mode, file.link) == ("file", 7, 0o640, False)
    assert file.sha256 == sha256(b"one\ntwo").hexdigest()
    assert (file.uid, file.gid) == (os.getuid(), path.stat().st_gid)


def test_other_things_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "good link").symlink_to("file")
    (tmp_path / "dead link").symlink_to("nowhere")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")

    seen = {name: see(tmp_path / name).file for name in ("good link", "dead link", "folder", "pipe", "no/such/file")}

    assert {name: (state.kind, state.link) for name, state in seen.items()} == {
        "good link": ("file", True),
        "dead link": ("missing", True),
        "folder": ("folder", False),
        "pipe": ("other", False),
        "no/such/file": ("missing", False),
    }


def test_the_folder_is_looked_at_as_well(tmp_path: Path) -> None:
    here, nowhere = see(tmp_path / "x"), see(tmp_path / "no" / "x")

    assert here.folder == "writable"
    assert here.room is not None
    assert here.room > 0
    assert nowhere.folder == "missing"


@pytest.mark.skipif(os.getuid() != 0, reason="becoming another user needs root")
def test_what_cannot_be_seen_is_denied_and_never_missing(tmp_path: Path) -> None:
    class Other(Bench):
        def _run(self, cmd, sink):  # type: ignore[no-untyped-def]
            import msgspec

            words = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *cmd.argv)
            return super()._run(msgspec.structs.replace(cmd, argv=words), sink)

    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_mode & 0o5 == 0 and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o5)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "in it").write_text("x")
    (tmp_path / "own").write_text("x")
    (tmp_path / "own").chmod(0o600)

    assert see(closed / "in it", Other()).file.kind == "denied"
    assert see(closed / "not there", Other()).file.kind == "denied"
    assert see(tmp_path / "own", Other()).file.kind == "denied"
    assert see(tmp_path / "own", Other()).folder == "denied"


def test_a_target_without_the_tools_is_an_error_that_names_them(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("sh", "date", "stat", "df", "tail"):
        (tools / tool).symlink_to(subprocess.check_output(["which", tool], text=True).strip())

    with pytest.raises(ActionError, match="sha256sum or shasum"):
        see(tmp_path / "x", Bench(env={"PATH": str(tools)}))


def test_shasum_serves_where_there_is_no_sha256sum(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("sh", "date", "stat", "df", "tail", "shasum", "perl"):
        (tools / tool).symlink_to(subprocess.check_output(["which", tool], text=True).strip())

    assert see(tmp_path / "x", Bench(env={"PATH": str(tools)})).file.sha256 == sha256(b"x").hexdigest()


@given(st.binary(max_size=300))
def test_content_is_read_byte_for_byte(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("read") / "-x"
    path.write_bytes(data)

    assert read_known(T, str(path), see(path).file, sudo=False, timeout=30) == data


def test_a_file_that_changed_after_the_look_is_not_read_as_the_same(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("one")
    known = see(path).file
    path.write_text("two")

    with pytest.raises(ActionError, match="changed after it was looked at"):
        read_known(T, str(path), known, sudo=False, timeout=30)
    path.write_text("one and more")
    with pytest.raises(ActionError, match="grows"):
        read_known(T, str(path), known, sudo=False, timeout=30)
    path.unlink()
    with pytest.raises(ActionError, match="cannot read"):
        read_known(T, str(path), known, sudo=False, timeout=30)


def test_a_read_that_does_not_end_is_no_content(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(DeadlineError):
        read_file(T, str(tmp_path / "pipe"), 10, sudo=False, timeout=0.2)
