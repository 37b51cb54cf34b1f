"""The peers: each pinned with hashes, in an environment of its own below `bench/`.

Owns the making of these environments. Nothing of them is imported here: they are only ever started.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from msgspec import Struct

from bench.measure import Command
from bench.row import BENCH, NAMES

LOCKS = BENCH.parent / "requirements"


class Environment(Struct, frozen=True):
    """Where a peer lives, and what it is made from."""

    home: Path
    lock: Path
    package: str

    def program(self, name: str) -> str:
        """Return the path of one of its programs."""
        return str(self.home / "bin" / name)


ENVIRONMENTS = {
    "chaos": Environment(BENCH / ".venv-chaos", LOCKS / "bench.txt", "chaostoolkit"),
    "fabric": Environment(BENCH / ".venv-fabric", LOCKS / "bench-fabric.txt", "fabric"),
    "pyinfra": Environment(BENCH / ".venv-pyinfra", LOCKS / "bench-pyinfra.txt", "pyinfra"),
    "ansible": Environment(BENCH / ".venv-ansible", LOCKS / "bench-ansible.txt", "ansible-core"),
}


def prepare(name: str) -> str:
    """Make the environment of a peer unless it is there and fits its lock; return what hinders that, or nothing.

    Who needs none is always ready.
    """
    wanted = ENVIRONMENTS.get(name)
    if wanted is None:
        return ""
    stamp = wanted.home / ".made"
    digest = hashlib.sha256(wanted.lock.read_bytes() + sys.version.encode() + str(wanted.home).encode()).hexdigest()
    if stamp.is_file() and stamp.read_text() == digest:
        return ""
    print(f"Setting up {NAMES[name]} in bench/{wanted.home.name} …", file=sys.stderr)
    shutil.rmtree(wanted.home, ignore_errors=True)
    pip = (wanted.program("python"), "-m", "pip", "--quiet", "--no-input", "--disable-pip-version-check")
    for step in (
        (sys.executable, "-m", "venv", str(wanted.home)),
        (*pip, "install", "--require-hashes", "-r", str(wanted.lock)),
    ):
        done = subprocess.run(step, capture_output=True, text=True, check=False)
        if done.returncode:
            return done.stderr.strip()[-600:] or f"{step[0]} ended with {done.returncode}"
    stamp.write_text(digest)
    return ""


def version(name: str) -> str:
    """Return the version of a peer that is ready, as its metadata says it; nothing for the floor."""
    if name == "openssh":
        said = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=False).stderr
        return said.partition(",")[0].removeprefix("OpenSSH_")
    wanted = ENVIRONMENTS.get(name)
    if wanted is None:
        return ""
    ask = f"import importlib.metadata as m; print(m.version({wanted.package!r}))"
    argv = [wanted.program("python"), "-c", ask]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


def chaos(*arguments: str) -> Command:
    """Return one call of Chaos Toolkit; without its look for a newer version, which asks a server."""
    return Command((ENVIRONMENTS["chaos"].program("chaos"), "--no-version-check", *arguments))
