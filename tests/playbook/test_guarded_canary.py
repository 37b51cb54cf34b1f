"""The example of a guarded canary, as it is written: ten hosts, real services, and numbers that turn bad on one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook.config import settings
from runbook.demo.metric_api import ApiHandler
from runbook.demo.metric_history import History
from runbook.demo.process import WebServer
from runbook.events import fact as f
from runbook.journal import Layout
from runbook.session.order import Order
from runbook.session.record import facts_of
from runbook.session.result import Result
from runbook.session.run import start
from runbook.session.unattended import Unattended
from tests.demo.conftest import Supervised, supervised

__all__ = ["supervised"]

DOCS = Path(__file__).parents[2] / "docs"
NAMES = [f"auth-{number}" for number in range(1, 11)]
FAILING, SPOILT = 5.0, 1000.0
"""Failures a second of a host on a normal day, and of one that cannot bear the new file."""


class Fleet:
    """Ten hosts, each with a file and a service of its own, and the metrics of all of them."""

    def __init__(self, folder: Path, supervised: Supervised, weak: str) -> None:
        self.folder = folder
        self.candidate = folder / "candidate.yaml"
        self.candidate.write_text("policy: new\n")
        self.weak = weak
        """The host that fails with the new file."""
        self.history = History()
        for name in NAMES:
            self.file(name).parent.mkdir()
            self.file(name).write_text("policy: old\n")
            supervised.add(name, "/bin/sh", "-c", "exec sleep 600")
        supervised.start()
        self.control = str(supervised.layout.control)
        self._over = threading.Event()
        self._tell(time.time() - 7200 - 10, dict.fromkeys(NAMES, 0.0))
        for second in range(1, 50):
            self._tell(time.time() - 7200 - 10 + second, dict.fromkeys(NAMES, FAILING * second))
        self.thread = threading.Thread(target=self._live)

    def file(self, name: str) -> Path:
        return self.folder / name / "access.yaml"

    def has_new(self, name: str) -> bool:
        return self.file(name).read_text() == self.candidate.read_text()

    def _tell(self, at: float, failed: dict[str, float]) -> None:
        for name, count in failed.items():
            samples = {"http_requests_failed_total": count, 'auth_latency_seconds{quantile="0.99"}': 0.1}
            self.history.add(name, samples, at)

    def _live(self) -> None:
        failed, last = dict.fromkeys(NAMES, 0.0), time.time()
        while not self._over.wait(0.05):
            now = time.time()
            for name in NAMES:
                rate = SPOILT if name == self.weak and self.has_new(name) else FAILING
                failed[name] += rate * (now - last)
            self._tell(now, failed)
            last = now

    def end(self) -> None:
        self._over.set()
        self.thread.join()

    def roll_out(self, metrics: str) -> Result:
        hosts = "".join(
            f"  {name}: {{transport: local, vars: {{service: {name}, file: {self.file(name)}}}}}\n" for name in NAMES
        )
        inventory = self.folder / "hosts.yaml"
        inventory.write_text(f"hosts:\n{hosts}groups:\n  auth: {{hosts: [{', '.join(NAMES)}]}}\n")
        brief = {"window": "2s", "monitor_interval": "200ms", "watched": "2s", "stable": "200ms", "sudo": "false"}
        order = Order(
            playbook=str(DOCS / "guarded-canary.yaml"),
            values=brief | {"metrics": metrics, "candidate": str(self.candidate), "service_control": self.control},
            inventory=inventory,
            approvals=("roll-out",),
        )
        return start(settings(self.folder), order, Unattended(order.approvals))


@pytest.fixture
def fleet(tmp_path: Path, supervised: Supervised) -> Iterator[tuple[Fleet, str]]:
    made = Fleet(tmp_path, supervised, "auth-3")
    made.thread.start()
    handler = type("Handler", (ApiHandler,), {"history": made.history})
    with WebServer(0, handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield made, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
    made.end()


def test_the_wave_with_the_host_that_fails_is_taken_back_by_itself(fleet: tuple[Fleet, str]) -> None:
    shop, metrics = fleet

    result = shop.roll_out(metrics)

    assert result.status == "aborted"
    assert [name for name in NAMES if shop.has_new(name)] == ["auth-1"]
    told = list(facts_of(Layout(settings(shop.folder).state), result.run))
    assert [(x.cause, x.response) for x in told if isinstance(x, f.GuardBreached)] == [("bad", "undo wave")]
    reached = {place for (step, place), at in result.state.steps.items() if step == "put" and at.attempts}
    assert reached == set(NAMES[:5])
    assert {place for place in reached if result.state.at("put", place).status == "undone"} == set(NAMES[1:5])
