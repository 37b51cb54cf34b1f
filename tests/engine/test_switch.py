"""A switch behind an address is turned by a request that leaves no job: only a lost answer is doubt."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from runbook.events import fact as f
from runbook.events.degradation import still_open
from runbook.testing import ScriptedApprover
from tests.engine.desk import Desk
from tests.unit.actions.cache_service import Service

BODY = """steps:
  - id: degrade
    uses: cache.degrade
    with:
      switch: http
      url: "URL"
      normal: '{"degraded": false}'
      expires: 10m
      status: {url: "STATUS", expect: json.degraded, until: json.until}
    verify: {within: 1s}
"""


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as running:
        yield running


def body(service: Service, url: str = "") -> str:
    return BODY.replace("URL", url or service.url).replace("STATUS", service.url)


def test_a_request_whose_answer_is_lost_is_in_doubt_and_settled_by_asking(desk: Desk, service: Service) -> None:
    service.answer = 0

    result = desk.start(body(service))

    assert (result.status, desk.statuses(result.run)) == ("in_doubt", {"degrade": "in_doubt"})
    (loop,) = still_open(result.state)
    assert loop.is_certain is False
    later = desk.resume(result.run, ScriptedApprover({"doubt": "look"}))
    assert (later.status, len(service.posts)) == ("succeeded", 1), later.why
    assert [found.is_certain for found in still_open(later.state)] == [True]
    evidence = " ".join(line for fact in desk.facts(result.run) for line in getattr(fact, "evidence", []))
    assert "never started" not in evidence


def test_a_port_that_nobody_listens_on_is_unreachable_and_nothing_is_open(desk: Desk, service: Service) -> None:
    result = desk.start(body(service, url="http://127.0.0.1:9/switch"))

    assert (result.status, desk.statuses(result.run)) == ("unreachable", {"degrade": "unreachable"})
    assert (still_open(result.state), service.posts) == ((), [])


def test_the_result_names_what_is_open_and_until_when(desk: Desk, service: Service) -> None:
    result = desk.start(body(service))

    assert (result.status, result.why) == ("succeeded", "")
    (finished,) = [fact for fact in desk.facts(result.run) if isinstance(fact, f.StepFinished)]
    assert finished.verified is True
    assert (finished.result["open_what"], finished.result["open_until"]) == (
        f"http {service.url}",
        service.mode["until"],
    )
    assert desk.undo(result.run).status == "undone"
    assert (service.mode, still_open(desk.state(result.run))) == ({"degraded": False}, ())
