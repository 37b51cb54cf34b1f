"""`backup-and-replace` on a real service: kept, replaced, watched, undone; a bad backup is told and touches nothing."""

from __future__ import annotations

import hashlib
import http.client
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from runbook.testing import tree
from tests.demo.conftest import Supervised, supervised, until
from tests.playbook.stand import Stand, statuses

__all__ = ["supervised"]

pytestmark = pytest.mark.slow

COMPONENT = """
import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(STATUS)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""


class Service:
    """A service whose program is the component, and a folder with a release of it that is better."""

    def __init__(self, units: Supervised, folder: Path) -> None:
        self.units = units
        self.folder = folder / "opt"
        self.backups = folder / "backups"
        self.folder.mkdir()
        self.backups.mkdir()
        self.path = self.folder / "component.py"
        self.path.write_text(COMPONENT.replace("STATUS", "500"))
        self.path.chmod(0o640)
        self.source = folder / "release.py"
        self.source.write_text(COMPONENT.replace("STATUS", "200"))
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.port = int(server.getsockname()[1])
        units.add("api", sys.executable, str(self.path), str(self.port))
        units.start()
        self.answers(500)
        self.stand = Stand(
            folder,
            "backup-and-replace",
            {
                "path": str(self.path),
                "source": str(self.source),
                "sha256": hashlib.sha256(self.source.read_bytes()).hexdigest().upper(),
                "backup_folder": str(self.backups),
                "service": "api",
                "health_url": f"http://127.0.0.1:{self.port}/",
                "stable": "300ms",
                "steady": "300ms",
                "soak": "300ms",
            },
            host_vars={"service_driver": "supervised", "service_control": str(units.layout.control)},
            approvals=("replace",),
        )

    def answers(self, status: int) -> None:
        """Wait until the service answers with this status."""

        def does() -> bool:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
                connection.request("GET", "/")
                return connection.getresponse().status == status
            except OSError:
                return False
            finally:
                connection.close()

        until(does)

    @property
    def world(self) -> object:
        return tree(self.folder), tree(self.backups), self.source.read_bytes()

    @property
    def invocation(self) -> str:
        return self.units.show("api")["InvocationID"]


@pytest.fixture
def service(supervised: Supervised, tmp_path: Path) -> Service:
    return Service(supervised, tmp_path)


def test_the_component_is_replaced_kept_and_brought_back_byte_for_byte(service: Service) -> None:
    before, before_folder, old = service.world, tree(service.folder), service.path.read_bytes()

    result = service.stand.start(folder=str(service.folder))

    assert result.status == "succeeded"
    service.answers(200)
    (kept,) = service.backups.glob("opt.runbook-*-backup")
    assert tree(kept / "data") == before_folder
    assert service.path.read_bytes() == service.source.read_bytes()
    assert service.path.stat().st_mode & 0o7777 == 0o640
    (note,) = service.backups.glob("*.sha256")
    assert note.with_suffix("").read_bytes() == old
    assert subprocess.run(["sha256sum", "-c", "--quiet", note.name], cwd=service.backups, check=False).returncode == 0
    assert statuses(result)["alert"] == "skipped"

    undone = service.stand.undo(result.run)

    assert undone.status == "undone"
    assert service.world == before
    service.answers(500)


@pytest.mark.parametrize("kind", ["damaged", "missing"])
def test_a_bad_backup_is_told_and_nothing_is_touched(service: Service, kind: str) -> None:
    if kind == "damaged":
        service.source.write_bytes(service.source.read_bytes()[:-1])
        before = service.world
    else:
        before = service.world
        service.source.rename(service.source.with_name("elsewhere"))
    invocation = service.invocation

    result = service.stand.start()

    assert (result.status, result.state.changes) == ("failed", ())
    told = str(result.state.at("alert", "*").result["message"])
    assert told.startswith(f"ALERT: {service.source} is missing or damaged")
    assert statuses(result)["trusted"] == "failed"
    assert service.invocation == invocation
    if kind == "damaged":
        assert service.world == before


def test_a_rehearsal_shows_the_diff_and_changes_nothing(service: Service) -> None:
    before, invocation = service.world, service.invocation

    found = service.stand.rehearse()

    assert (service.world, service.invocation) == (before, invocation)
    seen = {step.step: step for step in found.steps}
    assert "-        self.send_response(500)" in seen["restore"].diff
    assert seen["whole"].words == "holds now"
    assert not found.refused


@pytest.mark.fault
@pytest.mark.parametrize("point", ["before-intent", "after-intent", "before-receipt", "after-receipt"])
def test_a_kill_while_the_file_is_swapped_is_resumed_to_the_right_state(service: Service, point: str) -> None:
    """The operations before are: the backup, its checksum, the stop, and the copy that undo needs."""
    before = service.world
    run = service.stand.killed(f"{point}:5")
    assert service.units.show("api")["ActiveState"] == "inactive"

    result = service.stand.resume(run)

    assert result.status == "succeeded"
    service.answers(200)
    assert service.path.read_bytes() == service.source.read_bytes()
    assert service.stand.undo(run).status == "undone"
    assert service.world == before


def test_the_check_list_stops_before_anything_is_touched(service: Service) -> None:
    before, invocation = service.world, service.invocation
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = str(server.getsockname()[1])
    checker = service.stand.folder / "checker"
    checker.write_text('#!/bin/sh\ngrep -q "send_response(201)" "$1"\n')
    checker.chmod(0o755)

    failed = {
        "reachable": service.stand.start(needs_port=closed),
        "usable": service.stand.start(check_program=str(checker)),
        "apart": service.stand.start(backup_folder=str(service.folder)),
    }

    assert {step: statuses(result)[step] for step, result in failed.items()} == dict.fromkeys(failed, "failed")
    assert [result.state.changes for result in failed.values()] == [(), (), ()]
    assert (service.world, service.invocation) == (before, invocation)
