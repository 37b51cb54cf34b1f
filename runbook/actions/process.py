"""`process`: which processes run on the target, counted by name, pattern or id."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from runbook.actions.capture import MEBIBYTE, answer
from runbook.actions.form import Timeout, With, script
from runbook.errors import ActionError
from runbook.model.scalar import Effect, Template
from runbook.ports.action import Bad, Good, NoData, Observation
from runbook.ports.target import Cmd, Reader, Sink
from runbook.text import one_line

_MARK = "runbook-process-look"
_LIST = f"""
: {_MARK}
LC_ALL=C; export LC_ALL
echo "uid $(id -u -- "$1" 2>/dev/null)"
# busybox lists all processes without being asked, and refuses -A.
list() {{ ps -A "$@" 2>/dev/null || ps "$@"; }}
echo names; list -o pid= -o comm= || exit
echo rows; list -o pid= -o ppid= -o user= -o stat= -o etime= -o args=
"""
# One -o for each column: by POSIX, everything behind the first = is a heading.

_ROW = re.compile(r"\s*(\d+)\s+(\d+)\s+(\S+)\s+(\S+)\s+(\S+)(?:\s+(.*))?")
_NAME = re.compile(r"\s*(\d+)\s+(.*?)\s*")
_COMM_LENGTH = 15
"""Linux cuts the name of a process to this length."""
MOST_LINES = 64 * MEBIBYTE
MOST_ARGS = 8192


class ProcessWith(With, frozen=True, kw_only=True):
    """Which processes, and how many there should be; at least one of name, pattern and pid."""

    name: Annotated[Template, Meta(description="Name of the program, without its folder")] = ""
    pattern: Annotated[Template, Meta(description="Regular expression searched in the whole command line")] = ""
    pid: Annotated[Annotated[int, Meta(ge=1)] | None, Meta(description="Process id")] = None
    user: Annotated[Template, Meta(description="Only processes of this user")] = ""
    min: Annotated[int, Meta(description="Bad with fewer", ge=0)] = 1
    max: Annotated[Annotated[int, Meta(ge=0)] | None, Meta(description="Bad with more")] = None
    timeout: Timeout = 60.0

    def __post_init__(self) -> None:
        """Refuse a question that every process answers."""
        if not self.name and not self.pattern and self.pid is None:
            raise ValueError("say which processes: by `name`, `pattern` or `pid`")


class ProcessResult(Struct, frozen=True):
    """The processes that were found."""

    count: int
    pids: tuple[int, ...]


class Row(Struct, frozen=True):
    """One process, as `ps` tells it."""

    pid: int
    parent: int
    user: str
    state: str
    elapsed: str
    args: str
    name: str = ""


class Process:
    """Lists the processes of the target and counts those that are asked for; zombies do not count."""

    name: ClassVar[str] = "process"
    summary: ClassVar[str] = "Count the processes of a name, pattern or id"
    effect: ClassVar[Effect] = "read"
    once: ClassVar[bool] = False
    model = ProcessWith
    result = ProcessResult

    def observe(self, w: ProcessWith, t: Reader, sink: Sink) -> Observation[ProcessResult]:
        """Look once: good if the count is between `min` and `max`, no data if `ps` does not answer.

        Raises ActionError for a pattern that is none.
        """
        try:
            pattern = re.compile(w.pattern)
        except re.error as error:
            raise ActionError(f"{one_line(w.pattern)!r} is no pattern: {error}", where="pattern") from error
        if t.host.transport == "chroot":
            return NoData(("a mounted root has no processes of its own: those that run are this machine's",))
        got = answer(t, Cmd(script(_LIST, w.user), timeout=w.timeout), MOST_LINES)
        uid, rows = parse(got.out)
        if got.exit != 0 or not rows:
            return NoData((f"ps does not answer: {got.why}",))
        users = {w.user, uid} - {""}
        found = [
            row
            for row in _others(rows)
            if (w.pid is None or row.pid == w.pid)
            and (not w.name or w.name in {row.name, _program(row)} or row.name == w.name[:_COMM_LENGTH])
            and pattern.search(row.args[:MOST_ARGS])
            and (not w.user or row.user in users or _cut(row.user, w.user))
        ]
        result = ProcessResult(len(found), tuple(row.pid for row in found))
        # Arguments of others may hold what nobody should read: only names are told.
        seen = [f"{r.pid} {one_line(r.name or _program(r))}, user {one_line(r.user)}, up {r.elapsed}" for r in found]
        evidence = (f"{len(found)} found", *seen[:20])
        enough = w.min <= len(found) and (w.max is None or len(found) <= w.max)
        return Good(result, evidence) if enough else Bad(result, evidence)


def parse(text: str) -> tuple[str, list[Row]]:
    """Return the id of the user asked for (empty if there is none) and the rows of a listing."""
    head, _, rest = text.partition("\nnames\n")
    names_text, _, rows_text = rest.partition("\nrows\n")
    names = {int(m[1]): m[2] for line in names_text.splitlines() if (m := _NAME.fullmatch(line))}
    rows = []
    for line in rows_text.split("\n"):
        if match := _ROW.fullmatch(line):
            pid, parent, user, state, elapsed, args = match.groups()
            rows.append(Row(int(pid), int(parent), user, state, elapsed, args or "", names.get(int(pid), "")))
    return head.removeprefix("uid").strip(), rows


def _others(rows: list[Row]) -> list[Row]:
    """Leave out zombies, and the processes of this very look: those that carry its mark, and their children."""
    own = {row.pid for row in rows if _MARK in row.args}
    parents = {row.pid: row.parent for row in rows}
    return [
        row
        for row in rows
        if not row.state.startswith("Z") and not row.args.endswith("<defunct>") and not own & _line(row.pid, parents)
    ]


def _line(pid: int, parents: dict[int, int]) -> set[int]:
    """Return a process and all above it."""
    line: set[int] = set()
    while pid and pid not in line:
        line.add(pid)
        pid = parents.get(pid, 0)
    return line


def _program(row: Row) -> str:
    """Return the last part of the first word of the command line; a login shell begins with a dash."""
    return row.args.partition(" ")[0].rpartition("/")[2].lstrip("-")


def _cut(shown: str, user: str) -> bool:
    """Return whether `ps` shows this user cut to its column."""
    return shown.endswith("+") and len(shown) > 1 and user.startswith(shown[:-1])
