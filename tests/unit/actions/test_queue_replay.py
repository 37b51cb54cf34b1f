"""Replaying real queues: counted exactly, bounded, paused and stopped, and whole after every crash."""

from __future__ import annotations

import hashlib
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from runbook.actions.queue_inspect import InspectWith, QueueInspect
from runbook.actions.queue_replay import QueueReplay, ReplayBefore, ReplayResult, ReplayWith
from runbook.actions.queue_watch import Pace, PauseOn
from runbook.demo.queue import Consumer, Message
from runbook.errors import ActionError, TransportError
from runbook.model.host import Host
from runbook.ports.action import Already, Done, Good, NoData, NotDone, Proceed, Refuse
from runbook.ports.cancel import Cancel
from runbook.ports.target import Target
from runbook.testing import CHECKS, Bench, Case, Faulty, MemoryWork
from runbook.testing.work import Silent
from runbook.transports.local import LocalTransport
from tests.unit.actions.queues import DEAD, LIVE, Queues

ACTION = QueueReplay()


@pytest.fixture
def queues(tmp_path: Path) -> Iterator[Queues]:
    made = Queues(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def target() -> Bench:
    return Bench()


def before(w: ReplayWith, target: Target) -> ReplayBefore:
    found = ACTION.inspect(w, target)
    assert isinstance(found, Proceed), found
    state = found.before
    assert isinstance(state, ReplayBefore)
    return state


def replay(w: ReplayWith, target: Target) -> tuple[ReplayBefore, ReplayResult, MemoryWork]:
    b, work = before(w, target), MemoryWork(target)
    return b, ACTION.apply(w, b, work), work


def names(numbers: range) -> list[str]:
    return [f"cb-{n:06}" for n in numbers]


# --- the contract ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_replay_keeps_the_contract_of_actions(check: Callable[[Callable[[], Case]], None], tmp_path: Path) -> None:
    """On the real transport: all else here is on a bench."""
    numbers = count(1)
    local = LocalTransport().target(Host("local", "local"), Cancel())
    made: list[Queues] = []

    def make() -> Case:
        folder = tmp_path / f"world {next(numbers)}"
        folder.mkdir()
        queues = Queues(folder)
        queues.fill(14)
        made.append(queues)
        return Case(ACTION, queues.replay(), local, queues.world)

    check(make)
    for queues in made:
        queues.store.close()


# --- what is moved -----------------------------------------------------------------------------------------------


def test_all_messages_move_in_order_with_their_bodies_and_headers(queues: Queues, target: Bench) -> None:
    queues.fill(25, type="paid")

    b, result, work = replay(queues.replay(), target)

    assert (result.moved, result.already, result.missing, result.batches) == (25, 0, 0, 3)
    assert (queues.held(DEAD), queues.held(LIVE)) == ([], names(range(25)))
    rows = queues.store.db.execute("SELECT headers, body FROM message ORDER BY seq").fetchall()
    headers = json.loads(rows[3][0])
    assert headers.pop("x-replay") == work.receipts["batch-00001"]["batch"]
    assert headers == {"type": "paid", "x-death-queue": LIVE, "x-death-reason": "order service failed"}
    assert rows[3][1] == b"body of 3"
    assert work.told == [(0, 25, "messages"), (10, 25, "messages"), (20, 25, "messages"), (25, 25, "messages")]
    assert ACTION.verify(queues.replay(), b, result, target).state == "good"


def test_the_journal_gets_checksums_and_counts_and_neither_ids_lists_nor_bodies(queues: Queues, target: Bench) -> None:
    queues.fill(25)

    _, _, work = replay(queues.replay(), target)

    payload = json.dumps(names(range(10))).encode()
    first = work.intents["batch-00001"]
    assert first.intent == {
        "do": "move", "from": DEAD, "to": LIVE, "count": 10, "sha256": hashlib.sha256(payload).hexdigest(),
        "first": "cb-000000", "last": "cb-000009",
    }  # fmt: skip
    assert work.receipts["batch-00001"] == {
        "batch": first.key.text(), "moved": 10, "already": 0, "missing": 0, "duplicates": [],
    }  # fmt: skip
    kept = subprocess.run(
        [queues.control, "batch", first.key.text(), "--ids"], capture_output=True, text=True, check=True
    )
    assert json.loads(kept.stdout)["ids"] == names(range(10))


def test_a_canary_takes_the_oldest_and_no_more_than_its_limit(queues: Queues, target: Bench) -> None:
    queues.fill(25)
    w = queues.replay(limit=12)

    b, result, _ = replay(w, target)

    assert (result.moved, result.batches) == (12, 2)
    assert (queues.held(LIVE), queues.held(DEAD)) == (names(range(12)), names(range(12, 25)))
    assert ACTION.verify(w, b, result, target).state == "good"


def test_old_messages_are_left_where_they_are(queues: Queues, target: Bench) -> None:
    queues.fill(10)
    queues.age(3600, names(range(4)))
    w = queues.replay(max_age=60.0)

    b, result, _ = replay(w, target)

    assert (b.bound, result.moved) == (6, 6)
    assert (queues.held(DEAD), queues.held(LIVE)) == (names(range(4)), names(range(4, 10)))
    assert ACTION.verify(w, b, result, target).state == "good"


def test_a_filter_takes_only_messages_whose_headers_match(queues: Queues, target: Bench) -> None:
    queues.fill(5, type="payment.paid", shop="a")
    queues.fill(5, first=5, type="payment.refund", shop="a")
    queues.fill(5, first=10, type="payment.paid", shop="b")
    w = queues.replay(filter={"type": "*.paid", "shop": "a"}, batch=2)

    b, result, _ = replay(w, target)

    assert (b.bound, result.moved, result.batches) == (5, 5, 3)
    assert (queues.held(LIVE), queues.held(DEAD)) == (names(range(5)), names(range(5, 15)))
    assert ACTION.verify(w, b, result, target).state == "good"


def test_what_the_destination_has_or_had_is_not_published_again_but_counted_and_named(
    queues: Queues, target: Bench
) -> None:
    queues.store.publish(LIVE, [Message("cb-000001", {}, b"")])
    queues.consume()
    queues.fill(4)
    queues.store.publish(LIVE, [Message("cb-000002", {}, b"")])
    w = queues.replay()

    b, result, _ = replay(w, target)

    assert (result.moved, result.already, result.missing) == (2, 2, 0)
    assert result.duplicates == ("cb-000001", "cb-000002")
    assert sorted(queues.held(LIVE)) == ["cb-000000", "cb-000002", "cb-000003"]
    assert queues.held(DEAD) == []
    verdict = ACTION.verify(w, b, result, target)
    assert verdict.state == "good"
    assert verdict.evidence[-1] == (
        "2 were at the destination before and were not published again: cb-000001, cb-000002"
    )


def test_what_somebody_else_takes_from_the_source_meanwhile_is_missing_and_not_lost(
    queues: Queues, target: Bench
) -> None:
    queues.fill(10)
    w = queues.replay(batch=5)
    b = before(w, target)

    class Late(MemoryWork):
        """The tenth message is taken when the first batch has gone, and its ids are known already."""

        def progress(self, done: int, total: int, unit: str) -> None:
            if done == 5:
                other = Consumer(queues.store, DEAD)
                other.take(1)
                other.acknowledge(["cb-000005"])
                other.close()

    result = ACTION.apply(w, b, Late(target))

    assert (result.moved, result.missing) == (9, 1)
    verdict = ACTION.verify(w, b, result, target)
    assert verdict.state == "good"
    assert verdict.evidence[-1] == "1 were gone from the source when it was their turn"


def test_a_replay_is_bounded_by_what_the_source_held_at_the_start(queues: Queues, target: Bench) -> None:
    queues.fill(10)
    w = queues.replay(batch=5, pause_on=PauseOn(consumers=0, returned=1000))
    b = before(w, target)

    class Poison(MemoryWork):
        """Whatever arrives is rejected at once, as by a consumer that is still broken."""

        def progress(self, done: int, total: int, unit: str) -> None:
            queues.reject(100)

    result = ACTION.apply(w, b, Poison(target))

    assert (result.moved, sorted(queues.held(DEAD))) == (10, names(range(10)))
    verdict = ACTION.verify(queues.replay(batch=5, pause_on=PauseOn(consumers=0, returned=5)), b, result, target)
    assert verdict.state == "bad"
    assert "0 consumed, 0 waiting, 10 came back, 0 lost" in verdict.evidence[-1]


# --- refusals ----------------------------------------------------------------------------------------------------


def refusal(w: ReplayWith, target: Bench) -> str:
    found = ACTION.inspect(w, target)
    assert isinstance(found, Refuse), found
    return f"{found.why}; {found.remedy}"


def test_it_refuses_unless_the_consumers_are_said_to_be_idempotent(queues: Queues, target: Bench) -> None:
    queues.fill(1)

    assert "nobody confirmed that the consumers are idempotent" in refusal(
        queues.replay(idempotent_consumers=False), target
    )


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"source": LIVE}, "the same queue"),
        ({"source": "payments.daed"}, "no queue payments.daed"),
        ({"source": "-x"}, "no name of a queue"),
        ({"control": "queue-ctl"}, "no absolute path"),
        ({"pause_on": PauseOn()}, "payments has 0 consumers, 1 wanted"),
    ],
)
def test_it_refuses_what_cannot_work(queues: Queues, target: Bench, given: dict[str, object], why: str) -> None:
    queues.fill(1)
    w = ReplayWith(**{k: getattr(queues.replay(), k) for k in ReplayWith.__struct_fields__} | given)

    assert why in refusal(w, target)


def test_an_empty_source_is_nothing_to_replay(queues: Queues, target: Bench) -> None:
    assert isinstance(ACTION.inspect(queues.replay(), target), Already)


# --- pauses and stops --------------------------------------------------------------------------------------------


class Until(MemoryWork):
    """A work whose sink does something at the first word of a pause."""

    def __init__(self, target: Target, at_pause: Callable[[], object]) -> None:
        super().__init__(target)
        self.words: list[str] = []
        self._at_pause = at_pause
        self.sink = self

    def write(self, stream: str, data: bytes) -> None:
        text = data.decode()
        if text.startswith("the replay"):
            self.words.append(text.strip())
        if "pauses" in text:
            self._at_pause()


def test_a_replay_pauses_while_the_destination_grows_and_goes_on_when_it_has_shrunk(
    queues: Queues, target: Bench
) -> None:
    queues.fill(30)
    w = queues.replay(pause_on=PauseOn(consumers=0, growth=20))
    work = Until(target, queues.consume)

    result = ACTION.apply(w, before(w, target), work)

    assert work.words == [
        "the replay pauses: payments has grown by 20 to 20: its consumers do not keep up",
        "the replay goes on",
    ]
    assert (result.moved, queues.held(DEAD), len(queues.held(LIVE))) == (30, [], 10)


def test_a_replay_pauses_while_consumers_are_lost(queues: Queues, target: Bench) -> None:
    queues.fill(20)
    w = queues.replay(pause_on=PauseOn(consumers=1))
    consumers = [Consumer(queues.store, LIVE)]
    b = before(w, target)
    work = Until(target, lambda: consumers.append(Consumer(queues.store, LIVE)))
    consumers.pop().close()

    result = ACTION.apply(w, b, work)

    assert work.words == ["the replay pauses: payments has 0 consumers, 1 wanted", "the replay goes on"]
    assert result.moved == 20
    consumers.pop().close()


def test_a_pause_that_lasts_too_long_ends_the_step_and_leaves_the_rest_in_the_source(
    queues: Queues, target: Bench
) -> None:
    queues.fill(30)
    w = queues.replay(pause_on=PauseOn(consumers=0, growth=20, within=0.1))
    work = MemoryWork(target)

    with pytest.raises(ActionError, match="its consumers do not keep up"):
        ACTION.apply(w, before(w, target), work)

    assert (len(queues.held(LIVE)), len(queues.held(DEAD)), work.open()) == (20, 10, [])
    queues.consume()
    _, again, _ = replay(w, target)
    assert (again.moved, queues.held(DEAD)) == (10, [])


def test_messages_that_come_back_stop_the_replay(queues: Queues, target: Bench) -> None:
    queues.fill(30)
    w = queues.replay(pause_on=PauseOn(consumers=0, returned=10))

    class Poison(MemoryWork):
        """Half of what arrives is rejected at once."""

        def progress(self, done: int, total: int, unit: str) -> None:
            queues.reject(5)

    work = Poison(target)

    with pytest.raises(ActionError, match=r"10 messages came into payments\.dead since the start"):
        ACTION.apply(w, before(w, target), work)

    assert sorted([*queues.held(LIVE), *queues.held(DEAD)]) == names(range(30))


def test_a_set_token_ends_a_pause(queues: Queues, target: Bench) -> None:
    queues.fill(30)
    w = queues.replay(pause_on=PauseOn(consumers=0, growth=10))
    work = Until(target, lambda: work.cancel.set("Ctrl-C"))

    with pytest.raises(ActionError, match="Ctrl-C"):
        ACTION.apply(w, before(w, target), work)

    assert (len(queues.held(LIVE)), len(queues.held(DEAD))) == (10, 20)


class Hours:
    """A clock that moves only where somebody waits."""

    def __init__(self, work: MemoryWork, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.waited: list[float] = []
        self.at: Callable[[], None] = lambda: None
        monkeypatch.setattr("runbook.actions.queue_watch.monotonic", lambda: self.now)
        monkeypatch.setattr(work.cancel, "wait", self.wait)

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        self.waited.append(seconds)
        self.at()
        return False


def test_a_rate_bounds_batches_and_spreads_them(queues: Queues, target: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    queues.fill(12)
    work = MemoryWork(target)
    hours = Hours(work, monkeypatch)
    w = queues.replay(rate=5.0)

    result = ACTION.apply(w, before(w, target), work)

    assert (result.moved, result.batches) == (12, 3)
    # Two batches of five each took a second; nothing follows the last one, of two.
    assert sum(hours.waited) == pytest.approx(2.0)


def test_a_rate_that_is_lowered_and_raised_holds_at_once_also_in_a_wait(
    queues: Queues, target: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    queues.fill(24)
    work = MemoryWork(target)
    hours = Hours(work, monkeypatch)
    rates = {1000.0: 10.0, 1001.0: 1.0, 1004.0: 10.0}
    sizes: list[tuple[float, int]] = []

    def steer() -> None:
        work.rate = [rate for since, rate in rates.items() if since <= hours.now + 1e-6][-1]
        sizes.append((round(hours.now, 1), len(queues.held(LIVE))))

    hours.at = steer
    w = queues.replay(rate=10.0, batch=10)

    result = ACTION.apply(w, before(w, target), work)

    assert (result.moved, queues.held(DEAD)) == (24, [])
    # Ten in the first second; at one a second a single one goes, after the ten seconds that ten are worth by then,
    # which the raise at 1004 ends; then the rest.
    assert dict(sizes)[1000.8] == 10
    assert dict(sizes)[1003.8] == 10
    assert sizes[-1][0] <= 1006.2


def test_a_rate_above_the_written_one_is_not_taken(queues: Queues, target: Bench) -> None:
    work = MemoryWork(target)
    work.rate = 1000.0

    assert [Pace(5.0, work).most(100), Pace(0.0, work).most(5000)] == [5, 1000]


# --- crashes -----------------------------------------------------------------------------------------------------


def test_a_batch_whose_command_is_stopped_after_its_end_counts_as_moved(queues: Queues, target: Bench) -> None:
    queues.fill(20)
    w = queues.replay()

    result = ACTION.apply(w, before(w, target), MemoryWork(Faulty(target, {"batch-00002": "stopped"})))

    assert (result.moved, queues.held(LIVE)) == (20, names(range(20)))


def test_a_batch_that_may_still_run_is_doubt_and_is_settled_by_the_queue(queues: Queues, target: Bench) -> None:
    queues.fill(20)
    w = queues.replay()
    b, work = before(w, target), MemoryWork(Faulty(target, {"batch-00002": "survives"}))

    with pytest.raises(TransportError):
        ACTION.apply(w, b, work)

    (open_op,) = work.open()
    settled = ACTION.settle(w, b, open_op, target)
    assert isinstance(settled, Done)
    assert (settled.receipt["moved"], settled.receipt["batch"]) == (10, open_op.key.text())


def test_a_batch_that_never_came_to_the_queue_is_not_done(queues: Queues, target: Bench) -> None:
    queues.fill(5)
    w = queues.replay()
    b, work = before(w, target), MemoryWork(Faulty(target, {"batch-00001": "refused"}))

    with pytest.raises(TransportError):
        ACTION.apply(w, b, work)

    assert isinstance(ACTION.settle(w, b, work.open()[0], target), NotDone)
    assert ACTION.apply(w, b, work.restarted()).moved == 5


def test_ids_that_arrive_damaged_move_nothing(queues: Queues) -> None:
    queues.fill(5)
    argv = [str(queues.control), "move", DEAD, LIVE, "--batch", "b", "--sha256", "0" * 64]

    done = subprocess.run(argv, input=b'["cb-000000"]', capture_output=True, check=False)

    assert (done.returncode, b"did not arrive as they were sent" in done.stderr) == (1, True)
    assert len(queues.held(DEAD)) == 5


def test_a_batch_sent_twice_moves_once_and_one_of_other_ids_is_refused(queues: Queues) -> None:
    queues.fill(5)
    argv = [str(queues.control), "move", DEAD, LIVE, "--batch", "b"]

    answers = [subprocess.run(argv, input=b'["cb-000000"]', capture_output=True, check=True) for _ in range(2)]
    other = subprocess.run(argv, input=b'["cb-000001"]', capture_output=True, check=False)

    assert answers[0].stdout == answers[1].stdout
    assert (other.returncode, len(queues.held(DEAD)), len(queues.held(LIVE))) == (1, 4, 1)


def test_killed_at_any_moment_the_queue_moved_all_of_a_batch_or_nothing(queues: Queues) -> None:
    """The control program is killed later and later, until it comes to its end."""
    queues.fill(2000)
    payload = json.dumps(names(range(2000))).encode()
    killed = 0
    while not queues.held(LIVE):
        argv = [str(queues.control), "move", DEAD, LIVE, "--batch", f"b{killed}"]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
            assert process.stdin is not None
            process.stdin.write(payload)
            process.stdin.close()
            timer = threading.Timer(0.02 * killed, process.kill)
            timer.start()
            process.wait()
            timer.cancel()
        assert (len(queues.held(DEAD)), len(queues.held(LIVE))) in {(2000, 0), (0, 2000)}
        killed += 1
    assert killed > 1


# --- inspect -----------------------------------------------------------------------------------------------------


def test_inspect_tells_depth_age_consumers_and_the_oldest_ids(queues: Queues, target: Bench) -> None:
    queues.fill(30)
    queues.age(90, names(range(30)))
    consumer = Consumer(queues.store, DEAD)
    consumer.take(2)

    seen = QueueInspect().observe(InspectWith(control=str(queues.control), queue=DEAD, over=0.0), target, Silent())

    assert isinstance(seen, Good)
    found = seen.value
    assert (found.depth, found.in_flight, found.consumers, found.growth) == (30, 2, 1, 0.0)
    assert 90 <= found.oldest < 120
    assert found.sample == tuple(names(range(2, 7)))
    assert "payments.dead: 30 messages, oldest 9" in seen.evidence[0]
    consumer.close()


def test_inspect_measures_growth_between_two_looks(queues: Queues, target: Bench, monkeypatch: Any) -> None:
    queues.fill(10)
    monkeypatch.setattr("runbook.actions.queue_inspect.time.sleep", lambda _: queues.fill(5, first=10))

    seen = QueueInspect().observe(InspectWith(control=str(queues.control), queue=DEAD), target, Silent())

    assert isinstance(seen, Good)
    assert seen.value.depth == 15
    assert seen.value.growth > 0


def test_a_queue_that_is_not_there_is_no_data(queues: Queues, target: Bench) -> None:
    seen = QueueInspect().observe(InspectWith(control=str(queues.control), queue="other"), target, Silent())

    assert isinstance(seen, NoData)
    assert "no queue other" in seen.evidence[0]
