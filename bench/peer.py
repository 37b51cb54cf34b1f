"""The peer: Chaos Toolkit, pinned with hashes, in an environment of its own.

Owns the making of that environment. Nothing of it is imported here: it is only ever started.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from bench.measure import Command

BENCH = Path(__file__).parent
LOCK = BENCH.parent / "requirements/bench.txt"
HOME = BENCH / ".venv-chaos"


def prepare() -> str:
    """Make the environment unless it is there and fits the lock; return what hinders that, or nothing."""
    stamp = HOME / ".made"
    wanted = hashlib.sha256(LOCK.read_bytes() + sys.version.encode() + str(HOME).encode()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return ""
    print("Setting up Chaos Toolkit in bench/.venv-chaos …", file=sys.stderr)
    shutil.rmtree(HOME, ignore_errors=True)
    pip = (str(HOME / "bin/python"), "-m", "pip", "--quiet", "--no-input", "--disable-pip-version-check")
    for step in (
        (sys.executable, "-m", "venv", str(HOME)),
        (*pip, "install", "--require-hashes", "-r", str(LOCK)),
    ):
        done = subprocess.run(step, capture_output=True, text=True, check=False)
        if done.returncode:
            return done.stderr.strip()[-600:] or f"{step[0]} ended with {done.returncode}"
    stamp.write_text(wanted)
    return ""


def chaos(*arguments: str) -> Command:
    """Return one call of Chaos Toolkit; without its look for a newer version, which asks a server."""
    return Command((str(HOME / "bin/chaos"), "--no-version-check", *arguments))


def version() -> str:
    """Return the versions of command and library."""
    ask = "from importlib.metadata import version as v; print(v('chaostoolkit'), '· library', v('chaostoolkit-lib'))"
    python = str(HOME / "bin/python")
    return subprocess.run((python, "-c", ask), capture_output=True, text=True, check=True).stdout.strip()
