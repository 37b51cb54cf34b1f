"""A host of the lab in the hands of a test: looked at and hurt from outside, never by way of its network.

All that breaks something comes as a context that heals it; `heal` undoes whatever a test left behind.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from tests.lab.image import Image
from tests.lab.machine import SIZE, init_of, nsenter
from tests.lab.network import plug
from tests.lab.place import Place

LIMIT = 20.0
"""Seconds that any command of ours on a host may take."""
BOOT_LIMIT = 60.0
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
CLOCK = "/etc/ssh/sshd_config.d/clock.conf"


class Finished(Struct, frozen=True):
    """How a command on a host ended."""

    exit: int
    out: str
    err: str


class Process(Struct, frozen=True):
    """A process of a host, with the id it has there."""

    pid: int
    command: str


class Counter(Struct, frozen=True):
    """A file on a host with a line for each time a command ran."""

    host: Host
    path: str

    @property
    def script(self) -> str:
        """The shell text that counts one more."""
        return f"echo x >> {shlex.quote(self.path)}"

    @property
    def value(self) -> int:
        return self.host.run("cat", self.path).out.count("x")


class Host:
    """One host with a systemd, an sshd, a key and an address of its own."""

    def __init__(self, place: Place, image: Image, name: str, address: str, cgroup: str, key: str) -> None:
        self.name = name
        self.address = address
        self.cgroup = cgroup
        """The layout of its control groups: hybrid, v1 or v2."""
        self.key = key
        """Its public host key: kind and text."""
        self.proxy_address = f"198.18.1.{address.rpartition('.')[2]}"
        """An address of the control namespace that counts as this host's, for a proxy in front of it."""
        self._place = place
        self.image = image
        self._folder = place.run / name

    def __repr__(self) -> str:
        return f"<host {self.name} at {self.address}, cgroup {self.cgroup}>"

    @property
    def names(self) -> tuple[str, ...]:
        """All names it goes by in known_hosts."""
        fleet = ("198.18.8.*",) if self.name == "fleet" else ()
        return (self.name, self.address, self.proxy_address, *fleet)

    def run(self, *argv: str, user: str = "root", stdin: str = "", seconds: float = LIMIT) -> Finished:
        """Run a command on the host, also while it is cut off or frozen; raises TimeoutExpired after some seconds."""
        init = self._init()
        words = argv if user == "root" else ("runuser", "-u", user, "--", *argv)
        done = subprocess.run(
            nsenter(init, *words), input=stdin, capture_output=True, text=True, errors="replace", timeout=seconds,
            env=ENVIRONMENT, check=False,
        )  # fmt: skip
        return Finished(done.returncode, done.stdout, done.stderr)

    def check(self, *argv: str, user: str = "root", stdin: str = "", seconds: float = LIMIT) -> str:
        """Run a command that must succeed, and return what it printed."""
        done = self.run(*argv, user=user, stdin=stdin, seconds=seconds)
        if done.exit != 0:
            raise AssertionError(f"{self.name}: {shlex.join(argv)} ended with {done.exit}: {done.err.strip()}")
        return done.out

    def read(self, path: str) -> str:
        return self.check("cat", path)

    def write(self, path: str, text: str) -> None:
        self.check("sh", "-c", 'cat > "$1"', "sh", path, stdin=text)

    def counter(self, path: str = "/var/tmp/count") -> Counter:
        """Return a counter that anybody may count on, at nought."""
        self.check("sh", "-c", ': > "$1" && chmod 666 "$1"', "sh", path)
        return Counter(self, path)

    def processes(self, pattern: str) -> tuple[Process, ...]:
        """Return the processes whose command line has a match of a regular expression."""
        found = []
        for pid in self._pids():
            try:
                command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                ids = re.search(r"^NSpid:.*\t(\d+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
            except OSError:
                continue
            if ids is not None and re.search(pattern, command):
                found.append(Process(int(ids[1]), command.strip()))
        return tuple(found)

    # What may happen to a host.

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop all its processes: the kernel still answers for it, nobody else does."""
        self.freeze()
        try:
            yield
        finally:
            self.thaw()

    def freeze(self) -> None:
        seen: set[int] = set()
        while fresh := set(self._pids()) - seen:
            for pid in sorted(fresh, key=lambda pid: pid != self._init()):
                _signal(pid, signal.SIGSTOP)
            seen |= fresh

    def thaw(self) -> None:
        for pid in self._pids():
            _signal(pid, signal.SIGCONT)

    @contextmanager
    def unplugged(self) -> Iterator[None]:
        """Pull its network cable: nothing comes through, and nobody is told."""
        self.unplug()
        try:
            yield
        finally:
            self.plug()

    def unplug(self) -> None:
        self._tool("ip", "-n", self._place.control, "link", "set", plug(self.name), "down")

    def plug(self) -> None:
        self._tool("ip", "-n", self._place.control, "link", "set", plug(self.name), "up")

    @contextmanager
    def losing(self, percent: int) -> Iterator[None]:
        """Drop some of all packets that come in and go out, at random."""
        rule = f"numgen random mod 100 < {percent} drop" if percent < 100 else "drop"
        with self._filtered(rule, rule):
            yield

    @contextmanager
    def silent(self, *addresses: str) -> Iterator[None]:
        """Drop all packets for and from some of its addresses: how one dead host of a fleet looks."""
        some = ", ".join(addresses or (self.address,))
        with self._filtered(f"ip daddr {{ {some} }} drop", f"ip saddr {{ {some} }} drop"):
            yield

    @contextmanager
    def _filtered(self, incoming: str, outgoing: str) -> Iterator[None]:
        rules = (
            f"table inet lab {{ chain in {{ type filter hook input priority 0; {incoming}; }}\n"
            f"chain out {{ type filter hook output priority 0; {outgoing}; }}\n}}\n"
        )
        self._nft(rules)
        try:
            yield
        finally:
            self._nft("flush ruleset\n")

    def reboot(self) -> None:
        """Reboot it in good order and wait until it is up again."""
        before = self.boot_id
        self.run("systemctl", "--no-block", "reboot")
        self._wait_for_boot(before)

    def cut_power(self) -> None:
        """End all its processes at once, and wait until it is up again: its disk is kept, its memory is not."""
        before = self.boot_id
        _signal(self._init(), signal.SIGKILL)
        self._wait_for_boot(before)

    def drop_connections(self) -> None:
        """Kill the sshd process of each connection; new ones are still served."""
        for process in self.processes(r"^sshd: (?!/)"):
            self.run("kill", "-KILL", str(process.pid))

    def stop_sshd(self) -> None:
        """Kill sshd with all its connections: new ones are refused."""
        self.run("systemctl", "stop", "ssh.socket", "ssh.service")
        self.drop_connections()

    def start_sshd(self) -> None:
        self.check("systemctl", "start", "ssh.service")

    @contextmanager
    def full(self) -> Iterator[None]:
        """Leave no free space on its disk; /run, /tmp and /dev/shm lie in memory and have some."""
        used = int(self._df("used"))
        self._resize(f"{used}k")
        self.run("sh", "-c", "cat /dev/zero > /var/full; :")  # the last pages
        try:
            yield
        finally:
            self._resize(SIZE)
            self.run("rm", "-f", "/var/full")

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """Have its disk read-only, as a kernel does after an error."""
        self.check("mount", "-o", "remount,ro", "/")
        try:
            yield
        finally:
            self.check("mount", "-o", "remount,rw", "/")

    @contextmanager
    def clock_off(self, seconds: int) -> Iterator[None]:
        """Have the clock of whatever is started over SSH go wrong by so much; sudo sees the right one."""
        library = self.check("sh", "-c", "echo /usr/lib/*/faketime/libfaketime.so.1").strip()
        self.write(CLOCK, f"SetEnv LD_PRELOAD={library} FAKETIME={seconds:+d} FAKETIME_DONT_FAKE_MONOTONIC=1\n")
        self.check("systemctl", "restart", "ssh")
        try:
            yield
        finally:
            self.check("rm", "-f", CLOCK)
            self.check("systemctl", "restart", "ssh")

    def heal(self) -> None:
        """Undo whatever was done to it, end what users started, and empty their state folders."""
        self.thaw()
        self.plug()
        self._nft("flush ruleset\n")
        self._resize(SIZE)
        script = (
            "mount -o remount,rw / || exit;"
            f"if [ -e {CLOCK} ]; then rm {CLOCK}; systemctl restart ssh; fi;"
            "rm -rf /var/full /var/tmp/count* /root/.local /home/*/.local /fleet/*/.local /root/.cache /home/*/.cache;"
            "systemctl reset-failed; systemctl is-active -q ssh order-service || systemctl restart ssh order-service"
        )
        done = self.run("sh", "-c", script)
        if done.exit != 0:
            raise AssertionError(f"{self.name} does not heal: {done.err.strip()}")

    @property
    def boot_id(self) -> str:
        return self.read("/proc/sys/kernel/random/boot_id").strip()

    def _wait_for_boot(self, before: str) -> None:
        self.wait(lambda: self.boot_id != before, f"{self.name} boots again", BOOT_LIMIT)
        self.wait(
            lambda: self.run("systemctl", "is-system-running").out.strip() in {"running", "degraded"},
            f"{self.name} has started its services", BOOT_LIMIT,
        )  # fmt: skip

    @staticmethod
    def wait(condition: Callable[[], bool], what: str, seconds: float = LIMIT) -> None:
        """Wait until a condition holds; a host that is down counts as not yet."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if condition():
                    return
            except (AssertionError, ConnectionError):
                pass
            time.sleep(0.02)
        raise AssertionError(f"not within {seconds:g} s: {what}")

    def _init(self) -> int:
        init = init_of(self._folder)
        if init is None:
            raise ConnectionError(f"{self.name} is down")
        return init

    def _pids(self) -> list[int]:
        """Return the ids, as the machine sees them, of all its processes."""
        own = os.readlink(f"/proc/{self._init()}/ns/pid")
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if os.readlink(entry / "ns/pid") == own:
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def _df(self, column: str) -> str:
        """Return a figure of its disk in KiB."""
        argv = ["df", "-k", f"--output={column}", str(self._folder)]
        return subprocess.run(argv, capture_output=True, text=True, timeout=LIMIT, check=True).stdout.split()[-1]

    def _resize(self, size: str) -> None:
        subprocess.run(
            ["mount", "-o", f"remount,size={size}", str(self._folder)],
            capture_output=True, timeout=LIMIT, check=True,
        )  # fmt: skip

    def _nft(self, rules: str) -> None:
        self._tool("nft", "-f", "-", stdin=rules, namespace=self._place.namespace(self.name))

    def _tool(self, name: str, *args: str, stdin: str = "", namespace: str = "") -> None:
        """Run a program of the image on the machine, if need be in a network namespace."""
        argv = self.image.tool(name, *args)
        if namespace:
            argv = ["nsenter", f"--net=/run/netns/{namespace}", *argv]
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=LIMIT, check=False)
        if done.returncode != 0:
            raise AssertionError(f"{name} {' '.join(args)}: {done.stderr.strip()}")


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
