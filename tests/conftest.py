"""What every test stands on: a home of its own, a fixed zone and language, and the size of random searches.

And how tests are dealt out to several workers: what takes long comes first, and who is done takes over from the others.
"""

import gc
import os
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests import nursery

pytest_plugins = ("tests.lab.plugin",)

settings.register_profile("quick", max_examples=50, deadline=None)
settings.register_profile(
    "ci", max_examples=500, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

# Files that others may write are refused: a tester's group-writable default would change what is tested.
os.umask(0o022)

GIT_SETTINGS = """\
[user]
    name = Olga Operator
    email = olga@example.com
[init]
    defaultBranch = main
[commit]
    gpgSign = false
"""

FOREIGN_PREFIXES = ("RUNBOOK_", "GIT_", "SSH_", "XDG_")
FOREIGN_NAMES = ("COLUMNS", "FORCE_COLOR", "LANG", "LANGUAGE", "LINES", "NO_COLOR", "PYTHONDONTWRITEBYTECODE")
KEPT = ("RUNBOOK_REQUIRE_LAB",)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Deal out neighbours to one worker, which then makes the fixtures of a module once; nobody waits at the end."""
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log) if config.getvalue("dist") == "load" else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Look for cycles seldom, and not among what stays to the end: a fourth of what a screen takes would go there."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)


NAMES = {
    "HOME": "",
    "XDG_CONFIG_HOME": ".config",
    "XDG_DATA_HOME": ".local/share",
    "XDG_STATE_HOME": ".local/state",
    "XDG_CACHE_HOME": ".cache",
    "XDG_RUNTIME_DIR": "run",
}
FOLDERS = ("", ".config", ".local", ".local/share", ".local/state", ".cache", "run")
NUMBERS = count(1)


@pytest.fixture(scope="session", autouse=True)
def _nursery() -> Iterator[None]:
    """End the process that others are forked from."""
    yield
    nursery.close()


@pytest.fixture(scope="session", autouse=True)
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of all homes, with one for what is shared by several tests."""
    folder = tmp_path_factory.mktemp("homes")
    with pytest.MonkeyPatch.context() as patch:
        move_in(folder, patch)
        yield folder


@pytest.fixture(autouse=True)
def home(homes: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give each test an empty home, beside its tmp_path, and an environment without the tester's own settings."""
    folder = move_in(homes, monkeypatch)
    with monkeypatch.context() as zone:
        zone.setenv("TZ", "UTC")
        time.tzset()
        yield folder
    time.tzset()


def move_in(homes: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # Counted: to number each by looking at those before would take longer with each test.
    folder = f"{homes}/{next(NUMBERS)}"
    for name in FOLDERS:
        os.mkdir(f"{folder}/{name}", mode=0o700)
    with open(f"{folder}/.gitconfig", "w") as file:
        file.write(GIT_SETTINGS)
    for name in list(os.environ):
        if name not in KEPT and (name.startswith((*FOREIGN_PREFIXES, "LC_")) or name in FOREIGN_NAMES):
            monkeypatch.delenv(name)
    for name, place in NAMES.items():
        monkeypatch.setenv(name, f"{folder}/{place}".rstrip("/"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
    return Path(folder)
