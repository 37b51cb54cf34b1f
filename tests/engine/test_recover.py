"""A run whose journal is gone is put together from its hosts: who holds them from then on, and who comes later."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from runbook.events import fact as f
from runbook.session.control import Control
from runbook.session.recover import recover
from runbook.session.result import Result
from runbook.session.run import resume
from runbook.session.unattended import Unattended
from tests.engine.desk import Desk, Ear, indented, touch
from tests.sshd import MISSING, PROGRAM, Sshd, sshd

__all__ = ["sshd"]

pytestmark = pytest.mark.skipif(PROGRAM is None, reason=MISSING)

TARGETS = "targets:\n  app: {hosts: all, min: 1}\nsteps:\n"


@pytest.fixture
def hosts(sshd: Sshd, home: Path, tmp_path: Path) -> Iterator[tuple[Sshd, Sshd]]:
    other = Sshd(tmp_path / "other")
    other.start()
    sshd.clean()
    for one in (sshd, other):
        one.know(home)
    yield sshd, other
    other.stop()


def inventory(desk: Desk, hosts: tuple[Sshd, Sshd]) -> Path:
    path = desk.folder / "hosts.yaml"
    way = "{{address: 127.0.0.1, port: {0.port}, user: {0.user}, key_file: {0.key}}}"
    path.write_text("hosts:\n" + "".join(f"  web{n}: {way.format(one)}\n" for n, one in enumerate(hosts, 1)))
    return path


def rests(desk: Desk, inventory: Path, body: str, begun: int) -> Result:
    """Return a run that rests once so many changes have begun, and so keeps its claims."""
    control = Control()
    seen: list[object] = []

    def heard(event: object) -> None:
        if isinstance(event, f.AttemptStarted):
            seen.append(event)
            if len(seen) == begun:
                control.pause("a moment")

    result = desk.start(TARGETS + body, inventory=inventory, ear=Ear(heard), control=control)
    assert (result.status, len(result.state.changes)) == ("paused", begun)
    return result


def claims(host: Sshd) -> list[str]:
    return [file.read_text() for file in host.home.glob(".local/state/runbook/leases/host-*")]


def test_a_host_that_was_silent_is_taken_in_when_it_answers_and_gone_on_with(
    desk: Desk, hosts: tuple[Sshd, Sshd], tmp_path: Path
) -> None:
    listed = inventory(desk, hosts)
    first = rests(desk, listed, touch("one") + touch("two"), 2)
    piet = replace(desk.settings, state=tmp_path / "piet")
    hosts[1].stop()
    playbook = str(desk.path("try.yaml"))

    found = recover(piet, listed, "all", first.run, "it burned", playbook=playbook)
    assert (found.left_out, list(found.silent)) == (("web2",), ["web2"])
    refused = desk.resume(first.run)
    assert "web1 is held by" in refused.why
    assert "who has taken this run over" in refused.why
    alone = resume(piet, first.run, Unattended())
    assert (alone.status, list(alone.state.left_out)) == ("partial", ["web2"])
    hosts[1].start()
    found = recover(piet, listed, "web2", first.run, "it is back")
    assert (found.taken_in, found.left_out) == (("web2",), ())
    whole = resume(piet, first.run, Unattended())

    assert (whole.status, whole.state.excluded) == ("succeeded", frozenset())
    assert desk.lines("log") == ["one", "one", "two", "two"]
    assert (claims(hosts[0]), claims(hosts[1])) == ([], [])


def test_a_host_on_which_nothing_was_begun_is_held_until_the_run_is_over_and_then_free(
    desk: Desk, hosts: tuple[Sshd, Sshd], tmp_path: Path
) -> None:
    listed = inventory(desk, hosts)
    stage = "  - stage: all\n    on: app\n    rollout: {waves: [1, 2]}\n    steps:\n" + indented(touch("one"))
    first = rests(desk, listed, stage, 1)
    assert [len(claims(host)) for host in hosts] == [1, 1]
    piet = replace(desk.settings, state=tmp_path / "piet")

    found = recover(piet, listed, "all", first.run, "it burned", playbook=str(desk.path("try.yaml")))

    assert (found.left_out, found.silent) == (("web2",), {})
    assert "web2 is held by" in desk.resume(first.run).why
    assert resume(piet, first.run, Unattended()).status == "partial"
    assert (claims(hosts[0]), claims(hosts[1])) == ([], [])
    assert desk.lines("log") == ["one"]
