"""An operator's desk for tests of whole runs: a folder with playbooks, the session's use cases, and the journal."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from runbook.config import Settings, settings
from runbook.events import fact as f
from runbook.events.signal import Signal
from runbook.events.state import RunState
from runbook.journal import Layout, verify_all
from runbook.ports.approver import Approver
from runbook.session.control import Control
from runbook.session.order import Order
from runbook.session.record import facts_of, state_of
from runbook.session.result import Result
from runbook.session.run import resume, start, undo
from runbook.session.unattended import Unattended

PATIENCE = 20.0
"""Seconds after which something that is waited for will not come."""

HEAD = "schema: runbook/v1\nid: {name}\ntitle: A test of the engine\n"


class Ear:
    """A listener that keeps everything, and calls back."""

    def __init__(self, heard: Callable[[f.Fact | Signal], None] | None = None) -> None:
        self.events: list[f.Fact | Signal] = []
        self._heard = heard

    def hear(self, event: f.Fact | Signal) -> None:
        self.events.append(event)
        if self._heard is not None:
            self._heard(event)


class Desk:
    """Writes playbooks into a folder of its own and runs them for real."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings: Settings = settings(folder)
        self.layout = Layout(self.settings.state)

    def path(self, name: str) -> Path:
        return self.folder / name

    def text(self, name: str) -> str:
        return self.path(name).read_text()

    def lines(self, name: str) -> list[str]:
        path = self.path(name)
        return path.read_text().splitlines() if path.exists() else []

    def playbook(self, body: str, name: str = "try") -> Path:
        """Write a playbook; DIR in its text stands for the folder of the test."""
        path = self.folder / f"{name}.yaml"
        path.write_text(HEAD.format(name=name) + body.replace("DIR", str(self.folder)))
        return path

    def inventory(self, *hosts: str) -> Path:
        """Write an inventory of hosts that are all this machine."""
        path = self.folder / "hosts.yaml"
        lines = "".join(f"  {host}: {{transport: local}}\n" for host in hosts)
        path.write_text(f"hosts:\n{lines}")
        return path

    def start(
        self,
        body: str,
        approver: Approver | None = None,
        *,
        ear: Ear | None = None,
        control: Control | None = None,
        **order: Any,
    ) -> Result:
        playbook = self.playbook(body)
        who = approver or Unattended(order.get("approvals", ()), order.pop("given", None))
        ears = (ear,) if ear else ()
        return start(self.settings, Order(playbook=str(playbook), **order), who, ears, control)

    def guided(self, body: str, approver: Approver, **order: Any) -> Result:
        return self.start(body, approver, guided=True, **order)

    def resume(self, run: str, approver: Approver | None = None, **more: Any) -> Result:
        return resume(self.settings, run, approver or Unattended(), **more)

    def undo(self, run: str, approver: Approver | None = None, **more: Any) -> Result:
        return undo(self.settings, run, approver or Unattended(), **more)

    def facts(self, run: str) -> list[f.Fact]:
        return list(facts_of(self.layout, run))

    def state(self, run: str) -> RunState:
        return state_of(self.layout, run)

    def statuses(self, run: str) -> dict[str, str]:
        """Return the status of every step and place, `STEP@PLACE`, a single local place without it."""
        told: dict[str, str] = {}
        for (step, place), at in self.state(run).steps.items():
            told[step if place in ("local", "*") else f"{step}@{place}"] = at.status
        return told

    def holds(self) -> bool:
        return verify_all(self.layout).holds

    def files(self) -> Iterator[Path]:
        """Yield every file that Runbook keeps: journals, side files, job folders, leases."""
        for path in sorted(self.settings.state.rglob("*")):
            if path.is_file():
                yield path


def until(holds: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Wait for something to become true; fails if it does not."""
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline, "it did not come"
        threading.Event().wait(0.01)


def change(name: str, argv: str, verify: str, undo: str = "", more: str = "") -> str:
    """Return a changing command step; arguments are YAML lists."""
    back = f"undo: [{{command: {undo}}}]" if undo else 'undo: {none: "a test"}'
    return (
        f"  - id: {name}\n    command: {argv}\n    effect: change\n"
        f"    verify: [{{command: {verify}}}]\n    {back}\n{more}"
    )


def touch(name: str, more: str = "") -> str:
    """Return a step that makes a file of its name, and whose undo removes it."""
    return change(
        name,
        f"[sh, -c, 'echo {name} >> DIR/log; touch DIR/{name}']",
        f"[test, -e, DIR/{name}]",
        f"[sh, -c, 'echo un-{name} >> DIR/log; rm DIR/{name}']",
        more,
    )


def indented(text: str) -> str:
    """Return steps as they stand inside a stage."""
    return "".join(f"    {line}\n" for line in text.splitlines())
