"""The command `rehearse`: what a playbook would do, seen on the targets, with nothing changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from runbook.cli.command import Command, pass_front
from runbook.cli.conduct import Conduct
from runbook.cli.crowd import all_names, on_hosts
from runbook.cli.exit_codes import Exit, of_rehearsal, word
from runbook.cli.front import Front, encode
from runbook.cli.interrupt import Interrupts
from runbook.cli.order import Chosen, answer_options, value_options
from runbook.cli.style import Style, Tone
from runbook.engine.rehearsal import Rehearsed
from runbook.session.control import Control
from runbook.session.rehearse import Rehearsal
from runbook.session.rehearse import rehearse as rehearse_order
from runbook.text import one_line, reveal
from runbook.text.hostlist import told

MARK = {
    "known": "succeeded",
    "later": "pending",
    "maybe": "pending",
    "not run": "pending",
    "skipped": "skipped",
    "refused": "refused",
    "failed": "failed",
    "unreachable": "unreachable",
}
"""The status whose mark stands before a step."""


SEEN = {"bad": "failed", "no data": "in_doubt"}
"""The same for what a guard or a baseline sees now, where it is not good."""


class RehearsalPrinter:
    """Writes each step as soon as it was looked at on all hosts of a wave."""

    def __init__(self, front: Front) -> None:
        self._front = front

    def hear(self, event: object) -> None:
        """Take no note: a rehearsal tells whole steps."""

    def rehearsed(self, *places: Rehearsed) -> None:
        """Write one step in several places; where it is the same, once."""
        match self._front.format:
            case "text":
                for step, targets in alike(places):
                    self._front.out.lines(list(step_lines(step, self._front.out.style, targets)))
            case "ndjson":
                for each in places:
                    self._front.out.raw(encode({"type": "step"} | step_object(each)))
            case "json":
                pass


@click.command(cls=Command)
@click.argument("playbook")
@value_options
@answer_options
@click.option("--run-reads", is_flag=True, help="Run commands that only claim to be reads.")
@pass_front
def rehearse(
    front: Front,
    playbook: str,
    chosen: Chosen,
    approvals: tuple[str, ...],
    answers: Path | None,
    run_reads: bool,
) -> None:
    """Look at the targets and show what each step would do: live probes, real diffs, blast radius.

    Nothing is changed. It succeeds unless a precheck refuses (5) or a target cannot be reached (4).
    """
    order = chosen.order(playbook, answers=answers, approvals=approvals)
    control = Control()
    approver = Conduct(front, asks=front.is_interactive).approver(approvals)
    with Interrupts(control, front).watched():
        found = front.working(
            f"rehearsing {one_line(playbook, 60)}",
            lambda: rehearse_order(
                front.settings(), order, approver, (RehearsalPrinter(front),), control, run_reads=run_reads
            ),
        )
    if control.cancel_token.is_set():
        raise KeyboardInterrupt
    front.code = of_rehearsal(refused=found.refused, unreachable=found.unreachable)
    _tell(front, found)


def _tell(front: Front, found: Rehearsal) -> None:
    if front.is_text:
        front.text(_end_lines(found, front.out.style))
        return
    row = _object(found, front.code)
    front.out.raw(encode({"type": "result"} | row if front.format == "ndjson" else row, indent=front.format == "json"))


def _object(found: Rehearsal, code: int) -> dict[str, Any]:
    return {
        "playbook": found.playbook,
        "outcome": word(Exit(code)),
        "exit": int(code),
        "blast_radius": found.blast_radius,
        "missing": [msgspec.to_builtins(missing) for missing in found.missing],
        "steps": [step_object(step) for step in found.steps],
    }


def step_object(step: Rehearsed) -> dict[str, Any]:
    """Return one step as an object."""
    row: dict[str, Any] = msgspec.to_builtins(step)
    return row


def alike(places: tuple[Rehearsed, ...]) -> list[tuple[Rehearsed, list[str]]]:
    """Return what is told of a step once for several hosts, each with their names, in the order of the first."""
    found: dict[tuple[object, ...], tuple[Rehearsed, list[str]]] = {}
    for each in places:
        key = (
            each.step,
            each.state,
            each.seen,
            each.words,
            each.commands,
            each.diff,
            each.notes,
            each.undo,
            each.evidence,
        )
        found.setdefault(key, (each, []))[1].append(each.target)
    return list(found.values())


def step_lines(step: Rehearsed, style: Style, targets: Sequence[str] = ()) -> Iterator[str]:
    """Return one step for people; its commands and its diff show every control character."""
    targets = targets or (step.target,)
    is_plan = step.state == "known" and step.effect != "read"
    mark = style.mark("pending" if is_plan else SEEN.get(step.seen) or MARK.get(step.state, "pending"))
    state = "" if step.state == "known" else f", {step.state}"
    words = f": {one_line(step.words, 400)}" if step.words else ""
    words += "; --run-reads runs it" if step.state == "not run" else ""
    yield f"{mark} {step.step}{on_hosts(targets)} ({step.effect}{state}){words}"
    yield from all_names(targets, style.width)
    for command in step.commands:
        yield f"    $ {reveal(command, keep='')}"
    for line in step.diff.split("\n") if step.diff else ():
        yield f"    {style.paint(reveal(line, keep=''), _tone(line))}"
    for line in step.evidence:
        yield f"  | {one_line(line, 400)}"
    for note in step.notes:
        yield f"    {one_line(note, 400)}"
    if step.undo:
        yield f"    Way back: {one_line(step.undo, 400)}"


def _tone(line: str) -> Tone:
    if line.startswith("+"):
        return "good"
    return "bad" if line.startswith("-") else "plain"


def _end_lines(found: Rehearsal, style: Style) -> Iterator[str]:
    blast = found.blast_radius
    yield ""
    yield (
        f"Blast radius: {_count(blast['changes'], 'change')} on {_count(blast['hosts'], 'host')}, "
        f"{blast['destructive']} destructive. Nothing was changed."
    )
    if found.missing:
        yield "An unattended run would need:"
        yield from (f"  {m.step}: {m.what}: {one_line(m.words, 120)}; give {m.remedy}" for m in found.missing)
    yield from obstacles(found.steps, style)


def obstacles(steps: Iterable[Rehearsed], style: Style) -> Iterator[str]:
    """Return what is in the way, once more behind all that was told: a refusal by its step, a host by its name."""
    refused: dict[tuple[str, str], list[str]] = {}
    away: dict[str, list[str]] = {}
    for step in steps:
        if step.state in ("refused", "failed"):
            refused.setdefault((step.step, step.words), []).append(step.target)
        elif step.state == "unreachable":
            away.setdefault(step.words, []).append(step.target)
    if refused:
        yield f"{style.status('refused')}: a precheck says no"
        yield from (f"  {step}{on_hosts(hosts)}: {one_line(words, 400)}" for (step, words), hosts in refused.items())
    if away:
        yield f"{style.status('unreachable')}: not every target could be asked"
        yield from (f"  {told(hosts)}: {one_line(words, 400)}" for words, hosts in away.items())


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
