"""The demo: a shop is opened, broken the way of the incident, and healed by the shipped playbook.

Owns the order of the show and what is told of it; the shop and the orders come from `stage`. The shop knows nothing of
playbooks, and the recovery is an ordinary run: what is set is an inventory, parameters and, if nobody is there, the
answers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from runbook.config import Settings
from runbook.demo.dashboard import Frame, look
from runbook.demo.incident import INCIDENTS, Incident
from runbook.demo.number import Numbers
from runbook.demo.shop import find_running, stop_kept
from runbook.ports.approver import Approver
from runbook.ports.recorder import Listener
from runbook.session.control import Control
from runbook.session.result import CLOSED, Result
from runbook.session.run import start
from runbook.session.stage import Stage, Tell, go_on, staged
from runbook.session.staging import STAGINGS
from runbook.session.unattended import Unattended
from runbook.text import shell_words

INCIDENT = "config-rollback"
"""What is staged if nothing is said."""


class DemoResult(Struct, frozen=True, kw_only=True):
    """What the demo has shown."""

    incident: str
    before: Numbers
    broken: Numbers
    after: Numbers | None
    """None if the run was interrupted."""
    results: tuple[Result, ...]
    """One per run that was begun, in order."""
    healthy: bool
    """By the shop's own numbers, whatever the runs say of themselves."""
    folder: Path | None
    """Of the shop that was left up; None if nothing of it is left."""

    @property
    def result(self) -> Result:
        """The last run: it stands for the incident."""
        return self.results[-1]


def incidents() -> tuple[Incident, ...]:
    """Return what can be staged; what each `missing` names keeps it from this machine."""
    return tuple(incident for incident in INCIDENTS if incident.id in STAGINGS)


def demo(
    settings: Settings,
    approver: Approver,
    listeners: tuple[Listener, ...],
    control: Control,
    *,
    name: str = INCIDENT,
    guided: bool = False,
    keep: bool = False,
    folder: Path | None = None,
    tell: Tell,
) -> DemoResult:
    """Open a shop, break it, heal it with the shipped playbooks, and leave nothing of it but the runs in the journal.

    Args:
        approver: answers a guided run; an unattended one has its answers here.
        name: the incident.
        keep: leave the shop up once a run has begun, however it ended.
        folder: an empty or new one for the shop; default: a new one in the temporary folder.
        tell: takes one line at a time.

    Raises:
        KeyboardInterrupt: the end was asked for before the run began; the shop is gone.
        RefusedError: this machine lacks what the incident needs; nothing was begun.
        RunbookError: the shop cannot be opened or broken, or the run cannot be begun; the shop is gone.
    """
    with staged(settings, control, name=name, folder=folder, tell=tell) as stage:
        if keep:
            stage.shop.detach()
        results = _cured(stage, approver if guided else None, listeners, control, tell)
        last = results[-1]
        is_over = not control.cancel_token.is_set() and last.status != "interrupted"
        after = stage.numbers(control, patient=last.status == "succeeded") if is_over else None
        healthy = after is not None and stage.tell_after(after, tell)
        stage.shop.keep = keep
        if keep:
            tell_kept(stage, last, tell)
    if not keep and last.status not in CLOSED:
        tell(f"run {last.run} ({last.status}) cannot be resumed: it has no shop any more")
    return DemoResult(
        incident=stage.incident.id,
        before=stage.before,
        broken=stage.broken,
        after=after,
        results=results,
        healthy=healthy,
        folder=stage.shop.folder if keep else None,
    )


def _cured(
    stage: Stage, approver: Approver | None, listeners: tuple[Listener, ...], control: Control, tell: Tell
) -> tuple[Result, ...]:
    """Run one playbook after the other, as long as they succeed."""
    results: list[Result] = []
    for cure in stage.staging.cures:
        go_on(control)
        if approver is None and cure.because:
            tell(cure.because)
        asked = approver or Unattended(cure.approvals, cure.answers)
        results.append(start(stage.settings, stage.order(cure, guided=approver is not None), asked, listeners, control))
        if results[-1].status != "succeeded":
            break
    return tuple(results)


def dashboard(folder: Path | None = None) -> Callable[[], Frame]:
    """Return what gives a frame of the dashboard of a running shop, each time it is called; the youngest by default.

    Raises:
        UsageError: no shop runs.
    """
    state = find_running(folder)
    return lambda: replace(look(state.ports, time.time()), shop=Path(state.folder).name)


def demo_stop(folder: Path) -> None:
    """End a shop that was left up, and remove its folder.

    Raises:
        RunbookError: this is no shop of this user, or a process of it is still alive.
    """
    stop_kept(folder)


def tell_kept(stage: Stage, result: Result | None, tell: Tell) -> None:
    """Tell how to look at a shop that stays up, and how to go on with it."""
    known = stage.shop.parameters()
    tell(f"the shop stays up in {stage.shop.folder}")
    for number, words in enumerate(stage.staging.looks):
        tell(f"  {'' if number else 'look:':<7} {shell_words([word.format_map(known) for word in words])}")
    tell("  watch:  runbook demo --dashboard")
    tell(f"  screens: {_way_in(stage, result)}")
    if result is not None and _can_resume(result):
        tell(f"  resume: runbook resume {result.run}")
    if result is not None and result.state.standing:
        tell(f"  undo:   runbook undo {result.run}")
    tell(f"  stop:   {shell_words(['runbook', 'demo', '--stop', str(stage.shop.folder)])}")


def _can_resume(result: Result) -> bool:
    return result.status not in CLOSED and result.status != "aborted"


def _way_in(stage: Stage, result: Result | None) -> str:
    """Return the command that opens the screens again, and where the run is in them."""
    if result is not None and _can_resume(result):
        return "runbook; ^o and Enter go on with the run"
    cures = stage.staging.cures
    at = 0 if result is None else [cure.playbook for cure in cures].index(result.playbook)
    if result is not None and result.status == "succeeded":
        at += 1
    return shell_words(stage.opening(cures[at])) if at < len(cures) else "runbook; F5 shows the run"
