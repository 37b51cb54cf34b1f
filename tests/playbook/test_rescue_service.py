"""`rescue-service` on a damaged root in which nothing runs: kept, healed, taken back, rehearsed, refused."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from runbook.actions.folder_state import DATA
from runbook.testing import tree
from tests.lab.lab import Lab
from tests.mounted import Mounts, require_root
from tests.playbook.stand import Stand, statuses

PROGRAM = Path(shutil.which("cat") or "/bin/cat").resolve().read_bytes()
CONFIG = "listen: 8080\npool: 50\n"


def on(stand: Stand, root: Path) -> None:
    """Let a stand work on a mounted root."""
    stand.inventory.write_text(
        f"hosts:\n  broken: {{transport: chroot, root: {root}}}\ngroups:\n  rescue: {{hosts: [broken]}}\n"
    )


class Damaged:
    """A root after a power loss: the program is cut off, the configuration ends in zeros, there is no shell."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "mnt"
        for name in ("usr/bin", "etc/goapp", "var/log/goapp/old", "var/backups", "var/lib/dpkg/info", "opt/goapp"):
            (self.root / name).mkdir(parents=True)
        self.binary = self.root / "opt/goapp/goapp"
        self.binary.write_bytes(PROGRAM[: len(PROGRAM) // 2])
        self.binary.chmod(0o751)
        # As on many systems: the name that everybody knows is a link, and not a relative one.
        (self.root / "usr/local").symlink_to("/opt")
        self.config = self.root / "etc/goapp/config.yaml"
        self.config.write_text("listen: 8080\n" + "\0" * 20)
        self.config.chmod(0o640)
        (self.root / "var/log/goapp/app.log").write_text("panic: unexpected fault\n")
        (self.root / "var/log/goapp/old/app.log.1").write_text("started\n")
        (self.root / "var/backups/goapp.good").write_bytes(PROGRAM)
        (self.root / "var/backups/config.good").write_text(CONFIG)
        md5 = hashlib.md5(PROGRAM, usedforsecurity=False).hexdigest()
        (self.root / "var/lib/dpkg/info/goapp.md5sums").write_text(f"{md5}  opt/goapp/goapp\n")
        self.stand = Stand(
            folder,
            "rescue-service",
            {
                "binary": "/opt/goapp/goapp",
                "config": "/etc/goapp/config.yaml",
                "logs": "/var/log/goapp",
                "good_binary": "/var/backups/goapp.good",
                "good_binary_sha256": hashlib.sha256(PROGRAM).hexdigest(),
                "good_config": "/var/backups/config.good",
                "good_config_sha256": hashlib.sha256(CONFIG.encode()).hexdigest(),
            },
            approvals=("keep", "heal"),
        )
        on(self.stand, self.root)


@pytest.fixture
def damaged(tmp_path: Path) -> Damaged:
    require_root()
    return Damaged(tmp_path)


def test_program_and_configuration_are_kept_and_healed_and_undo_gives_back_every_byte(damaged: Damaged) -> None:
    before, logs = tree(damaged.root), tree(damaged.root / "var/log/goapp")

    result = damaged.stand.start()

    assert result.status == "succeeded"
    assert damaged.binary.read_bytes() == PROGRAM
    assert damaged.binary.stat().st_mode & 0o7777 == 0o751
    assert damaged.config.read_text() == CONFIG
    backups = damaged.root / "var/backups"
    (kept,) = backups.glob("goapp.runbook-*-backup.sha256")
    told = subprocess.run(("sha256sum", "-c", kept.name), cwd=backups, capture_output=True, text=True, check=True)
    assert told.stdout == f"{kept.stem}: OK\n"
    assert (backups / kept.stem).read_bytes() == PROGRAM[: len(PROGRAM) // 2]
    (kept_logs,) = (path for path in backups.glob("goapp.runbook-*-backup") if path.is_dir())
    assert tree(kept_logs / DATA) == logs

    undone = damaged.stand.undo(result.run)

    assert undone.status == "undone"
    assert tree(damaged.root) == before


def test_what_was_put_back_is_known_by_the_checksum_of_its_backup_where_no_package_lists_it(damaged: Damaged) -> None:
    (damaged.root / "var/lib/dpkg/info/goapp.md5sums").unlink()
    for name in ("config", "logs", "good_config", "good_config_sha256"):
        del damaged.stand.values[name]

    result = damaged.stand.start()

    assert (result.status, statuses(result)["healed"]) == ("succeeded", "succeeded")


def test_a_rehearsal_tells_what_is_wrong_and_changes_nothing(damaged: Damaged) -> None:
    before = tree(damaged.root)

    rehearsal = damaged.stand.rehearse()

    assert tree(damaged.root) == before
    assert "cut off" in str(rehearsal)
    assert f"In the root that is mounted at {damaged.root}" in str(rehearsal)


def test_a_bad_backup_is_refused_and_the_damaged_program_stays_as_it_is(damaged: Damaged) -> None:
    before = damaged.binary.read_bytes()

    result = damaged.stand.start(good_binary_sha256="0" * 64)

    assert result.status == "failed"
    assert statuses(result)["put-program"] == "refused"
    assert damaged.binary.read_bytes() == before


def test_a_whole_program_is_left_alone(damaged: Damaged) -> None:
    damaged.binary.write_bytes(PROGRAM)
    damaged.config.write_text(CONFIG)
    del damaged.stand.values["good_binary_sha256"]

    result = damaged.stand.start(sha256=hashlib.sha256(PROGRAM).hexdigest())

    assert result.status == "succeeded"
    assert statuses(result)["put-program"] == "skipped"


DISK = """
mount -t tmpfs -o mode=755 none "$2"
mkdir "$2/upper" "$2/work" "$2/root"
mount -t overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" none "$2/root"
"""


@pytest.mark.lab(inside=False)
def test_a_real_system_is_healed_by_the_lists_of_its_packages_and_its_own_loader(lab: Lab, tmp_path: Path) -> None:
    require_root()
    disk = tmp_path / "disk"
    disk.mkdir()
    stand = Stand(
        tmp_path,
        "rescue-service",
        {
            "binary": "/usr/sbin/sshd",
            "config": "/etc/ssh/sshd_config",
            "logs": "/var/log/apt",
            "good_binary": "/var/backups/sshd",
            "libraries": "true",
        },
        approvals=("keep", "heal"),
    )
    with Mounts(DISK, str(lab.image.root), str(disk)) as mounts:
        root = Path(mounts.place(disk / "root"))
        binary, config, backups = (root / name for name in ("usr/sbin/sshd", "etc/ssh/sshd_config", "var/backups"))
        whole = binary.read_bytes()
        (backups / "sshd").write_bytes(whole)
        binary.write_bytes(whole[:100_000])
        config.write_text("")
        before = tree(config.parent), binary.read_bytes(), binary.stat().st_mode, sorted(backups.iterdir())
        on(stand, root)

        result = stand.start()
        healed = binary.read_bytes()
        undone = stand.undo(result.run)

        after = tree(config.parent), binary.read_bytes(), binary.stat().st_mode, sorted(backups.iterdir())
    assert (result.status, statuses(result)["libraries"]) == ("succeeded", "succeeded")
    assert healed == whole
    assert undone.status == "undone"
    assert after == before
