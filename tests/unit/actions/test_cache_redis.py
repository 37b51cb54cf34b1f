"""A Redis key as the switch of a cache, against a real server: turned, ended by Redis itself, led back."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from runbook.actions.cache_degrade import CacheDegrade, DegradeWith
from runbook.actions.cache_form import Asked, Settling, StatusAsked
from runbook.actions.cache_redis import MOST
from runbook.actions.cache_restore import CacheRestore, RestoreWith
from runbook.errors import ActionError
from runbook.model.host import Host
from runbook.ports.action import Already, Proceed, Refuse
from runbook.ports.cancel import Cancel
from runbook.ports.target import Target
from runbook.secret import Secret
from runbook.testing import CHECKS, Bench, Case, MemoryWork
from runbook.transports.local import LocalTransport
from tests.unit.actions.cache_service import Service

DEGRADE, RESTORE = CacheDegrade(), CacheRestore()
PASSWORD = "se cret'\"$"
TIMES = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
ODD = "x\n \"quoted\" 'and' \\n \x07 é ; $(id)\n"
KEYS = count(1)


class Redis:
    """A server that keeps nothing, behind a socket file and a password."""

    def __init__(self, folder: Path) -> None:
        self.socket = str(folder / "socket")
        if len(self.socket) > 100:
            self.socket = f"/tmp/runbook-test-redis-{os.getpid()}"
        config = f'port 0\nunixsocket {self.socket}\nrequirepass "{PASSWORD.replace(chr(34), chr(92) + chr(34))}"\n'
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                ["redis-server", "-"], stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=folder
            )
        assert self.process.stdin is not None
        self.process.stdin.write(config.encode() + b'save ""\nappendonly no\n')
        self.process.stdin.close()
        deadline = time.monotonic() + 10
        while self.ask("PING") != "PONG\n":
            assert time.monotonic() < deadline, self._log.read_text()
            threading.Event().wait(0.02)

    def ask(self, *words: str) -> str:
        """Return what redis-cli prints."""
        argv = ["redis-cli", "-s", self.socket, *words]
        env = os.environ | {"REDISCLI_AUTH": PASSWORD}
        return subprocess.run(argv, env=env, capture_output=True, text=True, check=False).stdout

    def at(self, key: str = "", **more: Any) -> dict[str, Any]:
        """Return the arguments that name a key."""
        named = {"switch": "redis", "key": key or f"sw itch:{next(KEYS)}", "server": self.socket}
        return named | {"password": Secret(PASSWORD), "verify": Settling(within=0.3)} | more

    def degrade(self, key: str = "", **more: Any) -> DegradeWith:
        return DegradeWith(**self.at(key, expires=600.0, **more))

    def held(self, key: str) -> tuple[str, bool]:
        """Return the value and whether Redis will end it."""
        return TIMES.sub("TIME", self.ask("GET", key)), int(self.ask("PTTL", key)) >= 0


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    if not (shutil.which("redis-server") and shutil.which("redis-cli")):
        # The lab has hosts, and no services yet: it cannot be asked for this one.
        pytest.skip("NOT TESTED: the Redis switch; there is no redis-server here")
    made = Redis(tmp_path_factory.mktemp("redis"))
    yield made
    made.process.terminate()
    made.process.wait(10)


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as running:
        yield running


def agreement(service: Service) -> Asked:
    return Asked(url=service.url, expect="json.agree")


def degrade_a_key_that_is_not_there(redis: Redis, target: Target, service: Service) -> Case:
    w = redis.degrade()
    return Case(DEGRADE, w, target, lambda: redis.held(w.key), lambda: redis.ask("SET", w.key, "theirs"))


def degrade_a_key_until_it_ends(redis: Redis, target: Target, service: Service) -> Case:
    service.mode = {"degraded": True}
    w = redis.degrade(
        degraded="on", normal=ODD, at_expiry="restore_if_check", honours_expiry=True,
        status=StatusAsked(url=service.url, expect="json.degraded"), check=agreement(service),
    )  # fmt: skip
    redis.ask("SET", w.key, ODD)
    return Case(DEGRADE, w, target, lambda: redis.held(w.key), lambda: redis.ask("SET", w.key, "theirs"))


def restore_a_key_that_would_end(redis: Redis, target: Target, service: Service) -> Case:
    w = RestoreWith(**redis.at(degraded="on", normal="off", check=agreement(service)))
    redis.ask("SET", w.key, "on", "EX", "500")
    return Case(RESTORE, w, target, lambda: redis.held(w.key), lambda: redis.ask("SET", w.key, "theirs"))


def restore_by_removal(redis: Redis, target: Target, service: Service) -> Case:
    w = RestoreWith(**redis.at(degraded="on", check=agreement(service)))
    redis.ask("SET", w.key, "on")
    return Case(RESTORE, w, target, lambda: redis.held(w.key), lambda: redis.ask("SET", w.key, "theirs"))


CASES = (
    degrade_a_key_that_is_not_there,
    degrade_a_key_until_it_ends,
    restore_a_key_that_would_end,
    restore_by_removal,
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_a_redis_key_keeps_the_contract(
    make: Callable[..., Case], check: Callable[[Callable[[], Case]], None], redis: Redis, service: Service
) -> None:
    check(lambda: make(redis, Bench(), service))


def test_it_works_on_the_machine_itself_and_the_password_is_in_no_argument(redis: Redis) -> None:
    target = LocalTransport().target(Host("local", "local"), Cancel())
    w = redis.degrade()
    found = DEGRADE.inspect(w, target)
    assert isinstance(found, Proceed), found
    work = MemoryWork(target)

    result = DEGRADE.apply(w, found.before, work)

    assert DEGRADE.verify(w, found.before, result, target).state == "good"
    assert redis.held(w.key) == ('{"degraded": true, "until": "TIME", "at_expiry": "alarm"}\n\n', False)
    assert PASSWORD not in str(DEGRADE.plan(w, found.before)) + str(work.intents) + str(work.receipts)


def test_redis_itself_ends_a_degradation_and_undo_then_has_nothing_to_do(redis: Redis, service: Service) -> None:
    case = degrade_a_key_until_it_ends(redis, Bench(), service)
    w = case.arguments
    assert isinstance(w, DegradeWith)
    redis.ask("DEL", w.key)
    w = DegradeWith(**{k: getattr(w, k) for k in w.__struct_fields__} | {"normal": "", "expires": 1.0})
    found = DEGRADE.inspect(w, case.target)
    assert isinstance(found, Proceed), found
    work = MemoryWork(case.target)
    result = DEGRADE.apply(w, found.before, work)
    assert redis.held(w.key)[1]

    deadline = time.monotonic() + 10
    while redis.ask("EXISTS", w.key) != "0\n":
        assert time.monotonic() < deadline
        threading.Event().wait(0.05)

    assert DEGRADE.drift(w, found.before, result, case.target).state == "good"
    back = MemoryWork(case.target, undo=True, receipts=work.receipts)
    DEGRADE.undo(w, found.before, result, back)
    assert (back.receipts, DEGRADE.undone(w, found.before, result, case.target).state) == (work.receipts, "good")


def test_an_earlier_degradation_comes_back_with_what_is_left_of_its_time(redis: Redis) -> None:
    w = redis.degrade(degraded="on $UNTIL_UNIX")
    redis.ask("SET", w.key, "on 1790000000", "EX", "300")
    found = DEGRADE.inspect(w, Bench())
    assert isinstance(found, Proceed), found
    work = MemoryWork(Bench())
    result = DEGRADE.apply(w, found.before, work)

    DEGRADE.undo(w, found.before, result, MemoryWork(Bench(), undo=True, receipts=work.receipts))

    assert redis.ask("GET", w.key) == "on 1790000000\n"
    assert 290 < int(redis.ask("TTL", w.key)) <= 301


def test_a_key_that_is_normal_is_left_alone(redis: Redis, service: Service) -> None:
    w = RestoreWith(**redis.at(check=agreement(service)))

    assert isinstance(RESTORE.inspect(w, Bench()), Already)


def test_what_cannot_be_read_is_refused_in_the_words_of_the_server(redis: Redis) -> None:
    redis.ask("LPUSH", "a list", "1")
    redis.ask("SET", "big", "x" * (MOST + 1))

    said = [
        DEGRADE.inspect(w, Bench())
        for w in (
            redis.degrade("a list"),
            redis.degrade("big"),
            redis.degrade(password=Secret("wrong")),
            redis.degrade(server="127.0.0.1:1"),
        )
    ]

    words = ["WRONGTYPE", f"more than {MOST} bytes", "NOAUTH", "cannot be read"]
    assert [word in each.why for word, each in zip(words, said, strict=True) if isinstance(each, Refuse)] == [True] * 4


def test_a_server_that_takes_nothing_is_no_success(redis: Redis) -> None:
    w = redis.degrade()
    found = DEGRADE.inspect(w, Bench())
    assert isinstance(found, Proceed), found
    redis.ask("REPLICAOF", "127.0.0.1", "1")
    try:
        with pytest.raises(ActionError, match=r"does not take it.*READONLY"):
            DEGRADE.apply(w, found.before, MemoryWork(Bench()))
    finally:
        redis.ask("REPLICAOF", "NO", "ONE")
