"""A broken shop or an own supervisor, and the use cases of the session on it: what tests of shipped playbooks need."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from runbook.config import Settings, settings
from runbook.journal import Layout as Journal
from runbook.journal import list_runs
from runbook.model.scalar import Json
from runbook.session.order import Order
from runbook.session.rehearse import Rehearsal, rehearse
from runbook.session.result import Result
from runbook.session.run import resume, start, undo
from runbook.session.unattended import Unattended
from tests.nursery import nursery

CHILD = """
import json, sys
from pathlib import Path
from runbook.config import settings
from runbook.session.order import Order
from runbook.session.run import start
from runbook.session.unattended import Unattended
given = json.loads(sys.stdin.read())
order = Order(
    playbook=given["playbook"], values=given["values"], approvals=given["approvals"],
    inventory=Path(given["inventory"]),
)
start(settings(Path(given["folder"])), order, Unattended(given["approvals"], given["answers"]))
"""


class Stand:
    """One shipped playbook on one host, which is this machine, with its own state folder."""

    def __init__(
        self,
        folder: Path,
        playbook: str,
        values: Mapping[str, str],
        *,
        group: str = "order",
        host_vars: Mapping[str, str] | None = None,
        approvals: tuple[str, ...] = (),
        answers: Mapping[str, Json] | None = None,
    ) -> None:
        self.folder = folder
        self.settings: Settings = settings(folder)
        self.journal = Journal(self.settings.state)
        self.approvals = approvals
        self.answers: dict[str, Json] = dict(answers or {})
        self.values = dict(values)
        self.playbook = playbook
        self.inventory = folder / "inventory.yaml"
        variables = {"sudo": "false", **(host_vars or {})}
        told = "".join(f"      {name}: {msgspec.json.encode(value).decode()}\n" for name, value in variables.items())
        told = told.replace('sudo: "false"', "sudo: false")
        text = f"hosts:\n  stand:\n    transport: local\n    vars:\n{told}groups:\n  {group}: {{hosts: [stand]}}\n"
        self.inventory.write_text(text)

    def order(self, **values: str) -> Order:
        return Order(
            playbook=self.playbook,
            values={**self.values, **values},
            inventory=self.inventory,
            approvals=self.approvals,
        )

    @property
    def nobody(self) -> Unattended:
        return Unattended(self.approvals, self.answers)

    def start(self, **values: str) -> Result:
        return start(self.settings, self.order(**values), self.nobody)

    def rehearse(self, **values: str) -> Rehearsal:
        return rehearse(self.settings, self.order(**values), self.nobody, run_reads=True)

    def undo(self, run: str) -> Result:
        return undo(self.settings, run, self.nobody)

    def killed(self, failpoint: str) -> str:
        """Run in a process of its own that is killed at a point, and return the run."""
        given = {
            "folder": str(self.folder),
            "playbook": self.playbook,
            "values": self.values,
            "inventory": str(self.inventory),
            "approvals": list(self.approvals),
            "answers": self.answers,
        }
        words = msgspec.json.encode(given).decode()
        child = nursery().start(CHILD, cwd=Path.cwd(), stdin=words, failpoint=failpoint)
        assert child.wait(120) == -9
        (run,) = list_runs(self.journal)
        return str(run)

    def resume(self, run: str) -> Result:
        return resume(self.settings, run, self.nobody)


def statuses(result: Result) -> dict[str, str]:
    """Return the status of every step of a run on one host."""
    return {step: at.status for (step, _), at in result.state.steps.items()}
