"""What a host says of its jobs, leases and processes: the questions in `remote.sh`, and the reading of the answers.

Owns the texts that are sent for them and the meaning of what comes back; sending is left to `target`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from shlex import quote

import msgspec
from msgspec import Struct

from runbook.model.built import built
from runbook.ports.target import (
    Dead,
    FoundJob,
    JobFinished,
    JobLost,
    JobRunning,
    JobState,
    JobUnknown,
    Lease,
    NoJob,
    NotConfirmed,
    OpKey,
)
from runbook.transports.folder import Intent, folder_name
from runbook.transports.wrapper import encoded

COMMAND = "exec sh -s runbook-look"
"""The command that takes a question, for a login shell of any kind."""


class Answer(Struct, frozen=True):
    """The lines of an answer: a word and its value, in order."""

    lines: tuple[tuple[str, str], ...]

    def one(self, word: str) -> str | None:
        """Return the value of a word, None if it was not said."""
        return next((value for name, value in self.lines if name == word), None)

    def all(self, word: str) -> tuple[str, ...]:
        """Return all values of a word."""
        return tuple(value for name, value in self.lines if name == word)


def question(call: str, **settings: str) -> bytes:
    """Return the text for `sh -s` that makes one call of `remote.sh`."""
    given = {"key": "", "mark": "", "sudo": "", "password": "", "patient": "", **settings}
    lines = [f"rb_{name}={quote(value)}" for name, value in given.items()]
    return b"{\n%s\n%s\nrb_do_%s\n}\n" % (encoded("\n".join(lines)), script("remote.sh"), call.encode())


@cache
def script(name: str) -> bytes:
    """Return a script of this package, without what only readers need."""
    lines = Path(__file__).with_name(name).read_bytes().splitlines()
    return b"\n".join(line.strip() for line in lines if line.strip() and not line.lstrip().startswith(b"#"))


def key_of(op: OpKey) -> str:
    """Return the name of the job folder of an operation."""
    return folder_name(op)


def answer(data: bytes) -> Answer:
    """Read an answer; what a login shell says before it has no meaning here."""
    lines = data.decode("utf-8", "replace").splitlines()
    return Answer(tuple((line.partition(" ")[0], line.partition(" ")[2]) for line in lines))


def state_of(said: Answer, boot: str = "") -> JobState:
    """Return what became of a job, by the answer to `look`; `boot` is the start of the host that the run began with."""
    folder = said.one("folder")
    living = tuple(f"lives: {line}" for line in said.all("living"))
    if folder is None:
        return JobUnknown(("the host did not answer the question for the job",))
    if folder == "none":
        if living:
            return JobRunning(_pid(said), 0.0, ("its job folder is gone", *living))
        if boot and said.one("boot") not in {None, "", boot}:
            # One that lay in memory went with the restart.
            return JobUnknown(("there is no job folder, and the machine was started anew since",))
        return NoJob()
    if said.one("foreign") is not None:
        return JobUnknown((f"others may write to {said.one('foreign')}: what stands there proves nothing",))
    status = said.one("status")
    if status is not None:
        number, _, why = status.partition(" ")
        return JobFinished(int(number), (f"ended by {why}",) if why != "exit" else ())
    sizes = (said.one("size") or "? ?").split()
    last_words = f"it has written out {sizes[0]} bytes, err {sizes[-1]} bytes"
    if said.one("anew") is not None:
        return JobLost(("the machine was started anew since, and the job left no status", last_words))
    age = float(_number(said.one("age")))
    wrapper = said.one("wrapper")
    if wrapper is not None:
        return JobRunning(_number(wrapper), age)
    if living:
        return JobRunning(_pid(said), age, ("its wrapper is gone: no exit status will come", *living))
    if said.one("begun") is None:
        return JobLost(("claimed, but it left no sign that a command was started",))
    return JobLost(("no process of the job lives, and it left no status", last_words))


def verdict_of(said: Answer) -> Dead | NotConfirmed:
    """Return whether all is dead, by the answer to one of the calls that end something."""
    told = said.all("evidence")
    living = tuple(f"still lives: {line}" for line in said.all("living"))
    match said.one("verdict"):
        case "dead":
            return Dead(told)
        case "alive":
            return NotConfirmed((*told, *living))
        case _:
            return NotConfirmed((*told, *living, "the host did not say whether it is dead"))


def lease_of(text: str) -> Lease:
    """Read a lease file."""
    try:
        return msgspec.json.decode(text.encode("utf-8", "surrogateescape"), type=built(Lease))
    except msgspec.MsgspecError:
        return Lease("?", "unknown: the lease cannot be read", "?")


def lease_parts(lease: Lease, host: str) -> tuple[str, str, str]:
    """Return what stands before the time in a lease file, between it and the machine, and behind that."""
    told = {"run": lease.run, "copy": lease.copy, "owner": lease.owner, "host": host}
    head = msgspec.json.encode(told).decode().removesuffix("}")
    return f'{head},"since":"', '","machine":"', '"}'


def run_in_lease(run: str, copy: str | None = None) -> str:
    """Return what a lease file of a run holds and no other; with `copy`, of this copy of its journal."""
    text = f'"run":{msgspec.json.encode(run).decode()},'
    return text if copy is None else f'{text}"copy":{msgspec.json.encode(copy).decode()},'


def unfinished(said: Answer, run: str, host: str) -> tuple[str, ...]:
    """Return the folders of a run on a host that hold no status, by the answer to `unfinished`."""
    names = said.all("job")
    found = []
    for name, text in zip(names, said.all("intent"), strict=False):
        try:
            intent = msgspec.json.decode(text.encode(), type=built(Intent))
        except msgspec.MsgspecError:
            # One that cannot be read could be of this host: then it counts.
            found.append(name)
            continue
        if (intent.run, intent.host) == (run, host):
            found.append(name)
    return tuple(found)


def found_jobs(said: Answer, host: str) -> tuple[FoundJob, ...]:
    """Return the jobs of a host, by the answer to `jobs`; folders whose intent cannot be read are left out."""
    found = []
    status = ""
    for name, value in said.lines:
        if name == "status":
            status = value
        elif name == "intent":
            try:
                intent = msgspec.json.decode(value.encode(), type=built(Intent))
            except msgspec.MsgspecError:
                continue
            if intent.host == host:
                op = OpKey(intent.run, intent.step, intent.host, intent.attempt, intent.name)
                found.append(FoundJob(op, intent.command, intent.card, status))
    return tuple(found)


def host_part(host: str) -> str:
    """Return a host name as one safe path component, as a job folder has it."""
    return OpKey(host, "", "", 0, "").text().partition(".")[0]


def _pid(said: Answer) -> int:
    return _number(next(iter(said.all("living")), "").partition(" ")[0])


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isdigit() else 0
