"""The local cache of the inventory service: what is left of every item, and what was promised without the database.

Owns the numbers and their agreement with the database. Where they differ, somebody else sells the same stock: the cache
takes the number of the database over at once, and the two only agree when nothing has differed for a while. A promise
is on disk before it is given and is booked in the database later, under its own id, so that a crash in between books
it neither twice nor not at all. All of that is in one SQLite file, because a promise must take an item away and be
remembered in one step.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path

import msgspec

from runbook.demo.pool import Connection, PoolError, Refused

ITEMS = ("tent", "stove", "boots", "rope")

_FRESH = 2.0
"""Seconds for which a comparison with the database counts."""
_STEADY = 1.5
"""Seconds without a difference after which the numbers agree."""
_AT_ONCE = 500
_UNDER_LOCK = 20
"""Promises that may be booked while new ones wait."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS stock (item TEXT PRIMARY KEY, count INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS promise (id TEXT PRIMARY KEY, item TEXT NOT NULL, count INTEGER NOT NULL);
"""


class SoldOut(Exception):
    """Nothing is left of an item."""


class Comparison(msgspec.Struct, frozen=True):
    """The numbers of one moment, seen on both sides."""

    cached: int
    """What is left of all items, as far as the cache knows."""
    database: int
    """What is left of them in the database."""
    agree: bool
    """Both were the same for every item for a while, and every promise is booked."""
    at: float
    """Monotonic seconds."""


class Cache:
    """What is left, and what was promised; safe to use from many threads."""

    def __init__(self, file: Path) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.executescript(_SCHEMA)
        self._compared: Comparison | None = None
        self._differed = 0.0
        self.oversold = 0
        """Promised items that the database did not have any more."""

    @property
    def unbooked(self) -> int:
        """Promises that the database does not know yet."""
        with self._lock:
            return self._unbooked()

    @property
    def compared(self) -> Comparison | None:
        """The last comparison; None if it is too old to count, or the database did not answer."""
        last = self._compared
        return last if last is not None and time.monotonic() - last.at < _FRESH else None

    def promise(self, name: str, item: str, count: int) -> int:
        """Take items from the cache under an id; return what is left. Raises SoldOut."""
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            row = self._db.execute("SELECT count FROM stock WHERE item = ?", (item,)).fetchone()
            if row is None or row[0] < count:
                raise SoldOut(item)
            self._db.execute("UPDATE stock SET count = count - ? WHERE item = ?", (count, item))
            self._db.execute("INSERT INTO promise VALUES (?, ?, ?)", (name, item, count))
            return int(row[0]) - count

    def unknown(self) -> None:
        """Forget the last comparison: the database does not answer."""
        self._compared = None

    def sync(self, connection: Connection, *, follows: bool) -> None:
        """Book what is unbooked, compare, and take over what the database says.

        `follows`: deductions go to the database, so that a difference means nothing.

        Raises OSError or PoolError if the database does not answer well.
        """
        self._book(connection, _AT_ONCE)
        with self._lock:
            if self._unbooked() > _UNDER_LOCK:
                return
            self._book_locked(connection)
            left = {item: int(connection.ask(f"STOCK {item}").split()[1]) for item in ITEMS}
            known = left if follows else dict(self._db.execute("SELECT item, count FROM stock").fetchall())
            with self._db:
                self._db.executemany("INSERT OR REPLACE INTO stock VALUES (?, ?)", list(left.items()))
            self._compared = self._judged(known, left)

    def _judged(self, known: dict[str, int], left: dict[str, int]) -> Comparison:
        now = time.monotonic()
        if known != left:
            self._differed = now
        agree = now - self._differed >= _STEADY and self._unbooked() == 0
        return Comparison(sum(known.values()), sum(left.values()), agree, now)

    def _book(self, connection: Connection, most: int) -> None:
        with self._lock:
            rows = self._db.execute("SELECT id, item, count FROM promise LIMIT ?", (most,)).fetchall()
        for row in rows:
            short = self._take(connection, *row)
            with self._lock:
                self._settle(row[0], short)

    def _book_locked(self, connection: Connection) -> None:
        for row in self._db.execute("SELECT id, item, count FROM promise").fetchall():
            self._settle(row[0], self._take(connection, *row))

    def _take(self, connection: Connection, name: str, item: str, count: int) -> int:
        """Book one promise; return how much of it the database did not have."""
        try:
            connection.ask(f"TAKE {name} {item} {count}")
        except PoolError as error:
            if isinstance(error, Refused) or "sold out" not in str(error):
                raise
            return count
        return 0

    def _settle(self, name: str, short: int) -> None:
        self._db.execute("DELETE FROM promise WHERE id = ?", (name,))
        self.oversold += short

    def _unbooked(self) -> int:
        return int(self._db.execute("SELECT count(*) FROM promise").fetchone()[0])
