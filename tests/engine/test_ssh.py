"""Whole runs on hosts that are reached over SSH: changes and their way back, doubt, leases, time limits."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from runbook.events import fact as f
from runbook.journal import list_runs
from runbook.ports.cancel import Cancel
from runbook.ports.target import Cmd, Lease, OpKey
from runbook.session.control import Control
from runbook.session.doctor import examine
from runbook.session.order import Order
from runbook.session.rehearse import rehearse
from runbook.session.review import report
from runbook.session.unattended import Unattended
from runbook.transports.ssh import SshTransport
from runbook.transports.ssh.output import Gathered
from tests.engine.desk import Desk, Ear, change, touch, until
from tests.nursery import nursery
from tests.sshd import MISSING, PROGRAM, Sshd, free_port, sshd

__all__ = ["sshd"]

pytestmark = pytest.mark.skipif(PROGRAM is None, reason=MISSING)

CHILD = """
import sys
from pathlib import Path
from runbook.config import settings
from runbook.session.order import Order
from runbook.session.run import start
from runbook.session.unattended import Unattended
start(settings(Path(sys.argv[1]).parent), Order(playbook=sys.argv[1], inventory=Path(sys.argv[2])), Unattended())
"""

TARGETS = "targets:\n  app: {hosts: all, min: 1}\nsteps:\n"


@pytest.fixture
def host(sshd: Sshd, home: Path) -> Sshd:
    sshd.clean()
    sshd.know(home)
    return sshd


def inventory(desk: Desk, sshd: Sshd, *more: str, name: str = "web1") -> Path:
    path = desk.folder / "hosts.yaml"
    line = f"{{address: 127.0.0.1, port: {sshd.port}, user: {sshd.user}, key_file: {sshd.key}}}"
    path.write_text("hosts:\n" + "".join(f"  {each}\n" for each in (f"{name}: {line}", *more)))
    return path


def test_changes_are_made_verified_and_undone_on_the_host(desk: Desk, host: Sshd) -> None:
    desk.path("conf").write_text("size: 5000\n")
    edit = '  - id: edit\n    uses: file.edit\n    with: {path: DIR/conf, replace: [{match: "5000", with: "500"}]}\n'

    result = desk.start(TARGETS + edit + touch("made"), inventory=inventory(desk, host))

    assert result.status == "succeeded"
    assert (desk.text("conf"), desk.lines("log")) == ("size: 500\n", ["made"])
    assert len(list(host.home.glob(".local/state/runbook/jobs/*"))) == 3
    assert desk.undo(result.run).status == "undone"
    assert (desk.text("conf"), desk.lines("log")) == ("size: 5000\n", ["made", "un-made"])
    assert desk.holds()
    assert list(host.home.glob(".local/state/runbook/leases/host-*")) == []
    claimed = [fact for fact in desk.facts(result.run) if isinstance(fact, f.LeaseClaimed)]
    shown = subprocess.run(
        ("ssh-keygen", "-lf", host.folder / "host_key.pub"), capture_output=True, text=True, check=True
    )
    assert {fact.host_key for fact in claimed} == {f"ssh-ed25519 {shown.stdout.split()[1]}"}
    assert claimed[0].clock_offset == 0


def test_a_host_whose_key_is_not_known_is_unreachable_and_nothing_was_sent(desk: Desk, sshd: Sshd) -> None:
    sshd.clean()

    result = desk.start(TARGETS + touch("made"), inventory=inventory(desk, sshd))

    assert result.status == "unreachable"
    assert "SHA256:" in result.why
    assert list(sshd.home.iterdir()) == []
    assert not desk.path("made").exists()


def test_one_host_that_is_away_does_not_hold_back_the_other(desk: Desk, host: Sshd) -> None:
    away = f"web2: {{address: 127.0.0.1, port: {free_port()}, user: nobody}}"

    result = desk.start(
        TARGETS + "  - {id: look, command: [uname], effect: read, on_failure: continue}\n",
        inventory=inventory(desk, host, away),
    )

    assert desk.statuses(result.run) == {"look@web1": "succeeded", "look@web2": "unreachable"}
    assert result.status == "partial"
    met = [fact for fact in desk.facts(result.run) if isinstance(fact, f.TargetMet)]
    assert [(fact.target, fact.place) for fact in met] == [("web1", f"{host.user}@127.0.0.1:{host.port}")]
    assert f"reached as {met[0].place}; key {met[0].host_key}" in report(desk.settings, result.run)


def test_a_command_at_its_time_limit_is_gone_from_the_host(desk: Desk, host: Sshd) -> None:
    stubborn = "trap '' TERM; echo $$ >DIR/pid; sleep 61; sleep 62"
    step = change("nap", f'[sh, -c, "{stubborn}"]', "[test, -e, DIR/never]", more="    timeout: 1s\n")
    begun = time.monotonic()

    result = desk.start(TARGETS + step, inventory=inventory(desk, host))

    assert desk.statuses(result.run) == {"nap@web1": "timed_out"}
    assert time.monotonic() - begun < 15
    assert not Path(f"/proc/{desk.text('pid').strip()}").exists()


def test_a_cancel_ends_what_ignores_it(desk: Desk, host: Sshd) -> None:
    stubborn = "trap '' TERM; echo $$ >DIR/pid; sleep 63; sleep 64"
    step = change("nap", f'[sh, -c, "{stubborn}"]', "[test, -e, DIR/never]")
    control = Control()

    def body() -> None:
        until(lambda: bool(desk.lines("pid")))
        control.cancel_token.set("enough")

    thread = threading.Thread(target=body)
    thread.start()

    result = desk.start(TARGETS + step, inventory=inventory(desk, host), control=control)

    thread.join()
    assert desk.statuses(result.run) == {"nap@web1": "cancelled"}
    assert not Path(f"/proc/{desk.text('pid').strip()}").exists()


def test_a_second_run_is_refused_and_told_who_was_first(desk: Desk, host: Sshd) -> None:
    transport = SshTransport()
    first = transport.target(host.host(), Cancel())
    first.take_lease(Lease("run1", "olga@desk", ""))
    transport.close()

    result = desk.start(TARGETS + touch("made"), inventory=inventory(desk, host))

    assert result.status == "refused"
    assert "web1 is held by run run1 of olga@desk" in result.why
    assert not desk.path("made").exists()


def test_a_run_with_which_another_copy_went_on_is_refused_until_a_reason_is_given(desk: Desk, host: Sshd) -> None:
    bad = "  - {id: bad, command: [test, -e, DIR/good], effect: read}\n"
    first = desk.start(TARGETS + touch("one") + bad + touch("two"), inventory=inventory(desk, host))
    assert (first.status, first.state.leases) == ("failed", frozenset())
    transport = SshTransport()
    elsewhere = transport.target(host.host(), Cancel())
    elsewhere.change(Cmd(("true",)), OpKey(first.run, "two", "web1", 1, "later"), Gathered())
    transport.close()
    desk.path("good").touch()

    refused = desk.resume(first.run)

    assert "somebody else has gone on with this run on web1: its jobs there tell of two" in refused.why
    assert list(host.home.glob(".local/state/runbook/leases/host-*")) == []
    assert desk.lines("log") == ["one"]
    assert desk.resume(first.run, take_over="it was a mistake").status == "succeeded"
    assert desk.lines("log") == ["one", "two"]


def test_a_connection_that_breaks_in_a_step_is_made_again(desk: Desk, host: Sshd) -> None:
    def heard(event: object) -> None:
        if isinstance(event, f.OperationIntended):
            threading.Thread(target=cut).start()

    def cut() -> None:
        until(desk.path("begun").exists)
        host.cut()
        desk.path("free").touch()

    slow = change(
        "act", "[sh, -c, 'touch DIR/begun; while [ ! -e DIR/free ]; do sleep 0.05; done; echo x >>DIR/counter']",
        "[test, -s, DIR/counter]",
    )  # fmt: skip
    result = desk.start(TARGETS + slow, inventory=inventory(desk, host), ear=Ear(heard))

    assert result.status == "succeeded"
    assert desk.lines("counter") == ["x"]


@pytest.mark.fault
def test_a_job_that_outlives_its_controller_is_met_again_on_the_host(desk: Desk, host: Sshd) -> None:
    slow = change(
        "act", "[sh, -c, 'touch DIR/begun; while [ ! -e DIR/free ]; do sleep 0.05; done; echo x >>DIR/counter']",
        "[test, -s, DIR/counter]",
    )  # fmt: skip
    playbook = desk.playbook(TARGETS + slow)
    child = nursery().start(CHILD, str(playbook), str(inventory(desk, host)), cwd=desk.folder)
    until(desk.path("begun").exists)
    child.kill()
    child.wait(60)
    (run,) = list_runs(desk.layout)
    statuses: list[str] = []
    thread = threading.Thread(target=lambda: statuses.append(desk.resume(run).status))
    thread.start()
    desk.path("free").touch()
    thread.join(60)

    assert statuses == ["succeeded"]
    assert desk.lines("counter") == ["x"]


def test_the_plan_of_a_change_says_that_its_job_folder_goes_to_memory(desk: Desk, host: Sshd) -> None:
    shutil.rmtree(host.home / ".local", ignore_errors=True)
    (host.home / ".local").symlink_to("nowhere")
    order = Order(playbook=str(desk.playbook(TARGETS + touch("made"))), inventory=inventory(desk, host))
    try:
        seen = rehearse(desk.settings, order, Unattended())
        (checkup,) = examine(desk.settings, order)
    finally:
        (host.home / ".local").unlink()

    leads_nowhere = f"{host.home}/.local is a link that leads nowhere"
    assert seen.steps[0].notes == (
        f"The job folder goes to memory, and a restart of the host forgets it: {leads_nowhere}",
    )
    (disk,) = (finding for finding in checkup.findings if finding.what == "disk")
    assert (disk.state, leads_nowhere in disk.told) == ("warn", True)


def test_one_machine_under_two_names_is_not_changed_twice_by_one_step(desk: Desk, host: Sshd) -> None:
    line = f"{{address: 127.0.0.1, port: {host.port}, user: {host.user}, key_file: {host.key}}}"
    hosts = inventory(desk, host, f"alias: {line}")
    order = Order(playbook=str(desk.playbook(TARGETS + touch("made"))), inventory=hosts)

    found = examine(desk.settings, order)
    result = desk.start(TARGETS + touch("made"), inventory=hosts)

    assert [[f.state for f in checkup.findings if f.what == "machine"] for checkup in found] == [[], ["bad"]]
    assert result.status == "refused"
    assert "web1 and alias are one machine" in result.why
    assert not desk.path("made").exists()
    assert list(host.home.glob(".local/state/runbook/leases/host-*")) == []
    look = TARGETS + "  - {id: look, command: [uname], effect: read}\n"
    assert desk.start(look, inventory=hosts).status == "succeeded"


SUDO = """#!/bin/sh
[ -e HERE/allowed ] || { echo 'sudo: a password is required' >&2; exit 1; }
[ "$*" != '-n -v' ] || exit 0
[ "$*" != '-n -l' ] || exec cat HERE/allowed
while [ "$1" != -- ]; do shift; done
shift
exec "$@"
"""


def test_a_change_that_sudo_would_refuse_is_refused_before_anything_is_sent(
    desk: Desk, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = desk.path("tools")
    tools.mkdir()
    (tools / "sudo").write_text(SUDO.replace("HERE", str(tools)))
    (tools / "sudo").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    host = Sshd(tmp_path / "strict")
    host.start()
    try:
        host.know(home)
        body = TARGETS + change("one", f'[touch, "{host.home}/made"]', f'[test, -e, "{host.home}/made"]')
        body += "    sudo: true\n"
        hosts = inventory(desk, host)

        order = Order(playbook=str(desk.playbook(body)), inventory=hosts)
        for guided, state in ((False, "bad"), (True, "warn")):
            (checkup,) = examine(desk.settings, replace(order, guided=guided))
            assert [finding.state for finding in checkup.findings if finding.what == "sudo"] == [state]
        result = desk.start(body, inventory=hosts)
        assert (result.status, result.pending_undo, desk.statuses(result.run)) == (
            "refused",
            0,
            {"one@web1": "refused"},
        )
        assert "sudo wants the password" in result.why
        assert not (host.home / "made").exists()

        for rule, state in (("/usr/bin/true", "warn"), ("ALL", "good")):
            (tools / "allowed").write_text(f"User web may run:\n    (root) NOPASSWD: {rule}\n")
            (checkup,) = examine(desk.settings, order)
            assert [finding.state for finding in checkup.findings if finding.what == "sudo"] == [state]
        assert desk.resume(result.run, failed_hosts=True).status == "succeeded"
        assert (host.home / "made").exists()
    finally:
        host.stop()
