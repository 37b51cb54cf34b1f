"""The lab comes when it is wanted and goes without a trace, however its users end; where it cannot come, it says so."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from tests.lab.lab import Lab
from tests.lab.place import HERE, Place, this_place
from tests.lab.sweep import strays, sweep

ROOT = HERE.parents[1]
LIMIT = 60.0

WANTS_A_LAB = """
import time
import pytest

pytestmark = pytest.mark.lab

def test_it_is_there(host):
    assert host.run("true").exit == 0

def test_something_is_wrong(host):
    assert False

def test_it_takes_its_time(tmp_path_factory, lab):
    print("test is running", flush=True)
    time.sleep(300)
"""


def until(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + LIMIT
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def read_until(stream: IO[str], text: str) -> str:
    """Return what comes until a line that has this text, or all if it has none."""
    read = ""
    for line in stream:
        read += line
        if text in line:
            break
    return read


def pytest_of(test: Path, *options: str) -> list[str]:
    base = [
        "-p",
        "tests.lab.plugin",
        "-p",
        "no:cacheprovider",
        "--import-mode=importlib",
        "-c",
        os.devnull,
        "-o",
        "markers=lab",
    ]
    return [sys.executable, "-m", "pytest", *base, f"--rootdir={test.parent}", "-ra", *options, str(test)]


@pytest.fixture(autouse=True)
def plain_pytest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


@pytest.fixture
def checkout(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, Place]]:
    """Another checkout, which has a lab of its own, from the same image."""
    folder = tmp_path / "tests/lab"
    folder.mkdir(parents=True)
    for file in (*HERE.glob("*.py"), *HERE.glob("*.sh")):
        if not file.name.startswith("test_"):
            shutil.copy(file, folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(lab.image.root.parents[1]))
    place = this_place(folder.resolve())
    yield tmp_path, place
    assert sweep(place) == []


@pytest.mark.lab(inside=False)
def test_a_run_that_fails_and_is_interrupted_leaves_nothing(checkout: tuple[Path, Place]) -> None:
    folder, place = checkout
    test = folder / "test_it.py"
    test.write_text(WANTS_A_LAB)
    with subprocess.Popen(
        pytest_of(test, "-s", "-W", "error"),
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    ) as run:  # fmt: skip
        assert run.stdout is not None
        before = read_until(run.stdout, "test is running")
        assert any(thing.startswith("process") for thing in strays(place)), before
        run.send_signal(signal.SIGINT)
        after = run.stdout.read()
        assert run.wait(LIMIT) == pytest.ExitCode.INTERRUPTED
    assert "1 failed, 1 passed" in after
    assert "THE LAB IS NOT DOWN" not in after
    assert strays(place) == []


@pytest.mark.lab(inside=False)
def test_hosts_whose_keeper_and_users_were_killed_are_found_and_ended(checkout: tuple[Path, Place]) -> None:
    folder, place = checkout
    user = "import time; from tests.lab.lab import join; join(); print('up', flush=True); time.sleep(300)"
    with subprocess.Popen([sys.executable, "-c", user], cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        os.kill(int((place.run / "keeper.pid").read_text()), signal.SIGKILL)
        process.kill()
    assert any(thing.startswith("process") for thing in strays(place))
    down = subprocess.run(
        [sys.executable, "-m", "tests.lab", "down"],
        cwd=folder, capture_output=True, text=True, timeout=LIMIT, check=False,
    )  # fmt: skip
    assert (down.returncode, down.stdout, down.stderr) == (0, "", "")
    assert strays(place) == []
    assert not place.run.exists()


def without_rights(*argv: str) -> list[str]:
    """Have a command run as somebody who can host no lab, whoever runs the tests."""
    if os.geteuid() != 0 or sys.platform != "linux":
        return list(argv)
    return ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", "--", *argv]


@pytest.mark.parametrize("required", [False, True])
def test_a_missing_lab_is_told_once_and_fails_only_where_it_is_required(tmp_path: Path, required: bool) -> None:
    test = tmp_path / "test_it.py"
    test.write_text(WANTS_A_LAB)
    done = subprocess.run(
        without_rights(*pytest_of(test)),
        cwd=ROOT, capture_output=True, text=True, timeout=LIMIT, check=False,
        env={**os.environ, "RUNBOOK_REQUIRE_LAB": "1" if required else ""},
    )  # fmt: skip
    told = [line for line in done.stdout.splitlines() if line.startswith("NO LAB: ")]
    if required:
        assert done.returncode == pytest.ExitCode.TESTS_FAILED
        assert "3 errors" in done.stdout
        assert told == []
    else:
        assert done.returncode == pytest.ExitCode.OK
        assert "3 skipped" in done.stdout
        assert len(told) == 1
        assert "3 tests on real hosts did not run, because" in told[0]
