"""The way into the screens: `runbook` alone, and `open`."""

from __future__ import annotations

import os
import sys

import click

from runbook.cli.command import Command, pass_front
from runbook.cli.front import Front
from runbook.errors import UsageError


def has_screen(front: Front) -> bool:
    """Tell whether there is a terminal that the screens can be drawn on."""
    return front.is_interactive and front.is_text and sys.stdout.isatty() and os.environ.get("TERM", "") != "dumb"


def open_screens(front: Front, playbook: str = "") -> None:
    """Open the screens, and return when they are left and what they carried is at rest."""
    from runbook.session.order import Order
    from runbook.tui.app import open_tui
    from runbook.tui.backend import SessionBackend

    first = Order(playbook=playbook, guided=True) if playbook else None
    front.code = open_tui(SessionBackend(front.settings()), first=first)


@click.command("open", cls=Command)
@click.argument("playbook")
@pass_front
def open_playbook(front: Front, playbook: str) -> None:
    """Open the screens straight at one playbook."""
    from runbook.config import find_playbook

    found = find_playbook(front.settings(), playbook)
    if not has_screen(front):
        raise UsageError(
            "there is no terminal to draw on",
            where=playbook,
            remedy=f"`runbook show {playbook}` prints it, `runbook run {playbook}` walks it in plain lines",
        )
    open_screens(front, str(found.path))
