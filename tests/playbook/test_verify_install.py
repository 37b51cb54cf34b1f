"""`verify-install` with a real archive: trusted by its checksum, unpacked, tried without residue, removed by undo."""

from __future__ import annotations

import hashlib
import socket
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook.testing import tree
from tests.playbook.stand import Stand, statuses

pytestmark = pytest.mark.slow

TOOL = """#!/bin/sh
data=DATA
case $1 in
  --version) echo 'tool 2.1' ;;
  create) touch "$data/$2" LITTER ;;
  show) test -e "$data/$2" && echo "$2: ready" ;;
  remove) rm "$data/$2" ;;
  list) ls "$data" ;;
esac
"""


class Site:
    """A package with a program that deploys files into a folder, and the place where it is to be installed."""

    def __init__(self, folder: Path, litter: str = "", version_exit: str = "", kind: str = "gz") -> None:
        self.data = folder / "deployed"
        self.data.mkdir()
        (self.data / "shop").touch()
        tool = folder / "tool"
        text = TOOL.replace("LITTER", litter).replace("DATA", str(self.data))
        tool.write_text(text.replace("echo 'tool 2.1'", version_exit) if version_exit else text)
        tool.chmod(0o755)
        self.package = folder / f"tool.tar.{kind}"
        with tarfile.open(str(self.package), f"w:{kind}") as archive:  # type: ignore[call-overload]
            archive.add(tool, "bin/tool")
            archive.add(tool, "doc/a file with spaces")
        self.into = folder / "opt" / "tool"
        self.into.parent.mkdir()
        self.stand = Stand(
            folder,
            "verify-install",
            {
                "package": str(self.package),
                "sha256": hashlib.sha256(self.package.read_bytes()).hexdigest(),
                "into": str(self.into),
                "try_program": "bin/tool",
            },
            approvals=("install",),
        )

    @property
    def world(self) -> object:
        return tree(self.into.parent), tree(self.data)


@pytest.fixture(params=["gz"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    return Site(tmp_path, kind=request.param)


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


@pytest.mark.parametrize("site", ["gz", "xz"], indirect=True)
def test_a_package_is_installed_tried_without_residue_and_removed_by_undo(site: Site, port: int) -> None:
    before = site.world

    result = site.stand.start(reach_port=str(port))

    assert result.status == "succeeded"
    assert sorted(path.name for path in site.into.rglob("*") if path.is_file()) == ["a file with spaces", "tool"]
    assert [path.name for path in site.data.iterdir()] == ["shop"]
    told = statuses(result)
    assert (told["try"], told["residue"], told["network"]) == ("succeeded",) * 3
    assert (told["alert"], told["nodes"], told["pods"]) == ("skipped",) * 3

    assert site.stand.undo(result.run).status == "undone"
    assert site.world == before


def test_a_forged_package_is_told_and_not_unpacked(site: Site) -> None:
    before = site.world
    with site.package.open("ab") as file:
        file.write(b"\0")

    result = site.stand.start()

    assert (result.status, result.state.changes) == ("failed", ())
    assert str(result.state.at("alert", "*").result["message"]).startswith(f"ALERT: {site.package} is missing or not")
    assert site.world == before


def test_a_folder_that_is_there_is_not_touched(site: Site) -> None:
    site.into.mkdir()
    (site.into / "theirs").write_text("mine")
    before = site.world

    result = site.stand.start()

    assert (result.status, result.state.changes) == ("failed", ())
    assert site.world == before


def test_a_folder_that_appears_meanwhile_is_not_removed_by_undo(site: Site) -> None:
    """Somebody makes it after the look: the program that looks for names is theirs in this test."""
    shipped = Path(__file__).parents[2] / "playbooks" / "verify-install.yaml"
    late = site.stand.folder / "verify-install.yaml"
    look = 'shell: if [ -e "$INTO" ]'
    assert look in shipped.read_text()
    late.write_text(shipped.read_text().replace(look, 'shell: mkdir "$INTO"; echo mine > "$INTO/theirs"; if false'))
    site.stand.playbook = str(late)

    result = site.stand.start()
    undone = site.stand.undo(result.run)

    assert (result.status, undone.status) == ("failed", "undo_incomplete")
    assert (site.into / "theirs").read_text() == "mine\n"
    assert [path.name for path in site.into.parent.iterdir()] == ["tool"]


def test_a_try_that_leaves_something_is_noticed(tmp_path: Path) -> None:
    site = Site(tmp_path, litter='"$data/litter"')

    result = site.stand.start()

    assert result.status == "failed"
    assert statuses(result)["residue"] == "failed"


def test_undo_does_not_remove_what_somebody_added(site: Site) -> None:
    result = site.stand.start()
    (site.into / "theirs").write_text("mine")

    undone = site.stand.undo(result.run)

    assert undone.status == "undo_incomplete"
    assert (site.into / "theirs").read_text() == "mine"


def test_a_rehearsal_changes_nothing(site: Site) -> None:
    before = site.world

    site.stand.rehearse()

    assert site.world == before


@pytest.mark.parametrize(
    ("nodes", "pods", "status"),
    [
        ("a Ready control-plane 3d v1.30", "dns-1 1/1 Running 0 3d", "succeeded"),
        ("a NotReady control-plane 3d v1.30", "dns-1 1/1 Running 0 3d", "failed"),
        ("a Ready control-plane 3d v1.30", "dns-1 0/1 CrashLoopBackOff 7 3d", "failed"),
        ("", "", "failed"),
    ],
)
def test_nodes_and_pods_have_to_be_ready(
    site: Site, tmp_path: Path, nodes: str, pods: str, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What kubectl would print, by a program that prints it; no cluster is asked."""
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(f"#!/bin/sh\ncase $2 in nodes) printf '{nodes}\\n' ;; pods) printf '{pods}\\n' ;; esac\n")
    kubectl.chmod(0o755)
    shipped = Path(__file__).parents[2] / "playbooks" / "verify-install.yaml"
    brief = tmp_path / "verify-install.yaml"
    brief.write_text(shipped.read_text().replace("within: 2m}", "within: 1s}").replace("every: 5s", "every: 200ms"))
    site.stand.playbook = str(brief)

    result = site.stand.start(kubectl=str(kubectl))

    assert result.status == status


@pytest.mark.fault
@pytest.mark.parametrize("point", ["before-intent", "after-intent", "before-receipt", "after-receipt"])
def test_a_kill_while_it_is_unpacked_is_resumed_to_a_whole_installation(site: Site, point: str) -> None:
    before = site.world
    run = site.stand.killed(point)

    result = site.stand.resume(run)

    assert result.status == "succeeded"
    assert (site.into / "bin" / "tool").read_bytes().startswith(b"#!/bin/sh")
    assert site.stand.undo(run).status == "undone"
    assert site.world == before
