"""Roots that are mounted on this machine, for the transport to them.

The mounts are made in a namespace of their own, which one process holds; others come to them through its
`/proc/PID/root`. Whatever ends the tests also ends that process, which reads from them, and with it the kernel takes
the mounts away.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from runbook.model.host import Host
from tests.lab.plugin import NO_LAB, REQUIRE

MISSING = "only root can mount"


class Mounts:
    """Mounts that only those see who come through this."""

    def __init__(self, script: str, *words: str) -> None:
        """Mount what a shell script mounts."""
        held = f"set -e\n{script}\necho ready\nexec cat >/dev/null"
        argv = ("unshare", "--mount", "--propagation", "private", "sh", "-c", held, "sh", *words)
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        if self._process.stdout.readline() != b"ready\n":
            self.close()
            raise RuntimeError(f"cannot mount: exit status {self._process.returncode}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def place(self, path: str | Path) -> str:
        """Return where a path of the namespace is for all others."""
        return f"/proc/{self._process.pid}/root{path}"

    def close(self) -> None:
        """Let the mounts go."""
        self._process.communicate(timeout=60)


def require_root() -> None:
    """Skip loudly if we cannot mount; fail where all must run."""
    if os.geteuid() == 0:
        return
    if os.environ.get(REQUIRE) == "1":
        pytest.fail(f"{NO_LAB}{MISSING} ({REQUIRE} is set)", pytrace=False)
    pytest.skip(f"{NO_LAB}{MISSING}")


@pytest.fixture(scope="session")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A root that is this machine once more: what is written inside of it is seen outside under the same name."""
    require_root()
    folder = tmp_path_factory.mktemp("mirror")
    with Mounts('mount --rbind / "$1"', str(folder)) as mounts:
        yield Host("web1", "chroot", root=mounts.place(folder))
