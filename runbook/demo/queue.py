"""The embedded durable queue: messages in one SQLite file that every process opens for itself.

Owns the file, its producers and its consumers; the replay of messages is in `queue_move`. There is no broker: what a
call has returned is on disk (synchronous=FULL), and a process that is killed in the middle has changed nothing. A
message is known by its id; publishing an id that waits already changes nothing. It imports nothing but the standard
library, because the control program runs without site packages.

    HOME/queue.db             the messages, the counters, and what became of every replayed batch
    HOME/consumers/QUEUE@…    one per consumer, locked with flock(2) as long as its process lives
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

_BUSY = 30.0
"""Seconds to wait for another process that writes."""
_VERSION = 1
_SCHEMA = """
CREATE TABLE queue (name TEXT PRIMARY KEY, dead TEXT NOT NULL, published INTEGER NOT NULL DEFAULT 0,
  consumed INTEGER NOT NULL DEFAULT 0, rejected INTEGER NOT NULL DEFAULT 0, replayed INTEGER NOT NULL DEFAULT 0);
CREATE TABLE message (seq INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, id TEXT NOT NULL, at REAL NOT NULL,
  headers TEXT NOT NULL, body BLOB NOT NULL, taker TEXT NOT NULL DEFAULT '', UNIQUE (queue, id));
CREATE INDEX message_order ON message (queue, seq, taker, at);
CREATE INDEX message_taken ON message (queue, taker) WHERE taker != '';
CREATE TABLE spent (queue TEXT, id TEXT, PRIMARY KEY (queue, id)) WITHOUT ROWID;
CREATE TABLE batch (name TEXT PRIMARY KEY, source TEXT NOT NULL, destination TEXT NOT NULL, sha256 TEXT NOT NULL);
CREATE TABLE replay (batch TEXT, id TEXT, outcome TEXT NOT NULL, PRIMARY KEY (batch, id)) WITHOUT ROWID;
"""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

Headers = dict[str, str]


class QueueError(Exception):
    """The queue cannot do what was asked; nothing was changed."""


class NoQueue(QueueError):
    """There is no queue of this name."""


class Message(NamedTuple):
    """What a producer sends and a consumer gets."""

    id: str
    headers: Headers
    body: bytes


class Store:
    """The queues in one folder, as one process sees them; for one thread at a time."""

    def __init__(self, home: Path, mode: Literal["read", "write", "create"] = "write") -> None:
        """Open the queues in `home`. Raises QueueError if there are none and none are to be made."""
        self.home = home
        file = home / "queue.db"
        if mode == "create":
            (home / "consumers").mkdir(mode=0o700, parents=True, exist_ok=True)
        elif not file.exists():
            raise QueueError(f"no queues in {home}")
        # SQLite takes a path with any character as a URI only (sqlite.org/uri.html).
        place = f"{file.absolute().as_uri()}?mode={'ro' if mode == 'read' else 'rwc'}"
        self.db = sqlite3.connect(place, uri=True, timeout=_BUSY, isolation_level=None, check_same_thread=False)
        if mode != "read":
            self._prepare(new=mode == "create")

    def _prepare(self, *, new: bool) -> None:
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = FULL")
        if sys.platform == "darwin":
            # fsync(2) alone does not reach the disk there.
            self.db.execute("PRAGMA fullfsync = 1")
        if not new:
            return
        with self.writing():
            if self.db.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
                for statement in _SCHEMA.split(";"):
                    self.db.execute(statement)
                self.db.execute(f"PRAGMA user_version = {_VERSION}")

    def close(self) -> None:
        """Close the file."""
        self.db.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Do all or nothing; it is on disk when this ends."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    @contextmanager
    def reading(self) -> Iterator[None]:
        """See one moment of the queues, whatever others write meanwhile."""
        self.db.execute("BEGIN")
        try:
            yield
        finally:
            self.db.execute("COMMIT")

    def declare(self, name: str, dead: str = "") -> None:
        """Make a queue, unless it is there; what its consumers reject goes to the queue `dead`."""
        if not _NAME.fullmatch(name):
            raise QueueError(f"{name!r} is no name of a queue")
        with self.writing():
            self.db.execute("INSERT OR IGNORE INTO queue (name, dead) VALUES (?, ?)", (name, dead))

    def require(self, name: str) -> None:
        """Raise NoQueue unless there is a queue of this name."""
        if self.db.execute("SELECT 1 FROM queue WHERE name = ?", (name,)).fetchone() is None:
            raise NoQueue(f"no queue {name}")

    def publish(self, queue: str, messages: Iterable[Message]) -> int:
        """Add messages, durably and all at once; return how many were new."""
        now = time.time()
        with self.writing():
            self.require(queue)
            rows = [(queue, m.id, now, json.dumps(m.headers), m.body) for m in messages]
            count = self.insert(rows)
            self.db.execute("UPDATE queue SET published = published + ? WHERE name = ?", (count, queue))
        return count

    def insert(self, rows: Sequence[tuple[str, str, float, str, bytes]]) -> int:
        """Add rows of queue, id, time, headers and body inside a transaction; return how many were new."""
        text = "INSERT OR IGNORE INTO message (queue, id, at, headers, body) VALUES (?, ?, ?, ?, ?)"
        return self.db.executemany(text, rows).rowcount if rows else 0

    def consumers(self, queue: str) -> int:
        """Count the consumers of a queue that live."""
        return sum(map(self.lives, self.takers(queue)))

    def takers(self, queue: str) -> list[str]:
        """Return the names of consumers of a queue, living or not."""
        return [name for name in os.listdir(self.home / "consumers") if name.rpartition("@")[0] == queue]

    def lives(self, taker: str) -> bool:
        """Tell whether the process of a consumer lives: only then is its file locked."""
        try:
            with (self.home / "consumers" / taker).open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False

    def free(self, queue: str) -> None:
        """Give back, inside a transaction, what consumers have taken that are gone."""
        text = "SELECT DISTINCT taker FROM message WHERE queue = ? AND taker != ''"
        for (taker,) in self.db.execute(text, (queue,)).fetchall():
            if not self.lives(taker):
                self.db.execute("UPDATE message SET taker = '' WHERE queue = ? AND taker = ?", (queue, taker))


class Consumer:
    """One consumer of a queue; what it has taken goes back when its process ends, however that comes."""

    def __init__(self, store: Store, queue: str) -> None:
        store.require(queue)
        self._store = store
        self._queue = queue
        self._name = f"{queue}@{os.getpid()}-{secrets.token_hex(4)}"
        folder = store.home / "consumers"
        for dead in store.takers(queue):
            if not store.lives(dead):
                (folder / dead).unlink(missing_ok=True)
        fresh = folder / f".{self._name}"
        self._lock = fresh.open("wb")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        # Under its name it is locked from the first moment on, so that nobody takes it for dead.
        self._file = fresh.rename(folder / self._name)

    def take(self, count: int) -> list[Message]:
        """Take the oldest messages that nobody else has; they stay in the queue until they are acknowledged."""
        db = self._store.db
        text = "SELECT seq, id, headers, body FROM message WHERE queue = ? AND taker = '' ORDER BY seq LIMIT ?"
        if db.execute("SELECT 1 FROM message WHERE queue = ? LIMIT 1", (self._queue,)).fetchone() is None:
            return []
        with self._store.writing():
            self._store.free(self._queue)
            rows = db.execute(text, (self._queue, count)).fetchall()
            db.executemany("UPDATE message SET taker = ? WHERE seq = ?", [(self._name, row[0]) for row in rows])
        return [Message(id_, json.loads(headers), body) for _, id_, headers, body in rows]

    def acknowledge(self, ids: Sequence[str]) -> None:
        """Say that these were dealt with: they leave the queue, and their ids are remembered."""
        with self._store.writing():
            gone = self._remove(ids)
            text = "INSERT OR IGNORE INTO spent (queue, id) VALUES (?, ?)"
            self._store.db.executemany(text, [(self._queue, row[0]) for row in gone])
            self._count("consumed", len(gone))

    def reject(self, ids: Sequence[str], reason: str) -> None:
        """Send these to the dead-letter queue with the reason in a header, or drop them if there is none."""
        db = self._store.db
        with self._store.writing():
            dead = db.execute("SELECT dead FROM queue WHERE name = ?", (self._queue,)).fetchone()[0]
            gone = self._remove(ids)
            marks = {"x-death-queue": self._queue, "x-death-reason": reason}
            rows = [
                (dead, id_, at, json.dumps({**json.loads(headers), **marks}), body) for id_, at, headers, body in gone
            ]
            if dead:
                self._store.insert(rows)
            self._count("rejected", len(gone))

    def close(self) -> None:
        """Give back what was taken, and be a consumer no more."""
        if self._lock.closed:
            return
        with self._store.writing():
            text = "UPDATE message SET taker = '' WHERE queue = ? AND taker = ?"
            self._store.db.execute(text, (self._queue, self._name))
        self._file.unlink(missing_ok=True)
        self._lock.close()

    def _remove(self, ids: Sequence[str]) -> list[tuple[str, float, str, bytes]]:
        """Take rows out of the queue that are still ours; a consumer that was taken for dead has lost them."""
        db = self._store.db
        text = """
            SELECT id, at, headers, body FROM message
            WHERE queue = ? AND taker = ? AND id IN (SELECT value FROM json_each(?))
        """
        gone: list[tuple[str, float, str, bytes]] = db.execute(
            text, (self._queue, self._name, json.dumps(ids))
        ).fetchall()
        db.executemany("DELETE FROM message WHERE queue = ? AND id = ?", [(self._queue, row[0]) for row in gone])
        return gone

    def _count(self, column: str, number: int) -> None:
        text = f"UPDATE queue SET {column} = {column} + ? WHERE name = ?"  # noqa: S608 (a word of this module)
        self._store.db.execute(text, (number, self._queue))
