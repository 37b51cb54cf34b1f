"""Provenance: who runs what, from which commit of the playbook, on which boot of which machine."""

from __future__ import annotations

import getpass
import os
import platform
import sys
from pathlib import Path

import runbook
from runbook.model.scalar import Json


def actor() -> dict[str, Json]:
    """Return who sits at the keyboard, as far as the system says; self-asserted unless the journal is signed."""
    return {
        "user": _user(),
        "uid": os.getuid(),
        "login_uid": _login_uid(),
        "tty": _tty(),
        "ssh_from": os.environ.get("SSH_CONNECTION", "").partition(" ")[0],
        "host": platform.node(),
    }


def owner() -> str:
    """Return user and machine in one word, for leases."""
    return f"{_user()}@{platform.node()}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _login_uid() -> int | None:
    try:
        found = int(Path("/proc/self/loginuid").read_text())
    except (OSError, ValueError):
        return None
    return None if found == 2**32 - 1 else found


def _tty() -> str:
    try:
        return os.ttyname(sys.stdin.fileno())
    except (OSError, ValueError, AttributeError):
        return ""


def boot_id() -> str:
    """Return the id of the present boot; empty where the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def versions() -> dict[str, Json]:
    """Return the versions that a reviewer needs to know."""
    return {"runbook": runbook.__version__, "python": platform.python_version(), "system": _system()}


def _system() -> str:
    # platform.platform() reads the whole interpreter to find out its libc, at every start.
    found = os.uname()
    return f"{found.sysname}-{found.release}-{found.machine}"


def provenance(path: Path) -> dict[str, Json]:
    """Return the git commit of a playbook file and whether it differs from it; unknown is empty."""
    unknown: dict[str, Json] = {"git_commit": "", "git_dirty": None}
    folder = path.absolute().parent
    if not any((parent / ".git").exists() for parent in (folder, *folder.parents)):
        return unknown
    import git

    try:
        repository = git.Repo(folder, search_parent_directories=True, expand_vars=False)
        name = str(path.absolute().relative_to(Path(str(repository.working_tree_dir)).absolute()))
        tracked = bool(repository.git.ls_files("--", name))
        dirty = not tracked or bool(repository.git.status("--porcelain", "--", name))
        return {"git_commit": repository.head.commit.hexsha, "git_dirty": dirty}
    except (git.GitError, ValueError, OSError):
        return unknown
