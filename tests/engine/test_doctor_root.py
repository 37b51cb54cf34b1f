"""The preflight of a mounted root: what can be done in it, and what not."""

from __future__ import annotations

from pathlib import Path

import pytest

from runbook.session.doctor import Checkup, examine
from runbook.session.order import Order
from tests.engine.desk import Desk
from tests.mounted import Mounts, require_root

STEPS = """targets:
  app: {hosts: all, min: 1}
steps:
  - id: edit
    uses: file.edit
    with: {path: /etc/conf, replace: [{match: "5000", with: "500"}], sudo: true}
  - {id: look, command: [COMMAND], effect: read}
"""


def see(desk: Desk, root: Path | str, command: str = "cat") -> Checkup:
    inventory = desk.folder / "hosts.yaml"
    inventory.write_text(f"hosts:\n  broken: {{transport: chroot, root: {root}}}\n")
    order = Order(playbook=str(desk.playbook(STEPS.replace("COMMAND", command))), inventory=inventory)
    (found,) = examine(desk.settings, order)
    return found


def told(checkup: Checkup, state: str) -> str:
    return "; ".join(f"{finding.what}: {finding.told}" for finding in checkup.findings if finding.state == state)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    require_root()
    folder = tmp_path / "mnt"
    (folder / "etc").mkdir(parents=True)
    return folder


def test_a_root_in_which_nothing_runs_is_fit_for_files_and_says_so(desk: Desk, root: Path) -> None:
    found = see(desk, root)

    assert found.is_fit
    assert f"root: nothing is mounted at {root}" in told(found, "warn")
    assert "nothing can be run inside of it" in told(found, "warn")
    assert "login: as root" in told(found, "good")


def test_a_root_that_cannot_be_written_or_lacks_a_tool_is_not_fit(desk: Desk, root: Path) -> None:
    script = """
    for name in usr bin lib lib64; do
      if [ -d "/$name" ]; then mkdir -p "$1/$name"; mount --bind "/$name" "$1/$name"; fi
    done
    mount --rbind "$1" "$1"; mount -o remount,bind,ro "$1"
    """
    with Mounts(script, str(root)) as mounts:
        found = see(desk, mounts.place(root), "no-such-tool-anywhere")

    assert found.is_reachable
    assert "it cannot be written" in told(found, "bad")
    assert "missing inside of it: no-such-tool-anywhere" in told(found, "bad")


def test_a_root_that_is_not_mounted_is_told_with_the_remedy(desk: Desk, root: Path) -> None:
    (root / "etc").rmdir()

    found = see(desk, root)

    assert not found.is_reachable
    assert "nothing is mounted there" in told(found, "bad")
    (root.parent / "loop").symlink_to("loop")
    assert "loop: its links lead round in a circle" in told(see(desk, root.parent / "loop"), "bad")


def test_a_root_with_little_room_is_told(desk: Desk, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runbook.session.doctor_root.LITTLE", 1 << 50)
    with Mounts('mount -t tmpfs none "$1"; mkdir "$1/etc"', str(root)) as mounts:
        found = see(desk, mounts.place(root))

    assert "MiB free: copies may find no room" in told(found, "warn")
