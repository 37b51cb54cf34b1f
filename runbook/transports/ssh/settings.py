"""What is known of the way to a host before the first packet: address, login, keys, files, jumps.

Owns the question to `ssh -G` (ssh(1): print the configuration after evaluating Host and Match blocks) and the values
that hold where nobody is asked. paramiko's own reader of ssh_config ignores `Include` and is not used.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable
from pathlib import Path
from threading import Lock

from msgspec import Struct

from runbook.errors import ConfigError, ConnectError
from runbook.model.host import Host
from runbook.transports.ssh.algorithm import Lists, named

PORT = 22
_ASKING = 10.0  # seconds for `ssh -G`, which may run a `Match exec` of the user's own file
_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")


class SshSettings(Struct, frozen=True, kw_only=True):
    """How one host is reached."""

    name: str
    """The name or alias that was asked for."""
    address: str
    port: int = PORT
    user: str
    identity_files: tuple[str, ...] = ()
    certificate_files: tuple[str, ...] = ()
    identities_only: bool = False
    agent: str = ""
    """The socket of the agent; empty: none."""
    jumps: tuple[str, ...] = ()
    """What ProxyJump names, the first hop first."""
    known_hosts: tuple[str, ...] = ()
    """The user's files first; a new key would go to the first of all."""
    revoked: str = ""
    """The file that RevokedHostKeys names."""
    key_alias: str = ""
    """HostKeyAlias: the name under which the key of the host is known."""
    hash_known_hosts: bool = False
    connect_timeout: float = 10.0
    config: str = ""
    """The configuration that was asked, where it is not the usual one."""
    algorithms: Lists = ()
    """What the configuration names for ciphers, key exchange, checksums and host keys, where it does."""

    @property
    def key_name(self) -> str:
        """The name under which the key of this host stands in known_hosts (sshd(8), known_hosts format)."""
        if self.key_alias:
            return self.key_alias
        return self.address.lower() if self.port == PORT else f"[{self.address.lower()}]:{self.port}"

    @property
    def place(self) -> str:
        """The host as a message names it."""
        shown = f"[{self.address}]" if ":" in self.address else self.address
        return f"{self.user}@{shown}" + (f":{self.port}" if self.port != PORT else "")


class Resolver:
    """Answers how a host is reached; asks `ssh -G` once for each alias."""

    def __init__(self, config: Path | None = None) -> None:
        """Use `config` as `ssh -F` would; None: the files that ssh reads by itself."""
        self._config = config
        self._answers: dict[tuple[str, int, str], SshSettings] = {}
        self._lock = Lock()
        self._usual: dict[str, list[str]] | None = None

    def of_host(self, host: Host) -> SshSettings:
        """Return the settings of a host of an inventory. Raises ConnectError, ConfigError."""
        if host.address and host.user:
            found = own(host.address, host.port, host.user)
        else:
            found = self.of_alias(host.address or host.name, host.port, host.user)
        if not host.key_file:
            return found
        return _replace(found, identity_files=(_expanded(host.key_file, found),), identities_only=True)

    def of_alias(self, alias: str, port: int = 0, user: str = "") -> SshSettings:
        """Return what ssh makes of an alias; what is said here goes before what its files say."""
        if alias.startswith("-"):
            raise ConnectError("a host cannot begin with a dash", where=alias)
        key = (alias, port, user)
        with self._lock:
            if key not in self._answers:
                self._answers[key] = self._ask(alias, port, user)
            return self._answers[key]

    def of_jump(self, written: str) -> SshSettings:
        """Return the settings of one hop, written [user@]host[:port] or as an ssh:// address."""
        text = written.removeprefix("ssh://").rstrip("/")
        user, _, place = text.rpartition("@")
        address, port = _split(place)
        return self.of_alias(address, port, user)

    def _ask(self, alias: str, port: int, user: str) -> SshSettings:
        argv = ["ssh", "-G"]
        argv += ["-F", str(self._config)] if self._config else []
        argv += ["-p", str(port)] if port else []
        argv += ["-l", user] if user else []
        told = self._told(argv, alias)
        if told is None:
            return own(alias, port, user)
        if self._usual is None:
            self._usual = said_in(self._told(["ssh", "-G", "-F", "none"], "any") or "")
        lists = named(said_in(told), self._usual)
        return _replace(read_answer(alias, told), algorithms=lists, config=str(self._config or ""))

    def _told(self, argv: list[str], alias: str) -> str | None:
        """Return what `ssh -G` says of an alias; None if there is no ssh and no configuration was asked for."""
        import subprocess

        try:
            done = subprocess.run(
                [*argv, "--", alias], stdin=subprocess.DEVNULL, capture_output=True, timeout=_ASKING, check=False
            )
        except FileNotFoundError:
            if self._config is not None:
                raise ConfigError(
                    "there is no ssh to read it", where=str(self._config), remedy="install the OpenSSH client"
                ) from None
            return None
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ConnectError(f"ssh -G does not answer: {error}", where=alias) from error
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise ConfigError(
                f"ssh does not accept its configuration: {said[0] if said else done.returncode}",
                where=str(self._config or alias),
                remedy=f"try: ssh -G {alias}",
            )
        return done.stdout.decode("utf-8", "surrogateescape")


def own(address: str, port: int = 0, user: str = "") -> SshSettings:
    """Return the settings of a host that says all itself: the usual files, the agent, no jump."""
    home = Path.home() / ".ssh"
    return SshSettings(
        name=address,
        address=address,
        port=port or PORT,
        user=user or getpass.getuser(),
        identity_files=tuple(str(home / name) for name in _KEYS),
        agent=os.environ.get("SSH_AUTH_SOCK", ""),
        known_hosts=(str(home / "known_hosts"), "/etc/ssh/ssh_known_hosts"),
    )


def said_in(text: str) -> dict[str, list[str]]:
    """Return the values of an answer of `ssh -G` by keyword, in their order."""
    said: dict[str, list[str]] = {}
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        said.setdefault(key.lower(), []).append(value.strip())
    return said


def read_answer(alias: str, text: str) -> SshSettings:
    """Read what `ssh -G` said. Raises ConnectError for a way that this transport does not go."""
    said = said_in(text)

    def one(key: str, default: str = "") -> str:
        return said.get(key, [default])[-1]

    proxy = one("proxycommand", "none")
    if proxy != "none":
        raise ConnectError(
            "its ssh configuration asks for a ProxyCommand, which is not run", where=alias, remedy="use ProxyJump"
        )
    base = SshSettings(
        name=alias,
        address=one("hostname", alias),
        port=_number(one("port"), PORT),
        user=one("user") or getpass.getuser(),
        identities_only=one("identitiesonly") == "yes",
        jumps=tuple(hop for hop in one("proxyjump", "none").split(",") if hop and hop != "none"),
        key_alias=one("hostkeyalias", "none").replace("none", ""),
        hash_known_hosts=one("hashknownhosts") == "yes",
        connect_timeout=float(_number(one("connecttimeout"), 10) or 10),
    )
    files = (*one("userknownhostsfile").split(), *one("globalknownhostsfile").split())
    return _replace(
        base,
        identity_files=tuple(_expanded(path, base) for path in said.get("identityfile", []) if path != "none"),
        certificate_files=tuple(_expanded(path, base) for path in said.get("certificatefile", []) if path != "none"),
        known_hosts=tuple(_expanded(path, base) for path in files if path != "none"),
        revoked=_expanded(one("revokedhostkeys", "none").replace("none", ""), base),
        agent=_agent(one("identityagent"), base),
    )


def _agent(written: str, base: SshSettings) -> str:
    if written == "none":
        return ""
    if written in {"", "SSH_AUTH_SOCK"}:
        return os.environ.get("SSH_AUTH_SOCK", "")
    if written.startswith("$"):
        return os.environ.get(written[1:].strip("{}"), "")
    return _expanded(written, base)


def _expanded(path: str, base: SshSettings) -> str:
    """Expand ~ and the tokens of ssh_config(5) that a path may hold."""
    tokens: dict[str, Callable[[], str]] = {
        "%": lambda: "%",
        "d": lambda: str(Path.home()),
        "h": lambda: base.address,
        "i": lambda: str(os.getuid()),
        "n": lambda: base.name,
        "p": lambda: str(base.port),
        "r": lambda: base.user,
        "u": getpass.getuser,
    }
    parts = path.split("%")
    text = parts[0]
    rest = iter(parts[1:])
    for part in rest:
        if not part:
            text += "%" + next(rest, "")
        elif part[0] in tokens:
            text += tokens[part[0]]() + part[1:]
        else:
            text += f"%{part}"
    return os.path.expanduser(text)


def _split(place: str) -> tuple[str, int]:
    if place.startswith("["):
        address, _, rest = place[1:].partition("]")
        return address, _number(rest.lstrip(":"), 0)
    if place.count(":") == 1:
        address, _, port = place.partition(":")
        return address, _number(port, 0)
    return place, 0


def _number(text: str, default: int) -> int:
    return int(text) if text.isdigit() else default


def _replace(settings: SshSettings, **more: object) -> SshSettings:
    from msgspec.structs import replace

    return replace(settings, **more)
