"""The metrics process: it reads the pages of the shop every second, and answers questions about the last minutes.

Owns the HTTP side. What it answers is what Prometheus would, for the part of its language that `metric_expression`
understands; all else is `bad_data`. API: Prometheus documentation, "HTTP API".

    GET /api/v1/query?query=&time=                  the value at a moment
    GET /api/v1/query_range?query=&start=&end=&step=    the values of a span
    GET /metrics                                    how many pages were read
"""

from __future__ import annotations

import argparse
import json
import math
import threading
import time
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from runbook.demo.metric import scrape
from runbook.demo.metric_evaluate import Value, evaluate
from runbook.demo.metric_expression import BadQuery, duration, parse_query
from runbook.demo.metric_history import History
from runbook.demo.process import Handler, WebServer, say, settle_in

EVERY = 1.0
"""Seconds between two looks at a page."""
MOST = 11_000
"""Points of a series in one answer, as with Prometheus."""


def answer(history: History, path: str, asked: dict[str, str], now: float) -> dict[str, Any]:
    """Return the data of an answer. Raises BadQuery, KeyError for another path."""
    node = parse_query(_required(asked, "query"))
    if path == "/api/v1/query":
        at = moment(asked.get("time", ""), now)
        return _instant(evaluate(node, history, at), at)
    if path != "/api/v1/query_range":
        raise KeyError(path)
    start, end = (moment(_required(asked, word), now) for word in ("start", "end"))
    step = _step(_required(asked, "step"))
    if end < start or step <= 0:
        raise BadQuery("end is before start, or step is not positive")
    if (end - start) / step > MOST:
        raise BadQuery(f"more than {MOST} points: use a larger step")
    rows: dict[str, tuple[dict[str, str], list[list[float | str]]]] = {}
    for number in range(int((end - start) / step) + 1):
        at = start + number * step
        value = evaluate(node, history, at)
        for labels, each in [({}, value)] if isinstance(value, float) else [(row.labels, row.value) for row in value]:
            rows.setdefault(json.dumps(labels, sort_keys=True), (labels, []))[1].append([at, number_text(each)])
    return {"resultType": "matrix", "result": [{"metric": labels, "values": found} for labels, found in rows.values()]}


def _instant(value: Value, at: float) -> dict[str, Any]:
    if isinstance(value, float):
        return {"resultType": "scalar", "result": [at, number_text(value)]}
    rows = [{"metric": row.labels, "value": [at, number_text(row.value)]} for row in value]
    return {"resultType": "vector", "result": rows}


def number_text(value: float) -> str:
    """Return a number as the API writes it."""
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return "NaN" if math.isnan(value) else f"{value:.12g}"


def moment(text: str, now: float) -> float:
    """Return a time in seconds since 1970, given so or as RFC 3339; empty: now. Raises BadQuery."""
    if not text:
        return now
    try:
        found = float(text)
    except ValueError:
        try:
            found = datetime.fromisoformat(text).timestamp()
        except ValueError:
            found = math.nan
    if not math.isfinite(found):
        raise BadQuery(f"{text!r} is no time")
    return found


def _step(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return duration(text)


def _required(asked: dict[str, str], word: str) -> str:
    if not asked.get(word):
        raise BadQuery(f"{word} is missing")
    return asked[word]


class ApiHandler(Handler):
    """Answers one question."""

    history: History

    def do_GET(self) -> None:  # noqa: N802 (the name that http.server calls)
        """Answer a query, or publish how many pages were read."""
        parts = urlsplit(self.path)
        if parts.path == "/metrics":
            looks = dict(type(self).history.looks)
            lines = [f'metrics_pages_total{{job="{job}"}} {count}\n' for job, count in looks.items()]
            self.answer(200, "".join(lines), "text/plain; version=0.0.4")
            return
        asked = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        try:
            with type(self).history.lock:
                data = answer(type(self).history, parts.path, asked, time.time())
        except KeyError:
            self.answer(404, '{"status": "error", "errorType": "not_found", "error": "no such page"}')
        except BadQuery as error:
            self.answer(400, json.dumps({"status": "error", "errorType": "bad_data", "error": str(error)}))
        else:
            self.answer(200, json.dumps({"status": "success", "data": data}))


def look(history: History, job: str, port: int) -> None:
    """Read the page of one process, for ever."""
    while True:
        began = time.monotonic()
        history.add(job, scrape(port), time.time())
        time.sleep(max(0.1, EVERY - (time.monotonic() - began)))


def main() -> None:
    """Read and serve until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True, help="own port")
    parser.add_argument(
        "--page", action="append", default=[], metavar="JOB=PORT", help="a process with a /metrics page"
    )
    options = parser.parse_args()
    settle_in()
    ApiHandler.history = History()
    for page in options.page:
        job, _, port = page.partition("=")
        threading.Thread(target=look, args=(ApiHandler.history, job, int(port)), name=job, daemon=True).start()
    with WebServer(options.port, ApiHandler) as server:
        say(f"metrics answer on port {options.port}, of {len(options.page)} pages")
        server.serve_forever(poll_interval=5.0)


if __name__ == "__main__":
    main()
