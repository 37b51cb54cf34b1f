"""The commands that execute: run, replay, exec, resume, undo."""

from __future__ import annotations

import re
from pathlib import Path

import click

from runbook.cli.command import Command, pass_front
from runbook.cli.front import Front
from runbook.cli.order import (
    Chosen,
    answer_options,
    answers_of,
    going_options,
    guided_option,
    incident_option,
    limit_option,
    parallel_option,
    ssh_config_option,
    step_and_target,
    value_options,
)
from runbook.errors import ApprovalDenied, RunbookError, UsageError


@click.command(cls=Command)
@click.argument("playbook")
@value_options
@parallel_option
@going_options
@incident_option
@pass_front
def run(
    front: Front,
    playbook: str,
    chosen: Chosen,
    parallel: int,
    on_failure: str,
    take_over: str,
    incident: str,
) -> None:
    """Run a playbook, guided: each step is shown first, and runs when you say so."""
    from runbook.cli.conduct import conduct
    from runbook.session.prepare import prepare
    from runbook.session.run import start

    order = chosen.order(
        playbook,
        parallel=parallel,
        on_failure=on_failure,
        incident=incident,
        guided=True,
        take_over=take_over,
    )
    if not front.is_interactive:
        # What is wrong with the order is worth more to know than that nobody can be asked.
        prepare(front.settings(), order)
        raise ApprovalDenied(
            "there is no terminal to ask on, so nothing was executed",
            where=playbook,
            remedy=f"`runbook replay {playbook}` executes without interaction",
        )
    conduct(front, lambda asked, heard, control: start(front.settings(), order, asked, heard, control), asks=True)


@click.command(cls=Command)
@click.argument("playbook_or_run", metavar="P_OR_RUN")
@value_options
@answer_options
@parallel_option
@going_options
@incident_option
@pass_front
def replay(
    front: Front,
    playbook_or_run: str,
    chosen: Chosen,
    approvals: tuple[str, ...],
    answers: Path | None,
    parallel: int,
    on_failure: str,
    take_over: str,
    incident: str,
) -> None:
    """Execute a playbook, or a past run again, without interaction.

    It never prompts. What lacks an approval or an answer is listed before the first step, with exit code 6.
    """
    from runbook.cli.conduct import conduct
    from runbook.session.run import replay_run, start

    settings = front.settings()
    past = _run_meant(front, playbook_or_run)
    order = chosen.order(
        "" if past else playbook_or_run,
        answers=answers,
        parallel=parallel,
        approvals=approvals,
        on_failure=on_failure,
        incident=incident,
        take_over=take_over,
    )
    conduct(
        front,
        lambda asked, heard, control: (
            replay_run(settings, past, order, asked, heard, control)
            if past
            else start(settings, order, asked, heard, control)
        ),
        asks=False,
        approvals=approvals,
        answers=answers_of(answers),
    )


def _run_meant(front: Front, word: str) -> str:
    """Return the id of the run that the word means; nothing if it means a playbook.

    A playbook comes first: ids of runs begin with the time, which no playbook id does.
    """
    if not re.fullmatch(r"[0-9a-z][0-9a-z-]*", word):
        return ""
    from runbook.config import playbook_files
    from runbook.session import review

    settings = front.settings()
    if any(found.id == word for found in playbook_files(settings)):
        return ""
    try:
        return review.find(settings, word)
    except RunbookError:
        if word[0].isdigit():
            raise
        return ""


@click.command("exec", cls=Command)
@click.argument("command", nargs=-1, required=True, metavar="-- CMD...")
@click.option("--on", "targets", metavar="TARGETS", default="local", show_default=True, help="A pattern of targets.")
@click.option(
    "--effect", type=click.Choice(["read", "change"]), default="read", show_default=True, help="What it does."
)
@click.option("--timeout", metavar="TIME", default="60s", show_default=True, help="When it is stopped.")
@click.option("--sudo", is_flag=True, help="Run it as root through sudo.")
@click.option("--inventory", type=click.Path(path_type=Path), help="The file that names the hosts.")
@limit_option
@ssh_config_option
@incident_option
@pass_front
def execute(
    front: Front,
    command: tuple[str, ...],
    targets: str,
    effect: str,
    timeout: str,
    sudo: bool,
    inventory: Path | None,
    limit: str,
    incident: str,
) -> None:
    """Run one recorded ad-hoc command; its output is the data on stdout.

    With --effect change it asks like a step: without a terminal nothing is executed.
    """
    from runbook.cli.conduct import conduct
    from runbook.session.order import Adhoc
    from runbook.session.run import adhoc
    from runbook.text import seconds

    try:
        limit_s = seconds(timeout)
    except ValueError as wrong:
        raise UsageError(f"--timeout: {str(wrong).rstrip('.')}") from wrong
    if limit_s <= 0:
        raise UsageError("--timeout leaves no time", remedy="write 30s or 5m")
    order = Adhoc(
        argv=command,
        on=targets,
        effect=effect,
        timeout=limit_s,
        sudo=sudo,
        inventory=inventory,
        limit=limit,
        incident=incident,
    )
    conduct(
        front,
        lambda asked, heard, control: adhoc(front.settings(), order, asked, heard, control),
        asks=effect != "read" and front.is_interactive,
        output_is_data=True,
        asks_for_secrets=front.is_interactive,
    )


@click.command(cls=Command)
@click.argument("run_id", metavar="RUN")
@click.option("--failed-hosts", is_flag=True, help="Begin by retrying the hosts that failed.")
@answer_options
@going_options
@ssh_config_option
@guided_option
@pass_front
def resume(
    front: Front,
    run_id: str,
    failed_hosts: bool,
    approvals: tuple[str, ...],
    answers: Path | None,
    on_failure: str,
    take_over: str,
    unattended: bool,
) -> None:
    """Go on with a run from its journal: failed, paused, interrupted or killed.

    On a terminal it asks; a run that was guided stays guided. Without one it goes on like a replay.
    """
    from runbook.cli.conduct import conduct
    from runbook.session import review
    from runbook.session import run as session

    settings = front.settings()
    found = review.find(settings, run_id)
    asks = front.is_interactive and not unattended and not approvals and answers is None
    opened = review.state(settings, found).opened
    guided = asks and opened is not None and bool(opened.options.get("guided"))
    conduct(
        front,
        lambda asked, heard, control: session.resume(
            settings,
            found,
            asked,
            heard,
            control,
            guided=guided,
            failed_hosts=failed_hosts,
            on_failure=on_failure,
            take_over=take_over,
        ),
        asks=asks,
        approvals=approvals,
        answers=answers_of(answers),
    )


@click.command(cls=Command)
@click.argument("run_id", metavar="RUN")
@click.argument("step", required=False, metavar="[STEP[@HOSTS]]")
@click.option("--reason", default="", help="Why; it goes on record.")
@click.option("--take-over", metavar="REASON", default="", help="Take over targets that another run claims.")
@ssh_config_option
@guided_option
@pass_front
def undo(front: Front, run_id: str, step: str | None, reason: str, take_over: str, unattended: bool) -> None:
    """Walk a run back, all of it or one step, with verification.

    HOSTS are names as a run tells them, such as 'web[11-20],db1', or a pattern such as 'web*'.

    What somebody else changed since is not overwritten: on a terminal it asks, else it ends with exit code 10.
    """
    from runbook.cli.conduct import conduct
    from runbook.session import review
    from runbook.session import run as session

    settings = front.settings()
    found = review.find(settings, run_id)
    only, target = step_and_target(step) if step else ("", "")
    conduct(
        front,
        lambda asked, heard, control: session.undo(
            settings, found, asked, heard, control, step=only, target=target, reason=reason, take_over=take_over
        ),
        asks=front.is_interactive and not unattended,
    )
