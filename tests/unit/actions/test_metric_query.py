"""`metric.query` against a real HTTP server."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from runbook.actions import catalogue
from runbook.actions.metric_query import MOST_BODY, MetricQuery, MetricWith
from runbook.errors import ActionError
from runbook.ports.action import Good, NoData
from runbook.secret import Secret
from runbook.testing import Bench
from runbook.testing.work import Silent


class Api:
    """A query API that answers what a test tells it to."""

    def __init__(self) -> None:
        self.status = 200
        self.body = b""
        self.asked: list[tuple[str, dict[str, list[str]], dict[str, str]]] = []
        self.release = threading.Event()
        self.release.set()
        self.url = ""

    def gives(self, kind: str, result: object) -> None:
        self.body = json.dumps({"status": "success", "data": {"resultType": kind, "result": result}}).encode()

    def fails(self, status: int, error_type: str, error: str) -> None:
        self.status = status
        self.body = json.dumps({"status": "error", "errorType": error_type, "error": error}).encode()


def handler(api: Api) -> type[BaseHTTPRequestHandler]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the name of the standard library
            parts = urlsplit(self.path)
            api.asked.append((parts.path, parse_qs(parts.query), dict(self.headers)))
            api.release.wait(20)
            self.send_response(api.status)
            self.send_header("Content-Length", str(len(api.body)))
            self.end_headers()
            try:
                self.wfile.write(api.body)
            except OSError:
                self.close_connection = True  # the client has read enough

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    return Answer


@pytest.fixture
def api() -> Iterator[Api]:
    api = Api()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler(api)) as server:
        api.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield api
        api.release.set()
        server.shutdown()
        thread.join()


def observe(url: str, query: str = "up", **more: object):  # type: ignore[no-untyped-def]
    return MetricQuery().observe(MetricWith(url=url, query=query, **more), Bench(), Silent())  # type: ignore[arg-type]


def series(value: str, **labels: str) -> dict[str, object]:
    return {"metric": labels, "value": [1700000000.5, value]}


def test_a_vector_of_one_series_is_its_number_with_its_labels(api: Api) -> None:
    api.gives("vector", [series("0.25", job="order")])

    seen = observe(api.url)

    assert isinstance(seen, Good)
    assert (seen.value.value, seen.value.labels, seen.value.time) == (0.25, {"job": "order"}, 1700000000.5)


def test_a_scalar_is_its_number(api: Api) -> None:
    api.gives("scalar", [1700000000, "3"])

    seen = observe(api.url, "1 + 2")

    assert isinstance(seen, Good)
    assert (seen.value.value, seen.value.labels) == (3.0, {})


def test_the_query_goes_to_the_api_as_it_is_written(api: Api) -> None:
    api.gives("scalar", [0, "1"])
    query = 'sum(rate(http_requests_total{code=~"5..", path="/a&b=c"}[5m])) / 2 # ü'

    observe(f"{api.url}/", query)

    ((path, asked, _),) = api.asked
    assert (path, asked) == ("/api/v1/query", {"query": [query]})


@pytest.mark.parametrize("ago", [7200.0, -7200.0])
def test_a_value_of_the_past_is_asked_for_by_its_time(ago: float, api: Api) -> None:
    api.gives("scalar", [0, "1"])
    before = time.time()

    observe(api.url, at=ago)

    ((_, asked, _),) = api.asked
    assert before - 7200 - 0.001 <= float(asked["time"][0]) <= time.time() - 7200 + 0.001


def test_a_value_of_the_past_is_asked_for_by_a_time(api: Api) -> None:
    api.gives("scalar", [0, "1"])

    observe(api.url, at="2026-11-20T14:00:00.5+01:00")

    ((_, asked, _),) = api.asked
    assert asked["time"] == ["1795179600.500"]


@pytest.mark.parametrize("token", ["word", Secret("word")])
def test_a_token_goes_into_the_header(token: object, api: Api) -> None:
    api.gives("scalar", [0, "1"])

    observe(api.url, token=token)

    ((_, _, headers),) = api.asked
    assert headers["Authorization"] == "Bearer word"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (lambda api: api.gives("vector", []), "0 series match, one is wanted"),
        (lambda api: api.gives("vector", [series("1"), series("2")]), "2 series match, one is wanted"),
        (lambda api: api.gives("vector", [series("NaN")]), "the sample is nan"),
        (lambda api: api.gives("vector", [series("+Inf")]), "the sample is inf"),
        (lambda api: api.gives("vector", [series("many")]), "the sample is no number"),
        (lambda api: api.gives("vector", [{"metric": 3, "value": None}]), "the sample is no number"),
        (lambda api: api.gives("vector", ["up"]), "1 series match, one is wanted"),
        (lambda api: api.gives("matrix", [{"metric": {}, "values": [[0, "1"]]}]), "the sample is no number"),
        (lambda api: api.gives("scalar", [1]), "the sample is no number"),
        (lambda api: api.fails(500, "internal", "storage\x1b[31m is gone"), "HTTP 500: storage"),
        (lambda api: api.fails(503, "timeout", "too busy"), "HTTP 503: too busy"),
        (lambda api: api.fails(422, "execution", "too many samples"), "HTTP 422: too many samples"),
        (lambda api: setattr(api, "body", b"<html>Sign in</html>"), "HTTP 200, and the answer is no JSON"),
        (lambda api: setattr(api, "body", b"[1, 2]"), "HTTP 200, and the answer is no JSON"),
        (lambda api: setattr(api, "body", b""), "HTTP 200, and the answer is no JSON"),
        (lambda api: setattr(api, "body", b" " * (MOST_BODY + 1)), "the answer is longer than 1024 KiB"),
    ],
)
def test_all_that_is_not_one_number_is_no_data(given: Callable[[Api], None], why: str, api: Api) -> None:
    given(api)

    seen = observe(api.url)

    assert isinstance(seen, NoData)
    assert why in seen.evidence[0]
    assert "\x1b" not in seen.evidence[0]


def test_a_query_that_the_server_refuses_is_an_error(api: Api) -> None:
    api.fails(400, "bad_data", "parse error: unexpected character")

    with pytest.raises(ActionError, match="refuses the query: parse error: unexpected character"):
        observe(api.url, "up{")


def test_a_server_that_does_not_answer_in_time_is_no_data(api: Api) -> None:
    api.release.clear()

    seen = observe(api.url, timeout=0.2)

    assert seen == NoData(("no answer within 0.2 s",))


def test_nobody_listening_is_no_data(api: Api) -> None:
    seen = observe("http://127.0.0.1:1")

    assert isinstance(seen, NoData)
    assert seen.evidence[0].startswith("no HTTP answer: ")


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "prometheus:9090"])
def test_what_is_no_url_is_an_error(url: str) -> None:
    with pytest.raises(ActionError, match="no URL"):
        observe(url)


def test_the_catalogue_has_it_as_a_probe_that_runs_once() -> None:
    info = catalogue().info("metric.query")

    assert info is not None
    assert (info.is_probe, info.once, info.effect) == (True, True, "read")
