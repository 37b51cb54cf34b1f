"""`process` against real processes."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from runbook.actions.process import Process, ProcessWith, Row, parse
from runbook.errors import ActionError
from runbook.ports.action import Bad, Good, NoData
from runbook.testing import Bench
from runbook.testing.work import Silent


def observe(target: Bench | None = None, **more: object):  # type: ignore[no-untyped-def]
    return Process().observe(msgspec.convert(more, ProcessWith), target or Bench(), Silent())


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[tuple[str, int]]:
    """Start a program of a name that nobody else has."""
    name = f"wrk{os.getpid()}"
    program = tmp_path / name
    shutil.copy(shutil.which("sleep") or "", program)
    with subprocess.Popen([program, "321"]) as process:
        yield name, process.pid
        process.kill()


def test_a_process_is_found_by_name_pattern_and_id(worker: tuple[str, int]) -> None:
    name, pid = worker

    for asked in ({"name": name}, {"pattern": f"{name} 32[0-9]$"}, {"pid": pid}, {"name": name, "user": "root"}):
        if "user" in asked and os.getuid() != 0:
            continue
        seen = observe(**asked)
        assert isinstance(seen, Good), asked
        assert (seen.value.count, seen.value.pids) == (1, (pid,))


def test_a_name_is_the_whole_name(worker: tuple[str, int]) -> None:
    assert isinstance(observe(name=worker[0][:-1]), Bad)


def test_users_are_told_apart(worker: tuple[str, int]) -> None:
    assert observe(name=worker[0], user=getpass.getuser()).value.count == 1
    assert observe(name=worker[0], user="nobody").value.count == 0


def test_the_count_has_limits(worker: tuple[str, int]) -> None:
    assert isinstance(observe(name=worker[0], min=2), Bad)
    assert isinstance(observe(name=worker[0], max=0, min=0), Bad)
    assert isinstance(observe(name="no-such-program", min=0, max=0), Good)


def test_the_look_does_not_see_itself() -> None:
    assert observe(pattern="runbook-process-look|ps -A -o", min=0).value.count == 0


def test_a_zombie_does_not_run(tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert observe(pid=process.pid).value.count == 0


def test_the_arguments_of_others_are_not_told(worker: tuple[str, int]) -> None:
    assert "321" not in " ".join(observe(name=worker[0]).evidence)


def test_a_question_that_every_process_answers_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="say which processes"):
        observe(user="root")


def test_a_pattern_that_is_none_is_an_error() -> None:
    with pytest.raises(ActionError, match="is no pattern"):
        observe(pattern="(")


def test_a_target_without_ps_is_no_data(tmp_path: Path) -> None:
    (tmp_path / "sh").symlink_to(shutil.which("sh") or "")

    assert isinstance(observe(Bench(env={"PATH": str(tmp_path)}), name="x"), NoData)


def test_ps_of_busybox_is_understood(tmp_path: Path) -> None:
    """It refuses -A and shows all processes without it."""
    ps = tmp_path / "ps"
    ps.write_text(
        "#!/bin/sh\n"
        'case "$*" in *-A*) echo "ps: unrecognized option: A" >&2; exit 1 ;;\n'
        '*comm*) printf "    1 init\\n   99 orders\\n" ;;\n'
        '*) printf "    1     0 root     S     12:33 /sbin/init\\n   99     1 app S 0:12 /srv/orders --port 1\\n" ;;\n'
        "esac\n"
    )
    ps.chmod(0o755)

    seen = observe(Bench(env={"PATH": f"{tmp_path}:{os.environ['PATH']}"}), name="orders", user="app")

    assert seen.value.pids == (99,)
    assert seen.evidence[1] == "99 orders, user app, up 0:12"


def test_command_lines_may_hold_anything() -> None:
    uid, rows = parse("uid 7\nnames\n 5 a b\nrows\n 5 1 app S 01:02 /x/a b\trows  names\n 6 1 app S 01:02\n")

    assert uid == "7"
    assert rows == [
        Row(5, 1, "app", "S", "01:02", "/x/a b\trows  names", "a b"),
        Row(6, 1, "app", "S", "01:02", "", ""),
    ]
