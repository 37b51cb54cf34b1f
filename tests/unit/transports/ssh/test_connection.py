"""Connections to a real sshd: keys of hosts, logins, jumps, channels, tunnels, and peers that go away."""

import base64
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runbook.errors import AuthError, ConnectError, DispatchRefused, HostKeyError
from runbook.model.host import Host
from runbook.model.question import Answer, NoAnswer, Question
from runbook.ports.cancel import Cancel
from runbook.ports.target import Address, Cmd, Stream
from runbook.transports.given import Given
from runbook.transports.ssh import SshTransport
from runbook.transports.ssh.hostkeys import UnknownHostKey, fingerprint
from runbook.transports.ssh.liveness import Liveness
from tests.sshd import MISSING, PROGRAM, Sshd, free_port, keygen

pytestmark = pytest.mark.skipif(PROGRAM is None, reason=MISSING)


class Gathered:
    def __init__(self) -> None:
        self.out = b""

    def write(self, stream: Stream, data: bytes) -> None:
        self.out += data


class Person:
    """Answers every question in one way, and remembers what was asked."""

    def __init__(self, choice: str = "accept", secret: str = "") -> None:
        self.asked: list[Question] = []
        self._answer = Answer(choice=choice, values={"secret": secret})

    def __call__(self, question: Question, cancel: Cancel) -> Answer | NoAnswer:
        self.asked.append(question)
        return self._answer


@pytest.fixture
def opened() -> Iterator[Callable[..., SshTransport]]:
    """Return a function that makes transports, which are closed at the end."""
    made: list[SshTransport] = []

    def make(given: Given | None = None, liveness: Liveness | None = None) -> SshTransport:
        made.append(SshTransport(given, liveness))
        return made[-1]

    yield make
    for transport in made:
        transport.close()


Open = Callable[..., SshTransport]


def says(transport: SshTransport, host: Host, *argv: str) -> str:
    sink = Gathered()
    finished = transport.target(host, Cancel()).read(Cmd(argv or ("echo", "here")), sink)
    assert finished.exit == 0, finished
    return sink.out.decode().strip()


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.005)


# --- the login --------------------------------------------------------------------------------------------------


def test_what_start_files_print_is_no_output_of_a_command(tmp_path: Path, home: Path, opened: Open) -> None:
    # bash reads it for every command of sshd, as it would for rsh.
    noisy = Sshd(tmp_path / "noisy")
    (noisy.home / ".bashrc").write_text("echo Welcome to your doom; printf 'no line end'")
    noisy.start()
    try:
        noisy.know(home)
        target = opened().target(noisy.host(), Cancel())

        def says(cmd: Cmd) -> str:
            sink = Gathered()
            assert target.read(cmd, sink).exit == 0
            return sink.out.decode()

        assert [says(Cmd(("echo", "here"))) for _ in range(3)] == ["here\n"] * 3
        assert says(Cmd(("cat",), stdin=b"given")) == "given"
        login = target.connection.login
        assert login is not None
        # Other shells read no such file.
        assert login.is_quiet is (login.shell != "/bin/bash")
    finally:
        noisy.stop()


def test_a_login_that_may_run_nothing_and_a_host_that_lets_nothing_through_are_told(
    tmp_path: Path, home: Path, opened: Open
) -> None:
    strict = Sshd(tmp_path / "strict", "ForceCommand echo Not for you.; exit 1\nAllowTcpForwarding no")
    strict.start()
    try:
        strict.know(home)
        target = opened().target(strict.host(), Cancel())

        with pytest.raises(DispatchRefused, match="runs no command of this login; it says: Not for you") as caught:
            target.read(Cmd(("true",)), Gathered())
        assert "ForceCommand" in caught.value.remedy

        def go_through() -> None:
            way = target.tunnel(Address("127.0.0.1", strict.port))
            with way as near, socket.create_connection((near.host, near.port), 10) as one:
                one.recv(1)

        with pytest.raises(ConnectError, match="the host lets no connection through") as refused:
            go_through()
        assert "AllowTcpForwarding" in refused.value.remedy
    finally:
        strict.stop()


# --- keys of hosts ----------------------------------------------------------------------------------------------


class Listener:
    """Stands before an sshd and counts what is sent to it after the handshake could have ended."""

    def __init__(self, sshd: Sshd) -> None:
        self.before = (sshd.folder / "log").stat().st_size
        self._log = sshd.folder / "log"

    def logins(self) -> str:
        with self._log.open("rb") as file:
            file.seek(self.before)
            return "\n".join(
                line for line in file.read().decode().splitlines() if "publickey" in line or "Accepted" in line
            )


def test_an_unknown_host_is_refused_before_anything_is_sent(sshd: Sshd, opened: Open) -> None:
    listener = Listener(sshd)

    with pytest.raises(UnknownHostKey) as caught:
        opened().target(sshd.host(), Cancel())

    assert fingerprint(base64.b64decode(sshd.host_key.split()[1])) in str(caught.value)
    assert "ssh-keyscan" in caught.value.remedy
    assert listener.logins() == ""


def test_a_host_with_another_key_is_refused_and_nobody_is_asked(
    sshd: Sshd, opened: Open, home: Path, tmp_path: Path
) -> None:
    keygen(tmp_path / "other")
    (home / ".ssh").mkdir()
    other = " ".join((tmp_path / "other.pub").read_text().split()[:2])
    (home / ".ssh/known_hosts").write_text(f"{sshd.name} {other}\n")
    person, listener = Person(), Listener(sshd)

    with pytest.raises(HostKeyError, match="has changed"):
        opened(Given(ask=person)).target(sshd.host(), Cancel())

    assert person.asked == []
    assert listener.logins() == ""


def test_another_machine_in_the_place_of_one_that_the_run_has_changed_is_refused(
    sshd: Sshd, opened: Open, home: Path
) -> None:
    sshd.know(home)
    name, shown = sshd.host().name, fingerprint(base64.b64decode(sshd.host_key.split()[1]))

    with pytest.raises(HostKeyError, match="not the machine that the run knows"):
        opened(Given(keys={name: "ssh-ed25519 SHA256:other"})).target(sshd.host(), Cancel())

    for known in (f"ssh-ed25519 {shown}", "ssh-rsa SHA256:other"):
        assert says(opened(Given(keys={name: known})), sshd.host()) == "here"


def test_a_revoked_key_is_refused(sshd: Sshd, opened: Open, home: Path) -> None:
    sshd.know(home)
    with (home / ".ssh/known_hosts").open("a") as file:
        file.write(f"@revoked * {sshd.host_key}\n")
    person = Person()

    with pytest.raises(HostKeyError, match="revoked"):
        opened(Given(ask=person)).target(sshd.host(), Cancel())
    assert person.asked == []


def test_a_person_may_accept_an_unknown_key_which_is_then_known(sshd: Sshd, opened: Open, home: Path) -> None:
    person = Person("accept")

    assert says(opened(Given(ask=person)), sshd.host()) == "here"
    assert says(opened(), sshd.host()) == "here"

    assert [question.kind for question in person.asked] == ["host_key"]
    assert person.asked[0].safe == "refuse"
    assert (home / ".ssh/known_hosts").read_text() == f"{sshd.name} {sshd.host_key}\n"


def test_a_person_may_refuse_an_unknown_key(sshd: Sshd, opened: Open, home: Path) -> None:
    with pytest.raises(UnknownHostKey):
        opened(Given(ask=Person("refuse"))).target(sshd.host(), Cancel())
    assert not (home / ".ssh/known_hosts").exists()


# --- logins -----------------------------------------------------------------------------------------------------


def test_a_key_that_the_host_does_not_take_is_told(sshd: Sshd, opened: Open, home: Path, tmp_path: Path) -> None:
    sshd.know(home)
    keygen(tmp_path / "stranger")

    with pytest.raises(AuthError, match="stranger"):
        opened().target(sshd.host(key_file=str(tmp_path / "stranger")), Cancel())


def test_a_key_that_others_may_read_is_not_used(sshd: Sshd, opened: Open, home: Path, tmp_path: Path) -> None:
    sshd.know(home)
    key = tmp_path / "key"
    key.write_bytes(sshd.key.read_bytes())
    key.chmod(0o644)

    with pytest.raises(AuthError, match="chmod 600"):
        opened().target(sshd.host(key_file=str(key)), Cancel())


def test_a_passphrase_is_asked_for_once(sshd: Sshd, opened: Open, home: Path, tmp_path: Path) -> None:
    sshd.know(home)
    key = tmp_path / "key"
    key.write_bytes(sshd.key.read_bytes())
    key.chmod(0o600)
    subprocess.run(("ssh-keygen", "-q", "-p", "-P", "", "-N", "open sesame", "-f", str(key)), check=True)
    person = Person(secret="open sesame")
    transport = opened(Given(ask=person))

    assert says(transport, sshd.host("web1", key_file=str(key))) == "here"
    assert says(transport, sshd.host("web2", key_file=str(key))) == "here"
    assert [question.kind for question in person.asked] == ["secret"]
    with pytest.raises(AuthError, match="passphrase"):
        opened(Given(ask=Person(secret="wrong"))).target(sshd.host(key_file=str(key)), Cancel())
    with pytest.raises(AuthError, match=f"refused; {key} wants its passphrase, and nobody gave it") as refused:
        opened().target(sshd.host(key_file=str(key)), Cancel())
    assert f"ssh-add {key}" in refused.value.remedy


def test_a_key_file_that_is_none_is_told_with_what_it_is(sshd: Sshd, opened: Open, home: Path, tmp_path: Path) -> None:
    sshd.know(home)
    (tmp_path / "text").write_text("no key\n")
    (tmp_path / "text").chmod(0o600)
    (tmp_path / "dead").symlink_to("nowhere")

    told = {}
    for name in (".", "missing", "dead", "text"):
        with pytest.raises(AuthError) as refused:
            opened().target(sshd.host(key_file=str(tmp_path / name)), Cancel())
        told[name] = refused.value.message.removeprefix("the login was refused; ").replace(str(tmp_path), "DIR")

    assert told == {
        ".": "DIR is a folder, and no key",
        "missing": "DIR/missing does not exist",
        "dead": "DIR/dead leads nowhere",
        "text": "DIR/text holds no private key of a kind that is known",
    }


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    place = f"/tmp/rb-agent-{os.getpid()}-{free_port()}"
    process = subprocess.Popen(("ssh-agent", "-D", "-a", place), stdout=subprocess.DEVNULL)
    until(lambda: Path(place).exists())
    monkeypatch.setenv("SSH_AUTH_SOCK", place)
    yield place
    process.terminate()
    process.wait()


def test_a_key_of_the_agent_is_enough(sshd: Sshd, opened: Open, home: Path, agent: str) -> None:
    sshd.know(home)
    subprocess.run(("ssh-add", "-q", str(sshd.key)), check=True, capture_output=True)

    transport = opened()

    assert says(transport, sshd.host(key_file="")) == "here"
    # The agent is asked to sign here; it is never lent to the host.
    assert says(transport, sshd.host(key_file=""), "sh", "-c", "echo ${SSH_AUTH_SOCK:-none}") == "none"


def test_an_agent_that_is_dead_is_named(sshd: Sshd, opened: Open, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sshd.know(home)
    place = f"/tmp/rb-agent-{os.getpid()}-{free_port()}"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(place)
    monkeypatch.setenv("SSH_AUTH_SOCK", place)

    with pytest.raises(AuthError, match=f"the agent at {place} does not answer"):
        opened().target(sshd.host(key_file=""), Cancel())

    Path(place).unlink()


def test_a_certificate_beside_the_key_is_used_and_the_key_alone_where_it_is_not_taken(
    opened: Open, home: Path, tmp_path: Path, agent: str
) -> None:
    own = Sshd(tmp_path / "own", f"TrustedUserCAKeys {tmp_path}/authority.pub")
    keygen(tmp_path / "authority")
    keygen(tmp_path / "key")
    (own.folder / "authorized_keys").write_text("")

    def sign(*more: str) -> None:
        argv = ("ssh-keygen", "-q", "-s", str(tmp_path / "authority"), "-I", "olga", *more, str(tmp_path / "key.pub"))
        subprocess.run(argv, check=True, capture_output=True)

    own.start()
    own.know(home)
    try:
        host = own.host(key_file=str(tmp_path / "key"))
        sign("-n", own.user)
        assert says(opened(), host) == "here"
        sign("-n", own.user, "-V", "-2h:-1h")
        with pytest.raises(AuthError, match=r"key with its certificate \(expired .* UTC\), .*key"):
            opened().target(host, Cancel())
        # As with ssh, the key alone is good where the host knows it.
        shutil.copy(tmp_path / "key.pub", own.folder / "authorized_keys")
        assert says(opened(), host) == "here"
        # An agent that got the key before there was a certificate signs for that as well.
        (own.folder / "authorized_keys").write_text("")
        (tmp_path / "key-cert.pub").unlink()
        subprocess.run(("ssh-add", "-q", str(tmp_path / "key")), check=True, capture_output=True)
        (tmp_path / "key").unlink()
        sign("-n", own.user)
        assert says(opened(), host) == "here"
        # One that holds the certificate itself needs no file; RSA signs as no other kind does.
        (tmp_path / "key.pub").unlink()
        make = ("ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", str(tmp_path / "key"))
        subprocess.run(make, check=True, capture_output=True)
        sign("-n", own.user)
        subprocess.run(("ssh-add", "-q", str(tmp_path / "key")), check=True, capture_output=True)
        assert says(opened(), own.host(key_file="")) == "here"
    finally:
        own.stop()


# --- jumps ------------------------------------------------------------------------------------------------------


@pytest.fixture
def behind(tmp_path: Path, sshd: Sshd) -> Iterator[Sshd]:
    """A second host, which the first is the way to."""
    inner = Sshd(tmp_path / "inner")
    inner.start()
    yield inner
    inner.stop()


def jump_config(path: Path, sshd: Sshd, inner: Sshd, known: Path) -> Path:
    path.write_text(
        f"Host bastion\n  HostName 127.0.0.1\n  Port {sshd.port}\n  IdentityFile {sshd.key}\n"
        f"Host inner\n  HostName 127.0.0.1\n  Port {inner.port}\n  IdentityFile {inner.key}\n  ProxyJump bastion\n"
        f"Host *\n  User {sshd.user}\n  UserKnownHostsFile {known}\n  GlobalKnownHostsFile none\n"
        "  IdentitiesOnly yes\n"
    )
    return path


def test_a_host_behind_another_is_reached_through_it(
    sshd: Sshd, behind: Sshd, opened: Open, home: Path, tmp_path: Path
) -> None:
    sshd.know(home)
    behind.know(home)
    config = jump_config(tmp_path / "config", sshd, behind, home / ".ssh/known_hosts")

    transport = opened(Given(ssh_config=config))

    assert says(transport, Host("inner", "ssh"), "sh", "-c", "echo $HOME") == str(behind.home)
    assert says(transport, Host("bastion", "ssh"), "sh", "-c", "echo $HOME") == str(sshd.home)
    behind.stop()
    with pytest.raises(ConnectError, match=r"127\.0\.0\.1:[0-9]*: no connection: Connect failed"):
        opened(Given(ssh_config=config)).target(Host("inner", "ssh"), Cancel())


@pytest.mark.parametrize("missing", ["bastion", "inner"])
def test_the_key_of_each_hop_is_checked(
    sshd: Sshd, behind: Sshd, opened: Open, home: Path, tmp_path: Path, missing: str
) -> None:
    (sshd if missing == "inner" else behind).know(home)
    config = jump_config(tmp_path / "config", sshd, behind, home / ".ssh/known_hosts")

    with pytest.raises(HostKeyError) as caught:
        opened(Given(ssh_config=config)).target(Host("inner", "ssh"), Cancel())

    hop = f"the key of this hop on the way to {behind.user}@127.0.0.1:{behind.port} is not known"
    assert (hop in caught.value.message) == (missing == "bastion")
    assert str((sshd if missing == "bastion" else behind).port) in caught.value.where
    assert (f"ssh -F {config} bastion ssh-keyscan" in caught.value.remedy) == (missing == "inner")


# --- what is agreed ---------------------------------------------------------------------------------------------


def test_the_quick_and_strong_algorithms_are_agreed(sshd: Sshd, opened: Open, home: Path) -> None:
    sshd.know(home)
    target = opened().target(sshd.host(), Cancel())

    link = target.connection.link(Cancel())

    assert getattr(link, "local_cipher", "") == "aes128-gcm@openssh.com"
    assert target.connection.host_key.startswith("ssh-ed25519 SHA256:")


def test_what_the_configuration_names_is_what_is_offered(opened: Open, home: Path, tmp_path: Path) -> None:
    old = Sshd(tmp_path / "old", "Ciphers aes256-cbc\nMACs hmac-sha1")
    old.start()
    old.know(home)
    config = tmp_path / "config"

    def agreed(more: str) -> tuple[str, str]:
        config.write_text(
            f"Host old\n  HostName 127.0.0.1\n  Port {old.port}\n  IdentityFile {old.key}\n"
            f"  UserKnownHostsFile {home}/.ssh/known_hosts\n{more}"
        )
        link = opened(Given(ssh_config=config)).target(Host("old", "ssh"), Cancel()).connection.link(Cancel())
        return getattr(link, "local_cipher", ""), getattr(link, "local_mac", "")

    try:
        assert agreed("  Ciphers +aes256-cbc\n  MACs hmac-sha1\n") == ("aes256-cbc", "hmac-sha1")
        with pytest.raises(ConnectError, match="Incompatible"):
            agreed("  Ciphers aes256-ctr\n")
        with pytest.raises(ConnectError, match="for ciphers is known here: chacha20-poly1305"):
            agreed("  Ciphers chacha20-poly1305@openssh.com\n")
    finally:
        old.stop()


@pytest.mark.parametrize("line", ["Ciphers aes128-cbc,3des-cbc", "KexAlgorithms diffie-hellman-group14-sha1"])
def test_a_host_that_has_only_weak_algorithms_is_refused(line: str, opened: Open, home: Path, tmp_path: Path) -> None:
    weak = Sshd(tmp_path / "weak", line)
    weak.start()
    weak.know(home)
    try:
        with pytest.raises(ConnectError, match="weak algorithms are not offered"):
            opened().target(weak.host(), Cancel())
    finally:
        weak.stop()


# --- channels ---------------------------------------------------------------------------------------------------


def test_more_commands_than_sessions_wait_for_their_turn(sshd: Sshd, opened: Open, home: Path) -> None:
    sshd.know(home)
    target = opened().target(sshd.host(), Cancel())
    gate = sshd.home / "gate"
    gate.unlink(missing_ok=True)

    def body(number: int) -> int | None:
        wait = ("sh", "-c", 'echo >>"$1.begun"; while [ ! -e "$1" ]; do sleep 0.05; done', "sh", str(gate))
        return target.read(Cmd(wait), Gathered()).exit

    begun = sshd.home / "gate.begun"
    begun.unlink(missing_ok=True)
    with ThreadPoolExecutor(12) as pool:
        futures = [pool.submit(body, number) for number in range(12)]
        until(lambda: begun.exists() and begun.stat().st_size == 8)
        gate.touch()
        assert [future.result() for future in futures] == [0] * 12
    assert begun.stat().st_size == 12


def test_a_tunnel_reaches_what_listens_beside_the_host(sshd: Sshd, opened: Open, home: Path) -> None:
    sshd.know(home)
    target = opened().target(sshd.host(), Cancel())
    with socket.create_server(("127.0.0.1", 0)) as server:

        def echo() -> None:
            one, _ = server.accept()
            with one:
                while data := one.recv(4096):
                    one.sendall(data.upper())

        thread = threading.Thread(target=echo)
        thread.start()
        with (
            target.tunnel(Address("127.0.0.1", server.getsockname()[1])) as here,
            socket.create_connection((here.host, here.port), 10) as one,
        ):
            one.sendall(b"words" * 50_000)
            one.shutdown(socket.SHUT_WR)
            back = b"".join(iter(lambda: one.recv(65536), b""))
        thread.join()

    assert back == b"WORDS" * 50_000


def test_what_refuses_behind_a_tunnel_refuses_here(sshd: Sshd, opened: Open, home: Path) -> None:
    sshd.know(home)
    target = opened().target(sshd.host(), Cancel())

    with (
        target.tunnel(Address("127.0.0.1", free_port())) as here,
        socket.create_connection((here.host, here.port), 10) as one,
        pytest.raises(ConnectionResetError),
    ):
        one.recv(1)


# --- peers that go away -----------------------------------------------------------------------------------------


def test_nobody_there_is_told_with_the_place(opened: Open) -> None:
    port = free_port()

    with pytest.raises(ConnectError, match=f"127.0.0.1 port {port}: no connection: Connection refused"):
        opened().target(Host("web1", "ssh", address="127.0.0.1", port=port, user="x"), Cancel())


def test_a_host_that_says_nothing_costs_no_more_than_the_cancel(opened: Open) -> None:
    cancel = Cancel()
    with socket.create_server(("127.0.0.1", 0)) as mute, ThreadPoolExecutor(1) as pool:
        host = Host("web1", "ssh", address="127.0.0.1", port=mute.getsockname()[1], user="x")
        future = pool.submit(opened().target, host, cancel)
        peer, _ = mute.accept()
        with peer:
            cancel.set("enough")
            with pytest.raises(ConnectError, match="enough"):
                future.result(20)


def test_a_new_connection_is_made_when_the_old_one_broke(sshd: Sshd, opened: Open, home: Path) -> None:
    sshd.know(home)
    transport = opened()
    first = transport.target(sshd.host(), Cancel()).connection.link(Cancel())

    sshd.cut()
    until(lambda: not first.is_active())

    assert says(transport, sshd.host()) == "here"


def test_a_frozen_host_is_noticed_by_silence(opened: Open, home: Path, tmp_path: Path) -> None:
    own = Sshd(tmp_path / "own")
    own.start()
    own.know(home)
    transport = opened(None, Liveness(every=0.2, dead=1.0))
    target = transport.target(own.host(), Cancel())
    sink = Gathered()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(target.read, Cmd(("sh", "-c", "echo begun; sleep 20")), sink)
        until(lambda: sink.out == b"begun\n")
        try:
            own.freeze()
            finished = future.result(20)
        finally:
            own.stop()

    assert (finished.exit, finished.ended, finished.dead) == (None, "lost", False)
    assert any("no answer for" in line for line in finished.evidence)


def test_a_silent_host_that_lives_is_not_given_up(opened: Open, home: Path, sshd: Sshd) -> None:
    sshd.know(home)
    transport = opened(None, Liveness(every=0.1, dead=0.5))
    target = transport.target(sshd.host(), Cancel())
    link = target.connection.link(Cancel())
    begun = link.wire.received

    finished = target.read(Cmd(("sleep", "1.5")), Gathered())

    assert finished.exit == 0
    assert target.connection.link(Cancel()) is link
    assert link.wire.received > begun
