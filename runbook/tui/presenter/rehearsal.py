"""What a rehearsal found: diffs that are alike told once, hosts that could not be asked, normal values and guards."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from runbook.engine.rehearsal import Rehearsed
from runbook.text import counted, one_line, reveal
from runbook.tui.presenter.beside import BESIDE, beside_rows
from runbook.tui.presenter.place import where
from runbook.tui.presenter.words import BLANK, Row, bold, muted, plain, said, shortened, wrapped

WELL = "on $well"
MOST_LINES = 12
"""Lines of a diff that are shown beside everything else; the whole of it has a place of its own."""

State = Literal["none", "running", "done", "stale", "stopped", "failed"]
_WATCH = ("baseline", "guard")
_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")


class Look(Struct, frozen=True):
    """One rehearsal, as far as it has come."""

    state: State = "none"
    steps: tuple[Rehearsed, ...] = ()
    error: str = ""
    at: str = ""
    """The time of day when it ended."""
    why: str = ""
    """What it waits for; only while there is none."""


def status(look: Look) -> Row:
    """Return how far the rehearsal is, and what it can be trusted for."""
    hosts = sorted({step.target for step in look.steps if where(step.target) and step.kind not in _WATCH})
    asked = f", {counted(len(hosts), 'host')}" if hosts else ""
    match look.state:
        case "none":
            return (muted(look.why or "not yet"),)
        case "running":
            return (
                said("running", "looking"),
                muted(f", {counted(len(look.steps), 'look')} so far; nothing is changed"),
            )
        case "done":
            return (said("succeeded", "read only"), muted(f", {look.at}{asked}"))
        case "stale":
            return (said("waiting", "out of date"), muted(", ^r looks again"))
        case "stopped":
            return (said("waiting", "stopped"), muted(", ^r looks again"))
        case "failed":
            return (said("failed", "could not look"), muted(", ^r looks again"))


def rows(look: Look, cells: int, *, whole: bool = False) -> list[Row]:
    """Return what each step would do; reads that only look are told in one line."""
    found: list[Row] = []
    if look.error:
        found += [*wrapped(((one_line(look.error, 1000), "$bad"),), cells), BLANK]
    for step, same in _grouped(look.steps):
        group = _group(step, same, cells, whole)
        if found and (len(group) > 1) and found[-1] != BLANK:
            found.append(BLANK)
        found += group
        if len(group) > 1:
            found.append(BLANK)
    while found and found[-1] == BLANK:
        found.pop()
    return found


def _grouped(steps: Iterable[Rehearsed]) -> list[tuple[Rehearsed, list[str]]]:
    alike: dict[tuple[object, ...], tuple[Rehearsed, list[str]]] = {}
    for step in steps:
        if step.kind in _WATCH:
            continue
        key = (step.step, step.state, step.words, step.commands, step.diff, step.notes)
        alike.setdefault(key, (step, []))[1].append(step.target)
    return list(alike.values())


def _group(step: Rehearsed, targets: list[str], cells: int, whole: bool) -> list[Row]:
    named = [where(target) for target in targets if where(target)]
    head = (_name(step), plain("  "), *_says(step))
    found = wrapped(head, cells, 2)
    if step.commands and step.effect != "read" and (whole or not step.diff):
        for command in step.commands if whole else step.commands[:4]:
            for number, line in enumerate(reveal(command).split("\n")):
                found += wrapped((muted("  $ " if not number else "    "), plain(line)), cells, 4)
    if step.diff:
        lines = beside_rows(step.diff, cells) if cells >= BESIDE else diff_rows(step.diff)
        hidden = 0 if whole else max(0, len(lines) - MOST_LINES)
        found += lines[: len(lines) - hidden] if hidden else lines
        more = f", {hidden} more lines: ^o" if hidden else ""
        found.append((muted(f"{_places(named)}, {_size(step.diff)}{more}"),))
    elif named and step.state in ("refused", "failed", "unreachable"):
        found.append((muted(f"  on {_places(named)}"),))
    for note in step.notes:
        found += wrapped((muted(f"  {one_line(reveal(note), 300)}"),), cells, 2)
    return found


def _name(step: Rehearsed) -> tuple[str, str]:
    return bold(one_line(step.step, 60)) if step.effect != "read" else muted(one_line(step.step, 60))


def _says(step: Rehearsed) -> Row:
    words = one_line(reveal(step.words), 400)
    match step.state:
        case "refused" | "unreachable" | "failed":
            return (said(step.state), plain(f" {words}"))
        case "skipped":
            return (said("skipped"), muted(f" {words}"))
        case "not run":
            return (muted(f"{words}: not run before its turn"),)
        case "later":
            return (muted(words),)
        case "maybe":
            return (said("pending", "maybe"), muted(f" {words}"))
        case _:
            return (plain(words) if step.effect != "read" else muted(words),)


def _places(named: list[str]) -> str:
    if not named:
        return "here"
    if len(named) == 1:
        return one_line(named[0], 60)
    return f"the same on all {len(named)} hosts" if len(named) > 3 else one_line(", ".join(named), 100)


def _size(diff: str) -> str:
    lines = diff.split("\n")
    more = sum(1 for line in lines if line.startswith("+") and not line.startswith("+++"))
    less = sum(1 for line in lines if line.startswith("-") and not line.startswith("---"))
    return f"+{more} -{less} lines"


def diff_rows(diff: str) -> list[Row]:
    """Return a unified diff with the numbers of its lines, every control character in it visible."""
    found: list[Row] = []
    old = new = 0
    for raw in diff.rstrip("\n").split("\n"):
        line = reveal(raw, keep="").replace("␉", "    ")
        hunk = _HUNK.match(line)
        if hunk is not None:
            if old:
                found.append((("  ...", f"$muted {WELL}"),))
            old, new = int(hunk[1]), int(hunk[2])
        elif line.startswith(("--- ", "+++ ")) and not old:
            continue
        elif line.startswith("-"):
            found.append(((f"{f'-{old}':>5}  {line[1:]}", f"$bad {WELL}"),))
            old += 1
        elif line.startswith("+"):
            found.append(((f"{f'+{new}':>5}  {line[1:]}", f"$good {WELL}"),))
            new += 1
        else:
            found.append(((f"{new or '':>5}  ", f"$muted {WELL}"), (line[1:], WELL)))
            old, new = old + 1, new + 1
    return found


def watch_rows(look: Look, cells: int) -> list[Row]:
    """Return normal values and guards, as the rehearsal saw them."""
    found: list[Row] = []
    for step in look.steps:
        if step.kind == "baseline":
            lacking = step.words == "no data"
            found += wrapped(
                (
                    plain(f"{one_line(step.title, 40):<14} "),
                    said("failed", "no data") if lacking else said("succeeded", "normal"),
                    plain("" if lacking else f" {one_line(step.words, 200)}"),
                ),
                cells,
                15,
            )
    for step in look.steps:
        if step.kind == "guard":
            state, _, rest = step.words.partition(" now, ")
            tone = {"good": "succeeded", "bad": "failed"}.get(state, "waiting")
            found += wrapped(
                (muted("Guard "), bold(one_line(step.title, 40)), plain(" "), said(tone, state), plain(f" {rest}.")),
                cells,
                2,
            )
    return found


def warnings(look: Look) -> int:
    """Return how many steps say no or could not be looked at, and how many normal values and guards have no data.

    What was found with other values than those that stand there says nothing.
    """
    if look.state == "stale":
        return 0
    return sum(1 for step in look.steps if step.state in ("refused", "failed", "unreachable") or _lacks(step))


def refused(look: Look) -> tuple[str, ...]:
    """Return the steps that the rehearsal refused with the values that stand there."""
    if look.state == "stale":
        return ()
    return tuple(dict.fromkeys(step.step for step in look.steps if step.state == "refused"))


def _lacks(step: Rehearsed) -> bool:
    return step.kind in _WATCH and step.words.startswith("no data")


def host_row(host: str, look: Look, cells: int) -> Row:
    """Return what the rehearsal knows of a host."""
    here = [step for step in look.steps if step.target == host]
    if not here:
        if look.state == "running":
            return (said("pending", "not looked at yet"),)
        return (said("pending", "not looked at"),)
    for step in here:
        if step.state == "unreachable":
            return shortened((said("unreachable"), muted(f" {one_line(step.words, 200)}")), cells)
    for step in here:
        if step.state in ("refused", "failed"):
            return shortened((said(step.state), muted(f" at {one_line(step.step, 40)}: {step.words}")), cells)
    changing = [step for step in here if step.effect != "read" and step.state in ("known", "maybe", "later")]
    return (said("succeeded", "answers"), muted(f", {counted(len(changing), 'change')} planned"))


def is_bad(host: str, look: Look) -> bool:
    """Tell whether some step says no on this host, or cannot be looked at there."""
    return any(step.target == host and step.state in ("unreachable", "refused", "failed") for step in look.steps)
