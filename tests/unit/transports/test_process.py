"""Finding and ending processes: identity, ancestry, cookie, session."""

import os
import subprocess
from collections.abc import Iterator

import pytest

from runbook.ports.target import Dead
from runbook.transports.process import Family, boot_id, find, lives


@pytest.fixture
def tree() -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start a shell in a session of its own with a child that left it and forgot its environment."""
    script = 'setsid env -i PATH="$PATH" sh -c "echo \\$\\$; exec sleep 400" & wait'
    with subprocess.Popen(
        ("sh", "-c", script), stdout=subprocess.PIPE, start_new_session=True, env={**os.environ, "RUNBOOK_JOB": "tree/"}
    ) as shell:
        assert shell.stdout is not None
        yield shell, int(shell.stdout.readline())
        Family(session=shell.pid, cookies=("tree/",)).end()


def test_a_reused_id_is_not_the_same_process() -> None:
    own = find(os.getpid())

    assert own is not None
    assert lives(own.pid, own.start)
    assert not lives(own.pid, own.start + "1")


def test_a_zombie_does_not_live() -> None:
    child = subprocess.Popen(("true",))
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

    assert find(child.pid) is None
    child.wait()


def test_this_start_of_the_machine_has_a_name() -> None:
    assert boot_id()
    assert boot_id() == boot_id()


@pytest.mark.parametrize("known_by", ["session", "cookie"])
def test_a_child_that_left_the_session_is_found_by_its_parent(
    tree: tuple[subprocess.Popen[bytes], int], known_by: str
) -> None:
    shell, child = tree
    family = Family(session=shell.pid) if known_by == "session" else Family(cookies=("tree/",))

    assert {shell.pid, child} <= {one.pid for one in family.living()}


def test_a_child_found_once_is_ended_though_its_parent_is_gone(tree: tuple[subprocess.Popen[bytes], int]) -> None:
    shell, child = tree
    family = Family(session=shell.pid)
    family.living()
    shell.kill()
    shell.wait()

    result = family.end()

    assert isinstance(result, Dead)
    assert find(child) is None
    assert any(line.startswith(f"sent TERM to {child} ") for line in result.evidence)


def test_strangers_are_left_alone(tree: tuple[subprocess.Popen[bytes], int]) -> None:
    shell, _ = tree

    Family(session=0, cookies=("tree/x/",)).end()

    assert find(shell.pid) is not None


def test_what_is_spared_does_not_count(tree: tuple[subprocess.Popen[bytes], int]) -> None:
    shell, child = tree

    assert [one.pid for one in Family(session=shell.pid, spare=(shell.pid, child)).living()] == []
    assert [one.pid for one in Family(session=shell.pid, helpers=(shell.pid,)).living()] == []
