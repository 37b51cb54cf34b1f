"""Logins with a password, and sudo that wants one, on a host with PAM: asked for once, told plainly if it is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runbook.errors import AuthError
from runbook.model.host import Host as Target
from runbook.model.question import Answer, NoAnswer, Question
from runbook.ports.cancel import Cancel
from runbook.ports.target import Cmd, Stream
from runbook.transports.given import Given
from runbook.transports.ssh import SshTransport
from tests.cli.conftest import Terminal
from tests.lab.host import Host
from tests.lab.lab import Lab, inventory

pytestmark = pytest.mark.lab

RIGHT = "correct horse"
WAYS = "/etc/ssh/sshd_config.d/00-ways.conf"
PASSWORD = "PasswordAuthentication yes\nKbdInteractiveAuthentication no\n"
INTERACTIVE = "PasswordAuthentication no\nKbdInteractiveAuthentication yes\nUsePAM yes\n"

SUDO = """\
schema: runbook/v1
id: become
title: Become root
targets:
  app: {hosts: "group:lab", min: 1}
steps:
  - {id: who, command: [id, -un], sudo: true, effect: read}
  - id: mark
    command: [sh, -c, 'id -un >>/var/tmp/count']
    sudo: true
    effect: change
    verify: [{command: [grep, -qx, root, /var/tmp/count]}]
    undo: {none: "a test"}
"""


class Person:
    """Gives the same password whenever one is asked for, and counts."""

    def __init__(self, password: str) -> None:
        self._password = password
        self.asked: list[str] = []

    def __call__(self, question: Question, cancel: Cancel) -> Answer | NoAnswer:
        self.asked.append(question.title)
        return Answer(choice="answer", values={"secret": self._password}) if self._password else NoAnswer("nobody")


class Kept:
    def __init__(self) -> None:
        self.out = b""

    def write(self, stream: Stream, data: bytes) -> None:
        self.out += data


@pytest.fixture
def allow(host: Host) -> Iterator[Callable[[str], None]]:
    """Have sshd take these ways of logging in."""

    def change(text: str) -> None:
        host.write(WAYS, text)
        host.check("systemctl", "restart", "ssh")

    yield change
    host.run("rm", "-f", WAYS)
    host.check("systemctl", "restart", "ssh")


@pytest.fixture
def dora(lab: Lab, host: Host, home: Path) -> Target:
    """Dora's login without a key."""
    lab.know(home)
    return Target(host.name, "ssh", address=host.address, user="dora", key_file=str(home / "no-such-key"))


@pytest.mark.parametrize("way", [PASSWORD, INTERACTIVE], ids=["password", "keyboard-interactive"])
def test_who_gives_the_password_once_is_in_for_the_whole_run(
    allow: Callable[[str], None], dora: Target, host: Host, way: str
) -> None:
    allow(way)
    person, kept = Person(RIGHT), Kept()
    transport = SshTransport(Given(ask=person))
    try:
        target = transport.target(dora, Cancel())
        assert target.read(Cmd(("id", "-un")), kept).exit == 0
        host.drop_connections()
        assert target.read(Cmd(("id", "-un")), kept).exit in {0, None}
        assert target.read(Cmd(("id", "-un")), kept).exit == 0
    finally:
        transport.close()

    assert kept.out.endswith(b"dora\n")
    assert person.asked == [f"The password of dora@{host.address}"]


@pytest.mark.parametrize("way", [PASSWORD, INTERACTIVE], ids=["password", "keyboard-interactive"])
def test_a_wrong_password_is_refused_in_one_line_and_not_tried_again(
    allow: Callable[[str], None], dora: Target, host: Host, way: str
) -> None:
    allow(way)
    person = Person("wrong horse")
    transport = SshTransport(Given(ask=person))
    try:
        with pytest.raises(AuthError, match="the password was refused") as refused:
            transport.target(dora, Cancel())
    finally:
        transport.close()

    assert "wrong horse" not in str(refused.value)
    assert len(person.asked) == 1
    invocation = host.check("systemctl", "show", "--value", "-p", "InvocationID", "ssh").strip()

    def log() -> str:
        return host.check("journalctl", "-o", "cat", f"_SYSTEMD_INVOCATION_ID={invocation}")

    def once() -> bool:
        return "authenticating user dora" in log() and log().count("authentication failure;") == 1

    Host.wait(once, "sshd has seen one try, and the end", 60)


def test_without_anybody_to_ask_the_login_is_refused(allow: Callable[[str], None], dora: Target) -> None:
    allow(PASSWORD)
    transport = SshTransport(Given(ask=Person("")))
    try:
        with pytest.raises(AuthError, match="nobody gave the password"):
            transport.target(dora, Cancel())
    finally:
        transport.close()


def test_sudo_asks_for_its_password_once_on_the_terminal(lab: Lab, host: Host, home: Path, tmp_path: Path) -> None:
    lab.know(home)
    host.counter()
    (tmp_path / "hosts.yaml").write_text(inventory("lab", {host.name: host.address}, lab.identity, "dora"))
    (tmp_path / "become.yaml").write_text(SUDO)
    one = Terminal(["run", str(tmp_path / "become.yaml"), "--inventory", str(tmp_path / "hosts.yaml")])
    try:
        one.until("  > ")
        one.enter("1")
        one.until("secret (not shown)")
        one.enter(RIGHT)
        one.until("  > ")
        one.enter("1")
        code = one.end()
    finally:
        one.close()
    assert code == 0, one.text
    assert RIGHT not in one.text
    assert one.text.count("password of dora for sudo") == 1
    assert host.read("/var/tmp/count") == "root\n"
