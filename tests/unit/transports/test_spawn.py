"""Starting a process: what it gets from us, and what it does not."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runbook.transports.spawn import Child, program_of, spawn

ENV = {b"PATH": os.fsencode(os.environ["PATH"])}


def all_of(child: Child) -> tuple[bytes, bytes, int]:
    """Return what it writes, and how it ends."""
    try:
        with open(child.stdout, "rb", closefd=False) as out, open(child.stderr, "rb", closefd=False) as err:
            return out.read(), err.read(), child.wait()
    finally:
        child.close()


@pytest.fixture(params=["", "/"], ids=["at once", "the general way"])
def cwd(request: pytest.FixtureRequest) -> str:
    """A folder to start in is what asks for the general way."""
    return str(request.param)


def test_output_errors_and_exit_status_come_back(cwd: str) -> None:
    child = spawn(("sh", "-c", "echo out; echo err >&2; exit 3"), ENV, cwd, feed=False)

    assert all_of(child) == (b"out\n", b"err\n", 3)


def test_a_death_by_signal_is_a_negative_status(cwd: str) -> None:
    assert all_of(spawn(("sh", "-c", "kill -9 $$"), ENV, cwd, feed=False)) == (b"", b"", -signal.SIGKILL)


def test_it_leads_a_session_of_its_own(cwd: str) -> None:
    child = spawn((sys.executable, "-c", "import os; print(os.getsid(0) == os.getpid())"), ENV, cwd, feed=False)

    assert all_of(child)[0] == b"True\n"


def test_without_a_feed_its_input_is_at_its_end(cwd: str) -> None:
    assert all_of(spawn(("cat",), ENV, cwd, feed=False)) == (b"", b"", 0)


def test_with_a_feed_it_reads_what_is_written(cwd: str) -> None:
    child = spawn(("cat",), ENV, cwd, feed=True)
    assert child.stdin is not None
    os.write(child.stdin, b"hello")
    child.close_stdin()

    assert all_of(child) == (b"hello", b"", 0)


def test_it_gets_this_environment_and_no_other(cwd: str) -> None:
    child = spawn(("env",), {**ENV, b"WORD": b"\xff=1"}, cwd, feed=False)

    assert set(all_of(child)[0].splitlines()) >= {b"WORD=\xff=1"}


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="what is ignored can only be seen in /proc")
def test_signals_that_python_ignores_work_in_it(cwd: str) -> None:
    told = all_of(spawn(("grep", "SigIgn", "/proc/self/status"), ENV, cwd, feed=False))[0]

    ignored = int(told.split()[1], 16)
    assert not ignored & (1 << (signal.SIGPIPE - 1) | 1 << (signal.SIGXFSZ - 1))


SCRIPT = """
import os, sys
from runbook.transports.spawn import spawn
child = spawn(("sh", "-c", f"test -e /proc/self/fd/{sys.argv[1]} && echo leaked || echo kept"),
              dict(os.environb), sys.argv[2], feed=False)
print(os.read(child.stdout, 100).decode(), end="")
child.wait()
child.close()
"""


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="descriptors of others can only be seen in /proc")
def test_a_descriptor_that_was_passed_to_us_is_not_passed_on(cwd: str) -> None:
    reader, writer = os.pipe()
    try:
        done = subprocess.run(
            (sys.executable, "-c", SCRIPT, str(writer), cwd),
            pass_fds=(writer,),
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
    finally:
        os.close(reader)
        os.close(writer)

    assert done.stdout == "kept\n"


def test_what_cannot_be_started_is_an_error_and_leaves_no_descriptor(tmp_path: Path, cwd: str) -> None:
    (tmp_path / "no-program").write_text("not executable")
    before = sorted(os.listdir("/dev/fd"))

    with pytest.raises(FileNotFoundError):
        spawn(("no-such-program-anywhere",), ENV, cwd, feed=True)
    with pytest.raises(PermissionError):
        spawn((str(tmp_path / "no-program"),), ENV, cwd, feed=True)

    assert sorted(os.listdir("/dev/fd")) == before


def test_a_program_is_the_first_one_on_the_path(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    (tmp_path / "a/tool").mkdir()
    for name in ("b", "c"):
        (tmp_path / name / "tool").write_text("#!/bin/sh\n")
        (tmp_path / name / "tool").chmod(0o755)
    path = ":".join(str(tmp_path / name) for name in ("missing", "a", "b", "c"))

    assert program_of("tool", {b"PATH": os.fsencode(path)}) == os.fsencode(tmp_path / "b/tool")


@pytest.mark.parametrize("path", [b"", b"bin:/bin", b"/bin:"], ids=["none", "relative", "an empty folder"])
def test_a_path_that_depends_on_the_folder_is_left_to_the_system(path: bytes) -> None:
    assert program_of("sh", {b"PATH": path}) is None
