"""The query API of the shop: its part of the language, its history, its errors, and `metric.query` against it."""

from __future__ import annotations

import json
import math
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.actions.metric_query import MetricQuery, MetricWith
from runbook.demo.metric_api import ApiHandler, answer, number_text
from runbook.demo.metric_evaluate import evaluate, increase
from runbook.demo.metric_expression import BadQuery, parse_query
from runbook.demo.metric_history import KEEP, STALE, History
from runbook.demo.process import WebServer
from runbook.errors import ActionError
from runbook.ports.action import Good, NoData
from runbook.testing import Bench
from runbook.testing.work import Silent

NOW = 1_700_000_000.0


@pytest.fixture
def history() -> History:
    """Sixty seconds of a shop: 40 orders a second, of which one in four fails; a restart 20 seconds ago."""
    made = History()
    for second in range(61):
        since = second if second < 41 else second - 40
        samples = {
            'orders_total{result="ok"}': 30.0 * since,
            'orders_total{result="failed"}': 10.0 * since,
            "pool_in_use": float(second % 7),
            'odd{text="a\\"b,}c"}': 1.0,
        }
        made.add("order-service", samples, NOW - 60 + second)
    made.add("load", None, NOW)
    return made


def ask(history: History, query: str, at: float = NOW) -> Any:
    value = evaluate(parse_query(query), history, at)
    if isinstance(value, float):
        return value
    return {tuple(sorted(row.labels.items())): round(row.value, 6) for row in value}


JOB = ("job", "order-service")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("1 + 2 * 3 - -4", 11.0),
        ("(1 + 2) * 3 / 2", 4.5),
        ("1 > bool 2", 0.0),
        ("pool_in_use", {(("__name__", "pool_in_use"), JOB): 4.0}),
        ('sum(rate(orders_total[10s]))', {(): 40.0}),
        ('sum(rate(orders_total{result="failed"}[10s])) / sum(rate(orders_total[10s]))', {(): 0.25}),
        ('sum by (result) (rate(orders_total[10s]))', {(("result", "ok"),): 30.0, (("result", "failed"),): 10.0}),
        ('sum(rate(orders_total[10s])) by (job)', {(JOB,): 40.0}),
        ('count(orders_total{result!="ok"})', {(): 1.0}),
        ('max(orders_total{result=~"o.|x"}) - 1', {(): 599.0}),
        ('max(orders_total{result=~"o"})', {}),
        ('max(orders_total{result!~"fail.*"})', {(): 600.0}),
        ('increase(orders_total{result="ok"}[10s])', {(JOB, ("result", "ok")): 300.0}),
        ("max_over_time(pool_in_use[20s])", {(JOB,): 6.0}),
        ("avg_over_time(up[10s])", {(JOB,): 1.0, (("job", "load"),): 0.0}),
        ("up == 0", {(("__name__", "up"), ("job", "load")): 0.0}),
        ("sum(up) >= bool 1", {(): 1.0}),
        ("sum(up) > 1", {}),
        ('odd{text="a\\"b,}c"}', {(("__name__", "odd"), JOB, ("text", 'a"b,}c')): 1.0}),
        ("nothing_of_that_name", {}),
        ('{__name__="pool_in_use",job="order-service"}', {(("__name__", "pool_in_use"), JOB): 4.0}),
    ],
)  # fmt: skip
def test_a_query_has_the_value_that_prometheus_gives_it(query: str, found: object, history: History) -> None:
    assert ask(history, query) == found


def test_a_division_by_nothing_is_not_a_number(history: History) -> None:
    assert math.isnan(ask(history, "0 / 0"))
    assert [number_text(ask(history, q)) for q in ("0/0", "1/0", "-1/0", "40", "0.1 + 0.2")] == [
        "NaN", "+Inf", "-Inf", "40", "0.3",
    ]  # fmt: skip


def test_a_counter_that_was_begun_anew_lost_nothing(history: History) -> None:
    assert ask(history, 'increase(orders_total{result="ok"}[30s])', NOW)[JOB, ("result", "ok")] == pytest.approx(
        900, 0.02
    )


def test_the_past_is_asked_for_by_time(history: History) -> None:
    assert ask(history, "pool_in_use", NOW - 30) == {(("__name__", "pool_in_use"), JOB): 2.0}
    assert ask(history, "pool_in_use", NOW - 61) == {}


def test_a_sample_that_is_too_old_says_nothing_of_the_present(history: History) -> None:
    assert ask(history, "pool_in_use", NOW + STALE - 0.1) != {}
    assert ask(history, "pool_in_use", NOW + STALE) == {}
    assert ask(history, "sum(rate(orders_total[3s]))", NOW + STALE) == {}


def test_a_series_ends_where_its_page_does_not_answer_or_has_it_no_more(history: History) -> None:
    history.add("order-service", {"pool_in_use": 1.0}, NOW + 1)
    assert ask(history, "sum(orders_total)", NOW + 1) == {}
    assert ask(history, "sum(pool_in_use)", NOW + 1) == {(): 1.0}

    history.add("order-service", None, NOW + 2)

    assert ask(history, "sum(pool_in_use)", NOW + 2) == {}
    assert ask(history, 'up{job="order-service"} == 0', NOW + 2) != {}
    assert ask(history, "max_over_time(pool_in_use[2s])", NOW + 2) == {(JOB,): 1.0}


def test_old_samples_are_forgotten() -> None:
    made = History()
    for second in range(int(KEEP) + 300):
        made.add("a", {"x": 1.0}, NOW + second)
    (series,) = made.select("x", lambda _: True)

    assert len(series.times) <= KEEP + 61


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("histogram_quantile(0.9, x)", "the function histogram_quantile is not known here"),
        ("rate(x)", "rate wants a range"),
        ("x[30s]", "a range alone has no value"),
        ("x offset 5m", "offset is not known here"),
        ("sum(1)", "sum wants series"),
        ("1 > 2", "wants bool"),
        ('x{a="b"', "expected ','"),
        ("x{a=b}", "is no matcher"),
        ('x{a=~"("}', "is no pattern"),
        ("x[30]", "is no duration"),
        ("x[0s]", "longer than nothing"),
        ("1 +", "unexpected 'the end'"),
        ("x y", "unexpected 'y'"),
        ("x # y", "unexpected '#'"),
        ("()", "unexpected ')'"),
        ("{}", "names its metric"),
        ("(" * 60 + "1" + ")" * 60, "nested too deeply"),
        ("x" * 3000, "longer than"),
        ("orders_total + orders_total{result='ok'} + sum by (job) (x)", ""),
    ],
)
def test_what_is_not_understood_is_refused_by_name(query: str, why: str, history: History) -> None:
    if not why:
        assert ask(history, query) == {}
        return
    with pytest.raises(BadQuery) as refused:
        ask(history, query)
    assert why in str(refused.value)


@given(st.text(alphabet='sumrate(){}[]=~!"<>+-*/ .,30sxby', max_size=40))
def test_any_text_is_a_query_or_refused(text: str) -> None:
    with suppress(BadQuery):
        value = evaluate(parse_query(text), History(), NOW)
        assert isinstance(value, float | list)


@given(st.lists(st.integers(0, 100), min_size=2, max_size=30), st.integers(0, 29))
def test_a_counter_never_shrinks_whatever_is_begun_anew(steps: list[int], again: int) -> None:
    value, points = 0.0, []
    for second, step in enumerate(steps):
        value = float(step) if second == again else value + step
        points.append((float(second), value))

    assert (increase(points, -0.5, len(steps) - 0.5) or 0.0) >= 0


def test_a_span_is_answered_step_by_step(history: History) -> None:
    asked = {"query": "sum(rate(orders_total[5s]))", "start": f"{NOW - 10}", "end": f"{NOW}", "step": "5s"}

    data = answer(history, "/api/v1/query_range", asked, NOW)

    assert data == {
        "resultType": "matrix",
        "result": [{"metric": {}, "values": [[NOW - 10, "40"], [NOW - 5, "40"], [NOW, "40"]]}],
    }


@pytest.mark.parametrize(
    "more",
    [{"step": "0"}, {"step": "1ms"}, {"step": "x"}, {"start": "x"}, {"end": f"{NOW - 20}"}, {"query": ""}, {"end": ""}],
)
def test_a_span_that_makes_no_sense_is_refused(more: dict[str, str], history: History) -> None:
    asked = {"query": "up", "start": f"{NOW - 15}", "end": f"{NOW}", "step": "1"}
    with pytest.raises(BadQuery):
        answer(history, "/api/v1/query_range", asked | more, NOW)


@pytest.fixture
def api(history: History) -> Iterator[str]:
    handler = type("Handler", (ApiHandler,), {"history": history})
    with WebServer(0, handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_metric_query_understands_the_answers(api: str, history: History) -> None:
    import time

    history.add("order-service", {"pool_max": 50.0}, time.time())

    def seen(query: str) -> object:
        return MetricQuery().observe(MetricWith(url=api, query=query), Bench(), Silent())

    good = seen("pool_max")
    assert isinstance(good, Good)
    assert (good.value.value, good.value.labels) == (50.0, {"__name__": "pool_max", "job": "order-service"})
    assert isinstance(seen("1 + 1"), Good)
    assert isinstance(seen("orders_total"), NoData)  # a minute of 2023 is stale
    assert isinstance(seen("0 / 0"), NoData)
    with pytest.raises(ActionError, match="the server refuses the query: the function topk is not known here"):
        seen("topk(3, x)")


def test_errors_have_the_form_of_prometheus(api: str) -> None:
    def asked(path: str, **query: str) -> tuple[int, dict[str, Any]]:
        try:
            with urllib.request.urlopen(f"{api}{path}?{urlencode(query)}", timeout=10) as found:
                return found.status, json.load(found)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    assert asked("/api/v1/query", query="up", time=f"{NOW}")[1]["data"]["result"][0]["value"] == [NOW, "1"]
    assert asked("/api/v1/query") == (400, {"status": "error", "errorType": "bad_data", "error": "query is missing"})
    assert asked("/api/v1/query", query="up", time="soon")[0] == 400
    assert asked("/api/v1/labels", query="up")[0] == 404
