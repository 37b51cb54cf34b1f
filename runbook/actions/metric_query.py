"""`metric.query`: one number from a Prometheus-compatible query API, asked from the controller.

One GET of the instant query, see the HTTP API chapter of the Prometheus manual. The answer must be exactly one number:
no series, several, or not a number is no data, and no data is never good.
"""

from __future__ import annotations

import math
import time
from datetime import datetime
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta, Struct

from runbook.actions.form import With
from runbook.actions.network import bounded
from runbook.errors import ActionError
from runbook.model.scalar import Effect, Moment, Seconds
from runbook.ports.action import Good, NoData, Observation
from runbook.ports.target import Reader, Sink
from runbook.secret import Secret
from runbook.text import one_line

MOST_BODY = 1024 * 1024


class MetricWith(With, frozen=True, kw_only=True):
    """Which number, and where it is asked."""

    url: Annotated[str, Meta(description="Base address of the API, such as http://prometheus:9090")]
    query: Annotated[str, Meta(description="The expression; it must yield one number")]
    at: Annotated[Moment | None, Meta(description="Ask for the value of that time ago, such as -2h, or of then")] = None
    token: Annotated[Any, Meta(description="Bearer token; secrets are welcome here")] = ""
    timeout: Annotated[Seconds, Meta(description="Limit for the whole answer")] = 10.0


class MetricResult(Struct, frozen=True):
    """One sample."""

    value: float
    labels: dict[str, str]
    time: float
    """When it was taken, in seconds since 1970."""


class MetricQuery:
    """Asks for one number."""

    name: ClassVar[str] = "metric.query"
    summary: ClassVar[str] = "Ask a Prometheus-compatible API for one number"
    effect: ClassVar[Effect] = "read"
    once: ClassVar[bool] = True
    model = MetricWith
    result = MetricResult

    def observe(self, w: MetricWith, t: Reader, sink: Sink) -> Observation[MetricResult]:
        """Ask once. Raises ActionError if the request or the query makes no sense."""
        import httpx

        try:
            status, body = bounded(w.timeout, lambda: _get(w))
        except (TimeoutError, httpx.TimeoutException):
            return NoData((f"no answer within {w.timeout:g} s",))
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise ActionError(f"this is no URL: {one_line(str(error))}", where="url") from error
        except (httpx.HTTPError, OSError) as error:
            return NoData((f"no HTTP answer: {one_line(str(error) or type(error).__name__, 300)}",))
        return _sample(status, body)


def _get(w: MetricWith) -> tuple[int, bytes]:
    import httpx

    params = {"query": w.query}
    if w.at is not None:
        then = datetime.fromisoformat(w.at).timestamp() if isinstance(w.at, str) else time.time() - abs(w.at)
        params["time"] = f"{then:.3f}"
    token = w.token.unmask() if isinstance(w.token, Secret) else str(w.token)
    headers = {"Accept-Encoding": "identity", **({"Authorization": f"Bearer {token}"} if token else {})}
    with (
        httpx.Client(timeout=w.timeout, trust_env=False, follow_redirects=False) as client,
        client.stream("GET", f"{w.url.rstrip('/')}/api/v1/query", params=params, headers=headers) as answer,
    ):
        body = bytearray()
        for chunk in answer.iter_raw():
            body += chunk
            if len(body) > MOST_BODY:
                break
        return answer.status_code, bytes(body)


def _sample(status: int, body: bytes) -> Observation[MetricResult]:
    """Read the answer: one number is good, all else is no data, except a query that the server refuses."""
    if len(body) > MOST_BODY:
        return NoData((f"HTTP {status}, and the answer is longer than {MOST_BODY // 1024} KiB",))
    try:
        answer = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.MsgspecError:
        return NoData((f"HTTP {status}, and the answer is no JSON",))
    if answer.get("errorType") == "bad_data":
        raise ActionError(f"the server refuses the query: {one_line(str(answer.get('error')), 300)}", where="query")
    data = answer.get("data")
    if status != 200 or answer.get("status") != "success" or not isinstance(data, dict):
        return NoData((f"HTTP {status}: {one_line(str(answer.get('error', 'no data')), 300)}",))
    found = data.get("result")
    if data.get("resultType") == "scalar" and isinstance(found, list):
        return _number({}, found)
    series = found if isinstance(found, list) else []
    if len(series) != 1 or not isinstance(series[0], dict):
        return NoData((f"{len(series)} series match, one is wanted",))
    metric = series[0].get("metric")
    labels = {str(key): str(value) for key, value in metric.items()} if isinstance(metric, dict) else {}
    return _number(labels, series[0].get("value"))


def _number(labels: dict[str, str], pair: object) -> Observation[MetricResult]:
    """Read a pair of time and value; the API writes values as text, among them NaN, +Inf and -Inf."""
    if not isinstance(pair, list) or len(pair) != 2:
        return NoData(("the sample is no number",))
    try:
        at, value = float(pair[0]), float(pair[1])
    except (TypeError, ValueError, OverflowError):
        return NoData(("the sample is no number",))
    if not (math.isfinite(value) and math.isfinite(at)):
        return NoData((f"the sample is {value}",))
    return Good(MetricResult(value, labels, at), (f"value {value:g}",))
