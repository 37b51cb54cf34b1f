"""Connecting: each host has its own time for it."""

from __future__ import annotations

import threading

import pytest

from runbook.errors import ConnectError
from runbook.model.host import Host
from runbook.ports.cancel import Cancel
from runbook.transports.local import LocalTarget, LocalTransport
from tests.engine.desk import Desk


def test_a_host_that_is_slow_to_connect_to_holds_up_no_other(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of two connections is made only once the other one is being made as well."""
    both = threading.Barrier(2)
    connect = LocalTransport.target

    def slow(transport: LocalTransport, host: Host, cancel: Cancel) -> LocalTarget:
        both.wait(60)
        return connect(transport, host, cancel)

    monkeypatch.setattr(LocalTransport, "target", slow)
    body = "targets: {app: {hosts: all}}\nsteps:\n  - {id: look, command: ['true'], effect: read}\n"
    result = desk.start(body, inventory=desk.inventory("a", "b"), limit="a,b")

    assert result.status == "succeeded"


def test_as_many_hosts_are_reached_at_once_as_a_step_asks_for(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """No connection is made before all forty are being made."""
    hosts = tuple(f"h{number}" for number in range(40))
    everybody = threading.Barrier(len(hosts))

    def none(_transport: LocalTransport, host: Host, _cancel: Cancel) -> LocalTarget:
        everybody.wait(60)
        raise ConnectError("seen", where=host.name)

    monkeypatch.setattr(LocalTransport, "target", none)
    body = "targets: {app: {hosts: all}}\nsteps:\n  - {id: look, command: ['true'], effect: read, parallel: 40}\n"
    result = desk.start(body, inventory=desk.inventory(*hosts), limit=",".join(hosts))

    assert result.status == "unreachable"
    assert not everybody.broken
