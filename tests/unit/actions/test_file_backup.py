"""`file.backup`: what it refuses, and what a copy is."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from runbook.actions.file_backup import BackupBefore, BackupWith, FileBackup
from runbook.actions.folder_backup import FolderBackup, FolderBackupWith
from runbook.errors import ActionError
from runbook.ports.action import Done, NotDone, Proceed, Refuse
from runbook.testing import Bench, MemoryWork

ACTION = FileBackup()


def before(w: BackupWith) -> BackupBefore:
    found = ACTION.inspect(w, Bench())
    assert isinstance(found, Proceed)
    return found.before


def test_the_copy_has_mode_and_times_and_a_name_with_the_time(tmp_path: Path) -> None:
    path = tmp_path / "db.yaml"
    path.write_bytes(b"size: 500\n")
    path.chmod(0o604)
    os.utime(path, (1_000_000_000, 1_000_000_000))
    w = BackupWith(path=str(path))

    result = ACTION.apply(w, before(w), MemoryWork(Bench()))

    copy = Path(result.backup)
    assert copy.parent == tmp_path
    assert copy.name.startswith("db.yaml.runbook-2")
    assert copy.read_bytes() == b"size: 500\n"
    assert (copy.stat().st_mode & 0o7777, int(copy.stat().st_mtime)) == (0o604, 1_000_000_000)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["db.yaml", copy.name]


@pytest.mark.skipif(os.getuid() != 0, reason="giving a file away needs root")
def test_the_copy_keeps_the_owner(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("x")
    os.chown(path, 12345, 54321)
    w = BackupWith(path=str(path))

    copy = Path(ACTION.apply(w, before(w), MemoryWork(Bench())).backup)

    assert (copy.stat().st_uid, copy.stat().st_gid) == (12345, 54321)


def test_what_has_one_name_is_kept_in_one_folder_within_one_second(tmp_path: Path) -> None:
    to = tmp_path / "kept"
    to.mkdir()
    copies = set()
    for folder in ("bin", "etc"):
        path = tmp_path / folder / "goapp"
        path.parent.mkdir()
        path.write_text(folder)
        w = BackupWith(path=str(path), to=str(to))
        copies.add(ACTION.apply(w, before(w), MemoryWork(Bench())).backup)
    logs = tmp_path / "log/goapp"
    logs.mkdir(parents=True)
    folder_w = FolderBackupWith(path=str(logs), to=str(to))
    seen = FolderBackup().inspect(folder_w, Bench())
    assert isinstance(seen, Proceed)

    copies.add(FolderBackup().apply(folder_w, seen.before, MemoryWork(Bench())).backup)

    assert sorted(map(str, to.iterdir())) == sorted(copies)
    assert len(copies) == 3


def test_a_file_of_the_same_name_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("mine")
    w = BackupWith(path=str(path))
    b = before(w)
    Path(b.backup).write_text("theirs")

    with pytest.raises(ActionError, match="not overwritten"):
        ACTION.apply(w, b, MemoryWork(Bench()))
    assert Path(b.backup).read_text() == "theirs"


def test_a_link_in_the_place_of_the_copy_is_not_followed(tmp_path: Path) -> None:
    path, victim = tmp_path / "x", tmp_path / "victim"
    path.write_text("mine")
    w = BackupWith(path=str(path))
    b = before(w)
    Path(b.backup).symlink_to(victim)

    with pytest.raises(ActionError, match="not overwritten"):
        ACTION.apply(w, b, MemoryWork(Bench()))
    assert not victim.exists()


def test_a_source_that_changed_after_the_look_leaves_no_copy(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("one")
    w = BackupWith(path=str(path))
    b = before(w)
    path.write_text("two")

    with pytest.raises(ActionError, match="changed after it was looked at"):
        ACTION.apply(w, b, MemoryWork(Bench()))
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_what_a_killed_attempt_left_does_not_stop_the_next(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("one")
    w = BackupWith(path=str(path))
    b = before(w)
    part = Path(f"{b.backup}.part")
    part.mkdir()
    (part / "copy").write_text("half")

    ACTION.apply(w, b, MemoryWork(Bench()))

    assert Path(b.backup).read_text() == "one"
    assert not part.exists()


def test_the_plan_is_the_command_with_a_symbol_for_the_time(tmp_path: Path) -> None:
    path = tmp_path / "a b"
    path.write_text("x")
    w = BackupWith(path=str(path), sudo=True)

    plan = ACTION.plan(w, before(w))

    assert plan.words == f"Copy {path} to {path}.runbook-TIME-backup"
    assert plan.commands == (f"sudo cp -p -- '{path}' '{path}.runbook-TIME-backup'",)
    assert plan.undo == "Remove the copy if nobody changed it"


@pytest.mark.parametrize(
    ("path", "to", "why"),
    [
        ("nothing", "", "there is no file"),
        ("folder", "", "is a folder"),
        ("file", "nowhere", "there is no folder"),
        ("n" * 240, "", "too long"),
    ],
)
def test_what_cannot_be_copied_is_refused(tmp_path: Path, path: str, to: str, why: str) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / ("n" * 240)).write_text("x")
    (tmp_path / "folder").mkdir()

    found = ACTION.inspect(BackupWith(path=f"{tmp_path}/{path}", to=to and f"{tmp_path}/{to}"), Bench())

    assert isinstance(found, Refuse)
    assert why in found.why


def test_a_full_disk_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 5000)
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "df").write_text("#!/bin/sh\necho Filesystem\necho '/dev/x y  100 99 1 99% /'\n")
    (tools / "df").chmod(0o755)
    full = Bench(env={"PATH": f"{tools}:{os.environ['PATH']}"})

    found = ACTION.inspect(BackupWith(path=f"{tmp_path}/file"), full)

    assert found == Refuse(
        f"no room in {tmp_path}: 4.9 KiB are needed, 1.0 KiB are free", "make room, or name another folder"
    )


def test_a_relative_path_is_refused() -> None:
    found = ACTION.inspect(BackupWith(path="etc/x"), Bench())

    assert found == Refuse("'etc/x' is no absolute path", "write it from / on")


@pytest.mark.parametrize("tool", ["mkdir", "cp", "sync", "ln", "rm"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_copy_that_is_killed_anywhere_is_there_whole_or_not_at_all(tmp_path: Path, tool: str, moment: str) -> None:
    path, tools = tmp_path / "x", tmp_path / "tools"
    path.write_text("content")
    tools.mkdir()
    real, kill = f'{shutil.which(tool)} "$@"', "kill -9 $PPID"
    lines = (kill, real) if moment == "before" else (real, kill)
    # The first call is the cleaning of what an earlier attempt left; only the tool within the copy kills.
    guard = 'case "$*" in *copy*|*.part|*/) ;; *) exec ' + f"{real} ;; esac"
    (tools / tool).write_text("\n".join(("#!/bin/sh", guard, *lines, "")))
    (tools / tool).chmod(0o755)
    w = BackupWith(path=str(path))
    b = before(w)
    work = MemoryWork(Bench(env={"PATH": f"{tools}:{os.environ['PATH']}"}))
    with pytest.raises(ActionError, match="exit 137"):
        ACTION.apply(w, b, work)

    (o,) = work.open()
    settled = ACTION.settle(w, b, o, Bench())

    assert isinstance(settled, Done) == Path(b.backup).exists()
    assert isinstance(settled, Done | NotDone)
    if Path(b.backup).exists():
        assert Path(b.backup).read_text() == "content"
    again = work.restarted()
    again.target = Bench()
    ACTION.apply(w, b, again)
    assert Path(b.backup).read_text() == "content"
    assert not Path(f"{b.backup}.part").exists()
