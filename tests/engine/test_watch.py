"""Normal values and guards that a parameter switches on, and whose times are parameters, against a real query API."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from runbook.actions import catalogue
from runbook.demo.metric_api import ApiHandler
from runbook.demo.metric_history import History
from runbook.demo.process import WebServer
from runbook.events import fact as f
from runbook.events.plain import thaw
from runbook.loader import diagnose
from tests.engine.desk import Desk, touch


@pytest.fixture
def metrics() -> Iterator[str]:
    """Two minutes ago 10 requests failed a second; now 300 do."""
    history, now = History(), time.time()
    for second in range(-140, 120):
        since = 10.0 * (second + 140) if second < -60 else 800.0 + 300.0 * (second + 60)
        history.add("order", {"failed_total": since}, now + second)
    handler = type("Handler", (ApiHandler,), {"history": history})
    with WebServer(0, handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def body(url: str) -> str:
    query = f"uses: metric.query, with: {{url: '{url}', query: 'sum(rate(failed_total[5s]))'}}"
    return f"""params:
  guarded: {{type: bool, default: true}}
  normal_at: {{type: string, default: 2m}}
  interval: {{type: duration, default: 20ms}}
baseline:
  - {{id: failed, when: params.guarded, {query}, at: "{{{{ params.normal_at }}}}"}}
guards:
  - {{id: failed, when: params.guarded, {query}, fail_when: "value > 2 * baseline.failed + 1",
     every: "{{{{ params.interval }}}}", threshold: 3, arm_after: one, on_breach: stop}}
steps:
{touch("one")}  - id: soak
    wait: 3s
"""


def test_a_guard_watches_at_its_interval_and_compares_with_the_time_before(desk: Desk, metrics: str) -> None:
    result = desk.start(body(metrics))

    facts = desk.facts(result.run)
    taken: list[object] = [
        (x.baseline, x.during_incident, thaw(x.value)) for x in facts if isinstance(x, f.BaselineTaken)
    ]
    assert taken == [("failed", False, pytest.approx(10, 0.05))]
    assert [x.state for x in facts if isinstance(x, f.GuardSampled)][:3] == ["bad", "bad", "bad"]
    assert (result.status, desk.statuses(result.run)) == ("failed", {"one": "succeeded", "soak": "cancelled"})


def test_a_guard_that_is_switched_off_watches_nothing_and_asks_nobody(desk: Desk) -> None:
    text = body("http://127.0.0.1:9").replace("wait: 3s", "wait: 10ms")

    result = desk.start(text, values={"guarded": "false"})

    assert result.status == "succeeded"
    assert not [x for x in desk.facts(result.run) if isinstance(x, (f.BaselineTaken, f.GuardSampled))]
    assert result.state.baselines == {}


def test_what_decides_about_a_guard_is_known_before_anything_runs(desk: Desk) -> None:
    text = body("http://x").replace("when: params.guarded", "when: steps.one.status == 'failed'")
    path = desk.playbook(text.replace("params.interval", "steps.one.status"))

    said = [found.text() for found in diagnose(path, catalogue())]

    assert len(said) == 3
    assert all("steps" in each for each in said)
