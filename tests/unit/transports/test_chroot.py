"""What only a mounted root has: paths that stay inside, tools that are not its own, and what is not there."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runbook.actions.command import Command, CommandWith
from runbook.actions.file_backup import BackupWith, FileBackup
from runbook.actions.file_restore import FileRestore, RestoreWith
from runbook.actions.file_state import look
from runbook.actions.folder_state import look_folder
from runbook.actions.service import RunWith, ServiceRestart, ServiceStatus, StatusWith
from runbook.errors import AuthError, ConnectError, DispatchRefused
from runbook.model.host import Host
from runbook.ports.action import NoData, Refuse
from runbook.ports.cancel import Cancel
from runbook.ports.target import Cmd, NoJob, OpKey, Stream
from runbook.testing import tree
from runbook.testing.work import Silent
from runbook.transports.chroot import ChrootTarget, ChrootTransport
from tests.mounted import Mounts, require_root

OP = OpKey("run1", "step", "rescue", 1, "main")


class Said:
    def __init__(self) -> None:
        self.out = bytearray()
        self.err = bytearray()

    def write(self, stream: Stream, data: bytes) -> None:
        (self.out if stream == "out" else self.err).extend(data)


@pytest.fixture(autouse=True)
def _root() -> None:
    require_root()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root in which nothing can be run."""
    folder = tmp_path / "mnt"
    for name in ("etc", "opt/app", "var/backups"):
        (folder / name).mkdir(parents=True)
    (folder / "etc/hostname").write_text("damaged\n")
    return folder


def enter(root: Path | str) -> ChrootTarget:
    return ChrootTransport().target(Host("rescue", "chroot", root=str(root)), Cancel())


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def state(root: Path, path: str) -> object:
    return look(enter(root), path, sudo=True, timeout=20.0).file


# --- paths ------------------------------------------------------------------------------------------------------


def test_a_link_of_the_root_leads_to_a_file_of_the_root_and_never_to_ours(root: Path, tmp_path: Path) -> None:
    (tmp_path / "ours").write_text("a secret of the rescuer")
    (root / "opt/ours").symlink_to(tmp_path / "ours")
    (root / "opt/up").symlink_to("../../../../../../../etc/hostname")
    (root / "opt/conf").symlink_to("/etc")
    (root / "opt/name").symlink_to("conf/hostname")

    seen = {name: look(enter(root), f"/opt/{name}", sudo=False, timeout=20.0).file for name in ("ours", "up", "name")}
    through = look(enter(root), "/opt/conf/hostname", sudo=False, timeout=20.0).file

    assert (seen["ours"].kind, seen["ours"].link) == ("missing", True)
    assert (seen["up"].sha256, seen["up"].link) == (sha256(b"damaged\n"), True)
    assert (seen["name"].sha256, seen["name"].link) == (sha256(b"damaged\n"), True)
    assert (through.sha256, through.link) == (sha256(b"damaged\n"), False)
    assert list(tmp_path.glob("runbook-*")) == []


def test_links_that_lead_in_a_circle_are_an_error_and_no_end_of_waiting(root: Path) -> None:
    (root / "opt/a").symlink_to("b")
    (root / "opt/b").symlink_to("/opt/a")
    said = Said()

    finished = enter(root).read(Cmd(("cat", "--", "/opt/a"), files=True), said)

    assert finished.exit == 65
    assert b"too many levels" in said.err
    with pytest.raises(DispatchRefused):
        enter(root).put(io.BytesIO(b"x"), "/opt/a/b", OP)


ORACLE = """
import json, os, sys
os.chroot(sys.argv[1]); os.chdir("/")
for line in sys.stdin:
    try:
        known = os.stat(json.loads(line))
        print(json.dumps([known.st_dev, known.st_ino]), flush=True)
    except OSError as error:
        print("null", flush=True)
"""

NAMES = st.sampled_from(["a", "b", "c\n", "-d *"])
WAYS = st.lists(st.one_of(NAMES, st.sampled_from(["..", ".", "", "a"])), min_size=1, max_size=5).map("/".join)
LINKS = st.lists(st.tuples(NAMES, NAMES, st.booleans(), WAYS), max_size=6)


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    """A process that lives in a root, and tells what a path is there."""
    require_root()
    folder = tmp_path_factory.mktemp("oracle")
    argv = (sys.executable, "-S", "-c", ORACLE, str(folder))
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield folder, process
    process.communicate(timeout=60)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(links=LINKS, way=WAYS)
def test_any_path_is_found_where_a_process_inside_finds_it(
    oracle: tuple[Path, subprocess.Popen[str]], links: list[tuple[str, str, bool, str]], way: str
) -> None:
    folder, process = oracle
    for old in folder.iterdir():
        shutil.rmtree(old)
    for name in ("a", "b", "c\n", "-d *"):
        (folder / name / "a").mkdir(parents=True)
        (folder / name / "b").write_text(name)
    for place, name, absolute, to in links:
        link = folder / place / name
        if not os.path.lexists(link):
            link.symlink_to(f"/{to}" if absolute else to or ".")
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(f"/{way}") + "\n")
    process.stdin.flush()
    inside = json.loads(process.stdout.readline())
    said = Said()

    finished = enter(folder).read(Cmd(("stat", "-L", "-c", "[%d, %i]", "--", f"/{way}"), files=True), said)

    outside = json.loads(said.out) if finished.exit == 0 else None
    if inside is not None or ".." not in way + "".join(to for *_, to in links):
        assert outside == inside
    if outside is not None:
        known = {
            (at.stat().st_dev, at.stat().st_ino)
            for at in (folder, *(p for p in folder.rglob("*") if not p.is_symlink()))
        }
        assert tuple(outside) in known


def test_a_file_is_put_inside_of_the_root_and_a_link_in_its_place_is_refused(root: Path, tmp_path: Path) -> None:
    (tmp_path / "ours").write_text("ours")
    (root / "opt/conf").symlink_to("/etc")
    (root / "etc/out").symlink_to(tmp_path / "ours")

    digest = enter(root).put(io.BytesIO(b"healed\n"), "/opt/conf/hostname", OP)
    with pytest.raises(DispatchRefused, match="symbolic link"):
        enter(root).put(io.BytesIO(b"bad"), "/opt/conf/out", OpKey("run1", "step", "rescue", 1, "out"))

    assert digest.sha256 == sha256(b"healed\n")
    assert (root / "etc/hostname").read_text() == "healed\n"
    assert (tmp_path / "ours").read_text() == "ours"


# --- a root in which nothing runs -------------------------------------------------------------------------------


def test_files_are_looked_at_without_any_tool_of_the_root(root: Path) -> None:
    (root / "bin").mkdir()
    (root / "bin/sh").write_text("#!/nowhere\n")
    (root / "bin/sh").chmod(0o755)

    seen = look(enter(root), "/etc/hostname", sudo=True, timeout=20.0)
    folder = look_folder(enter(root), "/etc", sudo=True, timeout=20.0).folder

    assert (seen.file.sha256, seen.folder) == (sha256(b"damaged\n"), "writable")
    assert (folder.kind, folder.files) == ("folder", 1)


def test_a_command_that_the_root_cannot_run_says_so_and_leaves_a_job_that_ended(root: Path) -> None:
    said = Said()

    finished = enter(root).change(Cmd(("sh", "-c", "true")), OP, said)

    assert (finished.exit, finished.ended) == (127, "exit")
    assert b"sh" in said.err
    assert enter(root).job(OP) != NoJob()


def test_a_step_with_a_command_is_refused_for_the_right_reason(root: Path) -> None:
    (root / "bin").mkdir()
    (root / "bin/true").write_bytes(b"\x7fELF")
    (root / "bin/true").chmod(0o755)

    seen = Command().inspect(CommandWith(argv=("/bin/true",)), enter(root))

    assert isinstance(seen, Refuse)
    assert "nothing can be run there" in seen.why


def test_a_job_folder_lies_on_this_machine_and_leaves_nothing_in_the_root(root: Path, home: Path) -> None:
    before = tree(root)

    enter(root).change(Cmd(("true",)), OP, Said())

    assert tree(root) == before
    assert (home / f".local/state/runbook/jobs/{OP.text()}/status").read_text().startswith("127 ")


# --- a root in which commands run -------------------------------------------------------------------------------

BIND = """
for name in usr bin lib lib64; do
  [ -d "/$name" ] || continue
  mkdir -p "$1/$name"
  mount --bind "/$name" "$1/$name"
done
[ -z "$2" ] || { mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"; }
"""


def test_a_command_runs_inside_of_the_root_with_a_path_that_is_good_there(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"/nowhere/at/all:{os.environ['PATH']}")
    look_around = Cmd(("sh", "-c", 'cat hostname; pwd; echo "$PATH $1"', "sh", "/etc"), cwd="/etc")
    said = Said()

    with Mounts(BIND, str(root), "") as mounts:
        finished = enter(mounts.place(root)).read(look_around, said)

    assert finished.exit == 0
    assert said.out.decode() == ("damaged\n/etc\n/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin /etc\n")


def test_a_root_that_is_read_only_can_be_read_and_refuses_changes_before_them(root: Path) -> None:
    with Mounts(BIND, str(root), "read-only") as mounts:
        target = enter(mounts.place(root))
        seen = look(target, "/etc/hostname", sudo=True, timeout=20.0).file
        backup = FileBackup().inspect(BackupWith(path="/etc/hostname", sudo=True), target)
        with pytest.raises(DispatchRefused, match="Read-only"):
            target.put(io.BytesIO(b"x"), "/etc/hostname", OP)

    assert seen.sha256 == sha256(b"damaged\n")
    assert isinstance(backup, Refuse)
    assert (root / "etc/hostname").read_text() == "damaged\n"


def test_what_services_do_is_not_told_of_a_root(root: Path) -> None:
    target = enter(root)

    status = ServiceStatus().observe(StatusWith(unit="order-service"), target, Silent())
    restart = ServiceRestart().inspect(RunWith(unit="order-service"), target)

    assert isinstance(status, NoData)
    assert "no service manager runs" in status.evidence[0]
    assert isinstance(restart, Refuse)


# --- what is no root --------------------------------------------------------------------------------------------


def test_what_is_no_mounted_root_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "ours").symlink_to("/")
    said = {}
    for name in ("empty", "file", "ours", "missing"):
        with pytest.raises(ConnectError) as caught:
            enter(tmp_path / name)
        said[name] = str(caught.value)

    assert "nothing is mounted there" in said["empty"]
    assert "is no folder" in said["file"]
    assert "is the root of this machine itself; say transport: local" in said["ours"]
    assert "No such file" in said["missing"]


def test_a_root_that_went_away_is_not_taken_for_one_where_everything_is_missing(root: Path) -> None:
    transport = ChrootTransport()
    host = Host("rescue", "chroot", root=str(root))
    target = transport.target(host, Cancel())
    root.rename(root.with_name("unplugged"))
    root.mkdir()

    with pytest.raises(DispatchRefused, match="not there any more"):
        look(target, "/etc/hostname", sudo=False, timeout=20.0)
    with pytest.raises(DispatchRefused):
        target.put(io.BytesIO(b"x"), "/etc/hostname", OP)
    with pytest.raises(ConnectError):
        transport.target(host, Cancel())

    assert list(root.iterdir()) == []


@pytest.mark.parametrize("answer", [0, 1])
def test_who_is_not_root_goes_through_sudo_or_is_told_to_become_root(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: int
) -> None:
    fake = tmp_path / "bin/sudo"
    fake.parent.mkdir()
    lines = (
        "#!/bin/sh",
        f"[ {answer} = 0 ] || exit 1",
        f'echo "$*" >>{tmp_path}/told',
        'while [ "$1" != -- ] && [ "$1" != true ]; do shift; done',
        '[ "$1" = true ] || shift',
        'exec "$@"',
    )
    fake.write_text("\n".join(lines))
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    monkeypatch.setattr("os.geteuid", lambda: 1000)

    if answer:
        with pytest.raises(AuthError, match="start Runbook as root"):
            enter(root)
        return
    said = Said()
    finished = enter(root).read(Cmd(("cat", "--", "/etc/hostname"), files=True), said)
    enter(root).read(Cmd(("true",)), Said())

    assert (finished.exit, bytes(said.out)) == (0, b"damaged\n")
    assert f"-n -- {shutil.which('chroot')} {root} true" in (tmp_path / "told").read_text()


def test_a_backup_of_the_root_is_restored_in_it(root: Path) -> None:
    (root / "var/backups/hostname").write_text("good\n")
    w = RestoreWith(path="/etc/hostname", backup="/var/backups/hostname", sha256=sha256(b"good\n"), sudo=True)

    seen = FileRestore().inspect(w, enter(root))

    assert "-damaged\n+good\n" in getattr(seen, "before").diff  # noqa: B009 - Proceed or not, its text tells
