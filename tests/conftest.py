"""What every test stands on: a home of its own, a fixed zone and language, and the size of random searches."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

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
FOREIGN_NAMES = ("COLUMNS", "FORCE_COLOR", "LANG", "LANGUAGE", "LINES", "NO_COLOR")
KEPT = ("RUNBOOK_REQUIRE_LAB",)


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give each test an empty home, beside its tmp_path, and an environment without the tester's own settings."""
    folder = tmp_path_factory.mktemp("home")
    (folder / ".gitconfig").write_text(GIT_SETTINGS)
    for name in list(os.environ):
        if name not in KEPT and (name.startswith((*FOREIGN_PREFIXES, "LC_")) or name in FOREIGN_NAMES):
            monkeypatch.delenv(name)
    for name, place in {
        "HOME": ".",
        "XDG_CONFIG_HOME": ".config",
        "XDG_DATA_HOME": ".local/share",
        "XDG_STATE_HOME": ".local/state",
        "XDG_CACHE_HOME": ".cache",
        "XDG_RUNTIME_DIR": "run",
    }.items():
        path = folder / place
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        monkeypatch.setenv(name, str(path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
    with monkeypatch.context() as zone:
        zone.setenv("TZ", "UTC")
        time.tzset()
        yield folder
    time.tzset()
