"""The commands of a shift's end: handover and adopt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runbook.cli.command import Command, pass_front
from runbook.cli.crowd import all_names, on_hosts
from runbook.cli.front import Front
from runbook.cli.order import FILE, ssh_config_option
from runbook.errors import UsageError
from runbook.text import one_line
from runbook.text.hostlist import told

if TYPE_CHECKING:
    from runbook.session.remains import Remains

_BREAK = "␊"
"""A line end, as a host tells it of a command."""


@click.command(cls=Command)
@click.argument("run_id", metavar="RUN")
@click.option("--to", "path", type=FILE, help="The file to write; else RUN.bundle in this folder.")
@click.option("--reason", default="", help="Why; it goes on record.")
@pass_front
def handover(front: Front, run_id: str, path: Path | None, reason: str) -> None:
    """Write one file with all that another operator on another machine needs to resume or undo a run."""
    from runbook.session import handover as session
    from runbook.session import review

    settings = front.settings()
    run = review.find(settings, run_id)
    written = session.handover(settings, run, path or Path(f"{run}.bundle"), reason)
    front.value({"id": run, "path": str(written)}, lambda: [one_line(str(written), 4096)])
    front.say(
        f"run {run} is closed here; the file holds its output: give it to the one who goes on, and to nobody else"
    )
    front.say(f"there: runbook adopt {one_line(written.name, 400)}")


@click.command(cls=Command)
@click.argument("what", metavar="[BUNDLE | RUN]", required=False, default="")
@click.option("--on", default="", metavar="TARGETS", help="Look on these hosts, where nothing else is left of a run.")
@click.option("--inventory", type=FILE, help="The file that names the hosts.")
@click.option("--playbook", default="", metavar="P", help="With --on: the playbook of the run, by id or file.")
@click.option("--accept", default="", metavar="DIGEST", help="With --on: take the playbook that the hosts tell of.")
@click.option("--reason", default="", help="Why; it goes on record.")
@ssh_config_option
@pass_front
def adopt(front: Front, what: str, on: str, inventory: Path | None, playbook: str, accept: str, reason: str) -> None:
    """Take over a run: from the file of a handover, or from its hosts alone.

    With --on and no RUN it tells what lies on the hosts. Named again, a RUN that was put together from its hosts takes
    in those that were silent then.
    """
    from runbook.session import handover as session

    if not on and not what:
        raise UsageError("name the file of a handover, or hosts with --on")
    if not on:
        run = session.adopt(front.settings(), Path(what), reason)
    elif what:
        from runbook.session import recover

        run = what
        found = recover.recover(front.settings(), inventory, on, run, reason, playbook=playbook, accept=accept)
        _tell_silent(front, found.silent)
        if found.taken_in:
            front.say(f"taken in: {told(found.taken_in)}")
        _tell_left_out(front, found.left_out, found.silent, run)
    else:
        _tell_remains(front, on, inventory)
        return
    front.value({"id": run}, lambda: [run])
    front.say(f"run {run} is yours: runbook resume {run}, or runbook undo {run}")


def _tell_remains(front: Front, on: str, inventory: Path | None) -> None:
    from runbook.session import recover

    found = recover.search(front.settings(), inventory, on)
    rows = [
        {
            "id": remains.run, "playbook": remains.playbook, "started": remains.began, "by": remains.by,
            "jobs": [
                {"step": job.op.step, "target": job.op.target, "attempt": job.op.attempt, "operation": job.op.name,
                 "command": job.command, "status": job.status or "no outcome"}
                for job in remains.jobs
            ],
        }
        for remains in found.runs
    ]  # fmt: skip

    front.rows(rows, lambda: [line for remains in found.runs for line in remains_lines(remains)])
    front.say(
        "to take one over: runbook adopt RUN with the same --on, and --reason WHY"
        if found.runs
        else "nothing of a run lies on the hosts that answered"
    )
    _tell_silent(front, found.silent)


def remains_lines(remains: Remains) -> Iterator[str]:
    """Return what lies of one run for people: what is the same on several hosts is told once."""
    head = " · ".join(word for word in (remains.playbook, remains.began, remains.by) if word)
    yield f"{one_line(remains.run)}  {one_line(head) or 'nothing but its jobs is known'}"
    alike: dict[tuple[str, str, str], dict[str, str]] = {}
    for job in remains.jobs:
        alike.setdefault((job.op.step, job.op.name, job.status), {})[job.op.target] = job.command
    for (step, name, status), commands in alike.items():
        first = next(iter(commands.values()))
        # What an action runs is a script that tells nobody anything; the name of the operation does.
        what = name if _BREAK in first and name else f"{name}: {first}" if name else first
        others = " (and others)" if what != name and len(set(commands.values())) > 1 else ""
        code, _, why = status.partition(" ")
        end = f"exit {code}{f' after {why}' if why not in ('', 'exit') else ''}" if status else "no outcome"
        hosts = list(commands)
        yield f"  {one_line(step, 100)}{on_hosts(hosts)}: {one_line(what, 300)}{others}: {one_line(end)}"
        yield from all_names(hosts)


def _tell_silent(front: Front, silent: Mapping[str, str]) -> None:
    for host, why in silent.items():
        front.say(one_line(f"{host} could not be asked: {why}", 400))


def _tell_left_out(front: Front, names: tuple[str, ...], silent: Mapping[str, str], run: str) -> None:
    unknown = [name for name in names if name in silent]
    if unknown:
        front.say(
            f"left out: {told(unknown)}: nobody knows here whether the run has changed anything there; "
            f"once it answers, `runbook adopt {run} --on {unknown[0]} --reason WHY` takes it in"
        )
    if len(names) > len(unknown):
        rest = told(name for name in names if name not in silent)
        front.say(
            f"left out: {rest}: no job folder of the run was found there; "
            "once this run is over, --limit runs the playbook again on some"
        )
