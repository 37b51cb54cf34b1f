"""The inventory service: takes items out of the stock, from the database or, while degraded, from its own cache.

Owns the HTTP side and the two ways of a deduction. It opens a connection for each deduction and closes it, as small
services do; when others hold every connection that the database allows, it knocks until its time is up. On the cache
it answers at once, promises only what it knew to be left, and books the promises as soon as the database lets it in.

    POST /deduct    {"id": "…", "item": "tent", "count": 1}  ->  201, 409 if sold out, 504 if no connection could be had
    POST /switch    a position of the switch, see `inventory_switch`  ->  204
    GET  /status    how it runs, until when, and its numbers beside those of the database (null: not known)
    GET  /health    200 if a deduction can be made, else 503
    GET  /metrics   Prometheus text
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from runbook.demo.inventory_cache import ITEMS, Cache, SoldOut
from runbook.demo.inventory_switch import Mode, Wish, next_mode, read_wish, write_wish
from runbook.demo.metric import Registry
from runbook.demo.pool import Connection, PoolError
from runbook.demo.process import Complaint, Handler, WebServer, say, settle_in

_PATIENCE = 1.0
"""Seconds that a deduction waits for the database."""
_HEALTH = 0.5
_KNOCK_EVERY = 0.1
_CONNECT = 0.5
_LOOK_EVERY = 0.1
_SYNC_EVERY = 0.2
_BODY = 10_000


class Inventory:
    """The service without its HTTP side."""

    def __init__(self, folder: Path, database: int) -> None:
        self.switch = folder / "switch.json"
        self.cache = Cache(folder / "cache.db")
        self.wish = Wish()
        self.mode = Mode()
        self.complaint = Complaint()
        self._database = database
        self.look()

    def look(self) -> None:
        """Look at the switch and the clock."""
        self.wish = read_wish(self.switch, self.wish)
        compared = self.cache.compared
        agrees = compared is not None and compared.agree
        mode = next_mode(self.mode, self.wish, datetime.now(UTC), agrees=agrees)
        if mode != self.mode:
            say(f"inventory: {_words(mode, self.wish)}")
        self.mode = mode

    def watch(self) -> None:
        """Look at the switch for ever."""
        while True:
            time.sleep(_LOOK_EVERY)
            self.look()

    def keep_in_step(self) -> None:
        """Book what was promised and compare the numbers, for ever."""
        while True:
            try:
                self._sync()
            except (OSError, PoolError) as error:
                self.cache.unknown()
                self.complaint.say(f"not in step with the database: {error}")
            time.sleep(_SYNC_EVERY)

    def deduct(self, name: str, item: str, count: int) -> int:
        """Take items out of the stock; return what is left. Raises SoldOut, PoolError."""
        if self.mode.degraded:
            return self.cache.promise(name, item, count)
        deadline = time.monotonic() + _PATIENCE
        connection = self._knock(deadline)
        try:
            if self.mode.degraded:
                # The switch was turned while this one knocked: from now on the cache alone may count.
                return self.cache.promise(name, item, count)
            answer = connection.ask(f"TAKE {name} {item} {count}")
        except OSError as error:
            raise PoolError(f"the connection broke: {error}") from error
        except PoolError as error:
            raise SoldOut(item) if "sold out" in str(error) else error from None
        finally:
            connection.close()
        return int(answer.split()[1])

    def check(self) -> None:
        """Prove that a deduction can be made. Raises PoolError."""
        if not self.mode.degraded:
            self._knock(time.monotonic() + _HEALTH).close()

    def status(self) -> dict[str, object]:
        """Tell how it runs, and its numbers."""
        mode, wish, compared = self.mode, self.wish, self.cache.compared
        until = wish.until if wish.degraded else None
        return {
            "degraded": mode.degraded,
            "until": None if until is None else until.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "at_expiry": wish.at_expiry if wish.degraded else None,
            "overdue": mode.overdue,
            "cached_left": None if compared is None else compared.cached,
            "database_left": None if compared is None else compared.database,
            "agree": None if compared is None else compared.agree,
            "unbooked": self.cache.unbooked,
            "oversold": self.cache.oversold,
        }

    def _sync(self) -> None:
        connection = Connection(("127.0.0.1", self._database), _CONNECT)
        try:
            self.cache.sync(connection, follows=not self.mode.degraded)
        finally:
            connection.close()

    def _knock(self, deadline: float) -> Connection:
        while True:
            try:
                return Connection(("127.0.0.1", self._database), _CONNECT)
            except (OSError, PoolError) as error:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise PoolError(f"no connection to the database: {error}") from error
                time.sleep(min(_KNOCK_EVERY, left))


def _words(mode: Mode, wish: Wish) -> str:
    if mode.overdue:
        return f"the degradation should have ended at {wish.until}, and the numbers do not agree or nobody checks them"
    if mode.degraded:
        return f"answers from its cache until {wish.until or 'the switch is turned'}"
    return "the time of the degradation is up and the numbers agree" if mode.ended else "answers from the database"


def make_registry(inventory: Inventory) -> Registry:
    """Announce the numbers of the service."""
    registry = Registry()
    cache = inventory.cache
    sources = ('{source="database"}', '{source="cache"}', '{source="none"}')
    registry.counter("inventory_deductions_total", "Deductions by where they came from.", *sources)
    registry.histogram("inventory_deduction_seconds", "Time per deduction, failed ones too.")
    registry.gauge("inventory_degraded", "1 while it answers from its cache.", lambda: float(inventory.mode.degraded))
    registry.gauge("inventory_overdue", "1 while a degradation lasts too long.", lambda: float(inventory.mode.overdue))
    registry.gauge("inventory_unbooked", "Promises the database does not know.", lambda: cache.unbooked)
    registry.gauge("inventory_oversold_total", "Promised items that were gone.", lambda: cache.oversold)
    registry.gauge("inventory_agree", "1 if cache and database agree.", lambda: _compared(cache, "agree"))
    registry.gauge("inventory_cached_left", "Items left, by the cache.", lambda: _compared(cache, "cached"))
    registry.gauge("inventory_database_left", "Items left, by the database.", lambda: _compared(cache, "database"))
    return registry


def _compared(cache: Cache, word: str) -> float | None:
    compared = cache.compared
    return None if compared is None else float(getattr(compared, word))


class InventoryHandler(Handler):
    """Answers one request."""

    inventory: Inventory
    registry: Registry

    def do_GET(self) -> None:  # noqa: N802 (the name that http.server calls)
        match self.path:
            case "/status":
                self.answer(200, json.dumps(self.inventory.status()))
            case "/health":
                self._health()
            case "/metrics":
                self.answer(200, self.registry.render(), "text/plain; version=0.0.4")
            case _:
                self.answer(404, '{"error": "no such page"}')

    def do_POST(self) -> None:  # noqa: N802 (the name that http.server calls)
        body = self.rfile.read(min(int(self.headers.get("Content-Length", "0")), _BODY))
        match self.path:
            case "/switch":
                self._turn(body)
            case "/deduct":
                self._deduct(body)
            case _:
                self.answer(404, '{"error": "no such page"}')

    def _turn(self, body: bytes) -> None:
        try:
            write_wish(self.inventory.switch, body)
        except msgspec.MsgspecError:
            self.answer(400, '{"error": "no position of the switch"}')
        else:
            self.inventory.look()
            self.answer(204, "")

    def _deduct(self, body: bytes) -> None:
        try:
            asked: Any = json.loads(body)
            name, item, count = str(asked["id"]), str(asked["item"]), int(asked["count"])
            if item not in ITEMS or not 0 < count < 1000 or not (name.isascii() and name.isalnum()):
                raise ValueError("id, item or count")
        except (ValueError, KeyError, TypeError):
            self.answer(400, '{"error": "not a deduction"}')
            return
        began, source = time.monotonic(), "cache" if self.inventory.mode.degraded else "database"
        try:
            left = self.inventory.deduct(name, item, count)
        except SoldOut:
            self.answer(409, '{"error": "sold out"}')
        except PoolError as error:
            source = "none"
            self.inventory.complaint.say(f"deduction failed: {error}")
            self.answer(504, json.dumps({"error": str(error)}))
        else:
            self.answer(201, json.dumps({"left": left, "source": source}))
        self.registry.count("inventory_deductions_total", f'{{source="{source}"}}')
        self.registry.observe("inventory_deduction_seconds", time.monotonic() - began)

    def _health(self) -> None:
        try:
            self.inventory.check()
        except PoolError as error:
            self.answer(503, json.dumps({"status": "failing", "reason": str(error)}))
        else:
            self.answer(200, '{"status": "ok"}')


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--database", type=int, required=True, help="port of the database")
    parser.add_argument("--folder", type=Path, required=True, help="where the switch and the cache lie")
    options = parser.parse_args()
    settle_in()
    inventory = Inventory(options.folder, options.database)
    InventoryHandler.inventory, InventoryHandler.registry = inventory, make_registry(inventory)
    with WebServer(options.port, InventoryHandler) as server:
        threading.Thread(target=inventory.watch, name="switch", daemon=True).start()
        threading.Thread(target=inventory.keep_in_step, name="sync", daemon=True).start()
        say(f"inventory-service listens on port {options.port}")
        server.serve_forever(poll_interval=5.0)


if __name__ == "__main__":
    main()
