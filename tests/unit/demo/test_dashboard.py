"""The dashboard of a shop: what its numbers mean, how their course is drawn, and a shop that does not answer."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.cli.dashboard import draw, show
from runbook.cli.front import Front
from runbook.cli.stream import Stream
from runbook.cli.style import Style
from runbook.demo.dashboard import SPAN, SPECS, Frame, Panel, look, panel, spark
from runbook.demo.layout import Ports
from runbook.demo.metric_api import ApiHandler
from runbook.demo.metric_expression import parse_query
from runbook.demo.metric_history import History
from runbook.demo.process import WebServer

NOW = 1_700_000_000.0
SHOPPERS = {
    'shop_orders_per_second{result="ok"}': 40.0,
    "shop_failure_ratio": 0.25,
    'shop_latency_seconds{quantile="0.95"}': 0.012,
}


@pytest.fixture
def ports() -> Iterator[Ports]:
    history = History()
    for second in range(30):
        history.add("load", SHOPPERS, NOW - 29 + second)
        history.add(
            "order-service", {"pool_in_use": 3.0, "pool_max": 50.0, "pool_open": float(second)}, NOW - 29 + second
        )
        counted = {
            f'inventory_deductions_total{{source="{word}"}}': n * second for word, n in (("cache", 3.0), ("none", 1.0))
        }
        history.add("inventory-service", counted, NOW - 29 + second)
    history.add("inventory-service", None, NOW)
    handler = type("Handler", (ApiHandler,), {"history": history})
    with WebServer(0, handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield Ports(1, 2, 3, metrics=server.server_address[1])
        server.shutdown()


def test_a_frame_tells_value_state_and_course_of_each_number(ports: Ports) -> None:
    frame = look(ports, NOW)

    found = {each.name: each for each in frame.panels}
    assert frame.is_there
    assert [each.name for each in frame.panels] == [spec.name for spec in SPECS]
    assert (found["orders"].value, found["orders"].state, found["orders"].text) == (40.0, "good", "40 /s")
    assert (found["order success"].state, found["order success"].text) == ("bad", "75 %")
    assert (found["order p95"].text, found["pool in use"].text) == ("12 ms", "3 of 50")
    assert found["cache hits"].text == "75 %"
    assert (found["dead letters"].state, found["dead letters"].text) == ("unknown", "unknown")
    course = found["connections open"].course
    assert (len(course), course[:30], course[30], course[-1]) == (SPAN, (None,) * 30, 0.0, 29.0)


def test_a_shop_that_does_not_answer_is_unknown_in_every_number() -> None:
    frame = look(Ports(1, 2, 3, metrics=9), NOW)

    assert not frame.is_there
    assert {each.state for each in frame.panels} == {"unknown"}


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_every_number_has_a_query_that_is_understood(spec: object) -> None:
    assert [parse_query(text) for text in (spec.query, spec.of) if text]  # type: ignore[attr-defined]


@given(st.lists(st.none() | st.floats(-1e9, 1e9), max_size=80), st.integers(0, 70))
def test_a_course_takes_the_room_that_it_has(values: list[float | None], width: int) -> None:
    for unicode in (True, False):
        line = spark(tuple(values), width, unicode=unicode)
        assert len(line) == min(width, len(values))
        shown = values[-width:] if width else []
        if any(value is not None for value in shown):
            assert [c == " " for c in line] == [value is None for value in shown]


def test_a_course_goes_from_nothing_to_its_greatest() -> None:
    assert spark((0.0, 5.0, None, 10.0), 10) == "▁▅ █"
    assert spark((0.0, 5.0, None, 10.0), 2, unicode=False) == " #"


def frame_of(*panels: Panel, is_there: bool = True) -> Frame:
    return Frame(NOW, panels, is_there, shop="runbook-shop-x1")


def test_lines_fit_the_width_and_need_no_colour() -> None:
    panels = (panel(SPECS[0], (40.0,) * 60), panel(SPECS[1], (20.0,) * 60), panel(SPECS[2], ()))

    lines = draw(frame_of(*panels), Style(width=70))

    assert lines[0] == "runbook-shop-x1 at 22:13:20 UTC, the last minute"
    assert [line.split()[:2] for line in lines[1:]] == [["✓", "ok"], ["✗", "BAD"], ["?", "unknown"]]
    assert {len(line) for line in lines[1:3]} == {70}


def test_a_terminal_gets_one_frame_that_lives_and_a_pipe_one_below_the_other() -> None:
    frames = [frame_of(panel(SPECS[0], (40.0,))), frame_of(panel(SPECS[0], (39.0,))), frame_of(is_there=False)]

    class Soon(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            return False

    written = []
    for live in (True, False):
        out, coming = io.StringIO(), iter(frames)
        nowhere = Stream(io.StringIO(), Style())
        front = Front((Stream(out, Style(live=live)), nowhere))
        show(front, partial(next, coming), once=False, over=Soon())
        written.append(out.getvalue())

    assert written[0].count("\x1b[2A") == 2
    assert "\x1b" not in written[1]
    assert [line.split()[3] for line in written[1].splitlines() if "orders" in line] == ["40", "39"]
