"""`command` and `shell`: what the playbook's author wrote, as an action or as a probe; the step says which.

Neither knows what it does, so neither brings a check or a way back: the step writes them. Secrets travel by
environment or stdin; one in argv is an error, because every process list would show it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any, ClassVar, Generic, TypeVar

import msgspec
from msgspec import Meta, Struct, field

from runbook.actions.capture import MEBIBYTE, Captured, Keep, answer, capture, change, failure, json_of
from runbook.actions.form import Timeout, With, script, typed
from runbook.errors import ActionError, TransportError
from runbook.model.built import built
from runbook.model.scalar import Effect, Json, Name, Template
from runbook.ports.action import (
    Bad,
    Done,
    Good,
    Inspection,
    NoData,
    NotDone,
    Observation,
    OpenOp,
    Proceed,
    Refuse,
    Settlement,
    StepPlan,
    Unknown,
    Verdict,
    Work,
)
from runbook.ports.target import (
    Cmd,
    Finished,
    JobFinished,
    JobLost,
    JobRunning,
    JobUnknown,
    NoJob,
    OpKey,
    Reader,
    Sink,
)
from runbook.secret import Secret
from runbook.text import one_line

NO_SUDO = "install it there, log in as root, or leave sudo out"
_LOOK = """
program=$1 cwd=$2 path=$3 sudo=$4
if [ -n "$sudo" ]; then command -v sudo >/dev/null || exit 8; fi
if [ -n "$cwd" ] && [ -z "$sudo" ]; then cd -- "$cwd" || exit 9; fi
found() { if [ -f "$1" ] && [ -x "$1" ]; then printf %s "$1"; exit 0; fi; }
case $program in */*) found "$program"; exit 1 ;; esac
if [ -n "$path" ]; then PATH=$path; fi
if [ -n "$sudo" ]; then PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin; fi
set -f; IFS=:
for folder in $PATH; do found "${folder:-.}/$program"; done
exit 1
""".strip().replace("\n", "; ")
# On one line and without single quotes, as every login shell reads it alike: so no shell of ours has to read it first.
# `command -v` would find the shell's own words, which cannot be run without it. It looks without sudo, so that rules
# for this one command are enough. sudo has a path of its own, where the programs of the system are as well; a folder
# that only root can enter is not looked into.


class Surroundings(With, frozen=True, kw_only=True):
    """What a command finds around it."""

    env: Annotated[dict[Name, Any], Meta(description="Environment of the command; secrets are welcome here")] = field(
        default_factory=dict
    )
    cwd: Annotated[Template, Meta(description="Working folder; without it, the login's")] = ""
    stdin: Annotated[Any, Meta(description="What the command reads; secrets are welcome here")] = ""
    sudo: Annotated[bool, Meta(description="Run as root through sudo")] = False
    timeout: Timeout = 60.0


class CommandWith(Surroundings, frozen=True, kw_only=True):
    """A program and its arguments; no shell looks at them."""

    argv: Annotated[tuple[Any, ...], Meta(description="Program and arguments", min_length=1)]


class ShellWith(Surroundings, frozen=True, kw_only=True):
    """A script for the POSIX shell of the target."""

    script: Annotated[str, Meta(description="A POSIX sh script; values reach it by `env`", min_length=1)]


class CommandBefore(Struct, frozen=True):
    """Where the program was found."""

    program: str


class CommandResult(Struct, frozen=True):
    """What the command wrote, and its exit status."""

    exit: int
    stdout: str
    stderr: str
    json: Any = None
    """`stdout` as JSON, null if it is none."""


W = TypeVar("W", bound=Surroundings)


class _Runs(Generic[W]):
    """What `command` and `shell` have in common: all but how the words become argv."""

    effect: ClassVar[Effect] = "change"
    once: ClassVar[bool] = False
    brings_verify: ClassVar[bool] = False
    brings_undo: ClassVar[bool] = False
    before = CommandBefore
    result = CommandResult

    def argv(self, w: W) -> tuple[str, ...]:
        """Return what is run. Raises ActionError if it cannot be."""
        raise NotImplementedError

    def words(self, w: W) -> str:
        """Say what is run."""
        raise NotImplementedError

    def inspect(self, w: W, t: Reader) -> Inspection[CommandBefore]:
        """Refuse if the program or the working folder is not there."""
        try:
            cmd = self._cmd(w)
        except ActionError as error:
            return Refuse(error.message, error.remedy)
        path = w.env.get("PATH")
        words = (cmd.argv[0], w.cwd, path if isinstance(path, str) else "", "sudo" if w.sudo else "")
        found = answer(t, Cmd(script(_LOOK, *words)))
        if found.exit == 8:
            return Refuse(f"there is no sudo on {t.host.name}", NO_SUDO)
        if found.exit == 9:
            return Refuse(f"there is no folder {one_line(w.cwd)} to run in", "create it, or name another one")
        if found.exit in {126, 127}:
            return Refuse(f"nothing can be run there: {found.why}", "put its shell and its libraries back first")
        if found.exit != 0:
            return Refuse(f"there is no program {one_line(cmd.argv[0])}", "install it, or write its full path")
        return Proceed(CommandBefore(found.out.strip()))

    def plan(self, w: W, b: CommandBefore) -> StepPlan:
        """Show the command as it will be run; secrets are shown as such."""
        cmd = self._cmd(w)
        env = [f"{name}={value}" for name, value in cmd.env.items()]
        line = typed((*(["env"] if env else []), *env, *cmd.argv), sudo=w.sudo)
        notes = ["It reads from stdin what the step gives it"] if cmd.stdin else []
        return StepPlan(
            words=self.words(w),
            commands=(f"cd {typed((w.cwd,))} && {line}" if w.cwd else line,),
            notes=tuple(notes),
            undo="",
        )

    def apply(self, w: W, b: CommandBefore, work: Work) -> CommandResult:
        """Run it, in one operation. Raises ActionError unless it exits with 0."""
        seen: list[Captured] = []

        def body(key: OpKey) -> Mapping[str, Json]:
            got = change(work, key, self._cmd(w))
            seen.append(got)
            return _receipt(key, got.exit, got.finished.ended)

        receipt = work.op("run", {"do": "run", "argv": [one_line(word, 4096) for word in self.argv(w)]}, body)
        got = seen[0] if seen else _again(receipt, work)
        if got.exit != 0 or got.finished.ended != "exit":
            raise ActionError(failure(self.words(w), got))
        return _result(got)

    def settle(self, w: W, b: CommandBefore, o: OpenOp, t: Reader) -> Settlement:
        """Ask the job folder on the target; nothing else can tell."""
        match t.job(o.key):
            case NoJob():
                return NotDone(("it was never started on the target",))
            case JobFinished(exit=status, evidence=evidence):
                return Done(_receipt(o.key, status, "exit"), (f"it ended with exit {status}", *evidence))
            case JobRunning(pid=pid, seconds=seconds, evidence=evidence):
                return Unknown((f"it still runs as process {pid}, for {seconds:.0f} s", *evidence))
            case JobLost(evidence=evidence):
                return Unknown(("it was started, does not live and left no exit status", *evidence))
            case JobUnknown(evidence=evidence):
                return Unknown(("what became of it could not be found out", *evidence))

    def verify(self, w: W, b: CommandBefore, r: CommandResult | None, t: Reader) -> Verdict:
        """Know nothing: the step writes its check."""
        return Verdict("no data", ("a command brings no check",))

    def drift(self, w: W, b: CommandBefore, r: CommandResult | None, t: Reader) -> Verdict:
        """Know nothing: what a command leaves behind is not known."""
        return Verdict("no data", ("what a command leaves behind is not known",))

    def undo(self, w: W, b: CommandBefore, r: CommandResult | None, work: Work) -> None:
        """Refuse: the step writes its way back."""
        raise ActionError("a command brings no way back", remedy="write `undo:` in the step")

    def undone(self, w: W, b: CommandBefore, r: CommandResult | None, t: Reader) -> Verdict:
        """Know nothing."""
        return Verdict("no data", ("a command brings no check of its way back",))

    def observe(self, w: W, t: Reader, sink: Sink) -> Observation[CommandResult]:
        """Run it as something that only reads: good if it exits with 0, no data if its end is not known."""
        got = capture(t, self._cmd(w), MEBIBYTE, sink)
        if got.exit is None or got.finished.ended != "exit":
            seen = tuple(one_line(line, 300) for line in got.finished.evidence)
            return NoData((f"ended by {got.finished.ended} after {got.finished.seconds:.0f} s", *seen))
        found = _result(got)
        told = f"exit {got.exit}" if got.why == f"exit {got.exit}" else f"exit {got.exit}: {got.why}"
        if got.exit == 127 and not isinstance(self, Shell):
            # What `env`, the shells and POSIX say when there is no such program.
            by_sudo = w.sudo and "sudo" in got.why
            lacks = f"no sudo on {t.host.name}" if by_sudo else f"no program {one_line(self._cmd(w).argv[0])}"
            told = f"{told}: there is {lacks}" + (f"; {NO_SUDO}" if by_sudo else "")
        evidence = (told, "the output is longer than what is kept") if got.truncated else (told,)
        return Good(found, evidence) if got.exit == 0 else Bad(found, evidence)

    def _cmd(self, w: W) -> Cmd:
        stdin = w.stdin if isinstance(w.stdin, Secret) else _word(w.stdin, "stdin").encode()
        env = {name: value if isinstance(value, Secret) else _word(value, name) for name, value in w.env.items()}
        return Cmd(self.argv(w), w.timeout, env, w.cwd, stdin, w.sudo)


class Command(_Runs[CommandWith]):
    """Runs a program with its arguments, without a shell."""

    name: ClassVar[str] = "command"
    summary: ClassVar[str] = "Run a program with arguments; no shell looks at them"
    model = CommandWith

    def argv(self, w: CommandWith) -> tuple[str, ...]:
        """Return the words. Raises ActionError for a secret, or for what is no word."""
        words = tuple(_word(word, "argv") for word in w.argv)
        if not words[0] or words[0].startswith("-"):
            raise ActionError(f"{words[0]!r} is no program", where="argv")
        return words

    def words(self, w: CommandWith) -> str:
        """Say which program."""
        return f"Run {typed(self.argv(w))}"


class Shell(_Runs[ShellWith]):
    """Runs a script in the POSIX shell of the target."""

    name: ClassVar[str] = "shell"
    summary: ClassVar[str] = "Run a POSIX sh script"
    model = ShellWith

    def argv(self, w: ShellWith) -> tuple[str, ...]:
        """Return the shell and its script."""
        return script(_word(w.script, "script"))

    def words(self, w: ShellWith) -> str:
        """Say what the first line of the script is."""
        first, *more = [line.strip() for line in w.script.splitlines() if line.strip()] or [""]
        return f"Run the script: {one_line(first)}" + (f" … ({len(more)} more lines)" if more else "")


def _word(value: object, where: str) -> str:
    """Return one word of a command. Raises ActionError if it is a secret, or no text or number."""
    if isinstance(value, Secret):
        raise ActionError("a secret in argv would stand in every process list", where=where, remedy="use env or stdin")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ActionError(f"a {type(value).__name__} is no word of a command", where=where, remedy="quote it")
    if "\0" in (text := str(value)):
        raise ActionError("a NUL character cannot be part of a command", where=where)
    return text


def _receipt(key: OpKey, status: int | None, ended: str) -> dict[str, Json]:
    """Return what is on record of an end; the key leads to the output that the target keeps."""
    return {"exit": status, "ended": ended, "job": msgspec.to_builtins(key)}


def _again(receipt: Mapping[str, Json], work: Work) -> Captured:
    """Return what an operation captured that was carried out before this process began."""
    keep = Keep()
    # The output is an extra; the exit status is on record.
    with suppress(msgspec.ValidationError, TransportError):
        work.target.job_output(msgspec.convert(receipt.get("job"), built(OpKey)), keep)
    return keep.captured(
        msgspec.convert({"exit": receipt.get("exit"), "seconds": 0.0, "ended": receipt.get("ended")}, built(Finished))
    )


def _result(got: Captured) -> CommandResult:
    return CommandResult(got.exit or 0, got.out, got.err, None if got.truncated else json_of(got.out))
