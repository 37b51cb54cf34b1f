"""The commands of a shift's end: handover and adopt."""

from __future__ import annotations

from pathlib import Path

import click

from runbook.cli.command import Command, pass_front
from runbook.cli.front import Front
from runbook.cli.order import FILE
from runbook.text import one_line


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
@click.argument("bundle", type=FILE)
@click.option("--reason", default="", help="Why; it goes on record.")
@pass_front
def adopt(front: Front, bundle: Path, reason: str) -> None:
    """Take over a run from the file of a handover; both operators are on record."""
    from runbook.session import handover as session

    run = session.adopt(front.settings(), bundle, reason)
    front.value({"id": run}, lambda: [run])
    front.say(f"run {run} is yours: runbook resume {run}, or runbook undo {run}")
