"""The way into the screens: `runbook` alone, `open`, and the demo."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from runbook.cli.command import Command, pass_front
from runbook.cli.exit_codes import Exit
from runbook.cli.front import Front
from runbook.cli.order import Chosen, incident_option, value_options
from runbook.errors import UsageError
from runbook.session.order import Order
from runbook.text import one_line

if TYPE_CHECKING:
    from runbook.config import Settings
    from runbook.tui.way_out import Left

STAKES = "The shop of this demo ends with the screens, and what the run has changed in it. Its record stays."


def has_screen(front: Front) -> bool:
    """Tell whether there is a terminal that the screens can be drawn on."""
    return front.is_interactive and front.is_text and sys.stdout.isatty() and os.environ.get("TERM", "") != "dumb"


def open_screens(front: Front, *orders: Order) -> None:
    """Open the screens, and return when they are left and what they carried is at rest."""
    left = _opened(front, front.settings(), orders)
    if left.demo is not None:
        stage_on_screens(front, left.demo, keep=False)


def _opened(front: Front, settings: Settings, orders: tuple[Order, ...], stakes: str = "") -> Left:
    from runbook.cli.leaving import come_to_rest, leave_at_once, tell_leaving
    from runbook.tui.backend import SessionBackend
    from runbook.tui.way_out import open_tui

    left = open_tui(
        SessionBackend(settings),
        orders,
        lambda carrier: come_to_rest(front, carrier.control, carrier.join),
        stakes=stakes,
    )
    if left.at_once:
        leave_at_once(front, left)
    tell_leaving(front, settings, left)
    return left


def stage_on_screens(front: Front, incident: str, *, keep: bool) -> None:
    """Open a shop, break it, and open the screens at the playbook that heals it; the shop's numbers tell the end."""
    from runbook.session.control import Control
    from runbook.session.demo import INCIDENT, tell_kept
    from runbook.session.stage import staged

    def tell(line: str) -> None:
        front.say(one_line(line, 1000))

    control = Control()
    with staged(front.settings(), control, name=incident or INCIDENT, folder=None, tell=tell) as stage:
        orders = tuple(stage.order(cure, guided=True) for cure in stage.staging.cures)
        also = "" if keep else ", and the shop with them"
        if keep:
            # Before the first step: who is killed in the middle of it resumes on the shop.
            stage.shop.detach()
        tell(f"opening the screens; Ctrl+Q leaves them{also} (so does `q` where no text is typed)")
        left = _opened(front, stage.settings, orders, "" if keep else STAKES)
        result = left.last.result if left.last is not None else None
        after = stage.numbers(control, patient=result is not None and result.status == "succeeded")
        healthy = stage.tell_after(after, tell)
        stage.shop.keep = keep
        if keep:
            tell_kept(stage, result, tell)
    front.code = front.code or (Exit.SUCCEEDED if healthy else Exit.FAILED)


@click.command("open", cls=Command)
@click.argument("playbook")
@value_options
@incident_option
@pass_front
def open_playbook(
    front: Front,
    playbook: str,
    chosen: Chosen,
    incident: str,
) -> None:
    """Open the screens straight at one playbook; values stand in its form, to be looked at before anything runs."""
    from runbook.config import find_playbook

    found = find_playbook(front.settings(), playbook)
    if not has_screen(front):
        raise UsageError(
            "there is no terminal to draw on",
            where=playbook,
            remedy=f"`runbook show {playbook}` prints it, `runbook run {playbook}` walks it in plain lines",
        )
    order = chosen.order(str(found.path), incident=incident, guided=True)
    if order.values or order.vars_files:
        from runbook.session.library import show
        from runbook.session.value import offers

        # A form has no field for a name that the playbook does not have: it would be lost there.
        offers(
            show(front.settings(), Order(playbook=order.playbook)).playbook, files=order.vars_files, given=order.values
        )
    open_screens(front, order)
