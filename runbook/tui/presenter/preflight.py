"""The preflight as a table: a row per host with a mark for each thing, and what to do about what is not good.

A bare mark stands in a column only; each row ends with the word.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from runbook.session.doctor import Checkup, Finding
from runbook.text import counted, one_line
from runbook.tui.presenter.words import Row, bold, fit, mark, muted, plain, said, wrapped

State = Literal["none", "running", "done", "stale", "stopped", "failed"]

COLUMNS = ("reach", "key", "login", "sudo", "disk", "clock", "tools")
"""What is looked at, in the order in which it can go wrong."""

NAME = 16
_CELL = 6
_AS = {"good": "succeeded", "warn": "waiting", "bad": "failed"}
_SIGN = {"warn": ("!", "$wait")}
_NAMED = {"host key": "key"}


class Preflight(Struct, frozen=True):
    """One look at all targets, as far as it has come."""

    state: State = "none"
    checkups: tuple[Checkup, ...] = ()
    error: str = ""

    def of(self, host: str) -> Checkup | None:
        """Return what was found on a host; nothing if nobody has looked yet."""
        return next((each for each in self.checkups if each.host == host), None)


def status(found: Preflight, hosts: int) -> Row:
    """Return how far it is, and what it found in all."""
    match found.state:
        case "none":
            return (muted("not looked yet"),)
        case "running":
            return (said("running", "looking"), muted(f", {len(found.checkups)} of {counted(hosts, 'host')}"))
        case "failed":
            return (said("failed", "could not look"), muted(f": {one_line(found.error, 300)}"))
        case "stale":
            return (said("waiting", "out of date"), muted(", ^r looks again"))
        case "stopped":
            return (said("waiting", "stopped"), muted(", ^r looks again"))
        case "done":
            return _total(found)


def _total(found: Preflight) -> Row:
    if not found.checkups:
        return (said("pending", "no host was looked at"),)
    unfit = sum(1 for each in found.checkups if not each.is_fit)
    hints = sum(1 for each in found.checkups if each.is_fit and _worst(each) == "warn")
    if unfit:
        return (said("failed", f"{unfit} of {counted(len(found.checkups), 'host')} not fit"),)
    more = muted(f", {counted(hints, 'host')} with a hint") if hints else muted(", read only")
    return (said("succeeded", f"{counted(len(found.checkups), 'host')} fit"), more)


def _worst(checkup: Checkup) -> str:
    states = {finding.state for finding in checkup.findings}
    return next(state for state in ("bad", "warn", "good") if state in states or state == "good")


def head_row(found: Preflight, cells: int) -> Row:
    """Return the names of the columns; nothing where nobody has looked or there is no room."""
    shown = _shown(found, cells)
    if not shown:
        return ()
    return (muted(" " * NAME), *(muted(fit(name, _CELL)) for name in shown))


def host_row(host: str, found: Preflight, cells: int) -> Row:
    """Return the marks of a host and the word that they come to."""
    checkup = found.of(host)
    if checkup is None:
        return (said("pending", "looking" if found.state == "running" else "not looked yet"),)
    marks = tuple(word for name in _shown(found, cells) for word in _mark(checkup, name))
    return (*marks, _verdict(checkup))


def _shown(found: Preflight, cells: int) -> tuple[str, ...]:
    """Return the columns that say something, as many as there is room for beside the verdict."""
    told = {_NAMED.get(f.what, f.what) for each in found.checkups for f in each.findings}
    shown = tuple(name for name in COLUMNS if name in told)
    for columns in (shown, tuple(name for name in shown if name not in ("reach", "login"))):
        if cells >= len(columns) * _CELL + 10:
            return columns
    return ()


def _mark(checkup: Checkup, name: str) -> Row:
    finding = next((f for f in checkup.findings if _NAMED.get(f.what, f.what) == name), None)
    if finding is None:
        return (plain(" " * _CELL),)
    sign, style = _SIGN.get(finding.state) or mark(_AS[finding.state])
    return ((fit(sign, _CELL), style),)


def _verdict(checkup: Checkup) -> tuple[str, str]:
    bad = [f for f in checkup.findings if f.state == "bad"]
    hints = [f for f in checkup.findings if f.state == "warn"]
    if bad:
        return said("failed" if checkup.is_reachable else "unreachable", one_line(bad[0].what, 20))
    if hints:
        return ("! hint" if len(hints) == 1 else f"! {len(hints)} hints", "$wait")
    return said("succeeded", "fit")


def finding_rows(host: str, found: Preflight, cells: int) -> list[Row]:
    """Return all that was found on a host, the worst first, each with what to do about it."""
    checkup = found.of(host)
    if checkup is None:
        return []
    rank = ("bad", "warn", "good")
    rows: list[Row] = []
    for finding in sorted(checkup.findings, key=lambda f: rank.index(f.state)):
        rows += _finding(finding, cells)
    return [(bold(one_line(host, 60)),), *rows]


def _finding(finding: Finding, cells: int) -> list[Row]:
    sign, style = _SIGN.get(finding.state) or mark(_AS[finding.state])
    told = one_line(finding.told, 400)
    rows = wrapped(((f"{sign} ", style), muted(fit(finding.what, 9)), plain(told)), cells, 11)
    if finding.remedy:
        rows += wrapped((muted(" " * 11 + "› "), plain(one_line(finding.remedy, 400))), cells, 13)
    return rows


def unfit(found: Preflight) -> int:
    """Return how many hosts something stands against."""
    return sum(1 for each in found.checkups if not each.is_fit)


def first_in_need(found: Preflight) -> str:
    """Return the host whose findings are worth reading first; empty if all is good."""
    for wanted in ("bad", "warn"):
        for each in found.checkups:
            if _worst(each) == wanted:
                return each.host
    return ""
