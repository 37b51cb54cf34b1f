"""A run of the shipped replay of queues, as a test and a process that is to be killed both begin and resume it."""

from __future__ import annotations

from pathlib import Path

from runbook.config import settings
from runbook.session.order import Order
from runbook.session.result import Result
from runbook.session.run import resume, start
from runbook.session.unattended import Unattended

ROOT = Path(__file__).parents[2]
ANSWERS = {"cause": "done", "confirm": "done", "judge": "done"}
APPROVED = ("canary", "replay")


def order(folder: Path) -> Order:
    values = {"queue_control": str(folder / "queue-ctl"), "canary": "10", "batch": "50", "rate": "0", "patience": "20s"}
    return Order(
        playbook=str(ROOT / "playbooks" / "queue-replay.yaml"),
        values=values,
        inventory=folder / "inventory.yaml",
        approvals=APPROVED,
    )


def begin(folder: Path) -> Result:
    return start(settings(folder), order(folder), Unattended(APPROVED, dict(ANSWERS)))


def go_on(folder: Path, run: str) -> Result:
    return resume(settings(folder), run, Unattended())
