"""A playbook on its way over real hosts: the use cases of the session, with an inventory and a home of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from runbook.config import settings
from runbook.model.scalar import Json
from runbook.ports.recorder import Listener
from runbook.session.control import Control
from runbook.session.order import Order
from runbook.session.result import Result
from runbook.session.run import resume, start, undo
from runbook.session.steer import decide
from runbook.session.unattended import Unattended
from tests.lab.host import Host
from tests.lab.lab import Lab, inventory


class Journey:
    """One playbook, a shipped one by its id or one that is written here, on some hosts."""

    def __init__(
        self,
        lab: Lab,
        folder: Path,
        hosts: Sequence[Host] | Mapping[str, str],
        playbook: str,
        values: Mapping[str, str] | None = None,
        *,
        group: str = "lab",
        user: str = "deploy",
        approvals: tuple[str, ...] = (),
        answers: Mapping[str, Json] | None = None,
    ) -> None:
        lab.know(Path.home())
        addresses = dict(hosts) if isinstance(hosts, Mapping) else {host.name: host.address for host in hosts}
        self.settings = settings(folder)
        self._inventory = folder / "hosts.yaml"
        self._inventory.write_text(inventory(group, addresses, lab.identity, user))
        if "\n" in playbook:
            (folder / "journey.yaml").write_text(playbook)
            playbook = str(folder / "journey.yaml")
        self._playbook = playbook
        self._values = dict(values or {})
        self._nobody = Unattended(approvals, answers or {})
        self._approvals = approvals

    def start(self, control: Control | None = None, ears: tuple[Listener, ...] = ()) -> Result:
        order = Order(
            playbook=self._playbook, values=self._values, inventory=self._inventory, approvals=self._approvals
        )
        return start(self.settings, order, self._nobody, ears, control)

    def resume(self, run: str) -> Result:
        return resume(self.settings, run, self._nobody)

    def look_again(self, run: str, step: str, host: Host) -> None:
        """Answer the open question about a step in doubt, for the hosts that it is asked for together with this one."""
        decide(self.settings, run, step, host.name, "look")

    def undo(self, run: str) -> Result:
        return undo(self.settings, run, self._nobody)


def statuses(result: Result, host: Host) -> dict[str, str]:
    """Return the status of every step on a host."""
    return {step: at.status for (step, name), at in result.state.steps.items() if name == host.name}
