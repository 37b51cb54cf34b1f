"""The wrapper as a text, in the shells of this machine, where all one has is the three streams of an `sh`."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runbook.ports.target import Cmd, JobFinished, JobRunning, OpKey
from runbook.secret import Secret
from runbook.transports.folder import JobFolder, Jobs, memory_root
from runbook.transports.process import find
from runbook.transports.wrapper import COOKIE, ended, hello, job_text, read_text

OP = OpKey("run1", "step", "web1", 1, "main")
KEY = OP.text()

SHELLS = [name for name in ("dash", "bash", "busybox") if shutil.which(name)]


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return {"busybox": ("busybox", "sh"), "bash": ("bash", "--posix")}.get(request.param, (request.param,))


@pytest.fixture
def folder(home: Path) -> JobFolder:
    return JobFolder(home / ".local/state/runbook/jobs" / KEY)


def text(*argv: str, **options: object) -> bytes:
    return job_text(Cmd(argv, **options), KEY, '{"command": "masked"}', stream=True)  # type: ignore[arg-type]


def start(shell: tuple[str, ...], data: bytes) -> subprocess.Popen[bytes]:
    """Send the text as a transport would that has nothing but streams."""
    one = subprocess.Popen(
        (*shell, "-s", "runbook-job", KEY),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert one.stdin is not None
    one.stdin.write(data)
    one.stdin.close()
    one.stdin = None
    return one


def talk(shell: tuple[str, ...], data: bytes) -> tuple[int, bytes, bytes, bytes]:
    """Return exit status, first line, the rest of stdout, and stderr."""
    one = start(shell, data)
    out, err = one.communicate(timeout=30)
    first, _, rest = out.partition(b"\n")
    last = ended(err)
    if last is not None:
        assert last[0] == one.returncode
        err = err[: err.rindex(b"runbook-job ended ")]
    return one.returncode, first + b"\n", rest, err


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.005)


def test_the_streams_bring_the_greeting_the_output_and_the_exit_status(
    shell: tuple[str, ...], folder: JobFolder
) -> None:
    cmd = text("sh", "-c", 'cat; echo "$WORD" >&2; exit 5', stdin=b"a\0b\\n'\n", env={"WORD": Secret("x y")})

    number, first, out, err = talk(shell, cmd)

    greeting = hello(first)
    assert greeting is not None
    assert (greeting.started, greeting.facts["store"]) == (True, "disk")
    assert (number, out, err) == (5, b"a\0b\\n'\n", b"x y\n")
    assert folder.state() == JobFinished(5)
    assert folder.text("intent") == '{"command": "masked"}\n'


def test_the_folder_is_for_its_owner_alone(shell: tuple[str, ...], folder: JobFolder) -> None:
    talk(shell, text("sh", "-c", "umask; touch made", cwd=str(folder.path.parents[4])))

    for path in (folder.path, *folder.path.iterdir()):
        assert path.stat().st_mode & 0o077 == 0, path
    assert folder.text("out") == "0022\n"
    assert stat.S_IMODE((folder.path.parents[4] / "made").stat().st_mode) == 0o644


def test_much_output_comes_whole(shell: tuple[str, ...]) -> None:
    script = "head -c 5000000 /dev/zero | tr '\\0' x & head -c 5000000 /dev/zero >&2; wait"

    number, _, out, err = talk(shell, text("sh", "-c", script))

    assert (number, out.count(b"x"), len(out), len(err)) == (0, 5_000_000, 5_000_000, 5_000_000)


def test_output_is_seen_while_the_command_runs(shell: tuple[str, ...], tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)

    one = start(shell, text("sh", "-c", 'echo begun; read x <"$1"; echo "$x"', "sh", str(gate)))

    assert one.stdout is not None
    assert one.stdout.readline().startswith(b"runbook-job started")
    assert one.stdout.readline() == b"begun\n"
    gate.write_text("on\n")
    assert one.communicate(timeout=30)[0] == b"on\n"


def test_a_second_dispatch_is_refused(shell: tuple[str, ...], tmp_path: Path) -> None:
    count = text("sh", "-c", 'echo ran >>"$1"', "sh", str(tmp_path / "count"))
    talk(shell, count)

    number, first, out, _ = talk(shell, count)

    greeting = hello(first)
    assert greeting is not None
    assert (number, greeting.started, greeting.why, out) == (73, False, "claimed", b"")
    assert (tmp_path / "count").read_text() == "ran\n"


def test_a_text_that_was_cut_off_does_nothing(shell: tuple[str, ...], home: Path, tmp_path: Path) -> None:
    whole = text("touch", str(tmp_path / "made"), env={"A": "b'c"}, stdin=b"some words\n" * 20)
    ends = {*range(0, len(whole) - 1, 997), *range(len(whole) - 40, len(whole) - 1), *range(0, 700, 61)}

    for end in sorted(ends):
        talk(shell, whole[:end])
        assert not (home / ".local/state/runbook").exists(), end

    talk(shell, whole)
    assert (tmp_path / "made").exists()


def test_a_job_outlives_its_reader(shell: tuple[str, ...], folder: JobFolder, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    one = start(shell, text("sh", "-c", 'echo begun; read x <"$1"; seq 1 50000; exit 7', "sh", str(gate)))
    assert one.stdout is not None
    assert one.stderr is not None
    assert one.stdout.readline().startswith(b"runbook-job started")

    one.stdout.close()
    one.stderr.close()
    gate.write_text("on\n")
    one.wait(timeout=30)

    assert folder.state() == JobFinished(7)
    assert folder.text("out").splitlines() == ["begun", *map(str, range(1, 50001))]


def test_the_timeout_is_kept_by_the_target(shell: tuple[str, ...], folder: JobFolder) -> None:
    script = """
    setsid sh -c 'trap "" TERM; echo $$; exec sleep 311' &
    trap '' TERM
    echo $$
    sleep 312
    """

    number, _, out, _ = talk(shell, text("sh", "-c", script, timeout=0.5))

    assert number == 137
    assert folder.state() == JobFinished(137, ("ended by timeout",))
    assert [pid for pid in out.split() if find(int(pid))] == []
    assert folder.family().living() == []


def test_the_timeout_is_kept_when_it_is_slept_in_parts(shell: tuple[str, ...], folder: JobFolder) -> None:
    number, _, _, _ = talk(shell, text("sleep", "313", timeout=5.3))

    assert number == 143
    assert folder.state() == JobFinished(143, ("ended by timeout",))


def test_a_cancel_that_is_cut_off_does_not_end_the_time_limit(shell: tuple[str, ...], folder: JobFolder) -> None:
    one = start(shell, text("sh", "-c", "trap '' TERM; echo begun; sleep 316; sleep 317", timeout=6))
    until(lambda: folder.text("out") == "begun\n")

    (folder.path / "over").write_text("cancel\n")
    one.communicate(timeout=60)

    assert folder.state() == JobFinished(137, ("ended by cancel",))
    assert folder.family().living() == []


def test_what_a_cut_off_cancel_has_left_is_ended_with_the_job(shell: tuple[str, ...], folder: JobFolder) -> None:
    script = "(trap '' TERM; exec sleep 318) & echo begun; sleep 319"
    one = start(shell, text("sh", "-c", script, timeout=300))
    until(lambda: folder.text("out") == "begun\n" and len(folder.family().living()) == 3)

    (folder.path / "over").write_text("cancel\n")
    for process in folder.family().living():
        os.kill(process.pid, signal.SIGTERM)
    one.communicate(timeout=60)

    assert folder.family().living() == []


def test_the_timeout_is_kept_when_somebody_removes_the_folder(shell: tuple[str, ...], home: Path) -> None:
    script = f'echo $$; rm -rf "${COOKIE}"; exec sleep 315'

    _, err = start(shell, text("sh", "-c", script, timeout=0.5)).communicate(timeout=30)

    assert ended(err) == (143, "timeout")
    assert not (home / ".local/state/runbook/jobs" / KEY).exists()


def test_nothing_lingers_after_a_wrapper_and_its_job_were_killed(shell: tuple[str, ...], folder: JobFolder) -> None:
    one = start(shell, text("sleep", "314", timeout=300))
    until(lambda: folder.wrapper() is not None and bool(folder.family().living()))
    wrapper = folder.wrapper()
    assert wrapper is not None
    watcher, follower = wrapper.children

    one.kill()
    out, _ = one.communicate(timeout=30)

    assert out.startswith(b"runbook-job started")
    until(lambda: find(follower) is None)
    assert find(watcher) is not None, "the job still lives, and its time limit holds"
    for process in folder.family().living():
        os.kill(process.pid, signal.SIGKILL)
    until(lambda: find(watcher) is None)


def test_the_wrapper_survives_the_signals_of_a_shutdown(
    shell: tuple[str, ...], folder: JobFolder, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    one = start(shell, text("sh", "-c", 'echo begun; read x <"$1"; exit 7', "sh", str(gate)))
    until(lambda: folder.text("out") == "begun\n")

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        one.send_signal(number)
    assert isinstance(folder.state(), JobRunning)
    gate.write_text("on\n")
    one.communicate(timeout=30)

    assert folder.state() == JobFinished(7)


def test_a_disk_that_the_command_fills_still_takes_the_status(shell: tuple[str, ...], folder: JobFolder) -> None:
    number, _, _, _ = talk(shell, text("sh", "-c", "ulimit -f 0; echo x; exit 6"))

    assert folder.status() is not None
    assert number in {6, 128 + signal.SIGXFSZ}


def test_a_command_whose_folder_is_removed_ends_as_it_does(shell: tuple[str, ...], folder: JobFolder) -> None:
    script = 'rm -rf "$1"; sleep 60 >/dev/null 2>&1 & echo $!; exit 6'
    one = start(shell, text("sh", "-c", script, "sh", str(folder.path)))
    out, err = one.communicate(timeout=30)

    assert ended(err) == (6, "exit")
    left = int(out.splitlines()[-1])
    try:
        assert find(left) is not None, "what it left running goes on"
    finally:
        os.kill(left, signal.SIGKILL)


@pytest.fixture
def memory() -> Iterator[Path]:
    """Keep the folder in memory as it was."""
    root = memory_root()
    if not root.parent.is_dir() or root.exists() or root.is_symlink():
        pytest.skip("no memory file system, or its folder is in use")
    yield root
    if root.is_symlink():
        root.unlink()
    shutil.rmtree(root, ignore_errors=True)


def test_without_a_disk_the_folder_is_in_memory(
    shell: tuple[str, ...], memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "full").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "full"))

    number, first, out, _ = talk(shell, text("echo", "done"))

    greeting = hello(first)
    assert greeting is not None
    assert (number, greeting.facts["store"], out) == (0, "memory", b"done\n")
    assert Jobs().state(OP) == JobFinished(0)
    assert talk(shell, text("echo", "done"))[0] == 73


def test_a_planted_folder_in_memory_is_not_trusted(
    shell: tuple[str, ...], memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "full").touch()
    (tmp_path / "planted").mkdir()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "full"))
    memory.symlink_to(tmp_path / "planted")

    number, first, _, _ = talk(shell, text("touch", str(tmp_path / "made")))

    greeting = hello(first)
    assert greeting is not None
    assert (number, greeting.started) == (75, False)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("line", [b"", b"Last login: today\n", b"runbook-job started pid=1", b"runbook-job x\n"])
def test_what_is_no_greeting_is_none(line: bytes) -> None:
    assert hello(line) is None


def test_sudo_is_the_innermost_command_and_gets_no_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "sudo"
    fake.write_text(f"#!{sys.executable}\nimport sys, os\nprint(*sys.argv[1:], flush=True)\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    _, _, out, _ = talk(("sh",), text("systemctl", "restart", "x", sudo=True, env={"B": Secret("hidden"), "A": "1"}))

    assert out == b"-n --preserve-env=A,B -- systemctl restart x\n"


ASKING = r"""#!/bin/sh
# Stands for a sudo that wants a password: it asks as sudo -A does (sudo(8)), and runs what stands behind the dashes.
[ "$1 $2 $3" = "-A -k -p" ] || exit 99
word=$("$SUDO_ASKPASS" "$4")
unset SUDO_ASKPASS
[ "$word" = "pa ss'wörd" ] || { echo "sudo: wrong: $word" >&2; exit 98; }
while [ "$1" != -- ]; do shift; done
shift
exec "$@"
"""

SILENT = ASKING.replace('word=$("$SUDO_ASKPASS" "$4")', 'word="pa ss\'wörd"')
"""The same where no password is wanted, and so nobody asks."""


@pytest.mark.parametrize("sudo", [ASKING, SILENT], ids=["asks", "does not ask"])
@pytest.mark.parametrize("what", ["change", "read"])
def test_the_password_for_sudo_goes_to_who_asks_and_the_input_to_the_command(
    shell: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sudo: str, what: str, home: Path
) -> None:
    (tmp_path / "sudo").write_text(sudo)
    (tmp_path / "sudo").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    cmd = Cmd(("sh", "-c", "cat; exit 4"), stdin=b"own\0input", sudo=True)
    password = Secret("pa ss'wörd")

    if what == "read":
        done = subprocess.run((*shell, "-s"), input=read_text(cmd, "mark", password), capture_output=True, check=False)
        number, out, err = done.returncode, done.stdout, done.stderr
    else:
        number, _, out, err = talk(shell, job_text(cmd, KEY, "{}", stream=True, password=password))

    assert (number, out, err) == (4, b"own\0input", b"")
    for path in home.rglob("*"):
        assert path.is_dir() or "wörd" not in path.read_text("utf-8", "replace"), path
    assert not list(home.rglob("ask"))


def test_a_wrong_password_is_given_once(
    shell: tuple[str, ...], home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = ASKING.replace("unset", 'word=$word/$("$SUDO_ASKPASS" "$4")\nunset')
    (tmp_path / "sudo").write_text(again)
    (tmp_path / "sudo").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    cmd = Cmd(("true",), sudo=True)
    number, _, _, err = talk(shell, job_text(cmd, KEY, "{}", stream=True, password=Secret("wrong")))

    assert (number, err) == (98, b"sudo: wrong: wrong/\n")
    assert not list(home.rglob("ask"))
