"""The command `runbook`: the table of its commands and the way into them."""

from __future__ import annotations

from itertools import pairwise, takewhile

import click

from runbook import __version__
from runbook.cli.border import guarded
from runbook.cli.command import Entry, Group, pass_front
from runbook.cli.front import FORMATS, Format, Front

COMMANDS = {
    "open": Entry("runbook.cli.screens", "open_playbook", "The screens, straight at one playbook"),
    "list": Entry("runbook.cli.library", "list_playbooks", "Playbooks, ranked by the text of an alert with --for"),
    "show": Entry("runbook.cli.library", "show", "One playbook as a readable page"),
    "doctor": Entry("runbook.cli.doctor", "doctor", "Look whether all targets are fit for a playbook"),
    "rehearse": Entry("runbook.cli.rehearse", "rehearse", "Look at the targets and show what would happen"),
    "run": Entry("runbook.cli.run", "run", "Run a playbook, guided: one question at a time"),
    "replay": Entry("runbook.cli.run", "replay", "Execute a playbook or a past run without interaction"),
    "exec": Entry("runbook.cli.run", "execute", "One recorded ad-hoc command"),
    "resume": Entry("runbook.cli.run", "resume", "Go on with a run from its journal"),
    "undo": Entry("runbook.cli.run", "undo", "Walk a run back, with verification"),
    "decide": Entry("runbook.cli.steer", "decide", "Answer a waiting run"),
    "pause": Entry("runbook.cli.steer", "pause", "Let what runs come to its end, then pause the run"),
    "cancel": Entry("runbook.cli.steer", "cancel", "Stop the running step of a run"),
    "note": Entry("runbook.cli.steer", "note", "Write a note into the journal of a run"),
    "rate": Entry("runbook.cli.steer", "rate", "Set how fast a running replay of messages may go"),
    "watch": Entry("runbook.cli.steer", "watch", "Follow a live run, read-only"),
    "handover": Entry("runbook.cli.handover", "handover", "One file with which another operator goes on"),
    "adopt": Entry("runbook.cli.handover", "adopt", "Take over a run from such a file, or from its hosts"),
    "audit": Entry("runbook.cli.audit", "audit", "Review runs: list, show, verify, report"),
    "new": Entry("runbook.cli.library", "new", "Write a commented skeleton of a playbook"),
    "validate": Entry("runbook.cli.library", "validate", "Every error of playbooks with its place"),
    "schema": Entry("runbook.cli.library", "schema", "The JSON Schema for editors"),
    "demo": Entry("runbook.cli.demo", "demo", "Break a small shop on this machine and heal it"),
    "completion": Entry("runbook.cli.shell", "completion", "The completion script of a shell"),
}
"""In the order of use: choose, run, steer, hand over, review, write."""

EPILOG = "Exit codes: 0 succeeded, 1 failed, 2 usage, 3 invalid, 4 unreachable, 5 refused, 6 waiting, 7 partial, \
8 in doubt, 9 aborted, 10 undo incomplete, 11 audit failed, 130/143 interrupted."


@click.command(cls=Group, table=COMMANDS, invoke_without_command=True, epilog=EPILOG)
@click.version_option(__version__, "-V", "--version", message="runbook %(version)s")
@pass_front
@click.pass_context
def root(context: click.Context, front: Front) -> None:
    """Run playbooks in an incident: guided, recorded, reversible. Without a command it opens the screens."""
    if context.invoked_subcommand is not None:
        return
    from runbook.cli.screens import has_screen, open_screens

    if not has_screen(front):
        raise click.exceptions.NoArgsIsHelpError(context)
    open_screens(front)


def wanted_format(arguments: list[str]) -> Format | None:
    """Return the format that the words ask for, wherever they say it: an error in them is told in it too."""
    words = list(takewhile(lambda word: word != "--", arguments))
    found = [after for word, after in pairwise(words) if word == "--output"]
    found += [word.removeprefix("--output=") for word in words if word.startswith("--output=")]
    return next((known for known in FORMATS if found and known == found[-1]), None)


def run(arguments: list[str], front: Front | None = None) -> int:
    """Run one command line and return the exit code."""
    front = front or Front()
    front.format = wanted_format(arguments) or front.format
    return guarded(front, lambda: root.main(arguments, prog_name="runbook", obj=front, standalone_mode=False))
