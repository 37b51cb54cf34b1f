"""How real hosts are while a run is on them: told by those that answer, and by nobody for one that is frozen."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runbook.config import settings
from runbook.session import health
from runbook.session.control import Control
from runbook.session.order import Order
from runbook.session.run import start
from runbook.session.unattended import Unattended
from tests.lab.host import Host
from tests.lab.lab import Lab, inventory
from tests.lab.plugin import Take

pytestmark = pytest.mark.lab

PLAYBOOK = """\
schema: runbook/v1
id: stay
title: Stay a while
targets:
  app: {hosts: "group:lab", min: 1}
steps:
  - {id: stay, command: [sh, -c, "until [ -e /var/tmp/go ]; do sleep 0.1; done"], effect: read, timeout: 2m}
"""


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.02)


def logins(host: Host) -> int:
    return int(host.check("sh", "-c", "journalctl -q -b -u ssh | grep -c 'Accepted publickey' || true"))


def test_hosts_of_a_run_tell_how_they_are_and_one_that_is_frozen_grows_unknown(
    lab: Lab, take_hosts: Take, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in (("EVERY", 0.2), ("PACE", 0.05), ("WITHIN", 0.5), ("LATER", 0.5)):
        monkeypatch.setattr(health, name, seconds)
    one, other = take_hosts(2)
    for each in (one, other):
        each.check("rm", "-f", "/var/tmp/go")
    before = logins(one)
    lab.know(Path.home())
    (tmp_path / "hosts").write_text(inventory("lab", {h.name: h.address for h in (one, other)}, lab.identity))
    (tmp_path / "stay.yaml").write_text(PLAYBOOK)
    order = Order(playbook=str(tmp_path / "stay.yaml"), inventory=tmp_path / "hosts")
    control = Control()

    def fresh(name: str) -> bool:
        return control.health()[name].until > time.monotonic()

    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(start, settings(tmp_path), order, Unattended(), (), control)
        try:
            until(lambda: set(control.health()) == {one.name, other.name} and fresh(one.name) and fresh(other.name))
            seen = control.health()[one.name].health
            assert seen is not None
            assert seen.cores == int(one.check("nproc"))
            with other.frozen():
                until(lambda: not fresh(other.name))
                until(lambda: fresh(one.name))
                assert control.health()[other.name].health is not None
            until(lambda: fresh(other.name))
        finally:
            for each in (one, other):
                each.check("touch", "/var/tmp/go")
        assert run.result(60).status == "succeeded"
    assert control.health() == {}
    assert logins(one) == before + 1, "no connection is made for a look"
