"""The command `doctor`: whether all targets are fit for a playbook, before its first step."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import click
import msgspec

from runbook.cli.command import Command, pass_front
from runbook.cli.conduct import Conduct
from runbook.cli.crowd import MANY, all_names, on_hosts
from runbook.cli.exit_codes import of_rehearsal
from runbook.cli.front import Front, encode
from runbook.cli.interrupt import Interrupts
from runbook.cli.order import Chosen, value_options
from runbook.cli.style import Style
from runbook.model.host import LOCAL
from runbook.session.control import Control
from runbook.session.doctor import Checkup, examine
from runbook.text import one_line

MARK = {"good": "succeeded", "warn": "waiting", "bad": "failed"}
"""The status whose mark stands before a finding."""

_SCAN = re.compile(r", then: (?P<begin>(?:ssh .+ )?ssh-keyscan (?:-p \d+ )?)(?P<address>\S+)(?P<end> >> .+)")


@click.command(cls=Command)
@click.argument("playbook")
@value_options
@pass_front
def doctor(
    front: Front,
    playbook: str,
    chosen: Chosen,
) -> None:
    """Look at all targets at once, and say what to do about each finding.

    Reach, host key, login, sudo, disk, clock, tools, and whether another run holds one. Nothing is changed. It succeeds
    unless a target cannot be reached (4) or does not let the playbook run (5).
    """
    # Whoever looks from a terminal can be asked there when it runs, such as for the password of sudo.
    order = chosen.order(playbook, guided=front.is_interactive)
    control = Control()
    approver = Conduct(front, asks=front.is_interactive).approver(())

    def heard(checkup: Checkup) -> None:
        if front.format == "ndjson":
            front.out.raw(encode({"type": "host"} | as_object(checkup)))

    with Interrupts(control, front).watched():
        found = front.working(
            "looking at the targets", lambda: examine(front.settings(), order, approver, heard, control)
        )
    if control.cancel_token.is_set():
        raise KeyboardInterrupt
    if front.is_text:
        front.out.lines(list(all_lines(found, front.out.style)))
    if order.inventory is not None and {checkup.host for checkup in found} == {LOCAL}:
        named = one_line(str(order.inventory), 400)
        front.say(f"only this machine was looked at: the playbook asks for no other host of {named}")
    reachable = all(checkup.is_reachable for checkup in found)
    front.code = of_rehearsal(
        refused=reachable and not all(checkup.is_fit for checkup in found), unreachable=not reachable
    )
    if front.format == "json":
        front.out.raw(encode([as_object(checkup) for checkup in found], indent=True))


def as_object(checkup: Checkup) -> dict[str, Any]:
    """Return what was found on one host as an object."""
    row: dict[str, Any] = msgspec.to_builtins(checkup)
    return {**row, "reachable": checkup.is_reachable, "fit": checkup.is_fit}


def all_lines(found: Sequence[Checkup], style: Style) -> Iterator[str]:
    """Return what was found for people; on many hosts what is well is one line for all, and hints are told once."""
    if len(found) <= MANY:
        for checkup in found:
            yield from lines(checkup, style)
    else:
        yield from _crowd_lines(found, style)
    yield from _scans(found)


def _crowd_lines(found: Sequence[Checkup], style: Style) -> Iterator[str]:
    fit = {c.host: c for c in found if all(finding.state == "good" for finding in c.findings)}
    if fit:
        things = ", ".join(dict.fromkeys(finding.what for c in fit.values() for finding in c.findings))
        yield f"{style.mark(MARK['good'])} fit{on_hosts(list(fit))}: {things}"
        yield from all_names(list(fit), style.width)
    alike: dict[tuple[str, str, str, str], list[str]] = {}
    for checkup in found:
        for finding in checkup.findings:
            if finding.state != "good":
                key = (finding.state, finding.what, finding.told, finding.remedy)
                alike.setdefault(key, []).append(checkup.host)
    for (state, what, told, remedy), hosts in alike.items():
        yield f"{style.mark(MARK[state])} {what}{on_hosts(hosts)}: {one_line(told, 400)}"
        yield from all_names(hosts, style.width)
        if remedy:
            yield f"    {one_line(remedy, 400)}"


def _scans(found: Sequence[Checkup]) -> Iterator[str]:
    """Return one command for all keys that are not known, where there are several on the same way."""
    scans: dict[tuple[str, str], list[str]] = {}
    for finding in (finding for checkup in found for finding in checkup.findings):
        if scan := _SCAN.search(finding.remedy):
            scans.setdefault((scan["begin"], scan["end"]), []).append(scan["address"])
    for (begin, end), addresses in scans.items():
        each = dict.fromkeys(addresses)
        if len(addresses) > 1:
            what = "the fingerprint is" if len(each) == 1 else f"all {len(each)} fingerprints are"
            yield one_line(f"Once {what} compared: {begin}{' '.join(each)}{end}", 40_000)


def lines(checkup: Checkup, style: Style) -> Iterator[str]:
    """Return what was found on one host for people, one line for each thing."""
    for finding in checkup.findings:
        mark = style.mark(MARK[finding.state])
        yield f"{mark} {one_line(checkup.host, 60)}  {finding.what}: {one_line(finding.told, 400)}"
        if finding.remedy:
            yield f"    {one_line(finding.remedy, 400)}"
