"""What is installed: the pinned versions, and the files that a wheel carries."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

TOP = Path(__file__).parent.parent
LOCKS = ("runtime", "dev")


def lock(name: str) -> str:
    return (TOP / f"requirements/{name}.txt").read_text()


def pins(name: str) -> dict[str, str]:
    """Return package → version as a lock pins them."""
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock(name), re.MULTILINE))


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_versions_and_hashes_but_no_address(name: str) -> None:
    hashed = re.findall(r"^([a-z0-9-]+)==.* \\\n    --hash=sha256:", lock(name), re.MULTILINE)

    assert hashed == list(pins(name))
    assert not re.search(r"://|^-|@", lock(name), re.MULTILINE)


def test_the_tools_for_tests_come_on_top_of_the_same_versions() -> None:
    assert pins("runtime").items() <= pins("dev").items()


def test_the_locks_hold_what_the_project_asks_for() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text())
    runtime = [*project["project"]["dependencies"], *project["dependency-groups"]["build"]]
    tools = [*project["dependency-groups"]["test"], *project["dependency-groups"]["check"]]

    def names(requirements: list[str]) -> set[str]:
        return {re.split(r"[<>=!~\[; ]", requirement)[0].lower() for requirement in requirements}

    assert names(runtime) <= pins("runtime").keys()
    assert names(tools) <= pins("dev").keys()


def test_a_wheel_carries_playbooks_and_schema_inside_the_package(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=TOP, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")

    names = zipfile.ZipFile(wheel).namelist()

    data = [*TOP.glob("playbooks/*.yaml"), TOP / "assets/runbook.schema.json"]
    expected = {f"runbook/{path.relative_to(TOP)}" for path in data if path.exists()}
    assert expected <= set(names)
    assert {"runbook/py.typed", "runbook/errors.py"} <= set(names)
    assert not [name for name in names if not name.startswith(("runbook/", "runbook-"))]
