"""Every built-in action keeps the contract of actions, over every target that runs here."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import count
from pathlib import Path

import pytest

from runbook.actions import catalogue
from runbook.actions.command import Command, CommandWith, Shell, ShellWith
from runbook.actions.file_backup import BackupWith, FileBackup
from runbook.actions.file_edit import EditWith, FileEdit
from runbook.actions.file_replace import Replacement
from runbook.actions.file_restore import FileRestore, RestoreWith
from runbook.actions.folder_backup import FolderBackup, FolderBackupWith
from runbook.actions.folder_restore import FolderRestore, FolderRestoreWith
from runbook.actions.runtime_switch import RuntimeSwitch, SwitchWith
from runbook.model.host import Host
from runbook.ports.action import Proceed
from runbook.ports.cancel import Cancel
from runbook.ports.target import Target
from runbook.testing import CHECKS, Bench, Case, MemoryWork, tree
from runbook.transports.chroot import ChrootTransport
from runbook.transports.local import LocalTransport
from runbook.transports.ssh import SshTransport
from tests.sshd import Sshd

NAME = "-rf  * ünï\n'code'.conf"
"""A hard name for a file: a dash first, spaces, a star, a line break, quotes, no ASCII."""


def file_backup(folder: Path, target: Target) -> Case:
    path = folder / NAME
    path.write_bytes(b"size: 500\n")
    path.chmod(0o640)

    def meddle() -> None:
        next(folder.glob("*.runbook-*")).write_bytes(b"somebody else\n")

    return Case(FileBackup(), BackupWith(path=str(path)), target, lambda: tree(folder), meddle)


def file_backup_elsewhere(folder: Path, target: Target) -> Case:
    path, to = folder / NAME, folder / "to there"
    to.mkdir()
    path.write_bytes(bytes(range(256)) * 300)
    path.chmod(0o755)

    def meddle() -> None:
        next(to.iterdir()).write_bytes(b"")

    return Case(FileBackup(), BackupWith(path=str(path), to=f"{to}/"), target, lambda: tree(folder), meddle)


def file_restore(folder: Path, target: Target) -> Case:
    path, backup = folder / NAME, folder / "good one"
    path.write_bytes(b"size: 5000\n")
    path.chmod(0o640)
    backup.write_bytes(b"size: 500\n")
    w = RestoreWith(path=str(path), backup=str(backup), sha256=sha256(b"size: 500\n").hexdigest())
    return Case(FileRestore(), w, target, lambda: tree(folder), lambda: path.write_bytes(b"size: 1\n"))


def file_restore_binary(folder: Path, target: Target) -> Case:
    path, backup, keep = folder / NAME, folder / "good one", folder / "kept"
    keep.mkdir()
    path.write_bytes(b"\0\xff" * 400_000)
    backup.write_bytes(b"\xff\0" * 500_000)
    w = RestoreWith(path=str(path), backup=str(backup), keep_in=str(keep))
    return Case(FileRestore(), w, target, lambda: tree(folder), lambda: path.write_bytes(b""))


def file_restore_of_nothing(folder: Path, target: Target) -> Case:
    path, backup = folder / NAME, folder / "good one"
    backup.write_bytes(b"size: 500\n")
    backup.chmod(0o604)
    w = RestoreWith(path=str(path), backup=str(backup))
    return Case(FileRestore(), w, target, lambda: tree(folder), lambda: path.write_bytes(b"size: 1\n"))


def file_edit(folder: Path, target: Target) -> Case:
    path = folder / NAME
    path.write_bytes(b"a: 1\r\nsize: 5000\r\nname: \xff\n")
    path.chmod(0o640)
    rules = (Replacement(line="size: [0-9]+", with_="size: 500"), Replacement(match="a: 1", with_="b: $1 \\1 &"))
    w = EditWith(path=str(path), replace=rules)
    return Case(FileEdit(), w, target, lambda: tree(folder), lambda: path.write_bytes(b"size: 1\n"))


def file_edit_of_all(folder: Path, target: Target) -> Case:
    path, keep = folder / NAME, folder / "kept"
    keep.mkdir()
    path.write_bytes(b"size: 5000\n")
    w = EditWith(path=str(path), content="size: 500", keep_in=str(keep))
    return Case(FileEdit(), w, target, lambda: tree(folder), lambda: path.write_bytes(b""))


def file_edit_of_nothing(folder: Path, target: Target) -> Case:
    path = folder / NAME
    w = EditWith(path=str(path), content="size: 500\n", create=True, mode="0604")
    return Case(FileEdit(), w, target, lambda: tree(folder), lambda: path.write_bytes(b"size: 1\n"))


def command(folder: Path, target: Target) -> Case:
    log = folder / NAME
    w = CommandWith(argv=("tee", "-a", "--", str(log)), stdin="once\n", env={"A": "1"}, cwd=str(folder))
    return Case(Command(), w, target, lambda: tree(folder))


def shell(folder: Path, target: Target) -> Case:
    w = ShellWith(script='printf %s\\\\n "$A" >> log', env={"A": "x y; *"}, cwd=str(folder))
    return Case(Shell(), w, target, lambda: tree(folder))


def _runtime(folder: Path, *versions: str) -> None:
    for version in versions:
        program = folder / version / "bin" / "run it"
        program.parent.mkdir(parents=True)
        program.write_text(f"#!/bin/sh\necho runtime {version}\n")
        program.chmod(0o755)


FOLDER = "-rf  * ünï 'code'"


def full_folder(path: Path) -> None:
    """Make a folder with what makes copying hard: modes, links, empty folders, hard names."""
    (path / "deep er" / "empty").mkdir(parents=True)
    (path / "deep er" / FOLDER).write_bytes(bytes(range(256)) * 20)
    (path / "deep er" / FOLDER).chmod(0o750)
    (path / "a").write_bytes(b"size: 500\n")
    (path / "a").chmod(0o600)
    (path / "link").symlink_to("deep er/nowhere")
    (path / "deep er").chmod(0o700)


def folder_backup(folder: Path, target: Target) -> Case:
    path, to = folder / FOLDER, folder / "to there"
    full_folder(path)
    to.mkdir()

    def meddle() -> None:
        (next(to.iterdir()) / "data" / "a").write_bytes(b"somebody else\n")

    return Case(FolderBackup(), FolderBackupWith(path=str(path), to=str(to)), target, lambda: tree(folder), meddle)


def folder_backup_again(folder: Path, target: Target) -> Case:
    case = folder_backup(folder, target)
    old = folder / "to there" / f"{FOLDER}.runbook-20251101T030000Z-backup" / "data"
    old.parent.mkdir()
    subprocess.run(["cp", "-pPR", folder / FOLDER, old], check=True)
    (old / "a").write_bytes(b"size: 5000\n")

    def meddle() -> None:
        (max((folder / "to there").iterdir()) / "data" / "a").chmod(0o777)

    return Case(case.action, case.arguments, target, case.world, meddle)


def backed_up(folder: Path) -> FolderRestoreWith:
    """Make a backup, and return what restores it."""
    made = folder / "source"
    full_folder(made)
    to = folder / "backups"
    to.mkdir()
    w = FolderBackupWith(path=str(made), to=str(to))
    seen = FolderBackup().inspect(w, Bench())
    assert isinstance(seen, Proceed), seen
    result = FolderBackup().apply(w, seen.before, MemoryWork(Bench()))
    return FolderRestoreWith(path=str(folder / "live"), backup=result.backup, sha256=result.sha256)


def folder_restore(folder: Path, target: Target) -> Case:
    w = backed_up(folder)
    live = folder / "live"
    (live / "deep er").mkdir(parents=True)
    (live / "new one").write_bytes(b"new\n")
    (live / "a").write_bytes(b"size: 5000\n")
    return Case(FolderRestore(), w, target, lambda: tree(folder), lambda: (live / "a").write_bytes(b"theirs\n"))


def folder_restore_of_nothing(folder: Path, target: Target) -> Case:
    w = backed_up(folder)
    live = folder / "live"
    return Case(FolderRestore(), w, target, lambda: tree(folder), lambda: (live / "a").chmod(0o640))


def runtime_switch(folder: Path, target: Target) -> Case:
    _runtime(folder, "1.20", "-rf *")
    link = folder / NAME.replace("\n", "")
    link.symlink_to("1.20")

    def meddle() -> None:
        link.unlink()
        link.symlink_to("elsewhere")

    w = SwitchWith(link=str(link), binary="bin/run it", to="-rf *")
    return Case(RuntimeSwitch(), w, target, lambda: tree(folder), meddle)


def runtime_switch_from_nowhere(folder: Path, target: Target) -> Case:
    _runtime(folder, "1.20", "1.21")
    link = folder / "current"
    link.symlink_to("0.9")

    def meddle() -> None:
        link.unlink()
        link.write_text("a file\n")

    w = SwitchWith(link=str(link), binary="bin/run it", to="1.21", versions=f"{folder}/")
    return Case(RuntimeSwitch(), w, target, lambda: tree(folder), meddle)


CASES: dict[str, Callable[[Path, Target], Case]] = {
    "file.backup": file_backup,
    "file.backup, elsewhere": file_backup_elsewhere,
    "file.restore": file_restore,
    "file.restore, binary": file_restore_binary,
    "file.restore, nothing there": file_restore_of_nothing,
    "file.edit": file_edit,
    "file.edit, whole content": file_edit_of_all,
    "file.edit, nothing there": file_edit_of_nothing,
    "folder.backup": folder_backup,
    "folder.backup, again": folder_backup_again,
    "folder.restore": folder_restore,
    "folder.restore, nothing there": folder_restore_of_nothing,
    "runtime.switch": runtime_switch,
    "runtime.switch, from nowhere": runtime_switch_from_nowhere,
    "command": command,
    "shell": shell,
}


def bench(request: pytest.FixtureRequest) -> Iterator[Target]:
    yield Bench()


def local(request: pytest.FixtureRequest) -> Iterator[Target]:
    transport = LocalTransport()
    yield transport.target(Host("local", "local"), Cancel())
    transport.close()


def ssh(request: pytest.FixtureRequest) -> Iterator[Target]:
    sshd: Sshd = request.getfixturevalue("sshd")
    sshd.clean()
    sshd.know(request.getfixturevalue("home"))
    transport = SshTransport()
    yield transport.target(sshd.host(), Cancel())
    transport.close()


def chroot(request: pytest.FixtureRequest) -> Iterator[Target]:
    transport = ChrootTransport()
    yield transport.target(request.getfixturevalue("mirror"), Cancel())
    transport.close()


TARGETS: dict[str, Callable[[pytest.FixtureRequest], Iterator[Target]]] = {
    "bench": bench,
    "local": local,
    "ssh": ssh,
    "chroot": chroot,
}


@pytest.fixture
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    yield from TARGETS[request.param](request)


# A variant of an action has the same way over a target; it is tried on the quick one.
PAIRS = [(name, place) for name in CASES for place in TARGETS if place == "bench" or "," not in name]


# In a mounted root jobs are those of this machine; what differs is how a path is found, and that shows there and back.
THERE_AND_BACK = ("apply_is_verified", "undo_leads_back", "undo_spares_the_work_of_others")
WHOLE_IN_A_ROOT = ("file.restore", "command")
# Where each action may die is tried on the bench; how a place tells of a torn operation, on one action of each kind.
TORN = ("a_crash_in_apply_is_settled", "a_crash_in_undo_is_settled", "a_torn_apply_can_be_undone")
TORN_IN_A_PLACE = ("file.restore", "folder.backup", "runtime.switch", "command")


def is_run(name: str, place: str, check: str) -> bool:
    """Tell whether a check of an action is made over a target."""
    if place == "chroot":
        return name in WHOLE_IN_A_ROOT or check in THERE_AND_BACK
    return place == "bench" or name in TORN_IN_A_PLACE or check not in TORN


RUNS = [
    pytest.param(name, place, check, id=f"{name}-{place}-{check.__name__}")
    for name, place in PAIRS
    for check in CHECKS
    if is_run(name, place, check.__name__)
]


@pytest.mark.parametrize(("name", "target", "check"), RUNS, indirect=["target"])
def test_the_action_keeps_the_contract(
    name: str, check: Callable[[Callable[[], Case]], None], target: Target, tmp_path: Path
) -> None:
    numbers = count(1)

    def make() -> Case:
        folder = tmp_path / f"world {next(numbers)}"
        folder.mkdir()
        return CASES[name](folder, target)

    check(make)


UNDER_CONTRACT_ELSEWHERE: set[str] = {
    "cache.degrade",
    "cache.restore",
    "git.restore",
    "ldconfig.refresh",
    "queue.replay",
    "service.restart",
    "service.start",
    "service.stop",
}


def test_every_built_in_action_is_under_contract() -> None:
    known = catalogue()
    actions = {name for name in known.names() if name not in UNDER_CONTRACT_ELSEWHERE and _is_action(name)}

    assert {name.partition(",")[0] for name in CASES} >= actions


def _is_action(name: str) -> bool:
    info = catalogue().info(name)
    return info is not None and not info.is_probe
