"""Playbooks over SSH on hosts with a real systemd: what they change, that they can go back, and what they leave."""

import threading
import time
from pathlib import Path

import pytest

from runbook.session.control import Control
from tests.lab.fleet import Fleet
from tests.lab.host import Host
from tests.lab.journey import Journey, statuses
from tests.lab.lab import Lab
from tests.lab.plugin import Take
from tests.lab.test_fates import impatient

pytestmark = pytest.mark.lab

HEAD = """\
schema: runbook/v1
id: journey
title: A journey
targets:
  app: {hosts: "group:lab", min: 1}
steps:
"""
RESTART = """\
  - id: restart
    uses: service.restart
    with: {unit: order-service, sudo: true}
    verify: {stable_for: 300ms, within: 30s}
    undo: {none: "a restart has no way back"}
"""
SLEEP = """\
  - id: sleep
    command: [sh, -c, 'trap "" TERM; echo x >> /var/tmp/count; sleep 61; sleep 62; touch /var/tmp/count.done']
    effect: change
    timeout: 2s
    verify: [{command: [test, -e, /var/tmp/count.done]}]
    undo: {none: "it only sleeps"}
    on_failure: stop
"""
COUNT = """\
  - id: count
    command: [sh, -c, 'echo x >> /var/tmp/count; sleep 6; touch /var/tmp/count.done']
    effect: change
    timeout: 60s
    verify: [{command: [test, -e, /var/tmp/count.done]}]
    undo: {none: "counts only go up"}
    on_failure: stop
"""
LOOK = """\
  - id: look
    command: [printenv, HOME]
    effect: read
    on_failure: continue
"""
SUDO_ALL = "/etc/sudoers.d/test"

HEALTH_SOCKET = """\
[Socket]
ListenStream=127.0.0.1:8080
Accept=yes
"""
HEALTH_SERVICE = """\
[Service]
ExecStart=/bin/sh /opt/health
StandardInput=socket
"""
HEALTH = """\
while read -r line && [ ${#line} -gt 1 ]; do :; done
systemctl -q is-active order-service && status='200 OK' || status='503 Sick'
printf 'HTTP/1.0 %s\\r\\n\\r\\n' "$status"
"""


def main_pid(host: Host) -> str:
    return host.check("systemctl", "show", "--value", "-p", "MainPID", "order-service").strip()


@pytest.mark.parametrize("host", ["hybrid", "v1", "v2"], indirect=True)
def test_a_service_is_restarted_by_systemd_with_three_commands_of_sudo(lab: Lab, host: Host, tmp_path: Path) -> None:
    before = main_pid(host)
    result = Journey(lab, tmp_path, [host], HEAD + RESTART).start()
    assert (result.status, statuses(result, host)) == ("succeeded", {"restart": "succeeded"})
    assert main_pid(host) not in {before, "0"}


def test_what_outlives_its_timeout_is_dead_on_the_host(lab: Lab, host: Host, tmp_path: Path) -> None:
    counter = host.counter()
    started = time.monotonic()
    result = Journey(lab, tmp_path, [host], HEAD + SLEEP).start()
    assert time.monotonic() - started < 30
    assert statuses(result, host) == {"sleep": "timed_out"}
    assert host.processes(r"sleep 6[12]") == ()
    assert counter.value == 1


def test_what_ignores_the_end_is_dead_after_a_cancel(lab: Lab, host: Host, tmp_path: Path) -> None:
    counter = host.counter()
    control = Control()

    def cancel() -> None:
        Host.wait(lambda: counter.value == 1, "the command has begun", 60)
        control.cancel("enough")

    thread = threading.Thread(target=cancel, daemon=True)
    thread.start()
    result = Journey(lab, tmp_path, [host], HEAD + SLEEP.replace("timeout: 2s", "timeout: 55s")).start(control)
    thread.join(60)
    assert statuses(result, host) == {"sleep": "cancelled"}
    assert host.processes(r"sleep 6[12]") == ()
    assert counter.value == 1


@pytest.mark.slow
def test_one_silent_host_of_a_fleet_does_not_hold_back_the_others(
    lab: Lab, fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runbook.transports.ssh.connection.dial", impatient)
    addresses = fleet.named(30)
    silent = "f007"
    with fleet.silent(addresses[silent]):
        result = Journey(lab, tmp_path, addresses, HEAD + LOOK).start()
    told = {name: at.status for (_step, name), at in result.state.steps.items()}
    assert told == {name: "unreachable" if name == silent else "succeeded" for name in addresses}
    assert result.status == "partial"


@pytest.mark.slow
def test_each_host_meets_another_fate_and_the_command_runs_once_on_all(
    lab: Lab, take_hosts: Take, tmp_path: Path
) -> None:
    hosts = take_hosts(4)
    counters = {host.name: host.counter() for host in hosts}
    broken, frozen, unplugged, dark = hosts
    fates = {
        broken.name: broken.drop_connections,
        frozen.name: frozen.freeze,
        unplugged.name: unplugged.unplug,
        dark.name: dark.cut_power,
    }

    def befall(host: Host) -> None:
        Host.wait(lambda: counters[host.name].value == 1, f"{host.name} has begun", 60)
        fates[host.name]()

    threads = [threading.Thread(target=befall, args=(host,), daemon=True) for host in hosts]
    for thread in threads:
        thread.start()
    journey = Journey(lab, tmp_path, hosts, HEAD + COUNT)
    result = journey.start()
    for thread in threads:
        thread.join(60)
    assert result.status == "in_doubt"
    assert statuses(result, broken) == {"count": "succeeded"}

    frozen.thaw()
    unplugged.plug()
    for host in (frozen, unplugged):
        Host.wait(lambda host=host: host.processes("sleep 6$") == (), f"{host.name} is done", 30)  # type: ignore[misc]
    journey.look_again(result.run, "count", frozen)
    again = journey.resume(result.run)
    assert {host.name: statuses(again, host)["count"] for host in hosts} == {
        broken.name: "succeeded",
        frozen.name: "succeeded",
        unplugged.name: "succeeded",
        dark.name: "in_doubt",
    }
    assert again.status == "in_doubt"
    assert {name: counter.value for name, counter in counters.items()} == dict.fromkeys(counters, 1)


def test_a_bad_configuration_is_rolled_back_and_forth_again(lab: Lab, host: Host, tmp_path: Path) -> None:
    host.write("/opt/health", HEALTH)
    host.write("/etc/systemd/system/health.socket", HEALTH_SOCKET)
    host.write("/etc/systemd/system/health@.service", HEALTH_SERVICE)
    script = (
        "systemctl daemon-reload && systemctl start health.socket && cd /opt/order && git init -q . &&"
        "git config user.email olga@example.com && git config user.name Olga &&"
        "git add . && git commit -qm good && git tag good &&"
        "echo 'pool: 0' > order.yaml && git commit -qam bad && (systemctl restart order-service; :)"
    )
    host.check("sh", "-c", script)
    # systemd refuses to start it again so soon, unless it is told to forget.
    Host.wait(lambda: host.run("systemctl", "is-failed", "order-service").exit == 0, "the service has given up")
    try:
        journey = Journey(
            lab,
            tmp_path,
            [host],
            "config-rollback",
            {
                "good_ref": "good",
                "repo": "/opt/order",
                "file": "/opt/order/order.yaml",
                "guarded": "false",
                "sudo": "false",
                "steady": "300ms",
                "stable": "300ms",
                "soak": "300ms",
            },
            group="order",
            user="root",
            approvals=("roll-back",),
            answers={"freeze": "done"},
        )
        result = journey.start()
        assert (result.status, statuses(result, host)["soak"]) == ("succeeded", "succeeded")
        assert host.read("/opt/order/order.yaml") == "pool: 20\n"
        assert host.check("systemctl", "is-active", "order-service").strip() == "active"
        journey.undo(result.run)
        assert host.read("/opt/order/order.yaml") == "pool: 0\n"
    finally:
        host.run("sh", "-c", "cd /opt/order && git checkout -qf good && rm -rf .git; systemctl stop health.socket")


def test_a_folder_comes_into_the_search_path_of_the_loader_and_out_again(lab: Lab, host: Host, tmp_path: Path) -> None:
    host.write(SUDO_ALL, "deploy ALL=(ALL) NOPASSWD: ALL\n")
    host.check("sh", "-c", "mkdir -p /opt/libs && cp -L /usr/lib/*/libz.so.1 /opt/libs/libz.so.1.9.9")
    before = host.check("sh", "-c", "sha256sum /etc/ld.so.conf /etc/ld.so.cache")
    try:
        journey = Journey(
            lab,
            tmp_path,
            [host],
            "ldconfig-refresh",
            {"folder": "/opt/libs", "library": "libz.so.1", "soak": "300ms"},
            group="app",
            approvals=("refresh",),
        )
        result = journey.start()
        assert result.status == "succeeded"
        assert "libz.so.1 (libc6,x86-64) => /opt/libs/libz.so.1" in host.check("ldconfig", "-p")
        assert journey.undo(result.run).status == "undone"
        assert host.check("sh", "-c", "sha256sum /etc/ld.so.conf /etc/ld.so.cache") == before
    finally:
        host.run("rm", "-rf", SUDO_ALL, "/opt/libs")
