"""One suite over the port to a target: what holds for every transport.

It looks at the target through the target itself, so that it serves hosts that are elsewhere as well.
"""

import hashlib
import io
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from runbook.errors import ClaimLost, DispatchRefused, TransportError
from runbook.model.host import Host
from runbook.ports.cancel import Cancel
from runbook.ports.target import (
    Address,
    Cmd,
    Dead,
    Finished,
    JobFinished,
    JobLost,
    JobRunning,
    Lease,
    LeaseHeld,
    LeaseTaken,
    NoJob,
    NotConfirmed,
    OpKey,
    Stream,
    Target,
)
from runbook.secret import Secret
from runbook.transports import transports
from tests.sshd import Sshd

CANARY = "canary-7d1f-with'quote-and\\back"

CONTROLLER = """
import json, sys
from runbook.model.host import Host
from runbook.ports.cancel import Cancel
from runbook.ports.target import Cmd, OpKey
from runbook.transports import transports

host, what, *words = json.loads(sys.argv[1])
target = transports()[host["transport"]].target(Host(**host), Cancel())
op = OpKey("run1", "step", host["name"], 1, "main")

class Echo:
    def write(self, stream, data):
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

class Count:
    size = 0
    def write(self, stream, data):
        self.size += len(data)

if what == "change":
    target.change(Cmd(tuple(words)), op, Echo())
elif what == "put":
    target.put(sys.stdin.buffer, words[0], op)
else:
    count = Count()
    cmd = Cmd(tuple(words))
    target.read(cmd, count) if what == "count read" else target.change(cmd, op, count)
    peak = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
    print(count.size, peak[0])
"""


class Way:
    """A host, the transport to it, and a folder of its own there."""

    def __init__(self, host: Host, folder: str) -> None:
        self.transport = host.transport
        self.folder = folder
        self._host = host
        self._transports = transports()

    def host(self, name: str = "web1") -> Host:
        return replace(self._host, name=name)

    def target(self, name: str = "web1", cancel: Cancel | None = None) -> Target:
        return self._transports[self.transport].target(self.host(name), cancel or Cancel())

    def controller(self, what: str, *words: str) -> subprocess.Popen[bytes]:
        question = json.dumps([asdict(self._host), what, *words])
        argv = (sys.executable, "-c", CONTROLLER, question)
        return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def sh(self, script: str, *words: str) -> str:
        """Return what a script says on the target."""
        gathered = Gathered()
        finished = self.target().read(Cmd(("sh", "-c", script, "sh", *words)), gathered)
        assert finished.exit == 0, (finished, gathered)
        return gathered.out.decode().strip()

    def lives(self, pid: str) -> bool:
        # A zombie answers to kill -0, too.
        return bool(self.sh('ps -o stat= -p "$1" | grep -v "^Z" || true', pid))

    def close(self) -> None:
        self._transports.close()


class Gathered:
    """A sink that keeps all, and calls back when a word has come."""

    def __init__(self, word: bytes = b"", then: Callable[[], None] = lambda: None) -> None:
        self.out = bytearray()
        self.err = bytearray()
        self.largest = 0
        self._word = word
        self._then = then

    def write(self, stream: Stream, data: bytes) -> None:
        (self.out if stream == "out" else self.err).extend(data)
        self.largest = max(self.largest, len(data))
        if self._word and self._word in self.out:
            self._word = b""
            self._then()


def host_of(request: pytest.FixtureRequest, home: Path) -> Host:
    if request.param == "local":
        return Host("web1", "local")
    if request.param == "chroot":
        mirror: Host = request.getfixturevalue("mirror")
        return mirror
    sshd: Sshd = request.getfixturevalue("sshd")
    sshd.clean()
    sshd.know(home)
    return sshd.host()


@pytest.fixture(params=["local", "ssh", "chroot"])
def way(request: pytest.FixtureRequest, tmp_path: Path, home: Path) -> Iterator[Way]:
    one = Way(host_of(request, home), str(tmp_path))
    yield one
    one.close()


Runner = Callable[..., Finished]


@pytest.fixture(params=["read", "change"])
def run(request: pytest.FixtureRequest, way: Way) -> Runner:
    """Return a function that runs a command by reading or by changing: both must behave alike."""
    count = iter(range(10_000))

    def body(cmd: Cmd, sink: Gathered | None = None, cancel: Cancel | None = None) -> Finished:
        target = way.target(cancel=cancel)
        if request.param == "read":
            return target.read(cmd, sink or Gathered())
        return target.change(cmd, op(f"n{next(count)}"), sink or Gathered())

    return body


def op(name: str = "main", run: str = "run1") -> OpKey:
    return OpKey(run, "step", "web1", 1, name)


def script(text: str, *words: str, timeout: float = 60.0) -> Cmd:
    return Cmd(("sh", "-c", text, "sh", *words), timeout=timeout)


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.005)


class Gate:
    """A job that has begun and waits to be let on."""

    def __init__(self, way: Way, rest: str = "true") -> None:
        self._way = way
        self.fifo = f"{way.folder}/gate"
        way.sh('mkfifo "$1"', self.fifo)
        self.argv = ("sh", "-c", f'echo begun $$; read x <"$1"; {rest}', "sh", self.fifo)

    def open(self) -> None:
        self._way.sh('echo go >"$1"', self.fifo)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as executor:
        yield executor


def begin(pool: ThreadPoolExecutor, way: Way, gate: Gate) -> tuple[Future[Finished], Gathered]:
    """Start a change that waits at the gate."""
    sink = Gathered()
    future = pool.submit(way.target().change, Cmd(gate.argv), op(), sink)
    until(lambda: b"begun" in sink.out and sink.out.endswith(b"\n"))
    return future, sink


# --- how a command ends -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [0, 1, 3, 73, 124, 255])
def test_the_exit_status_is_that_of_the_command(run: Runner, number: int) -> None:
    finished = run(script(f"exit {number}"))

    assert (finished.exit, finished.ended, finished.dead) == (number, "exit", True)


@pytest.mark.parametrize("name", ["HUP", "INT", "QUIT", "KILL", "PIPE", "TERM", "USR1"])
def test_death_by_a_signal_is_told_as_a_shell_tells_it(run: Runner, name: str) -> None:
    finished = run(script(f"kill -{name} $$"))

    assert finished.exit == 128 + signal.Signals[f"SIG{name}"]


def test_a_command_that_does_not_exist_ends_with_127(run: Runner) -> None:
    assert run(Cmd(("no-such-command-anywhere",))).exit == 127


def test_a_command_that_cannot_be_executed_ends_with_126(run: Runner) -> None:
    assert run(Cmd(("/",))).exit == 126


def test_a_working_directory_that_does_not_exist_ends_with_126(run: Runner, way: Way) -> None:
    assert run(Cmd(("true",), cwd=f"{way.folder}/nowhere")).exit == 126


def test_the_command_runs_in_the_working_directory(run: Runner, way: Way) -> None:
    sink = Gathered()

    run(Cmd(("pwd",), cwd=way.folder), sink)

    assert sink.out.decode() == f"{way.folder}\n"


# --- what goes in -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "word", ["x; rm -rf y", "$(id)", "`id`", "a\nb", "'", '"', "\\", "-n", "", "*", "ä\udcff", "{{ x }}"]
)
def test_a_hostile_argument_stays_data(run: Runner, word: str) -> None:
    sink = Gathered()

    run(Cmd(("printf", "%s|", "first", word)), sink)

    assert bytes(sink.out) == b"first|" + os.fsencode(word) + b"|"


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(st.text(st.characters(min_codepoint=1, exclude_categories=["Cs"])), min_size=1, max_size=4))
def test_any_argument_stays_data(run: Runner, words: list[str]) -> None:
    sink = Gathered()

    run(Cmd(("printf", "%s|", *words)), sink)

    assert sink.out.decode() == "".join(f"{word}|" for word in words)


def test_standard_input_arrives_byte_for_byte(run: Runner) -> None:
    data = bytes(range(256)) * 2000 + b"\\c\\0101%s'\n\n"
    sink = Gathered()

    run(Cmd(("cat",), stdin=data), sink)

    assert hashlib.sha256(sink.out).hexdigest() == hashlib.sha256(data).hexdigest()


def test_without_input_the_command_reads_nothing(run: Runner) -> None:
    sink = Gathered()

    finished = run(Cmd(("cat",)), sink)

    assert (finished.exit, bytes(sink.out)) == (0, b"")


def test_a_command_that_leaves_its_input_unread_ends_well(run: Runner) -> None:
    assert run(Cmd(("true",), stdin=b"x" * 1_000_000)).exit == 0


def test_variables_are_added_to_those_of_the_login(run: Runner) -> None:
    sink = Gathered()

    run(Cmd(("sh", "-c", 'printf "%s|%s|" "$PLAIN" "$HIDDEN"; test -n "$PATH" && echo path'),
            env={"PLAIN": "a'b\n$(id)", "HIDDEN": Secret("s3")}), sink)  # fmt: skip

    assert sink.out.decode() == "a'b\n$(id)|s3|path\n"


@pytest.mark.parametrize("cmd", [Cmd(()), Cmd(("-x",)), Cmd(("a\0b",)), Cmd(("true",), env={"A B": "x"})])
def test_what_no_process_can_take_is_refused(run: Runner, cmd: Cmd) -> None:
    with pytest.raises(DispatchRefused):
        run(cmd)


def test_a_secret_shows_in_no_process_list_and_no_file(run: Runner, way: Way) -> None:
    # The pattern goes to grep by its input; the control shows that what is in argv would be found.
    look = """
    for needle in "$CANARY" "$(cat)"; do printf '%s\\n' "$needle" | grep -lFf - /proc/[0-9]*/cmdline; done
    printf '%s\\n' positive-control | grep -lFf - /proc/$$/cmdline >/dev/null && echo control
    """
    sink = Gathered()
    cmd = Cmd(("sh", "-c", look, "positive-control"), env={"CANARY": Secret(CANARY)}, stdin=Secret(CANARY))

    run(cmd, sink)

    assert sink.out.decode() == "control\n"
    assert way.sh('printf "%s\n" canary-7d1f | grep -rlFf - "$XDG_STATE_HOME" "$1" || true', way.folder) == ""


# --- what comes out ---------------------------------------------------------------------------------------------


def test_both_streams_arrive_whole_and_apart(run: Runner) -> None:
    sink = Gathered()

    finished = run(script("head -c 10000000 /dev/zero >&2 & head -c 10000000 /dev/zero | tr '\\0' x; wait"), sink)

    assert finished.exit == 0
    assert (len(sink.out), sink.out.count(b"x")) == (10_000_000, 10_000_000)
    assert (len(sink.err), sink.err.count(b"\0")) == (10_000_000, 10_000_000)
    assert sink.largest <= 65536


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from /proc")
@pytest.mark.parametrize("what", ["read", "change"])
def test_much_output_needs_little_memory(way: Way, what: str) -> None:
    out, _ = way.controller(f"count {what}", "head", "-c", "200000000", "/dev/zero").communicate(timeout=60)

    size, peak = map(int, out.split())
    assert size == 200_000_000
    assert peak < (100_000 if way.transport == "local" else 150_000)  # kB


def test_output_is_seen_while_the_command_runs(way: Way, pool: ThreadPoolExecutor) -> None:
    gate = Gate(way)

    future, sink = begin(pool, way, gate)

    assert not future.done()
    assert sink.out.startswith(b"begun")
    gate.open()
    assert future.result().exit == 0


def test_a_read_does_not_wait_for_who_was_left_running(way: Way) -> None:
    sink = Gathered()

    finished = way.target().read(script("sleep 300 & echo $!"), sink)

    pid = sink.out.decode().strip()
    assert (finished.exit, finished.ended, finished.dead) == (0, "exit", False)
    assert any(f"{pid} sleep 300" in line for line in finished.evidence)
    way.sh('kill "$1"', pid)


# --- deadlines and cancel ---------------------------------------------------------------------------------------

STUBBORN = """
trap '' TERM
setsid sh -c 'trap "" TERM; echo $$; exec sleep 301' &
sh -c 'echo $$; exec sleep 302' &
echo $$ ready
sleep 303
wait
"""


def pids(sink: Gathered) -> list[str]:
    return [line.split()[0] for line in sink.out.decode().splitlines()]


def test_a_timeout_ends_all_that_was_started(run: Runner, way: Way) -> None:
    sink = Gathered()

    finished = run(script(STUBBORN, timeout=0.5), sink)

    assert (finished.ended, finished.dead) == ("timeout", True)
    assert len(pids(sink)) == 3
    assert [pid for pid in pids(sink) if way.lives(pid)] == []
    assert finished.evidence


def test_a_cancel_ends_all_that_was_started(run: Runner, way: Way) -> None:
    cancel = Cancel()
    sink = Gathered()
    ready = Gathered(b"ready", lambda: cancel.set("the operator said so"))

    class Both:
        def write(self, stream: Stream, data: bytes) -> None:
            sink.write(stream, data)
            ready.write(stream, data)

    finished = run(script(STUBBORN), Both(), cancel)

    assert (finished.ended, finished.dead) == ("cancel", True)
    assert [pid for pid in pids(sink) if way.lives(pid)] == []
    assert any("sent KILL to" in line for line in finished.evidence)


def test_a_command_that_heeds_term_is_not_killed(run: Runner) -> None:
    sink = Gathered()

    finished = run(script("trap 'echo tidy; exit 9' TERM; sleep 300 & wait", timeout=0.3), sink)

    assert (finished.exit, finished.ended, bytes(sink.out)) == (9, "timeout", b"tidy\n")


def test_after_a_cancel_nothing_is_started(way: Way) -> None:
    cancel = Cancel()
    cancel.set("too late")
    target = way.target(cancel=cancel)

    finished = target.read(script('touch "$1"', f"{way.folder}/made"), Gathered())
    with pytest.raises(DispatchRefused):
        target.change(script('touch "$1"', f"{way.folder}/made"), op(), Gathered())

    assert (finished.exit, finished.ended) == (None, "cancel")
    assert way.sh('ls "$1"', way.folder) == ""
    assert way.target().job(op()) == NoJob()


# --- operations and their jobs ----------------------------------------------------------------------------------


def test_an_operation_is_dispatched_once(way: Way) -> None:
    count = script('echo ran >>"$1"', f"{way.folder}/count")
    way.target().change(count, op(), Gathered())

    with pytest.raises(DispatchRefused):
        way.target().change(count, op(), Gathered())

    assert way.sh('cat "$1"', f"{way.folder}/count") == "ran"


def test_of_many_dispatches_at_once_one_wins(way: Way, pool: ThreadPoolExecutor) -> None:
    count = script('echo ran >>"$1"', f"{way.folder}/count")

    futures = [pool.submit(way.target().change, count, op(), Gathered()) for _ in range(6)]

    errors = [future.exception() for future in futures]
    assert [type(error) for error in errors if error] == [DispatchRefused] * 5
    assert way.sh('cat "$1"', f"{way.folder}/count") == "ran"


def test_an_operation_that_was_never_sent_has_no_job(way: Way) -> None:
    assert way.target().job(op()) == NoJob()


def test_a_job_tells_its_end_and_its_output_later(way: Way) -> None:
    way.target().change(script("echo said; echo warned >&2; exit 5"), op(), Gathered())
    sink = Gathered()

    way.target().job_output(op(), sink)

    assert way.target().job(op()) == JobFinished(5)
    assert (bytes(sink.out), bytes(sink.err)) == (b"said\n", b"warned\n")


def test_a_job_outlives_its_controller(way: Way) -> None:
    gate = Gate(way, "seq 1 20000; exit 7")
    controller = way.controller("change", *gate.argv)
    assert controller.stdout is not None
    assert controller.stdout.readline().startswith(b"begun")

    controller.kill()
    controller.communicate()

    assert isinstance(way.target().job(op()), JobRunning)
    gate.open()
    sink = Gathered()
    finished = way.target().attach(op(), sink, 30.0)
    assert (finished.exit, finished.ended) == (7, "exit")
    assert way.target().job(op()) == JobFinished(7)
    assert sink.out.split(b"\n", 1)[1] == b"".join(b"%d\n" % n for n in range(1, 20001))


def test_attaching_leaves_a_job_alone_when_the_time_is_up(way: Way, pool: ThreadPoolExecutor) -> None:
    gate = Gate(way)
    future, _ = begin(pool, way, gate)

    finished = way.target().attach(op(), Gathered(), 0.05)

    assert (finished.exit, finished.ended, finished.dead) == (None, "timeout", False)
    gate.open()
    assert future.result().exit == 0


def test_a_job_whose_wrapper_was_killed_is_lost(way: Way, pool: ThreadPoolExecutor) -> None:
    gate = Gate(way)
    future, sink = begin(pool, way, gate)
    command = sink.out.split()[1].decode()
    running = way.target().job(op())
    assert isinstance(running, JobRunning)

    way.sh('kill -9 "$1"', str(running.pid))
    finished = future.result()

    assert (finished.exit, finished.ended, finished.dead) == (None, "lost", False)
    orphan = way.target().job(op())
    assert isinstance(orphan, JobRunning)
    assert (orphan.pid, bool(orphan.evidence)) == (int(command), True)
    way.sh('kill -9 "$1"', command)
    until(lambda: isinstance(way.target().job(op()), JobLost))


def test_a_job_from_before_a_restart_is_lost(way: Way, pool: ThreadPoolExecutor) -> None:
    gate = Gate(way)
    future, _ = begin(pool, way, gate)
    boot = f'"$XDG_STATE_HOME/runbook/jobs/{op().text()}/boot"'
    here = way.sh(f"cat {boot}")

    way.sh(f"echo 00000000-0000-0000-0000-000000000000 >{boot}")

    assert isinstance(way.target().job(op()), JobLost)
    way.sh(f'echo "$1" >{boot}', here)
    gate.open()
    assert future.result().exit == 0


def test_a_job_is_killed_from_elsewhere(way: Way, pool: ThreadPoolExecutor) -> None:
    sink = Gathered()
    future = pool.submit(way.target().change, script(STUBBORN), op(), sink)
    until(lambda: len(pids(sink)) == 3)

    result = way.target().kill(op())

    assert isinstance(result, Dead)
    finished = future.result()
    assert (finished.ended, finished.dead) == ("cancel", True)
    assert [pid for pid in pids(sink) if way.lives(pid)] == []
    assert way.target().job(op()) == JobFinished(137, ("ended by cancel",))


def test_killing_what_never_was_is_confirmed(way: Way) -> None:
    assert isinstance(way.target().kill(op()), Dead)


def test_what_a_finished_job_left_running_is_told_and_not_killed(way: Way) -> None:
    sink = Gathered()
    way.target().change(script("setsid sleep 300 >/dev/null 2>&1 & echo $!"), op(), sink)
    pid = sink.out.decode().strip()

    result = way.target().kill(op())

    assert isinstance(result, NotConfirmed)
    assert any(pid in line.split() for line in result.evidence)
    assert way.lives(pid)
    way.sh('kill "$1"', pid)


def test_the_job_folder_names_the_command_and_is_private(way: Way) -> None:
    way.target().change(Cmd(("echo", "a b"), env={"TOKEN": Secret("x")}, cwd=way.folder), op(), Gathered())
    folder = f'"$XDG_STATE_HOME/runbook/jobs/{op().text()}"'

    intent = json.loads(way.sh(f"cat {folder}/intent"))

    assert (intent["command"], intent["env"], intent["host"]) == (shlex.join(["echo", "a b"]), ["TOKEN"], "web1")
    assert way.sh(f"ls -ld {folder}").startswith("drwx------")


# --- files ------------------------------------------------------------------------------------------------------


@pytest.fixture
def file(way: Way) -> str:
    path = f"{way.folder}/db-config.yaml"
    way.sh('printf old >"$1"; chmod 640 "$1"', path)
    return path


def mode_of(way: Way, path: str) -> str:
    return way.sh('ls -ld "$1"', path)[:10]


def test_a_file_is_replaced_and_keeps_its_mode(way: Way, file: str) -> None:
    data = os.urandom(3_000_000)

    digest = way.target().put(io.BytesIO(data), file, op())

    assert (digest.sha256, digest.size) == (hashlib.sha256(data).hexdigest(), len(data))
    assert way.sh('sha256sum <"$1"', file).split()[0] == digest.sha256
    assert mode_of(way, file) == "-rw-r-----"
    assert way.sh('ls -A "$1"', way.folder) == "db-config.yaml"
    assert way.target().job(op()) == JobFinished(0)


def test_a_file_keeps_its_owner(way: Way, file: str) -> None:
    if way.sh("id -u") != "0":
        pytest.skip("only root can give files away")
    way.sh('chown 12345:23456 "$1"', file)

    way.target().put(io.BytesIO(b"new"), file, op())

    assert way.sh('ls -ln "$1"', file).split()[2:4] == ["12345", "23456"]


def test_a_new_file_gets_the_mode_asked_for(way: Way) -> None:
    way.target().put(io.BytesIO(b"new"), f"{way.folder}/new", op(), mode=0o600)

    assert mode_of(way, f"{way.folder}/new") == "-rw-------"


def test_a_symbolic_link_is_not_replaced(way: Way, file: str) -> None:
    way.sh('ln -s db-config.yaml "$1"', f"{way.folder}/link")

    with pytest.raises(DispatchRefused):
        way.target().put(io.BytesIO(b"new"), f"{way.folder}/link", op())

    assert way.sh('cat "$1"; ls -A "$2"', file, way.folder).split() == ["olddb-config.yaml", "link"]
    job = way.target().job(op())
    assert isinstance(job, JobFinished)
    assert job.exit != 0


@pytest.mark.parametrize("path", ["", "/nowhere/at/all", "/file"])
def test_what_is_no_place_for_a_file_is_refused(way: Way, path: str) -> None:
    way.sh('mkdir "$1"', f"{way.folder}/file")

    with pytest.raises(DispatchRefused):
        way.target().put(io.BytesIO(b"new"), way.folder + path, op())


def test_a_file_is_replaced_once_for_an_operation(way: Way, file: str) -> None:
    way.target().put(io.BytesIO(b"first"), file, op())

    with pytest.raises(DispatchRefused):
        way.target().put(io.BytesIO(b"second"), file, op())

    assert way.sh('cat "$1"', file) == "first"


def test_a_controller_killed_while_it_writes_leaves_the_file_as_it_was(way: Way, file: str) -> None:
    controller = way.controller("put", file)
    assert controller.stdin is not None
    controller.stdin.write(b"n" * 300_000)
    controller.stdin.flush()
    until(lambda: isinstance(way.target().job(op()), JobRunning))

    controller.kill()
    controller.communicate()

    # A host sees the end of the stream a moment later than this machine the end of a process.
    until(lambda: not isinstance(way.target().job(op()), JobRunning))
    job = way.target().job(op())
    assert isinstance(job, JobLost) or (isinstance(job, JobFinished) and job.exit != 0)
    assert way.sh('cat "$1"', file) == "old"


# --- leases and tunnels -----------------------------------------------------------------------------------------


def lease(run: str) -> Lease:
    return Lease(run, f"olga@{run}", "")


def test_the_first_run_gets_the_lease_and_the_second_is_told_whose_it_is(way: Way) -> None:
    first = way.target().take_lease(lease("run1"))
    second = way.target().take_lease(lease("run2"))

    assert isinstance(first, LeaseTaken)
    assert second == LeaseHeld(first.lease, ())
    assert (first.lease.owner, first.lease.since[-1]) == ("olga@run1", "Z")


def test_taking_a_lease_again_refreshes_it_and_tells_that_it_was_there(way: Way) -> None:
    first = way.target().take_lease(lease("run1"))

    assert isinstance(first, LeaseTaken)
    assert not first.kept
    assert first.boot
    assert way.target().take_lease(lease("run1")) == replace(first, kept=True)


def test_of_many_runs_at_once_one_gets_the_lease(way: Way, pool: ThreadPoolExecutor) -> None:
    futures = [pool.submit(way.target().take_lease, lease(f"run{n}")) for n in range(8)]

    taken = [future.result() for future in futures if isinstance(future.result(), LeaseTaken)]
    assert len(taken) == 1


def test_a_lease_is_taken_over_by_naming_its_run(way: Way) -> None:
    way.target().take_lease(lease("run1"))

    wrong = way.target().take_lease(lease("run2"), over="run7")
    right = way.target().take_lease(lease("run2"), over="run1")

    assert isinstance(wrong, LeaseHeld)
    assert isinstance(right, LeaseTaken)
    assert isinstance(way.target().take_lease(lease("run1")), LeaseHeld)


def test_a_lease_is_not_taken_over_while_a_job_has_no_outcome(way: Way, pool: ThreadPoolExecutor) -> None:
    way.target().take_lease(lease("run1"))
    gate = Gate(way)
    future, _ = begin(pool, way, gate)

    held = way.target().take_lease(lease("run2"), over="run1")

    assert isinstance(held, LeaseHeld)
    assert held.live_jobs == (op().text(),)
    gate.open()
    future.result()
    assert isinstance(way.target().take_lease(lease("run2"), over="run1"), LeaseTaken)


def test_a_lease_is_given_back_by_its_run_alone(way: Way) -> None:
    way.target().take_lease(lease("run1"))

    way.target().release_lease("run2")
    assert isinstance(way.target().take_lease(lease("run2")), LeaseHeld)

    way.target().release_lease("run1")
    assert isinstance(way.target().take_lease(lease("run2")), LeaseTaken)


def test_output_that_nobody_needs_is_forgotten_and_how_the_job_ended_is_not(way: Way) -> None:
    gone, kept = op("gone"), op("kept")
    for each in (gone, kept):
        way.target().change(script("echo out; echo err >&2; exit 3"), each, Gathered())

    way.target().forget_output((gone, op("never-claimed")))
    way.target().forget_output((gone,))

    told = {each.name: Gathered() for each in (gone, kept)}
    for each in (gone, kept):
        way.target().job_output(each, told[each.name])
    assert (bytes(told["gone"].out), bytes(told["gone"].err)) == (b"", b"")
    assert (bytes(told["kept"].out), bytes(told["kept"].err)) == (b"out\n", b"err\n")
    assert way.target().job(gone) == JobFinished(3)
    assert way.target().attach(gone, Gathered(), 5.0).exit == 3
    with pytest.raises(DispatchRefused):
        way.target().change(Cmd(("true",)), gone, Gathered())


def test_the_output_of_a_job_that_runs_is_not_forgotten(way: Way, pool: ThreadPoolExecutor) -> None:
    gate = Gate(way)
    future, sink = begin(pool, way, gate)

    way.target().forget_output((op(),))

    replayed = Gathered()
    way.target().job_output(op(), replayed)
    assert replayed.out == sink.out
    gate.open()
    assert future.result().exit == 0


def test_what_a_job_left_running_prints_nowhere_once_its_output_is_forgotten(way: Way) -> None:
    fifo = f"{way.folder}/gate"
    way.sh('mkfifo "$1"', fifo)
    left = 'echo begun; (read x <"$1"; echo late; echo done >"$2") & exit 0'
    way.target().change(script(left, fifo, f"{way.folder}/done"), op(), Gathered())

    way.target().forget_output((op(),))
    way.sh('echo go >"$1"', fifo)
    until(lambda: way.sh('cat "$1" 2>/dev/null || true', f"{way.folder}/done") == "done")

    printed = Gathered()
    way.target().job_output(op(), printed)
    assert (bytes(printed.out), bytes(printed.err)) == (b"", b"")


def test_one_machine_has_one_lease_whatever_its_name_but_names_of_this_one_have_one_each(way: Way) -> None:
    way.target("web1").take_lease(lease("run1"))

    second = way.target("web2").take_lease(lease("run2"))

    if way.transport != "ssh":
        assert isinstance(second, LeaseTaken)
        return
    assert isinstance(second, LeaseHeld)
    assert (second.lease.run, second.lease.host) == ("run1", "web1")
    assert isinstance(way.target("web3").take_lease(lease("run1")), LeaseTaken)
    way.target("web1").release_lease("run1")
    assert isinstance(way.target("web2").take_lease(lease("run2")), LeaseHeld)
    assert isinstance(way.target("web2").take_lease(lease("run2"), over="run1"), LeaseTaken)
    assert isinstance(way.target("web3").take_lease(lease("run1")), LeaseHeld)


def test_a_run_whose_claim_was_taken_over_begins_nothing_any_more_until_it_claims_anew(way: Way) -> None:
    made = f"{way.folder}/made"
    way.target().take_lease(lease("run1"))
    assert way.target().change(Cmd(("true",)), op("before"), Gathered()).exit == 0
    elsewhere = Way(way.host(), way.folder)
    taken = elsewhere.target().take_lease(Lease("run1", "piet@desk", "", copy="adopted"), over="run1")
    assert isinstance(taken, LeaseTaken)

    with pytest.raises(ClaimLost, match="piet@desk has taken this run over"):
        way.target().change(Cmd(("touch", made)), op(), Gathered())
    with pytest.raises(ClaimLost, match="piet@desk has taken this run over"):
        way.target().put(io.BytesIO(b"mine"), made, op())
    assert way.target().holder() == LeaseHeld(taken.lease, ())  # type: ignore[attr-defined]
    assert isinstance(elsewhere.target().take_lease(lease("run2"), over="run1"), LeaseTaken)
    with pytest.raises(ClaimLost, match="run run2 of olga@run2 has taken web1 over"):
        way.target().change(Cmd(("touch", made)), op(), Gathered())
    elsewhere.target().release_lease("run2")
    elsewhere.close()
    with pytest.raises(ClaimLost, match="the claim of this run on web1 is gone"):
        way.target().change(Cmd(("touch", made)), op(), Gathered())

    assert way.target().holder() is None  # type: ignore[attr-defined]
    assert way.target().job(op()) == NoJob()
    assert way.sh('test -e "$1" || echo none', made) == "none"
    way.target().take_lease(lease("run1"))
    assert way.target().change(Cmd(("touch", made)), op(), Gathered()).exit == 0


def test_another_copy_of_a_run_is_held_off_until_it_says_that_it_takes_over(way: Way) -> None:
    adopted = replace(lease("run1"), copy="adopted")
    way.target().take_lease(adopted)

    held = way.target().take_lease(lease("run1"))
    way.target().release_lease("run1")

    assert isinstance(held, LeaseHeld)
    assert (held.lease.run, held.lease.copy) == ("run1", "adopted")
    again = way.target().take_lease(adopted)
    assert isinstance(again, LeaseTaken)
    assert again.kept
    assert isinstance(way.target().take_lease(lease("run1"), over="run1"), LeaseTaken)
    assert isinstance(way.target().take_lease(adopted), LeaseHeld)


def test_a_tunnel_leads_to_where_the_target_listens(way: Way) -> None:
    with way.target().tunnel(Address("127.0.0.1", 8080)) as here:
        assert here.port > 0


def test_a_host_is_that_of_the_inventory(way: Way) -> None:
    assert way.target("web2").host == way.host("web2")


def test_refusals_are_transport_errors(way: Way) -> None:
    with pytest.raises(TransportError):
        way.target().read(Cmd(()), Gathered())


def test_old_jobs_go_with_the_lease_and_how_they_ended_is_known_all_the_same(
    way: Way, pool: ThreadPoolExecutor
) -> None:
    way.target().take_lease(lease("run1"))
    old, young = op("old"), op("young")
    for each in (old, young):
        way.target().change(script("exit 3"), each, Gathered())
    gate = Gate(way)
    future, _ = begin(pool, way, gate)
    jobs = '"${XDG_STATE_HOME:-$HOME/.local/state}"/runbook/jobs'
    days_ago = time.strftime("%Y%m%d%H%M", time.gmtime(time.time() - 9 * 86400))
    way.sh(f'touch -t "$1" {jobs}/*.old/status {jobs}/*.main/status', days_ago)

    way.target().release_lease("run1")

    assert way.sh(f"ls {jobs}").split() == sorted([op().text(), young.text()])
    assert way.target().job(old) == JobFinished(3)
    assert way.target().job(young) == JobFinished(3)
    gate.open()
    assert future.result().exit == 0
