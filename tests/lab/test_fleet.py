"""A fleet over SSH, from an inventory of Ansible: waves, hosts that are away, and the way back when they return."""

from __future__ import annotations

from pathlib import Path

import pytest

from runbook.config import settings
from runbook.session.library import open_loops
from runbook.session.order import Order
from runbook.session.run import resume, start, undo
from runbook.session.unattended import Unattended
from tests.lab.fleet import Fleet
from tests.lab.lab import Lab
from tests.lab.test_fates import impatient

pytestmark = pytest.mark.lab

PLAYBOOK = """\
schema: runbook/v1
id: mark
title: Mark the fleet
targets:
  app: {hosts: "web:!web[-1]", min: 1}
steps:
  - stage: roll
    rollout: {waves: [1, 25%, 100%], max_unavailable: 10%}
    on_failure: stop
    steps:
      - id: mark
        shell: echo x >> ~/marks
        effect: change
        verify: [{shell: test -s ~/marks}]
        undo: [{shell: rm ~/marks}]
      - {id: look, command: ["true"], effect: read}
"""


def marked(fleet: Fleet, addresses: list[str]) -> list[int]:
    """Return how often each of the hosts was marked."""
    files = " ".join(f"{fleet.home(address)}/marks" for address in addresses)
    counted = fleet.host.check("sh", "-c", f"for f in {files}; do cat $f 2>/dev/null | grep -c x; done; true")
    return [int(line) for line in counted.split()]


def test_hosts_that_are_away_hold_up_nobody_and_are_changed_and_led_back_later(
    lab: Lab, fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runbook.transports.ssh.connection.dial", impatient)
    named = dict(zip([f"web{n:02}" for n in range(1, 18)], fleet.addresses, strict=False))
    hosts = "".join(f"{name} ansible_host={address}\n" for name, address in named.items())
    way = f"ansible_user=deploy\nansible_ssh_private_key_file={lab.identity}\n"
    (tmp_path / "hosts").write_text(f"[web]\n{hosts}[web:vars]\n{way}")
    (tmp_path / "mark.yaml").write_text(PLAYBOOK)
    lab.know(Path.home())
    fleet.host.check("sh", "-c", "rm -f /fleet/*/marks")
    here, nobody = settings(tmp_path), Unattended()
    *chosen, left_out = named.values()

    with fleet.silent(named["web07"], named["web12"]):
        first = start(here, Order(playbook=str(tmp_path / "mark.yaml"), inventory=tmp_path / "hosts"), nobody)
    assert first.status == "partial"
    ends = {host: at.status for (step, host), at in first.state.steps.items() if step == "mark"}
    assert {host for host, status in ends.items() if status == "unreachable"} == {"web07", "web12"}
    assert sorted(marked(fleet, [*chosen, left_out])) == [0] * 3 + [1] * 14

    assert resume(here, first.run, nobody, failed_hosts=True).status == "succeeded"
    assert marked(fleet, chosen) == [1] * 16

    with fleet.silent(named["web12"]):
        back = undo(here, first.run, nobody)
    assert (back.status, back.pending_undo) == ("undo_incomplete", 1)
    assert [loop.at for loop in open_loops(here)] == ["mark on web12"]
    assert sorted(marked(fleet, chosen)) == [0] * 15 + [1]

    assert undo(here, first.run, nobody).status == "undone"
    assert marked(fleet, chosen) == [0] * 16
    leases = fleet.host.run("sh", "-c", "ls -d /fleet/*/.local/state/runbook/leases/host-*")
    assert "host-web" not in str(leases)
