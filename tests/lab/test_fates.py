"""What may befall a host in every phase of a changing step: what is told is true, and the command ran once.

Five hosts meet five fates in the same phase of one run. Afterwards all of them are there again, and the run is
resumed with nobody to ask. The deadlines of the connections are shortened, so that a case takes seconds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest
from msgspec import Struct

from runbook.events import fact as f
from runbook.events.signal import Signal
from runbook.ports.cancel import Cancel
from runbook.session.result import Result
from runbook.transports.ssh.liveness import Liveness
from runbook.transports.ssh.wire import Wire, dial
from tests.lab.host import Host
from tests.lab.journey import Journey, statuses
from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.fault]

PATIENCE = 60.0

PLAYBOOK = """\
schema: runbook/v1
id: journey
title: A step that counts
targets:
  app: {hosts: "group:lab", min: 1}
steps:
  - id: act
    command: [sh, -c, 'echo x >>/var/tmp/count; while [ ! -e /var/tmp/count.gate ]; do sleep 0.1; done; : >/var/tmp/count.done']
    effect: change
    timeout: 2m
    verify:
      - command: [sh, -c, '[ -e /var/tmp/count.done ] || exit 1; : >/var/tmp/count.seen; while [ -e /var/tmp/count.hold ]; do sleep 0.1; done']
    undo:
      - command: [sh, -c, 'echo x >>/var/tmp/count.back; while [ ! -e /var/tmp/count.gate ]; do sleep 0.1; done; rm -f /var/tmp/count.done']
    on_failure: stop
"""  # noqa: E501

SLOW_SYNC = """\
#!/bin/sh
case $1 in */jobs/*/intent) : >/var/tmp/count.claimed; while [ ! -e /var/tmp/count.free ]; do sleep 0.1; done ;; esac
exec /usr/bin/sync "$@"
"""
"""Stands before the real one: the wrapper has claimed its folder, and has not yet begun."""
SYNC = "/usr/local/bin/sync"

FATES: Mapping[str, Callable[[Host], None]] = {
    "cut": Host.drop_connections,
    "gone": Host.stop_sshd,
    "frozen": Host.freeze,
    "unplugged": Host.unplug,
    "dark": Host.cut_power,
}
AWAY = ("gone", "frozen", "unplugged")


class Phase(Struct, frozen=True):
    """When it befalls them, and what is known in the end."""

    name: str
    away: str
    """The status, at first, of hosts that nobody can reach any more."""
    dark: str = "succeeded"
    """The status, after the resume, where the power was cut; everywhere else it succeeds."""
    dark_count: int = 1


PHASES = (
    Phase("planned", "unreachable"),
    Phase("intended", "unreachable"),
    Phase("claimed", "in_doubt", dark="in_doubt", dark_count=0),
    Phase("running", "in_doubt", dark="in_doubt"),
    Phase("ended", "in_doubt"),
    Phase("verifying", "failed"),
)


class Stage:
    """Five hosts, each with its fate."""

    def __init__(self, hosts: list[Host], journey: Journey) -> None:
        self.hosts = dict(zip(FATES, hosts, strict=True))
        self.journey = journey

    def host(self, name: str) -> tuple[str, Host]:
        return next((fate, host) for fate, host in self.hosts.items() if host.name == name)

    def touch(self, host: Host, *names: str) -> None:
        for name in names:
            host.write(f"/var/tmp/count.{name}", "")

    def has(self, host: Host, name: str) -> bool:
        return host.run("test", "-e", f"/var/tmp/count.{name}").exit == 0

    def await_file(self, host: Host, name: str) -> None:
        Host.wait(lambda: self.has(host, name), f"{host.name} has {name}", PATIENCE)

    def each(self, act: Callable[[str, Host], None]) -> list[threading.Thread]:
        """Do something on all hosts at once, in the background."""
        threads = [threading.Thread(target=act, args=pair, daemon=True) for pair in self.hosts.items()]
        for thread in threads:
            thread.start()
        return threads

    def heal(self) -> None:
        """Have all hosts there again, and let what waits on them go on."""
        for fate, host in self.hosts.items():
            match fate:
                case "gone":
                    host.start_sshd()
                case "frozen":
                    host.thaw()
                case "unplugged":
                    host.plug()
                case _:
                    pass
            self.touch(host, "gate", "free")
            host.run("rm", "-f", "/var/tmp/count.hold")

    def counts(self, name: str = "count") -> dict[str, int]:
        return {fate: host.run("cat", f"/var/tmp/{name}").out.count("x") for fate, host in self.hosts.items()}

    def statuses(self, result: Result) -> dict[str, str]:
        return {fate: statuses(result, host).get("act", "") for fate, host in self.hosts.items()}


class Ear:
    """Lets fate strike before the worker that has put a fact on record goes on."""

    def __init__(self, stage: Stage, fact: type[f.AttemptStarted | f.OperationIntended]) -> None:
        self._stage = stage
        self._fact = fact

    def hear(self, event: f.Fact | Signal) -> None:
        if isinstance(event, self._fact):
            fate, host = self._stage.host(event.target)
            FATES[fate](host)


@pytest.fixture(scope="module")
def five(lab: Lab) -> Iterator[list[Host]]:
    with lab.take(len(FATES)) as hosts:
        yield hosts


@pytest.fixture
def stage(lab: Lab, five: list[Host], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr("runbook.transports.ssh.connection.Liveness", partial(Liveness, 0.5, 4.0))
    monkeypatch.setattr("runbook.transports.ssh.connection._HANDSHAKE", 5.0)
    monkeypatch.setattr("runbook.transports.ssh.connection._OPENING", 5.0)
    monkeypatch.setattr("runbook.transports.ssh.connection.dial", impatient)
    # Five hosts are looked for at once, which a busy machine does not do in a second or two.
    monkeypatch.setattr("runbook.transports.ssh.job._AGAIN", 5.0)
    for host in five:
        host.heal()
        host.counter()
    yield Stage(five, Journey(lab, tmp_path, five, PLAYBOOK))
    for host in five:
        host.thaw()
        host.run("rm", "-f", SYNC)
        host.run("pkill", "-u", "deploy")
        host.heal()


def impatient(address: str, port: int, seconds: float, cancel: Cancel) -> Wire:
    return dial(address, port, min(seconds, 3.0), cancel)


def strike(stage: Stage, phase: str) -> tuple[Result, list[threading.Thread]]:
    """Run until everybody has met their fate in this phase."""
    if phase in ("planned", "intended"):
        for host in stage.hosts.values():
            stage.touch(host, "gate")
        fact = f.AttemptStarted if phase == "planned" else f.OperationIntended
        return stage.journey.start(ears=(Ear(stage, fact),)), []

    def befall(fate: str, host: Host) -> None:
        match phase:
            case "claimed":
                stage.await_file(host, "claimed")
                FATES[fate](host)
                stage.touch(host, "free", "gate")
            case "running":
                Host.wait(lambda: host.run("cat", "/var/tmp/count").out == "x\n", "it runs", PATIENCE)
                FATES[fate](host)
                stage.touch(host, "gate")
            case "ended":
                Host.wait(lambda: host.run("cat", "/var/tmp/count").out == "x\n", "it runs", PATIENCE)
                host.run("pkill", "-STOP", "-x", "-u", "deploy", "sshd")
                stage.touch(host, "gate")
                status = "grep -l '^0 exit' /home/deploy/.local/state/runbook/jobs/*/status"
                Host.wait(lambda: host.run("sh", "-c", status).exit == 0, "it has ended", PATIENCE)
                FATES[fate](host)
                if fate != "frozen":
                    host.run("pkill", "-CONT", "-x", "-u", "deploy", "sshd")
            case "verifying":
                stage.await_file(host, "seen")
                FATES[fate](host)
                host.run("rm", "-f", "/var/tmp/count.hold")
            case _:
                raise AssertionError(phase)

    for host in stage.hosts.values():
        if phase == "claimed":
            host.write(SYNC, SLOW_SYNC)
            host.check("chmod", "755", SYNC)
        if phase == "verifying":
            stage.touch(host, "hold", "gate")
    threads = stage.each(befall)
    return stage.journey.start(), threads


@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.name)
def test_whatever_befalls_a_host_its_command_runs_once_and_the_outcome_is_found(stage: Stage, phase: Phase) -> None:
    first, threads = strike(stage, phase.name)
    for thread in threads:
        thread.join(PATIENCE)
    seen = stage.statuses(first)
    why = {fate: first.state.at("act", host.name).evidence for fate, host in stage.hosts.items()}
    assert {fate: seen[fate] for fate in ("cut", *AWAY)} == {
        "cut": "succeeded",
        **dict.fromkeys(AWAY, phase.away),
    }, why
    for fate, host in stage.hosts.items():
        at = first.state.at("act", host.name)
        assert at.status == "succeeded" or at.error, (fate, at)

    stage.heal()
    again = stage.journey.resume(first.run)

    expected = dict.fromkeys(FATES, "succeeded") | {"dark": phase.dark}
    assert stage.statuses(again) == expected
    assert stage.counts() == dict.fromkeys(FATES, 1) | {"dark": phase.dark_count}
    assert again.status == ("succeeded" if phase.dark == "succeeded" else "in_doubt")
    if phase.dark == "in_doubt":
        assert again.state.at("act", stage.hosts["dark"].name).evidence


def test_a_way_back_that_is_cut_off_is_gone_on_with_and_walked_once(stage: Stage) -> None:
    for host in stage.hosts.values():
        stage.touch(host, "gate")
    run = stage.journey.start().run
    for host in stage.hosts.values():
        host.run("rm", "-f", "/var/tmp/count.gate")

    def befall(fate: str, host: Host) -> None:
        stage.await_file(host, "back")
        FATES[fate](host)
        stage.touch(host, "gate")

    threads = stage.each(befall)
    first = stage.journey.undo(run)
    for thread in threads:
        thread.join(PATIENCE)
    assert first.status == "undo_incomplete"
    assert stage.statuses(first)["cut"] == "undone"

    stage.heal()
    again = stage.journey.undo(run)

    assert stage.statuses(again) == dict.fromkeys(FATES, "undone") | {"dark": "in_doubt"}
    assert again.status == "undo_incomplete"
    assert stage.counts("count.back") == dict.fromkeys(FATES, 1)
    assert stage.counts() == dict.fromkeys(FATES, 1)


def test_a_run_over_a_network_that_loses_every_third_packet_tells_the_truth(
    lab: Lab, host: Host, tmp_path: Path
) -> None:
    counter = host.counter()
    host.write("/var/tmp/count.gate", "")
    journey = Journey(lab, tmp_path, [host], PLAYBOOK)

    with host.losing(30):
        first = journey.start()

    assert first.status in {"succeeded", "in_doubt", "unreachable", "failed"}
    if first.status != "succeeded":
        first = journey.resume(first.run)
    assert statuses(first, host) == {"act": "succeeded"}
    assert counter.value == 1
