"""The transport to a mounted root: the file system of a damaged machine, mounted on this one to be rescued.

Owns what makes a root a target: commands run inside of it, by chroot(8); commands that only handle files run on this
machine, with its own tools, on the places where `chroot.sh` finds the paths inside of the root. So files can be looked
at, checked and put back where nothing in the root runs any more, and a checksum is worked out by tools that are whole.

All else is that of this machine, as in `local`: job folders and leases lie in the rescuer's state folder, since the
root may be full, read-only, or gone tomorrow; the wrapper is run by the rescuer's shell; processes and the network are
the rescuer's, too. A root has no service manager: actions that want one see it by the transport of the host.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from msgspec import Struct
from msgspec.structs import replace

from runbook.errors import AuthError, ConnectError, DispatchRefused
from runbook.model.host import Host
from runbook.ports.cancel import Cancel
from runbook.ports.target import Cmd, Digest, OpKey, Stream
from runbook.transports import child
from runbook.transports.given import Given
from runbook.transports.local import Held, LocalTarget
from runbook.transports.wrapper import words

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where programs are looked for inside of a root; what this machine has set may not be there."""

_SECONDS = 20.0
_LONGEST = 8192

# `env -C` and `unshare --wd` are not everywhere; a working folder is rare enough to ask the root's own shell for it.
_GONE = "what was mounted there is not there any more"
_AGAIN = "mount it again, then resume"

_ENTER = 'cd -- "$1" || exit 126; shift; exec "$@"'


class Root(Struct, frozen=True):
    """A mounted root, as it was when it was first met."""

    path: str
    device: int
    inode: int
    sudo: bool
    """We are not root ourselves."""
    chroot: str
    """The program chroot(8) of this machine."""

    def is_there(self) -> bool:
        """Tell whether the same file system is still mounted there."""
        with suppress(OSError):
            known = os.stat(self.path)
            return (known.st_dev, known.st_ino) == (self.device, self.inode)
        return False


class ChrootTransport:
    """Reaches mounted roots."""

    def __init__(self, mask: Callable[[str], str] = str) -> None:
        """Use `mask` on the command lines and working folders that job folders show."""
        self._mask = mask
        self._roots: dict[str, Root] = {}
        self._held: Held = {}
        self._lock = Lock()

    @classmethod
    def made(cls, given: Given) -> ChrootTransport:
        """Make it for a session."""
        return cls(given.mask)

    def target(self, host: Host, cancel: Cancel) -> ChrootTarget:
        """Return the target.

        Raises ConnectError if no root is mounted there, AuthError if we may not enter one.
        """
        with self._lock:
            if host.root not in self._roots:
                self._roots[host.root] = _met(host)
            root = self._roots[host.root]
        if not root.is_there():
            raise ConnectError(_GONE, where=root.path, remedy=_AGAIN)
        return ChrootTarget(host, root, cancel, self._mask, self._held)

    def close(self) -> None:
        """Forget which roots were met."""
        with self._lock:
            self._roots.clear()


class ChrootTarget(LocalTarget):
    """One host that is a mounted root."""

    def __init__(
        self,
        host: Host,
        root: Root,
        cancel: Cancel,
        mask: Callable[[str], str] = str,
        held: Held | None = None,
    ) -> None:
        super().__init__(host, cancel, mask, held)
        self._root = root

    def put(self, src: BinaryIO, path: str, op: OpKey, *, mode: int | None = None, sudo: bool = False) -> Digest:
        """Replace a file of the root atomically and durably; owner and mode stay as they were.

        Raises DispatchRefused if the file provably is as it was, TransportError if that is not known.
        """
        return super().put(src, self._place(path), op, mode=mode, sudo=self._root.sudo)

    def _sent(self, cmd: Cmd) -> Cmd:
        words(cmd)
        self._check()
        if cmd.files:
            return replace(cmd, argv=_on_files(self._root.path, "follow", cmd.argv), sudo=self._root.sudo)
        argv = ("sh", "-c", _ENTER, "sh", cmd.cwd, *cmd.argv) if cmd.cwd else cmd.argv
        # sudo has a PATH of its own for whom it makes root, and refuses another one.
        env = cmd.env if self._root.sudo else {"PATH": PATH, **cmd.env}
        argv = (self._root.chroot, self._root.path, *argv)
        return replace(cmd, argv=argv, env=env, cwd="", sudo=self._root.sudo)

    def _check(self) -> None:
        """Refuse what would be sent to an empty folder, where every file seems to be missing."""
        if not self._root.is_there():
            raise DispatchRefused(_GONE, where=self._root.path, remedy=_AGAIN)

    def _place(self, path: str) -> str:
        """Return where a file of the root is on this machine; a link at the end stays a link."""
        if not path.startswith("/") or "\0" in path:
            raise DispatchRefused("it is no absolute path", where=path)
        self._check()
        said = _Said()
        argv = _on_files(self._root.path, "stay", ("printf", "%s", path))
        finished = child.run(Cmd(argv, timeout=_SECONDS, sudo=self._root.sudo), said, self._cancel)
        if finished.ended == "cancel":
            raise DispatchRefused(f"cancelled before the file was replaced: {self._cancel.reason}", where=path)
        if finished.exit != 0:
            why = os.fsdecode(bytes(said.err)).strip() or "; ".join(finished.evidence)
            raise DispatchRefused(f"the file was not replaced: {why}", where=path)
        return os.fsdecode(bytes(said.out))


class _Said:
    """The short answer of a command."""

    def __init__(self) -> None:
        self.out = bytearray()
        self.err = bytearray()

    def write(self, stream: Stream, data: bytes) -> None:
        kept = self.out if stream == "out" else self.err
        kept += data[: _LONGEST - len(kept)]


def _on_files(root: str, links: str, argv: tuple[str, ...]) -> tuple[str, ...]:
    """Return a command on files of the root as one on files of this machine."""
    before = 4 if argv[:2] == ("sh", "-c") else 1
    return ("sh", "-c", _program(), "runbook-chroot", root, links, str(before), *argv)


def _met(host: Host) -> Root:
    """Look at the root of a host for the first time."""
    try:
        known = os.stat(host.root)
        is_folder = os.path.isdir(host.root)
    except OSError as error:
        goes_round = error.errno == errno.ELOOP
        raise ConnectError(
            f"{host.root}: {'its links lead round in a circle' if goes_round else error.strerror}",
            where=host.name,
            remedy="name the folder itself" if goes_round else "mount the damaged file system there",
        ) from error
    if not is_folder:
        raise ConnectError(f"{host.root} is no folder", where=host.name, remedy="name the folder where it is mounted")
    if _is_ours(host.root):
        raise ConnectError(
            f"{host.root} is the root of this machine itself", where=host.name, remedy="say transport: local"
        )
    if _is_empty(host.root):
        raise ConnectError(
            f"{host.root} is empty: nothing is mounted there",
            where=host.name,
            remedy="mount the damaged file system there",
        )
    chroot = shutil.which("chroot", path=f"{os.environ.get('PATH', '')}:{PATH}")
    if chroot is None:
        raise ConnectError("this machine has no chroot", where=host.name, remedy="install it (coreutils)")
    sudo = os.geteuid() != 0
    if sudo and not _has_sudo():
        raise AuthError(
            "only root can enter a chroot, and sudo is not there without a password",
            where=host.name,
            remedy="start Runbook as root",
        )
    return Root(os.path.abspath(host.root), known.st_dev, known.st_ino, sudo, chroot)


def _is_empty(folder: str) -> bool:
    """Tell whether a folder certainly holds nothing."""
    with suppress(OSError):
        return not os.listdir(folder)
    return False


def _is_ours(root: str) -> bool:
    """Tell whether a folder is the very root that this process has; one that is mounted a second time is not."""
    if not os.path.samestat(os.stat(root), os.stat("/")):
        return False
    return _mount(root) == _mount("/")


def _mount(folder: str) -> str:
    """Return the id of the mount that a folder is in (proc(5), fdinfo); empty if the system does not tell."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        told = Path(f"/proc/self/fdinfo/{descriptor}").read_text()
    except OSError:
        return ""
    finally:
        os.close(descriptor)
    return next((line for line in told.splitlines() if line.startswith("mnt_id:")), "")


def _has_sudo() -> bool:
    with suppress(OSError, subprocess.TimeoutExpired):
        argv = ("sudo", "-n", "true")
        return (
            subprocess.run(argv, capture_output=True, stdin=subprocess.DEVNULL, timeout=10, check=False).returncode == 0
        )
    return False


@cache
def _program() -> str:
    return Path(__file__).with_name("chroot.sh").read_text("utf-8")
