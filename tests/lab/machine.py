"""One booted host, as its keeper sees it: root file system, control groups, and the nspawn process to start again.

Everything a host writes lies on a small file system in memory over the shared image, so that it is gone with the
host, and can be filled up within a moment.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from msgspec import Struct

from tests.lab.image import Image
from tests.lab.place import FLEET_ADDRESSES, GATEWAY, Place, hierarchies

SIZE = "192m"
RESTARTS = 20
"""Within one lab: a host that cannot stay up must not be started for ever."""

NSPAWN_LAYOUT = {"v1": "0", "v2": "1"}
"""What nspawn is told where the layout is not the machine's own."""


class Spec(Struct, frozen=True):
    """What is to be known of a host before it is there."""

    name: str
    address: str
    cgroup: str
    fleet: bool = False
    """It answers for all addresses of the fleet."""


class Machine:
    """Makes, boots and boots again one host."""

    def __init__(self, place: Place, image: Image, spec: Spec, own_layout: str) -> None:
        self.spec = spec
        self._place = place
        self._image = image
        self._layout = "" if spec.cgroup == own_layout else NSPAWN_LAYOUT[spec.cgroup]
        self._folder = place.run / spec.name
        # Beside it: what a full disk of one host keeps from being written must not end the lab.
        self._console = place.run / f"{spec.name}.console"
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0

    def make(self, authorised: str) -> None:
        """Mount the root file system and give it a name, keys and whom to let in."""
        self._folder.mkdir()
        _call("mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=755", "runbook-lab", str(self._folder))
        upper, work, root = (self._folder / name for name in ("upper", "work", "root"))
        for path in (upper, work, root):
            path.mkdir()
        layers = f"lowerdir={self._image.root},upperdir={upper},workdir={work}"
        _call("mount", "-t", "overlay", "-o", layers, "runbook-lab", str(root))
        name = self.spec.name
        (root / "etc/hostname").write_text(f"{name}\n")
        (root / "etc/hosts").write_text(f"127.0.0.1 localhost {name}\n{GATEWAY} control\n")
        _call(
            "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(root / "etc/ssh/ssh_host_ed25519_key")
        )
        for home in ("root", "home/deploy", "home/dora"):
            file = root / home / ".ssh/authorized_keys"
            file.write_text(authorised)
            owner = (root / home).stat()
            os.chown(file, owner.st_uid, owner.st_gid)
        if self.spec.fleet:
            self._make_fleet(root)

    def _make_fleet(self, root: Path) -> None:
        """Give each address a home of its own, so that leases and job folders do not meet; PAM would cost a third."""
        lines = ["UsePAM no", "MaxStartups 2000", "LogLevel ERROR"]
        owner = (root / "home/deploy").stat()
        for address in FLEET_ADDRESSES:
            home = root / "fleet" / address
            home.mkdir(mode=0o700, parents=True)
            os.chown(home, owner.st_uid, owner.st_gid)
            lines.append(f"Match LocalAddress {address}\n    SetEnv HOME=/fleet/{address}")
        (root / "etc/ssh/sshd_config.d/fleet.conf").write_text("\n".join(lines) + "\n")

    @property
    def host_key(self) -> str:
        """The public host key: kind and text."""
        words = (self._folder / "root/etc/ssh/ssh_host_ed25519_key.pub").read_text().split()
        return " ".join(words[:2])

    def start(self) -> None:
        """Boot it, in control groups of its own: without them, hosts would end each other's units."""
        groups = [root / self._place.group / self.spec.name for root in hierarchies()]
        for group in groups:
            group.mkdir(parents=True, exist_ok=True)
        enter = 'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs" || exit; shift; done; shift; exec "$@"'
        nspawn = self._image.tool(
            "systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", "--console=pipe",
            f"--directory={self._folder / 'root'}", f"--machine={self._place.namespace(self.spec.name)}",
            f"--hostname={self.spec.name}", "--capability=CAP_NET_ADMIN",
            f"--network-namespace-path=/run/netns/{self._place.namespace(self.spec.name)}",
        )  # fmt: skip
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
        if self._layout:
            env["SYSTEMD_NSPAWN_UNIFIED_HIERARCHY"] = self._layout
        with self._console.open("ab") as log:
            self._process = subprocess.Popen(
                ["sh", "-c", enter, "enter", *map(str, groups), "--", *nspawn],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, start_new_session=True,
            )  # fmt: skip
        self._started += 1
        part = self._folder.with_suffix(".pid.part")
        part.write_text(str(self._process.pid))
        part.rename(_pid_file(self._folder))

    def look_after(self) -> None:
        """Boot it again if it is down: nspawn ends when a host reboots or its power is cut."""
        if self._process is not None and self._process.poll() is not None and self._started < RESTARTS:
            self.start()

    def wait_until_up(self, seconds: float) -> None:
        """Return when systemd says that all is started; raises RuntimeError with the console if it does not."""
        deadline = time.monotonic() + seconds
        state = "not started"
        while time.monotonic() < deadline:
            init = init_of(self._folder)
            if init is not None:
                asked = nsenter(init, "systemctl", "is-system-running")
                state = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=False).stdout.strip()
                if state in {"running", "degraded"}:
                    return
            time.sleep(0.05)
        console = self._console.read_text(errors="replace")
        raise RuntimeError(f"{self.spec.name} is {state!r} after {seconds:g} s\n{console[-2000:]}")


def _pid_file(folder: Path) -> Path:
    return folder.with_suffix(".pid")


def init_of(folder: Path) -> int | None:
    """Return the process id of a host's init, as the machine sees it; None while there is none."""
    try:
        nspawn = int(_pid_file(folder).read_text())
        children = Path(f"/proc/{nspawn}/task/{nspawn}/children").read_text().split()
    except (OSError, ValueError):
        return None
    for child in map(int, children):
        try:
            status = Path(f"/proc/{child}/status").read_text()
        except OSError:
            continue
        ids = next(line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:"))
        if ids[-1] == "1" and len(ids) > 1 and status.startswith("Name:\tsystemd\n"):
            return child
    return None


def nsenter(init: int, *argv: str) -> list[str]:
    """Return the command line that runs a command in a host, without its network having a part in it."""
    return ["nsenter", f"--target={init}", "--mount", "--uts", "--ipc", "--net", "--pid", "--", *argv]


def _call(*argv: str) -> None:
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip()}")
