"""Looking into the embedded queue and moving messages from one queue to another, in named batches.

Owns the replay. A batch is one transaction: publish, confirm and acknowledge come together or not at all, so that no
crash leaves a duplicate or a loss. Its ids are kept under its name with what became of each, and a batch that is sent
again under the same name answers what it did the first time. Bodies and headers are moved as they are, with one header
more that names the batch.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from runbook.demo.queue import QueueError, Store

REPLAY_HEADER = "x-replay"
_ENDLESS = 2**63 - 1
_FOUND = """
SELECT seq, id, at, headers, body FROM message
WHERE queue = ? AND taker = '' AND id IN (SELECT value FROM json_each(?))
"""
_KNOWN = """
SELECT id FROM message WHERE queue = ?1 AND id IN (SELECT value FROM json_each(?2))
UNION ALL SELECT id FROM spent WHERE queue = ?1 AND id IN (SELECT value FROM json_each(?2))
"""

Answer = dict[str, Any]
"""What the control program prints, as JSON."""


class Wanted(NamedTuple):
    """Which messages of a queue are meant."""

    where: Mapping[str, str] = {}
    """Header to a pattern as of a shell, such as `order*`."""
    max_age: float = 0.0
    """Seconds since they were published first; 0: any."""
    after: int = 0
    until: int = _ENDLESS
    """Positions in the queue; later messages are not meant."""


def show(store: Store, queue: str, wanted: Wanted = Wanted()) -> Answer:  # noqa: B008 (an immutable default)
    """Return the state of a queue. `matching` counts what is meant, without what a consumer has taken."""
    with store.reading():
        return _show(store, queue, wanted)


def _show(store: Store, queue: str, wanted: Wanted) -> Answer:
    store.require(queue)
    db = store.db
    first = "SELECT count(*), count(nullif(taker, '')), min(at) FROM message WHERE queue = ?"
    depth, in_flight, oldest = db.execute(first, (queue,)).fetchone()
    counters = "SELECT published, consumed, rejected, replayed FROM queue WHERE name = ?"
    published, consumed, rejected, replayed = db.execute(counters, (queue,)).fetchone()
    # The end of the whole file: a message that comes back later stands behind it, whatever it was before.
    end = db.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'message'").fetchone()[0]
    return {
        "queue": queue,
        "depth": depth,
        "in_flight": in_flight,
        "matching": _count(store, queue, wanted),
        "consumers": store.consumers(queue),
        "oldest": None if oldest is None else round(max(0.0, time.time() - oldest), 3),
        "published": published,
        "consumed": consumed,
        "rejected": rejected,
        "replayed": replayed,
        "end": str(end),
    }


def ids(store: Store, queue: str, count: int, wanted: Wanted) -> Answer:
    """Return ids of messages that are meant and that nobody has taken, oldest first, and the position of the last."""
    store.require(queue)
    found: list[str] = []
    last = wanted.after
    for seq, id_ in _matching(store, queue, wanted, count):
        found.append(id_)
        last = seq
    return {"ids": found, "next": str(last)}


def move(store: Store, source: str, destination: str, batch: str, payload: bytes, sha256: str = "") -> Answer:
    """Move the messages whose ids are in `payload`, a JSON list; return what became of each.

    `moved` are at the destination now. `already` were there before, or were consumed there: they are not published
    again, and leave the source. `missing` are not in the source, or are in the hands of a consumer.

    Raises:
        QueueError: the ids are not those of `sha256`, or a batch of this name had others; nothing was changed.
    """
    digest = hashlib.sha256(payload).hexdigest()
    if sha256 and digest != sha256:
        raise QueueError("the ids did not arrive as they were sent")
    wanted: list[str] = json.loads(payload)
    if len(set(wanted)) != len(wanted):
        raise QueueError("an id stands twice in the batch")
    with store.writing():
        for queue in (source, destination):
            store.require(queue)
        known = store.db.execute("SELECT source, destination, sha256 FROM batch WHERE name = ?", (batch,)).fetchone()
        if known is None:
            store.db.execute("INSERT INTO batch VALUES (?, ?, ?, ?)", (batch, source, destination, digest))
            _carry_over(store, source, destination, batch, wanted)
        elif known != (source, destination, digest):
            raise QueueError(f"batch {batch} was another one")
    return outcome(store, batch)


def outcome(store: Store, batch: str, *, every: bool = False) -> Answer:
    """Return what became of a batch; `every` names the moved ids as well."""
    known = store.db.execute("SELECT source, destination, sha256 FROM batch WHERE name = ?", (batch,)).fetchone()
    if known is None:
        return {"known": False}
    by: dict[str, list[str]] = {"moved": [], "already": [], "missing": []}
    for id_, what in store.db.execute("SELECT id, outcome FROM replay WHERE batch = ? ORDER BY id", (batch,)):
        by[what].append(id_)
    answer: Answer = {"known": True, "sha256": known[2], "moved": len(by["moved"])}
    answer |= {"already": by["already"], "missing": by["missing"]}
    return answer | ({"ids": by["moved"]} if every else {})


def account(store: Store, prefix: str) -> Answer:
    """Return where the messages are now that the batches with this beginning of their names have moved."""
    at = "EXISTS (SELECT 1 FROM message m WHERE m.queue = b.destination AND m.id = r.id)"
    spent = "EXISTS (SELECT 1 FROM spent s WHERE s.queue = b.destination AND s.id = r.id)"
    back = "EXISTS (SELECT 1 FROM message m WHERE m.queue != b.destination AND m.id = r.id)"
    text = f"""
        SELECT CASE WHEN {spent} THEN 'consumed' WHEN {at} THEN 'waiting' WHEN {back} THEN 'returned' ELSE 'lost' END,
        count(*) FROM replay r JOIN batch b ON b.name = r.batch
        WHERE r.outcome = 'moved' AND substr(r.batch, 1, length(?1)) = ?1 GROUP BY 1
    """  # noqa: S608 (the parts are those above)
    found = dict(store.db.execute(text, (prefix,)).fetchall())
    words = ("consumed", "waiting", "returned", "lost")
    return {"moved": sum(found.values()), **{word: found.get(word, 0) for word in words}}


def _carry_over(store: Store, source: str, destination: str, batch: str, wanted: Sequence[str]) -> None:
    db = store.db
    store.free(source)
    listed = json.dumps(wanted)
    known = {row[0] for row in db.execute(_KNOWN, (destination, listed))}
    found = {row[1]: row for row in db.execute(_FOUND, (source, listed))}
    rows, outcomes = [], []
    for id_ in wanted:
        if id_ not in found:
            outcomes.append((batch, id_, "missing"))
        elif id_ in known:
            outcomes.append((batch, id_, "already"))
        else:
            _, _, at, headers, body = found[id_]
            outcomes.append((batch, id_, "moved"))
            rows.append((destination, id_, at, json.dumps({**json.loads(headers), REPLAY_HEADER: batch}), body))
    count = store.insert(rows)
    db.executemany("DELETE FROM message WHERE seq = ?", [(row[0],) for row in found.values()])
    db.executemany("INSERT INTO replay VALUES (?, ?, ?)", outcomes)
    db.execute("UPDATE queue SET replayed = replayed + ? WHERE name = ?", (count, destination))


def _count(store: Store, queue: str, wanted: Wanted) -> int:
    if wanted.where:
        return sum(1 for _ in _matching(store, queue, wanted, -1))
    text = "SELECT count(*) FROM message WHERE queue = ? AND taker = '' AND seq > ? AND seq <= ? AND at >= ?"
    bounds = (queue, wanted.after, wanted.until, _since(wanted))
    return int(store.db.execute(text, bounds).fetchone()[0])


def _matching(store: Store, queue: str, wanted: Wanted, count: int) -> Iterator[tuple[int, str]]:
    """Find position and id of what is meant; `count` of it, or all if that is negative."""
    text = """
        SELECT seq, id, headers FROM message
        WHERE queue = ? AND taker = '' AND seq > ? AND seq <= ? AND at >= ? ORDER BY seq
    """
    for seq, id_, headers in store.db.execute(text, (queue, wanted.after, wanted.until, _since(wanted))):
        if count == 0:
            return
        if not wanted.where or _has(json.loads(headers), wanted.where):
            count -= 1
            yield seq, id_


def _since(wanted: Wanted) -> float:
    return time.time() - wanted.max_age if wanted.max_age else 0.0


def _has(headers: Mapping[str, str], where: Mapping[str, str]) -> bool:
    return all(fnmatchcase(headers.get(name, ""), pattern) for name, pattern in where.items())
