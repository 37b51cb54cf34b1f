import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from runbook.errors import ConfigError, JournalFull, UsageError
from runbook.journal import Disk, Layout, Writer, list_runs


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_everything_is_private(layout: Layout, make_run: Callable[..., Layout]) -> None:
    make_run("run-1")

    found = {path: mode(path) for path in (layout.state, *layout.state.rglob("*"))}
    assert found == {path: 0o700 if path.is_dir() else 0o600 for path in found}


def test_a_state_folder_that_the_world_may_write_is_refused(layout: Layout) -> None:
    layout.state.mkdir()
    layout.state.chmod(0o777)

    with pytest.raises(ConfigError, match="others may write"):
        Writer.create(layout, "run-1")
    assert list(layout.state.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
def test_a_state_folder_of_somebody_else_is_refused(layout: Layout) -> None:
    layout.state.mkdir()
    os.chown(layout.state, 12345, -1)

    with pytest.raises(ConfigError, match="belongs to user id 12345"):
        Writer.create(layout, "run-1")


@pytest.mark.parametrize("run", ["", "..", "../x", "a/b", "A", "-x", "x" * 65, "x\n", ".hidden"])
def test_an_id_that_could_leave_the_state_folder_is_refused(layout: Layout, run: str) -> None:
    with pytest.raises(UsageError):
        layout.folder(run)


def test_a_file_in_the_place_of_the_state_folder_is_told(layout: Layout) -> None:
    layout.state.write_text("")

    with pytest.raises((JournalFull, ConfigError)):
        layout.prepare(Disk())


def test_only_folders_with_run_ids_are_runs(layout: Layout, make_run: Callable[..., Layout]) -> None:
    make_run("run-2")
    make_run("run-1")
    (layout.all_runs / ".DS_Store").mkdir()
    (layout.all_runs / "stray").write_text("")

    assert list_runs(layout) == ("run-1", "run-2")
