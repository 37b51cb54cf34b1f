"""The command `demo`: a small shop of real processes is broken and healed, and shows it by its own numbers."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from runbook.cli.command import Command, pass_front
from runbook.cli.exit_codes import Exit
from runbook.cli.front import Front
from runbook.cli.order import FILE, guided_option
from runbook.errors import UsageError
from runbook.text import one_line


@click.command(cls=Command)
@click.argument("incident", required=False, default="")
@click.option("--list", "lists", is_flag=True, help="Show what can be staged.")
@click.option("--keep", is_flag=True, help="Leave the shop up, to look around and to try `undo` on it.")
@click.option("--plain", is_flag=True, help="Ask in plain lines instead of opening the screens.")
@click.option("--stop", "folder", type=FILE, help="End a shop that was left up.")
@click.option("--dashboard", is_flag=True, help="Show the numbers of the shop that runs, with their course.")
@click.option("--once", is_flag=True, help="With --dashboard: one frame.")
@guided_option
@pass_front
def demo(
    front: Front,
    incident: str,
    lists: bool,
    keep: bool,
    plain: bool,
    folder: Path | None,
    dashboard: bool,
    once: bool,
    unattended: bool,
) -> None:
    """Break a small shop on this machine, the way of the incident, and heal it with the shipped playbooks.

    On a terminal it opens the screens at the playbook, for config-rollback unless INCIDENT says another. Without a
    terminal it runs unattended, stages them all, one after the other, and succeeds only if the shop is healthy again
    each time.
    """
    from runbook.session import demo as session

    if lists:
        words = ("id", "title", "playbook", "alert")
        rows = [
            {word: getattr(each, word) for word in words} | {"missing": each.missing()} for each in session.incidents()
        ]
        front.rows(rows, lambda: [_line(row) for row in rows])
        return
    if once and not dashboard:
        raise UsageError("--once goes with --dashboard")
    if dashboard:
        from runbook.cli.dashboard import show

        show(front, session.dashboard(), once=once)
        return
    if folder is not None:
        session.demo_stop(folder)
        front.value({"stopped": str(folder)}, lambda: [f"stopped: {one_line(str(folder), 4096)}"])
        return
    guided = front.is_interactive and not unattended
    if guided and not plain:
        from runbook.cli.screens import has_screen, stage_on_screens

        if has_screen(front):
            stage_on_screens(front, incident, keep=keep)
            return
    if incident or guided or keep:
        _stage(front, incident or session.INCIDENT, guided=guided, keep=keep)
        return
    front.expect_several_ends()
    for each in session.incidents():
        if why := each.missing():
            front.say(f"NOT SHOWN: {each.id} is not available here: {one_line(why, 1000)}")
            continue
        _stage(front, each.id, guided=False, keep=False)
        if front.code != Exit.SUCCEEDED:
            return


def _line(row: dict[str, str]) -> str:
    note = f" (not available here: {one_line(row['missing'], 1000)})" if row["missing"] else ""
    return f"{row['id']:<18}  {row['title']}{note}"


def _stage(front: Front, incident: str, *, guided: bool, keep: bool) -> None:
    from runbook.cli.conduct import Conduct
    from runbook.session import demo as session

    way = Conduct(front, asks=guided)
    shown = way.around(
        lambda asked, heard, control: session.demo(
            front.settings(),
            asked,
            heard,
            control,
            name=incident,
            guided=guided,
            keep=keep,
            tell=lambda line: front.say(one_line(line, 1000)),
        ),
        way.approver(),
    )
    way.tell(
        shown.result,
        is_over=shown.folder is None,
        incident=shown.incident,
        runs=[each.run for each in shown.results],
        before=msgspec.to_builtins(shown.before),
        broken=msgspec.to_builtins(shown.broken),
        after=msgspec.to_builtins(shown.after),
        healthy=shown.healthy,
        folder=str(shown.folder) if shown.folder is not None else "",
    )
    if front.code == Exit.SUCCEEDED and not shown.healthy:
        front.code = Exit.FAILED
