"""`command` and `shell`, as actions and as probes."""

from __future__ import annotations

from pathlib import Path

import pytest

from runbook.actions.command import Command, CommandBefore, CommandResult, CommandWith, Shell, ShellWith
from runbook.errors import ActionError, DeadlineError, TransportError
from runbook.ports.action import Bad, Done, Good, NoData, NotDone, OpenOp, Proceed, Refuse, Unknown
from runbook.ports.target import (
    Cmd,
    Finished,
    JobFinished,
    JobLost,
    JobRunning,
    JobState,
    JobUnknown,
    NoJob,
    OpKey,
    Sink,
)
from runbook.secret import Secret
from runbook.testing import Bench, MemoryWork
from runbook.testing.faulty import Fault, Faulty
from runbook.testing.work import Silent
from runbook.transports.wrapper import read_line

B = CommandBefore("sh")
WORDS = ["", " ", "a b", "*", "$HOME", "`id`", "$(id)", "-x", "'", '"', "\\", "a\nb", ";", "ünï"]


def read(w: CommandWith):  # type: ignore[no-untyped-def]
    return Command().observe(w, Bench(), Silent())


def read_script(text: str, **more: object):  # type: ignore[no-untyped-def]
    return Shell().observe(ShellWith(script=text, **more), Bench(), Silent())  # type: ignore[arg-type]


def test_words_stay_words(tmp_path: Path) -> None:
    seen = read(CommandWith(argv=("printf", "[%s]", *WORDS)))

    assert seen.value.stdout == "".join(f"[{word}]" for word in WORDS)


def test_numbers_are_words_and_other_things_are_not() -> None:
    assert read(CommandWith(argv=("printf", "%s ", 5, 1.5))).value.stdout == "5 1.5 "
    for wrong in (None, True, ["x"], "a\0b"):
        with pytest.raises(ActionError):
            read(CommandWith(argv=("echo", wrong)))


def test_values_reach_a_script_by_the_environment_and_not_by_its_text() -> None:
    seen = read_script('printf %s "$A"', env={"A": "; echo hacked $(id)"})

    assert seen.value.stdout == "; echo hacked $(id)"


@pytest.mark.parametrize("script", ["-x 2>/dev/null; echo ran", "+x 2>/dev/null; echo ran", "# only\necho ran"])
def test_a_script_is_a_script_however_it_begins(script: str) -> None:
    assert read_script(script).value.stdout == "ran\n"


def test_the_exit_status_is_good_or_bad() -> None:
    assert read(CommandWith(argv=("true",))) == Good(CommandResult(0, "", "", None), ("exit 0",))
    assert read_script("echo why >&2; exit 3") == Bad(CommandResult(3, "", "why\n", None), ("exit 3: why",))


def test_output_that_is_json_is_read_as_such() -> None:
    assert read_script("echo '{\"a\": [1, 2.5]}'").value.json == {"a": [1, 2.5]}
    assert read_script("echo '{\"a\": '").value.json is None
    assert read_script("head -c 20000 /dev/zero | tr '\\0' '['").value.json is None


def test_bytes_that_are_no_text_do_not_stop_anything() -> None:
    assert read_script(r"printf 'a\377b'").value.stdout == "a�b"


def test_a_flood_is_cut_and_says_so() -> None:
    seen = read_script("head -c 3000000 /dev/zero | tr '\\0' x")

    assert len(seen.value.stdout) == 1024 * 1024
    assert "the output is longer than what is kept" in seen.evidence


def test_a_probe_that_does_not_end_is_no_data() -> None:
    seen = read(CommandWith(argv=("sleep", "30"), timeout=0.2))

    assert isinstance(seen, NoData)


def test_stdin_environment_and_folder_reach_the_command(tmp_path: Path) -> None:
    w = ShellWith(script='cat; printf " %s " "$TOKEN"; pwd', cwd=str(tmp_path), stdin="in", env={"TOKEN": "t"})

    assert Shell().observe(w, Bench(), Silent()).value.stdout == f"in t {tmp_path}\n"  # type: ignore[union-attr]


def test_secrets_reach_environment_and_stdin_and_no_plan() -> None:
    w = ShellWith(script='cat; printf " %s" "$TOKEN"', stdin=Secret("s3cret-in"), env={"TOKEN": Secret("s3cret-env")})

    assert Shell().observe(w, Bench(), Silent()).value.stdout == "s3cret-in s3cret-env"  # type: ignore[union-attr]
    plan = Shell().plan(w, B)
    assert "s3cret" not in repr(plan)
    assert "TOKEN=«secret»" in plan.commands[0]


def test_a_secret_in_argv_is_an_error_wherever_it_is_noticed() -> None:
    w = CommandWith(argv=("curl", "-H", Secret("hunter22")))

    found = Command().inspect(w, Bench())
    assert isinstance(found, Refuse)
    assert found.remedy == "use env or stdin"
    for act in (lambda: read(w), lambda: Command().plan(w, B), lambda: Command().apply(w, B, MemoryWork(Bench()))):
        with pytest.raises(ActionError) as caught:
            act()
        assert "hunter22" not in str(caught.value)


def test_the_plan_is_what_an_operator_would_type() -> None:
    w = CommandWith(argv=("rm", "-rf", "/var/cache/a b"), env={"A": "1 2"}, cwd="/x y", sudo=True)

    plan = Command().plan(w, B)

    assert plan.words == "Run rm -rf '/var/cache/a b'"
    assert plan.commands == ("cd '/x y' && sudo env 'A=1 2' rm -rf '/var/cache/a b'",)


def test_a_script_is_named_by_its_first_line_and_shown_whole() -> None:
    plan = Shell().plan(ShellWith(script="\necho one\necho two\n"), B)

    assert plan.words == "Run the script: echo one … (1 more lines)"
    assert "echo two" in plan.commands[0]


class Reading(Bench):
    """A bench that remembers what was read."""

    def __init__(self) -> None:
        super().__init__()
        self.looks: list[Cmd] = []

    def read(self, cmd: Cmd, sink: Sink) -> Finished:
        self.looks.append(cmd)
        return super().read(cmd, sink)


def test_the_look_before_a_change_can_be_sent_as_one_line() -> None:
    """What a shell of ours has to read first takes a host half as long again."""
    bench = Reading()
    Command().inspect(CommandWith(argv=("/usr/bin/true", "a\nb"), cwd="/"), bench)

    assert [read_line(cmd, "mark") != "" for cmd in bench.looks] == [True]


def test_a_program_or_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    def refusal(w: CommandWith) -> str:
        found = Command().inspect(w, Bench())
        assert isinstance(found, Refuse)
        return found.why

    assert refusal(CommandWith(argv=("export",))) == "there is no program export"
    assert refusal(CommandWith(argv=("/etc",))) == "there is no program /etc"
    assert refusal(CommandWith(argv=("no-such-program",))) == "there is no program no-such-program"
    assert refusal(CommandWith(argv=("true",), cwd=f"{tmp_path}/no")) == f"there is no folder {tmp_path}/no to run in"
    assert refusal(CommandWith(argv=("true",), env={"PATH": str(tmp_path)})) == "there is no program true"
    assert isinstance(Command().inspect(CommandWith(argv=("true",), cwd=str(tmp_path)), Bench()), Proceed)


def test_a_failed_command_has_a_receipt_and_an_error_with_its_last_words() -> None:
    work = MemoryWork(Bench())

    with pytest.raises(ActionError, match="failed with exit 4: the disk is full"):
        Shell().apply(ShellWith(script="echo the disk is full >&2; exit 4"), B, work)
    assert work.receipts["run"]["exit"] == 4


@pytest.mark.parametrize(
    ("fault", "error", "has_receipt"),
    [
        ("stopped", ActionError, True),
        ("survives", DeadlineError, False),
        ("lost", TransportError, False),
        ("refused", TransportError, False),
    ],
)
def test_only_what_is_known_to_be_over_has_a_receipt(fault: Fault, error: type[Exception], has_receipt: bool) -> None:
    work = MemoryWork(Faulty(Bench(), {"run": fault}))

    with pytest.raises(error) as caught:
        Command().apply(CommandWith(argv=("true",)), B, work)

    assert isinstance(caught.value, ActionError) == (fault == "stopped")
    assert ("run" in work.receipts) == has_receipt


def test_output_of_an_operation_of_an_earlier_process_is_fetched_again(tmp_path: Path) -> None:
    w = ShellWith(script=f"echo '{{\"n\": 1}}'; echo x >> {tmp_path}/log")
    work = MemoryWork(Bench())
    first = Shell().apply(w, B, work)

    again = Shell().apply(w, B, work.restarted())

    assert again == first
    assert again.json == {"n": 1}
    assert (tmp_path / "log").read_text() == "x\n"


@pytest.mark.parametrize(
    ("state", "settlement"),
    [
        (NoJob(), NotDone),
        (JobFinished(0), Done),
        (JobFinished(7), Done),
        (JobRunning(42, 3.0), Unknown),
        (JobLost(("rebooted",)), Unknown),
        (JobUnknown(), Unknown),
    ],
)
def test_settle_tells_what_the_job_folder_tells(state: JobState, settlement: type) -> None:
    class Told(Bench):
        def job(self, op: OpKey) -> JobState:
            return state

    key = OpKey("r", "s", "local", 1, "run")
    found = Command().settle(CommandWith(argv=("true",)), B, OpenOp(key, {}), Told())

    assert isinstance(found, settlement)
    if isinstance(found, Done):
        assert isinstance(state, JobFinished)
        assert found.receipt["exit"] == state.exit
    assert found.evidence


def test_neither_brings_a_check_or_a_way_back() -> None:
    w = CommandWith(argv=("true",))

    assert Command().verify(w, B, None, Bench()).state == "no data"
    assert Command().drift(w, B, None, Bench()).state == "no data"
    with pytest.raises(ActionError, match="no way back"):
        Command().undo(w, B, None, MemoryWork(Bench(), undo=True))
