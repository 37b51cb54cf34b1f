"""The order service: takes orders over HTTP and books them in the database through its pool.

Owns the HTTP side. Its configuration is the file db-config.yaml, read once, at the start: an edited file takes effect
only with a restart, as with most services.

    POST /orders    {"customer": 7, "item": "A", "count": 1}  ->  201, or 503 if no connection could be had
    POST /payments  {"customer": 7, "count": 200}             ->  200, or 503: paid orders, settled at once
    GET  /health    200 if the pool works, else 503
    GET  /metrics   Prometheus text
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from runbook.demo.metric import Registry
from runbook.demo.pool import Pool, PoolError
from runbook.demo.process import Complaint, Handler, WebServer, say, settle_in
from runbook.demo.runtime import Scheduler, scheduler

_HEALTH_TIMEOUT = 0.5
_BODY = 10_000


def open_pool(file: Path) -> Pool:
    """Build the pool that the configuration file describes; a faulty file ends the process."""
    import yaml

    try:
        config = yaml.safe_load(file.read_text())
        database, pool = config["database"], config["pool"]
        return Pool(
            (str(database["host"]), int(database["port"])),
            int(pool["max_connections"]),
            float(pool["acquire_timeout"]),
            float(database["connect_timeout"]),
        )
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise SystemExit(f"order-service cannot use {file}: {type(error).__name__}: {error}") from error


def make_registry(pool: Pool) -> Registry:
    """Announce the numbers of the service."""
    registry = Registry()
    registry.counter("orders_total", "Orders by result.", '{result="ok"}', '{result="failed"}')
    registry.histogram("order_duration_seconds", "Time per order, failed ones too.")
    registry.gauge("pool_max", "Places in the connection pool.", lambda: pool.size)
    registry.gauge("pool_open", "Connections open.", lambda: pool.open)
    registry.gauge("pool_in_use", "Places handed out to orders.", lambda: pool.in_use)
    registry.gauge("pool_waiting", "Orders waiting for a busy place.", lambda: pool.waiting)
    registry.gauge("pool_errors_total", "Connections that could not be opened.", lambda: pool.errors)
    return registry


class OrderHandler(Handler):
    """Answers one request."""

    pool: Pool
    registry: Registry
    complaint: Complaint

    def do_GET(self) -> None:  # noqa: N802 (the name that http.server calls)
        match self.path:
            case "/health":
                self._health()
            case "/metrics":
                self.answer(200, self.registry.render(), "text/plain; version=0.0.4")
            case _:
                self.answer(404, '{"error": "no such page"}')

    def do_POST(self) -> None:  # noqa: N802 (the name that http.server calls)
        if self.path not in ("/orders", "/payments"):
            self.answer(404, '{"error": "no such page"}')
            return
        try:
            length = min(int(self.headers.get("Content-Length", "0")), _BODY)
            order: Any = json.loads(self.rfile.read(length))
            customer, item, count = int(order["customer"]), self._item(order), int(order["count"])
            if not (item.isascii() and item.isalnum() and 0 < count < 1000):
                raise ValueError("item or count")
        except (ValueError, KeyError, TypeError):
            self.answer(400, '{"error": "not an order"}')
        else:
            self._book(customer, item, count) if self.path == "/orders" else self._settle(customer, count)

    def _item(self, order: Any) -> str:
        return str(order["item"]) if self.path == "/orders" else "paid"

    def _book(self, customer: int, item: str, count: int) -> None:
        began = time.monotonic()
        try:
            with self.pool.connection(customer) as connection:
                number = connection.ask(f"RESERVE {customer} {item} {count}").split()[1]
        except PoolError as error:
            self._close_book("failed", began)
            self.complaint.say(f"order failed: {error}")
            self.answer(503, json.dumps({"error": str(error)}))
        else:
            self._close_book("ok", began)
            self.answer(201, json.dumps({"order": number}))

    def _settle(self, customer: int, count: int) -> None:
        try:
            with self.pool.connection(customer) as connection:
                connection.ask(f"SETTLE {customer} {count}")
        except PoolError as error:
            self.complaint.say(f"payments not settled: {error}")
            self.answer(503, json.dumps({"error": str(error)}))
        else:
            self.answer(200, json.dumps({"settled": count}))

    def _close_book(self, result: str, began: float) -> None:
        self.registry.count("orders_total", f'{{result="{result}"}}')
        self.registry.observe("order_duration_seconds", time.monotonic() - began)

    def _health(self) -> None:
        try:
            self.pool.check(_HEALTH_TIMEOUT)
        except PoolError as error:
            self.answer(503, json.dumps({"status": "failing", "reason": str(error)}))
        else:
            self.answer(200, '{"status": "ok"}')


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--config", type=Path, required=True)
    options = parser.parse_args()
    work = scheduler()
    work.run(lambda: serve(options.port, options.config, work))


def serve(port: int, config: Path, work: Scheduler) -> None:
    """Take orders, with the threads of the runtime."""
    settle_in()
    pool = open_pool(config)
    say(f"order-service reads {config}: at most {pool.size} connections")
    OrderHandler.pool, OrderHandler.registry, OrderHandler.complaint = pool, make_registry(pool), Complaint()
    with WebServer(port, OrderHandler) as server:
        work.spawn(pool.warm_up, "warm-up")
        say(f"order-service listens on port {port}")
        server.serve_forever(poll_interval=5.0)


if __name__ == "__main__":
    main()
