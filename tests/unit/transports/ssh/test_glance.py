"""Looks at hosts beside what runs there: over the connection of the run, in nobody's way, and with an age."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from runbook.errors import TransportError
from runbook.model.host import LOCAL, Host
from runbook.ports.cancel import Cancel
from runbook.ports.health import Glancing, Health
from runbook.ports.target import Cmd, Stream
from runbook.session import health
from runbook.session.health import Seen, Watch
from runbook.transports import transports
from runbook.transports.health import health_of
from runbook.transports.ssh import SshTransport
from tests.sshd import MISSING, PROGRAM, Sshd


class Silent:
    def write(self, stream: Stream, data: bytes) -> None:
        pass


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.01)


@pytest.mark.skipif(PROGRAM is None, reason=MISSING)
def test_a_host_is_looked_at_over_the_connection_that_is_there_and_only_where_there_is_room(
    sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    sshd.know(tmp_path)
    host, transport, cancel = sshd.host(), SshTransport(), Cancel()
    assert isinstance(transport, Glancing)
    busy: list[threading.Thread] = []
    logins = sshd.logins()
    try:
        assert transport.glance(host, 20.0) is None
        target = transport.target(host, cancel)
        found = transport.glance(host, 20.0)
        assert found is not None
        assert found.cores >= 1
        assert 0 < found.memory_free <= found.memory
        assert 0 <= found.disk_free <= found.disk
        # Six commands run: two may still begin, and a look would take the place of one of them.
        wait = tmp_path / "wait"
        busy = [
            threading.Thread(
                target=target.read, args=(Cmd(("sh", "-c", f"until [ -e {wait} ]; do sleep 0.1; done")), Silent())
            )
            for _ in range(6)
        ]
        for thread in busy:
            thread.start()
        until(lambda: transport.glance(host, 20.0) is None)
        wait.touch()
        for thread in busy:
            thread.join(60)
        assert transport.glance(host, 20.0) is not None
        stopped = sshd.freeze()
        try:
            with pytest.raises(TransportError):
                transport.glance(host, 0.5)
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
    finally:
        cancel.set("over")
        transport.close()
    assert transport.glance(host, 1.0) is None
    assert sshd.logins() == logins + 1, "no connection is made for a look"


class Moody:
    """A transport whose hosts tell how they are as long as it is asked to."""

    def __init__(self) -> None:
        self.answers = True
        self.asked = 0

    def glance(self, host: Host, seconds: float) -> Health:
        self.asked += 1
        if not self.answers:
            raise TransportError("silence", where=host.name)
        return Health(load=0.5, cores=2, memory_free=2, memory=4, disk_free=3, disk=9)


def test_hosts_are_looked_at_while_somebody_wants_to_see_it_and_what_was_seen_grows_old(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, seconds in (("EVERY", 0.01), ("PACE", 0.001), ("LATER", 0.01), ("WANTED", 0.2)):
        monkeypatch.setattr(health, name, seconds)
    moody = Moody()
    watch = Watch({"ssh": moody}, {"web1": Host("web1")})  # type: ignore[dict-item]
    assert watch.seen() == {"web1": Seen()}
    until(lambda: watch.seen()["web1"].health is not None)
    moody.answers = False
    seen = watch.seen()["web1"]
    until(lambda: watch.seen()["web1"].until < time.monotonic())
    assert watch.seen()["web1"].health == seen.health
    until(lambda: not [t for t in threading.enumerate() if t.name == "health"])
    before = moody.asked
    watch.seen()
    until(lambda: moody.asked > before)
    watch.stop()
    until(lambda: not [t for t in threading.enumerate() if t.name == "health"])
    watch.seen()
    assert not [t for t in threading.enumerate() if t.name == "health"]


def test_hosts_that_are_this_machine_are_as_it_is() -> None:
    hosts = {name: Host(name, "local") for name in ("order-1", "order-2")}
    watch = Watch(transports(), hosts)
    try:
        assert set(watch.seen()) == {LOCAL}
        until(lambda: watch.seen()[LOCAL].health is not None)
    finally:
        watch.stop()


@pytest.mark.parametrize(
    "said", [b"", b"load 0.1 2\n", b"load x y\ntotal 1\nfree 1\ndisk 1 1\n", b"\xff\x1b[2J\ndisk\n"]
)
def test_a_host_that_does_not_tell_all_of_it_tells_nothing(said: bytes) -> None:
    assert health_of(said) is None
