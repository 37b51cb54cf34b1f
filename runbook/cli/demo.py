"""The command `demo`: a small shop of real processes is broken and healed, and shows it by its own numbers."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from runbook.cli.command import Command, pass_front
from runbook.cli.exit_codes import Exit
from runbook.cli.front import Front
from runbook.cli.order import FILE, guided_option
from runbook.text import one_line


@click.command(cls=Command)
@click.option("--keep", is_flag=True, help="Leave the shop up, to look around and to try `undo` on it.")
@click.option("--stop", "folder", type=FILE, help="End a shop that was left up.")
@guided_option
@pass_front
def demo(front: Front, keep: bool, folder: Path | None, unattended: bool) -> None:
    """Break a small shop on this machine, the way of the incident, and heal it with the shipped playbook.

    On a terminal it is guided; without one it runs unattended, and succeeds only if the shop is healthy again.
    """
    from runbook.cli.conduct import Conduct
    from runbook.session import demo as session

    if folder is not None:
        session.demo_stop(folder)
        front.value({"stopped": str(folder)}, lambda: [f"stopped: {one_line(str(folder), 4096)}"])
        return
    guided = front.is_interactive and not unattended
    way = Conduct(front, asks=guided)
    shown = way.around(
        lambda asked, heard, control: session.demo(
            front.settings(),
            asked,
            heard,
            control,
            guided=guided,
            keep=keep,
            tell=lambda line: front.say(one_line(line, 1000)),
        ),
        way.approver(),
    )
    way.tell(
        shown.result,
        before=msgspec.to_builtins(shown.before),
        broken=msgspec.to_builtins(shown.broken),
        after=msgspec.to_builtins(shown.after),
        healthy=shown.healthy,
        folder=str(shown.folder) if shown.folder is not None else "",
    )
    if front.code == Exit.SUCCEEDED and not shown.healthy:
        front.code = Exit.FAILED
