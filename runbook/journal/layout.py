"""Where the journal keeps what: names, modes and owners below the state folder.

    <state>/ledger.jsonl  ledger.lock
    <state>/runs/<run>/journal.jsonl  heads.jsonl  lock  ballast  output/  inbox/

Owns paths and the making of folders. Leaves the content of every file to its siblings.
"""

import os
import re
import stat
from pathlib import Path

from runbook.errors import ConfigError, UsageError
from runbook.journal.disk import FOLDER_MODE, Disk, unwritable

_RUN = re.compile(r"[0-9a-z][0-9a-z-]{0,63}")


class Layout:
    """The names below one state folder; makes nothing by itself."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.ledger = state / "ledger.jsonl"
        self.ledger_lock = state / "ledger.lock"
        self.all_runs = state / "runs"

    def folder(self, run: str) -> Path:
        """Return the folder of a run; UsageError for an id that could leave the state folder."""
        if not is_run_id(run):
            raise UsageError(f"{run!r} is no run id", remedy="`runbook audit list` shows the ids")
        return self.all_runs / run

    def journal(self, run: str) -> Path:
        """Return the path of the run's records."""
        return self.folder(run) / "journal.jsonl"

    def heads(self, run: str) -> Path:
        """Return the path of the run's own copy of its lines in the ledger."""
        return self.folder(run) / "heads.jsonl"

    def lock(self, run: str) -> Path:
        """Return the path of the lock of the run's writer."""
        return self.folder(run) / "lock"

    def ballast(self, run: str) -> Path:
        """Return the path of the space kept back for closing the run on a full disk."""
        return self.folder(run) / "ballast"

    def output(self, run: str) -> Path:
        """Return the folder of the run's side files."""
        return self.folder(run) / "output"

    def inbox(self, run: str) -> Path:
        """Return the folder in which others leave decisions for a live run."""
        return self.folder(run) / "inbox"

    def check(self) -> None:
        """Refuse with ConfigError a state folder that is not ours alone; one that does not exist is fine."""
        for folder in (self.state, self.all_runs):
            if folder.exists():
                _refuse_foreign(folder)

    def prepare(self, disk: Disk) -> None:
        """Make the state folder and check whose it is; JournalFull if it cannot be made."""
        try:
            make_folder(self.state, disk)
            self.check()
            make_folder(self.all_runs, disk)
        except OSError as error:
            raise unwritable(error, self.state) from error


def is_run_id(name: str) -> bool:
    """Say whether a name can be a run's: one harmless path component."""
    return _RUN.fullmatch(name) is not None


def list_runs(layout: Layout) -> tuple[str, ...]:
    """Return the ids of all runs that have a folder, oldest first."""
    try:
        entries = list(layout.all_runs.iterdir())
    except FileNotFoundError:
        return ()
    return tuple(sorted(entry.name for entry in entries if is_run_id(entry.name) and entry.is_dir()))


def make_folder(folder: Path, disk: Disk) -> None:
    """Make a private folder, and those above it, durably; an existing one is left alone."""
    if folder.is_dir():
        return
    if not folder.parent.is_dir():
        make_folder(folder.parent, disk)
    try:
        os.mkdir(folder, FOLDER_MODE)
    except FileExistsError:
        # Another process was faster, which is as good; a file of that name is not.
        if not folder.is_dir():
            raise
    disk.sync_folder(folder.parent)


def _refuse_foreign(folder: Path) -> None:
    state = folder.stat()
    if not stat.S_ISDIR(state.st_mode):
        raise ConfigError("the state folder is no folder", where=str(folder))
    if state.st_uid not in (0, os.geteuid()):
        raise ConfigError(
            f"the state folder belongs to user id {state.st_uid}",
            where=str(folder),
            remedy="choose a folder of your own",
        )
    shared = state.st_mode & stat.S_IWGRP and _has_other_members(state.st_gid)
    if state.st_mode & stat.S_IWOTH or shared:
        raise ConfigError("others may write the state folder", where=str(folder), remedy=f"chmod go-w {folder}")


def _has_other_members(group: int) -> bool:
    import grp
    import pwd

    try:
        me = pwd.getpwuid(os.geteuid()).pw_name
        listed = grp.getgrgid(group).gr_mem
    except KeyError:
        # Nobody can tell who is in a group without an entry.
        return True
    primary = (user.pw_name for user in pwd.getpwall() if user.pw_gid == group)
    return any(name != me for name in (*listed, *primary))
