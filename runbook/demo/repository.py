"""The shop's configuration and its history: a real git repository, with a release tag and, later, a bad commit.

Owns the text of db-config.yaml and who changed it when. The repository stands on its own: no setting, hook or template
of the user reaches it, and it has an identity, so that whoever works in it by hand can commit.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from runbook.demo.layout import CONFIG_FILE, GOOD_TAG
from runbook.errors import RunbookError

if TYPE_CHECKING:
    from git import Repo

GOOD_CONNECTIONS = 50
BAD_CONNECTIONS = 5000
BAD_SUBJECT = "Tune inventory connections"

_MAYA = ("Maya Lindqvist", "maya.lindqvist@shop.example")
_TOMAS = ("Tomas Okoro", "tomas.okoro@shop.example")
_AUTOMATION = ("release-automation", "releases@shop.example")

_CONFIG = """\
# Connections of the order service to the shop's database.
# The service reads this file when it starts.
database:
  host: 127.0.0.1
  port: {port}
  connect_timeout: 0.5    # seconds
pool:
  max_connections: {connections}
  acquire_timeout: 1.5    # seconds an order waits for a connection
"""
_ALERTS = """\
# Who is called when.
alerts:
  - {name: order failure rate, above: 0.01, for: 5m, page: shop-oncall}
"""
_SIZE = re.compile(r"^(\s*max_connections:\s*)\d+", re.MULTILINE)

_SETTINGS = (
    ("user", "name", "Shop Operator"),
    ("user", "email", "operator@shop.example"),
    ("commit", "gpgsign", "false"),
    ("tag", "gpgsign", "false"),
    ("core", "hooksPath", "/dev/null"),
    ("core", "autocrlf", "false"),
    ("core", "fsmonitor", "false"),
    ("gc", "auto", "0"),
)


def make_repository(folder: Path, database_port: int) -> None:
    """Make the repository in the empty `folder`: two commits, and the tag of the last good release on the first.

    Raises:
        RunbookError: git is missing or refuses.
    """
    repo = _init(folder)
    try:
        with repo.config_writer() as config:
            for section, option, value in _SETTINGS:
                config.set_value(section, option, value)
        config_text = _CONFIG.format(port=database_port, connections=GOOD_CONNECTIONS)
        (folder / CONFIG_FILE).write_text(config_text)
        _commit(repo, CONFIG_FILE, "Release 2023-10-20", _MAYA, date="2023-10-20T14:03:00+0000")
        repo.git.tag(GOOD_TAG)
        (folder / "alerts.yaml").write_text(_ALERTS)
        _commit(repo, "alerts.yaml", "Page the shop's own rota", _TOMAS, date="2023-10-23T09:41:00+0000")
    finally:
        repo.close()


def commit_bad_tuning(folder: Path) -> None:
    """Commit the change that exhausts the pool, as the release automation does; other edits in the file stay.

    Raises:
        RunbookError: the file has no pool size any more, or git refuses.
    """
    file = folder / CONFIG_FILE
    text, changes = _SIZE.subn(rf"\g<1>{BAD_CONNECTIONS}", file.read_text())
    if changes != 1:
        raise RunbookError("has no max_connections to tune", where=str(file), remedy="open a new shop")
    file.write_text(text)
    from git import Repo

    repo = Repo(folder, search_parent_directories=False, expand_vars=False)
    try:
        repo.git.update_environment(**_isolation(folder))
        _commit(repo, CONFIG_FILE, BAD_SUBJECT, _AUTOMATION)
    finally:
        repo.close()


def _init(folder: Path) -> Repo:
    try:
        from git import GitError, Repo
    except ImportError as error:
        # GitPython looks for the git program while it is imported.
        raise RunbookError("git cannot be run", where="demo", remedy="install git") from error
    isolation = _isolation(folder)
    # git init would write the working tree's path into the configuration.
    del isolation["GIT_WORK_TREE"]
    try:
        repo = Repo.init(folder, mkdir=False, expand_vars=False, initial_branch="main", env=isolation)
    except (GitError, OSError) as error:
        raise RunbookError(f"git init failed: {error}", where=str(folder), remedy="see what git says") from error
    repo.git.update_environment(**_isolation(folder))
    return repo


def _isolation(folder: Path) -> dict[str, str]:
    """Environment that binds git to this repository, whatever the caller's environment or settings say."""
    return {
        "GIT_DIR": str(folder / ".git"),
        "GIT_WORK_TREE": str(folder),
        "GIT_INDEX_FILE": str(folder / ".git" / "index"),
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TEMPLATE_DIR": "",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }


def _commit(repo: Repo, path: str, subject: str, author: tuple[str, str], date: str = "") -> None:
    from git import GitError

    name, email = author
    who = {
        "GIT_AUTHOR_NAME": name,
        "GIT_AUTHOR_EMAIL": email,
        "GIT_COMMITTER_NAME": name,
        "GIT_COMMITTER_EMAIL": email,
    }
    if date:
        who |= {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
    try:
        with repo.git.custom_environment(**who):
            repo.git.add("--", path)
            # The same change may be pushed again after it was rolled back; that is a commit, too.
            repo.git.commit("--quiet", "--no-verify", "--allow-empty", "-m", subject, "--", path)
    except GitError as error:
        raise RunbookError(f"git refuses: {error}", where=str(path), remedy="see what git says") from error
