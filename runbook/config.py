"""Settings and folders: where playbooks are looked for, where state lies, and whom to trust.

Owns the layout of the user's folders and the rule that nothing is read which others may write. Leaves the content
of playbooks to `loader` and of the state folder to `journal`.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from msgspec import Struct

from runbook.errors import ConfigError, UsageError

SUFFIXES = (".yaml", ".yml")

Source = Literal["local", "user", "built-in"]


class Settings(Struct, frozen=True, kw_only=True):
    """The folders of one user, and of the place where the command runs."""

    state: Path
    """Journals, ledger, leases; never shared with others."""
    config: Path
    """Own playbooks and the list of trusted ones."""
    local: Path
    """`./playbooks`."""
    built_in: Path
    ssh_config: Path | None = None
    """Stands for `ssh -F FILE`: `--ssh-config`, or RUNBOOK_SSH_CONFIG."""

    @property
    def trust_file(self) -> Path:
        """The hashes of local playbooks that shadow another id and were looked at."""
        return self.config / "trusted"

    def folders(self) -> tuple[tuple[Source, Path], ...]:
        """Return the playbook folders in the order of search."""
        return (("local", self.local), ("user", self.config / "playbooks"), ("built-in", self.built_in))


def settings(cwd: Path | None = None) -> Settings:
    """Return the settings of the present user and folder."""
    here = cwd or Path.cwd()
    state, config = _user_folders()
    return Settings(
        state=state,
        config=config,
        local=here / "playbooks",
        built_in=_built_in(),
        ssh_config=Path(os.environ["RUNBOOK_SSH_CONFIG"]) if os.environ.get("RUNBOOK_SSH_CONFIG") else None,
    )


def _user_folders() -> tuple[Path, Path]:
    """Return the user's folders for state and for configuration, as this system has them."""
    if sys.platform == "linux":
        # Every command asks, and platformdirs would cost it more than reading a playbook.
        state, config = _xdg_folder("XDG_STATE_HOME", "~/.local/state"), _xdg_folder("XDG_CONFIG_HOME", "~/.config")
        return state / "runbook", config / "runbook"
    import platformdirs

    folders = platformdirs.PlatformDirs("runbook", appauthor=False)
    return folders.user_state_path, folders.user_config_path


def _xdg_folder(variable: str, default: str) -> Path:
    """Return a folder of the XDG base directories, which want a relative path to be ignored."""
    given = os.environ.get(variable, "").strip()
    return Path(given if given.startswith("/") else os.path.expanduser(default))


def _built_in() -> Path:
    """Return the folder of the shipped playbooks: inside the wheel, or at the top of a checkout."""
    package = Path(__file__).parent
    inside = package / "playbooks"
    return inside if inside.is_dir() else package.parent / "playbooks"


class Found(Struct, frozen=True):
    """A playbook file in one of the folders."""

    id: str
    path: Path
    source: Source


def playbook_files(where: Settings) -> Iterator[Found]:
    """Yield all playbook files, those that shadow others first; a missing folder is an empty one."""
    for source, folder in where.folders():
        try:
            names = sorted(os.listdir(folder))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise ConfigError(f"cannot be read: {error.strerror}", where=str(folder)) from error
        for name in names:
            path = folder / name
            if path.suffix in SUFFIXES and not name.startswith("."):
                yield Found(path.stem, path, source)


def find_playbook(where: Settings, wanted: str) -> Found:
    """Return the playbook with this id, or the file at this path, if it may be used.

    Raises UsageError if there is none, ConfigError if others may write it or it shadows another and is not trusted.
    """
    if "/" in wanted or wanted.endswith(SUFFIXES):
        path = Path(wanted)
        if not _is_file(path):
            raise UsageError("there is no such playbook", where=wanted)
        check_owner(path)
        return Found(path.stem, path, "local")
    named = [found for found in playbook_files(where) if found.id == wanted]
    if not named:
        raise UsageError(f"there is no playbook {wanted}", remedy=_suggestion(where, wanted))
    first = named[0]
    if first.source != "built-in":
        check_owner(first.path)
        _check_trust(where, first, named[1:])
    return first


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=str(path)) from error


def _suggestion(where: Settings, wanted: str) -> str:
    import difflib

    close = difflib.get_close_matches(wanted, {found.id for found in playbook_files(where)}, 1)
    return f"did you mean {close[0]}?" if close else "`runbook list` shows all"


def check_owner(path: Path) -> None:
    """Refuse a file that others may write, or may put another in the place of: raises ConfigError.

    "Others" are the world, and a group with other members. The owner of the file and of its folder must be root or the
    user; the folders above must not be open to all. A link must belong to one of the two as well, and all of that
    holds where it stands and where it leads to, link by link.
    """
    for step in _by_links(path.absolute()):
        _check_place(step)


_MOST_LINKS = 40
"""As many as Linux follows (path_resolution(7))."""


def _by_links(path: Path) -> Iterator[Path]:
    """Yield a path and what it becomes, each time with the first link in it followed. Raises ConfigError."""
    yield path
    for _ in range(_MOST_LINKS):
        link = next((each for each in (*reversed(path.parents), path) if each.is_symlink()), None)
        if link is None:
            return
        if link.lstat().st_uid not in (0, os.getuid()):
            raise ConfigError("belongs to somebody else", where=str(link), remedy="it must be yours or root's")
        # Not Path.resolve, which follows all at once. `..` stays: what it means is known once what is before it is.
        path = link.parent / os.readlink(link) / path.relative_to(link)
        yield path
    raise ConfigError("too many links lead to it", where=str(path))


def _check_place(path: Path) -> None:
    above = path.parents
    for each in (path, path.parent):
        found = _stat(each)
        if found.st_uid not in (0, os.getuid()):
            raise ConfigError("belongs to somebody else", where=str(each), remedy="it must be yours or root's")
        sticky = bool(found.st_mode & stat.S_ISVTX) and each.is_dir()
        if found.st_mode & stat.S_IWOTH and not sticky:
            raise ConfigError("others may write it", where=str(each), remedy=f"chmod go-w {each}")
        if found.st_mode & stat.S_IWGRP and not sticky and _has_other_members(found.st_gid):
            raise ConfigError("a group with other members may write it", where=str(each), remedy=f"chmod g-w {each}")
    for each in above[1:]:
        mode = _stat(each).st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise ConfigError("others may write this folder above it", where=str(each), remedy=f"chmod go-w {each}")


def _stat(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=str(path)) from error


def _has_other_members(gid: int) -> bool:
    import grp
    import pwd

    me = pwd.getpwuid(os.getuid()).pw_name
    try:
        members = set(grp.getgrgid(gid).gr_mem)
    except KeyError:
        return True
    members |= {user.pw_name for user in pwd.getpwall() if user.pw_gid == gid}
    return bool(members - {me, "root"})


def _check_trust(where: Settings, found: Found, shadowed: list[Found]) -> None:
    if not shadowed:
        return
    digest = file_sha256(found.path)
    if any(file_sha256(other.path) == digest for other in shadowed):
        return
    if digest in trusted(where):
        return
    raise ConfigError(
        f"{found.id} at {found.path} shadows the one at {shadowed[0].path} and is not trusted",
        remedy=f"look at it, then: runbook validate --trust {found.path}",
    )


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal. Raises ConfigError if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=str(path)) from error


def trusted(where: Settings) -> frozenset[str]:
    """Return the hashes of trusted playbooks. Raises ConfigError if others may write the list."""
    try:
        lines = where.trust_file.read_text().splitlines()
    except FileNotFoundError:
        return frozenset()
    check_owner(where.trust_file)
    return frozenset(line.split()[0] for line in lines if line.strip())


def trust(where: Settings, path: Path) -> str:
    """Remember a playbook as trusted, by its content; return its SHA-256."""
    check_owner(path)
    digest = file_sha256(path)
    if digest not in trusted(where):
        where.config.mkdir(parents=True, exist_ok=True, mode=0o700)
        with where.trust_file.open("a") as file:
            file.write(f"{digest} {path}\n")
    return digest
