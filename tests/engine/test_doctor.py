"""The preflight over all targets of a playbook, on a real sshd."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from runbook.ports.cancel import Cancel
from runbook.ports.target import Lease, LeaseTaken
from runbook.session.doctor import Checkup, Finding, examine
from runbook.session.order import Order
from runbook.transports.ssh import SshTransport
from tests.engine.desk import Desk
from tests.sshd import MISSING, PROGRAM, Sshd, free_port, sshd

__all__ = ["sshd"]

pytestmark = pytest.mark.skipif(PROGRAM is None, reason=MISSING)

STEPS = """targets:
  app: {hosts: all, min: 1}
steps:
  - id: edit
    uses: file.edit
    with: {path: DIR/conf, replace: [{match: "5000", with: "500"}]}
"""
READS = "  - {id: look, command: [id], effect: read}\n"
WANTS = "  - {id: look, command: [no-such-tool-anywhere], effect: read}\n"


def inventory(desk: Desk, sshd: Sshd) -> Path:
    own = f"address: 127.0.0.1, port: {sshd.port}, key_file: {sshd.key}"
    path = desk.folder / "hosts.yaml"
    path.write_text(
        f"hosts:\n  fit: {{{own}, user: {sshd.user}}}\n"
        f"  stranger: {{{own.replace('127.0.0.1', 'localhost')}, user: {sshd.user}}}\n"
        f"  closed: {{{own}, user: nobody-of-this-name}}\n"
        f"  away: {{address: 127.0.0.1, port: {free_port()}, user: x}}\n"
    )
    return path


def order(desk: Desk, sshd: Sshd, body: str = STEPS, limit: str = "") -> Order:
    return Order(playbook=str(desk.playbook(body)), inventory=inventory(desk, sshd), limit=limit)


def bad(checkup: Checkup) -> list[Finding]:
    return [finding for finding in checkup.findings if finding.state == "bad"]


def test_each_host_is_told_what_is_wrong_with_it_and_what_to_do(desk: Desk, sshd: Sshd, home: Path) -> None:
    sshd.know(home)
    heard: list[Checkup] = []

    found = examine(desk.settings, order(desk, sshd), heard=heard.append)

    by_host = {checkup.host: checkup for checkup in found}
    assert heard == list(found)
    assert {host: checkup.is_reachable for host, checkup in by_host.items()} == {
        "fit": True, "stranger": False, "closed": False, "away": False,
    }  # fmt: skip
    looked_at = [finding.what for finding in by_host["fit"].findings]
    assert looked_at == ["reach", "login", "disk", "clock", "health", "tools"]
    health = next(finding.told for finding in by_host["fit"].findings if finding.what == "health")
    assert re.fullmatch(r"load [\d.]+ on \d+ cores?, \d+ of \d+ MiB of memory available", health)
    assert by_host["fit"].is_fit
    assert by_host["fit"].clock_offset == 0.0
    assert [(f.what, "SHA256:" in f.told, "ssh-keyscan" in f.remedy) for f in bad(by_host["stranger"])] == [
        ("host key", True, True)
    ]
    assert [(f.what, bool(f.remedy)) for f in bad(by_host["closed"])] == [("login", True)]
    assert [(f.what, "refused" in f.told) for f in bad(by_host["away"])] == [("reach", True)]


def test_a_tool_that_is_missing_stands_against_the_run(desk: Desk, sshd: Sshd, home: Path) -> None:
    sshd.know(home)

    (checkup,) = examine(desk.settings, order(desk, sshd, STEPS + WANTS, "fit"))

    assert [finding.told for finding in bad(checkup)] == ["missing: no-such-tool-anywhere"]
    assert (checkup.is_reachable, checkup.is_fit) == (True, False)


def test_a_login_that_talks_before_every_command_is_called_out_with_what_to_do(
    desk: Desk, home: Path, tmp_path: Path
) -> None:
    loud = Sshd(tmp_path / "loud", 'ForceCommand echo Welcome, and behave >&2; exec sh -c "$SSH_ORIGINAL_COMMAND"')
    loud.start()
    try:
        loud.know(home)
        (checkup,) = examine(desk.settings, order(desk, loud, limit="fit"))
    finally:
        loud.stop()

    said, greeting = (finding for finding in checkup.findings if finding.what == "login")
    assert (said.state, greeting.state, checkup.is_fit) == ("good", "warn", True)
    assert "'Welcome, and behave'" in greeting.told
    assert "~/.bashrc" in greeting.remedy


def test_a_host_that_another_run_holds_is_called_out_with_who_and_what_to_do(
    desk: Desk, sshd: Sshd, home: Path
) -> None:
    sshd.clean()
    sshd.know(home)
    transport = SshTransport()
    taken = transport.target(sshd.host("web"), Cancel()).take_lease(Lease("run1", "olga@desk", ""))
    transport.close()
    assert isinstance(taken, LeaseTaken)

    (changes,) = examine(desk.settings, order(desk, sshd, limit="fit"))
    (reads,) = examine(desk.settings, order(desk, sshd, STEPS.partition("  - id")[0] + READS, limit="fit"))

    (lease,) = bad(changes)
    assert (lease.what, changes.is_reachable, changes.is_fit) == ("lease", True, False)
    assert lease.told == f"held as web by run run1 of olga@desk since {taken.lease.since}"
    assert "`runbook cancel run1`" in lease.remedy
    assert "`runbook adopt run1 --on HOSTS`" in lease.remedy
    assert reads.is_fit


def test_a_preflight_leaves_nothing_behind(desk: Desk, sshd: Sshd, home: Path) -> None:
    sshd.clean()
    sshd.know(home)

    examine(desk.settings, order(desk, sshd, limit="fit"))

    assert list(sshd.home.iterdir()) == []
    assert list(desk.files()) == []
