"""A real sshd on the loopback of this machine, as somebody's own process: for what is tested without the lab.

It logs in the user who runs the tests, in a home of its own, so that what stands below it is that of the target.
"""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook.model.host import Host

PROGRAM = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin:/sbin")
MISSING = "there is no sshd on this machine: install openssh-server to test the SSH transport"

CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile {folder}/pid
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxStartups 100
SetEnv HOME={home} XDG_STATE_HOME={home}/.local/state PATH={path} LC_ALL=C.UTF-8
{more}
"""


class Sshd:
    """One sshd with a host key, a key for the login and a home."""

    def __init__(self, folder: Path, more: str = "") -> None:
        self.folder = folder
        self.home = folder / "home"
        self.key = folder / "login_key"
        self._more = more
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.home.mkdir(mode=0o700, exist_ok=True)
        for name in ("host_key", "login_key"):
            keygen(folder / name)
        shutil.copy(f"{self.key}.pub", folder / "authorized_keys")

    @property
    def user(self) -> str:
        """Who is logged in."""
        return getpass.getuser()

    @property
    def host_key(self) -> str:
        """Kind and base64 of the host key."""
        return " ".join((self.folder / "host_key.pub").read_text().split()[:2])

    @property
    def name(self) -> str:
        """The name under which known_hosts has it."""
        return f"[127.0.0.1]:{self.port}"

    def host(self, name: str = "web1", **more: object) -> Host:
        """Return it as a host of an inventory that says all itself."""
        given = {"address": "127.0.0.1", "port": self.port, "user": self.user, "key_file": str(self.key), **more}
        return Host(name, "ssh", **given)  # type: ignore[arg-type]

    def know(self, home: Path) -> None:
        """Let the user of a home know the host key."""
        (home / ".ssh").mkdir(mode=0o700, exist_ok=True)
        with (home / ".ssh/known_hosts").open("a") as file:
            file.write(f"{self.name} {self.host_key}\n")

    def start(self) -> None:
        """Start it, on the same port as before if there was one."""
        assert PROGRAM is not None
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        self.port = self.port or free_port()
        (self.folder / "config").write_text(
            CONFIG.format(port=self.port, folder=self.folder, home=self.home, path=os.environ["PATH"], more=self._more)
        )
        log = (self.folder / "log").open("ab")
        argv = (PROGRAM, "-D", "-e", "-f", str(self.folder / "config"))
        with log:
            self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 20
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1):
                    return
            except OSError:
                told = (self.folder / "log").read_text()
                assert self._process.poll() is None, f"sshd ended: {told}"
                assert time.monotonic() < deadline, f"sshd does not listen: {told}"
                time.sleep(0.01)

    def logins(self) -> int:
        """Return how many have logged in so far."""
        return (self.folder / "log").read_text().count("Accepted publickey")

    def processes(self) -> list[int]:
        """Return sshd and the processes of its connections, the one that listens first."""
        assert self._process is not None
        found = [self._process.pid]
        while True:
            out = subprocess.run(("ps", "-A", "-o", "pid=,ppid=,comm="), capture_output=True, text=True, check=True)
            rows = [line.split() for line in out.stdout.splitlines()]
            more = [int(r[0]) for r in rows if int(r[1]) in found and r[2] == "sshd" and int(r[0]) not in found]
            if not more:
                return found
            found += more

    def cut(self) -> None:
        """Break all connections; it goes on listening."""
        for pid in self.processes()[1:]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def freeze(self) -> list[int]:
        """Stop it and all its connections; return who was stopped."""
        stopped = self.processes()
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        return stopped

    def stop(self) -> None:
        """End it and all its connections."""
        if self._process is None:
            return
        for pid in self.processes():
            for number in (signal.SIGCONT, signal.SIGKILL):
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    break
        self._process.wait()
        self._process = None

    def clean(self) -> None:
        """Forget what stands in its home."""
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(mode=0o700)


def keygen(path: Path, *more: str) -> None:
    """Make a key pair."""
    words = more or ("-t", "ed25519", "-N", "")
    subprocess.run(("ssh-keygen", "-q", *words, "-f", str(path)), check=True, stdin=subprocess.DEVNULL)


def free_port() -> int:
    """Return a port that nobody has at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """Give one sshd for all tests of this process; skips where there is none."""
    if PROGRAM is None:
        pytest.skip(MISSING)
    one = Sshd(tmp_path_factory.mktemp("sshd"))
    one.start()
    yield one
    one.stop()
