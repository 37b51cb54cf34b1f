"""Backups of folders: what is unchanged takes no room, a bad one is refused, and every byte comes back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runbook.actions.folder_backup import FolderBackup, FolderBackupResult, FolderBackupWith
from runbook.actions.folder_restore import FolderRestore, FolderRestoreBefore, FolderRestoreWith
from runbook.errors import ActionError
from runbook.ports.action import Already, Proceed, Refuse
from runbook.testing import Bench, MemoryWork, tree

BACKUP, RESTORE = FolderBackup(), FolderRestore()


@pytest.fixture
def live(tmp_path: Path) -> Path:
    folder = tmp_path / "config"
    (folder / "app").mkdir(parents=True)
    (folder / "app" / "pool.yaml").write_text("connections: 500\n")
    (folder / "app" / "big").write_bytes(bytes(1000) * 100)
    (folder / "current").symlink_to("app")
    (folder / "app").chmod(0o750)
    (tmp_path / "backups").mkdir()
    return folder


def back_up(folder: Path, number: int = 1) -> FolderBackupResult:
    """Make a backup and give it the name of another moment: two of one second would have the same."""
    w = FolderBackupWith(path=str(folder), to=str(folder.parent / "backups"))
    found = BACKUP.inspect(w, Bench())
    assert isinstance(found, Proceed), found
    result = BACKUP.apply(w, found.before, MemoryWork(Bench()))
    assert BACKUP.verify(w, found.before, result, Bench()).state == "good"
    name = result.backup.replace(result.backup[-23:-7], f"2026110{number}T030000Z")
    os.rename(result.backup, name)
    return FolderBackupResult(result.path, name, result.sha256, result.files, result.size, result.linked)


def seen(w: FolderRestoreWith) -> FolderRestoreBefore:
    found = RESTORE.inspect(w, Bench())
    assert isinstance(found, Proceed), found
    return found.before


def test_what_is_as_before_is_linked_and_every_backup_is_whole_by_itself(live: Path) -> None:
    first = back_up(live, 1)
    (live / "app" / "pool.yaml").write_text("connections: 5000\n")
    second = back_up(live, 2)

    assert (first.files, first.linked, second.linked) == (2, 0, 1)
    inode = [os.stat(f"{made.backup}/data/app/big").st_ino for made in (first, second)]
    assert inode[0] == inode[1] != os.stat(live / "app" / "big").st_ino
    assert tree(Path(second.backup) / "data") == tree(live)
    assert Path(f"{first.backup}/data/app/pool.yaml").read_text() == "connections: 500\n"
    assert os.stat(f"{second.backup}/data/app").st_mtime == os.stat(live / "app").st_mtime


def test_a_backup_that_went_bad_is_not_linked_to(live: Path) -> None:
    first = back_up(live, 1)
    Path(f"{first.backup}/data/app/big").write_bytes(b"rotten")

    second = back_up(live, 2)

    assert second.linked == 1
    assert tree(Path(second.backup) / "data") == tree(live)


def test_a_mode_that_changed_is_no_reason_to_link(live: Path) -> None:
    back_up(live, 1)
    (live / "app" / "big").chmod(0o600)

    assert back_up(live, 2).linked == 1


def test_the_folder_comes_back_byte_for_byte_and_undo_leads_to_what_was_there(live: Path) -> None:
    good = tree(live)
    made = back_up(live)
    (live / "app" / "pool.yaml").write_text("connections: 5000\n")
    (live / "added").touch()
    (live / "current").unlink()
    bad = tree(live)
    w = FolderRestoreWith(path=str(live), backup=made.backup, sha256=made.sha256)
    before = seen(w)
    assert before.diff.splitlines()[2:] == ["- ./added", "~ ./app/pool.yaml", "+ ./current"]
    work = MemoryWork(Bench())

    result = RESTORE.apply(w, before, work)

    assert tree(live) == good
    assert RESTORE.verify(w, before, result, Bench()).state == "good"
    assert isinstance(RESTORE.inspect(w, Bench()), Already)
    RESTORE.undo(w, before, result, MemoryWork(Bench(), undo=True, receipts=work.receipts))
    assert (tree(live), RESTORE.undone(w, before, result, Bench()).state) == (bad, "good")
    assert sorted(path.name for path in live.parent.iterdir()) == ["backups", "config"]


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda made: Path(f"{made}/data/app/pool.yaml").write_text("x"), "is not what its manifest says"),
        (lambda made: Path(f"{made}/data/app/pool.yaml").chmod(0o777), "is not what its manifest says"),
        (lambda made: Path(f"{made}/manifest").unlink(), "is not what its manifest says"),
        (lambda made: os.rename(f"{made}/data", f"{made}/gone"), "there is no folder"),
    ],
)
def test_a_bad_backup_is_refused_and_nothing_is_touched(live: Path, spoil: object, why: str) -> None:
    made = back_up(live)
    spoil(made.backup)  # type: ignore[operator]
    before = tree(live)

    found = RESTORE.inspect(FolderRestoreWith(path=str(live), backup=made.backup), Bench())

    assert isinstance(found, Refuse)
    assert f"the backup is bad: {found.why}".count(why) == 1
    assert tree(live) == before


def test_a_backup_of_another_moment_is_refused_by_its_checksum(live: Path) -> None:
    made = back_up(live)

    found = RESTORE.inspect(FolderRestoreWith(path=str(live), backup=made.backup, sha256="0" * 64), Bench())

    assert isinstance(found, Refuse)
    assert "expected 0000" in found.why


def test_a_folder_that_changes_while_it_is_looked_at_and_copied_is_no_backup(live: Path) -> None:
    w = FolderBackupWith(path=str(live), to=str(live.parent / "backups"))
    found = BACKUP.inspect(w, Bench())
    assert isinstance(found, Proceed), found
    (live / "late").touch()

    with pytest.raises(ActionError, match="changed after it was looked at"):
        BACKUP.apply(w, found.before, MemoryWork(Bench()))

    assert list((live.parent / "backups").iterdir()) == []


@pytest.mark.parametrize(
    ("path", "to", "why"),
    [
        ("config", "config/app", "lies in what is to be copied"),
        ("nothing", "backups", "there is no folder"),
        ("config/app/big", "backups", "is no folder"),
        ("config/current", "backups", "is no folder, or a link to one"),
        ("config", "nowhere", "there is no folder"),
    ],
)
def test_what_makes_no_backup_is_refused(live: Path, path: str, to: str, why: str) -> None:
    w = FolderBackupWith(path=str(live.parent / path), to=str(live.parent / to))

    found = BACKUP.inspect(w, Bench())

    assert isinstance(found, Refuse)
    assert why in found.why


@pytest.mark.parametrize("name", ["two\nlines", "back\\slash"])
def test_names_that_a_manifest_cannot_hold_are_refused_by_name(live: Path, name: str) -> None:
    (live / name).touch()
    w = FolderBackupWith(path=str(live), to=str(live.parent / "backups"))

    found = BACKUP.inspect(w, Bench())

    assert isinstance(found, Refuse)
    assert "no line break or backslash" in found.why


def test_a_pipe_in_the_folder_is_refused(live: Path) -> None:
    os.mkfifo(live / "pipe")

    found = BACKUP.inspect(FolderBackupWith(path=str(live), to=str(live.parent / "backups")), Bench())

    assert isinstance(found, Refuse)
    assert "./pipe" in found.why
