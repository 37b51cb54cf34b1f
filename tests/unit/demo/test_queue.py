"""The embedded queue: durable, in order, each message in one hand, and given back by the dead."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from runbook.demo import queue_move
from runbook.demo.queue import Consumer, Message, NoQueue, QueueError, Store

ROOT = Path(__file__).parents[3]
TAKER = """
import sys
from pathlib import Path
from runbook.demo.queue import Consumer, Store
consumer = Consumer(Store(Path(sys.argv[1])), "live")
print(len(consumer.take(2)), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "queue", "create")
    made.declare("dead")
    made.declare("live", "dead")
    yield made
    made.close()


@pytest.fixture
def join(store: Store) -> Iterator[Callable[[], Consumer]]:
    """Give consumers of the live queue, and let go of them all at the end."""
    with ExitStack() as stack:

        def made() -> Consumer:
            consumer = Consumer(store, "live")
            stack.callback(consumer.close)
            return consumer

        yield made


def send(store: Store, *ids: str) -> int:
    return store.publish("live", [Message(id_, {"n": id_}, id_.encode()) for id_ in ids])


def test_messages_come_in_order_and_leave_when_they_are_acknowledged(
    store: Store, join: Callable[[], Consumer]
) -> None:
    send(store, "a", "b", "c")
    consumer = Consumer(store, "live")

    taken = consumer.take(2)
    consumer.acknowledge(["a"])

    assert taken == [Message("a", {"n": "a"}, b"a"), Message("b", {"n": "b"}, b"b")]
    shown = queue_move.show(store, "live")
    assert (shown["depth"], shown["in_flight"], shown["consumers"], shown["consumed"]) == (2, 1, 1, 1)
    consumer.close()
    assert [m.id for m in join().take(9)] == ["b", "c"]


def test_a_message_is_in_one_hand_at_a_time(store: Store, join: Callable[[], Consumer]) -> None:
    send(store, "a", "b", "c")
    one, two = join(), join()

    assert [[m.id for m in taker.take(2)] for taker in (one, two)] == [["a", "b"], ["c"]]
    two.acknowledge(["a"])
    assert queue_move.show(store, "live")["depth"] == 3


def test_what_a_killed_consumer_had_taken_goes_back(store: Store, join: Callable[[], Consumer]) -> None:
    send(store, "a", "b")
    argv = [sys.executable, "-c", TAKER, str(store.home)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"2\n"
        consumer = join()
        assert (consumer.take(9), store.consumers("live")) == ([], 2)
        process.kill()

    assert [m.id for m in consumer.take(9)] == ["a", "b"]
    assert store.consumers("live") == 1


def test_a_rejected_message_lies_in_the_dead_letter_queue_with_the_reason(
    store: Store, join: Callable[[], Consumer]
) -> None:
    send(store, "a")
    consumer = join()
    consumer.take(1)

    consumer.reject(["a"], "no stock")

    (row,) = store.db.execute("SELECT queue, headers, body FROM message").fetchall()
    assert (row[0], row[2]) == ("dead", b"a")
    assert json.loads(row[1]) == {"n": "a", "x-death-queue": "live", "x-death-reason": "no stock"}


def test_publishing_an_id_that_waits_changes_nothing(store: Store) -> None:
    assert (send(store, "a"), send(store, "a", "b")) == (1, 1)
    assert queue_move.show(store, "live")["published"] == 2


def test_a_queue_that_is_not_there_is_named(store: Store, tmp_path: Path) -> None:
    with pytest.raises(NoQueue, match="no queue other"):
        store.publish("other", [])
    with pytest.raises(QueueError, match="no name of a queue"):
        store.declare("../x")
    with pytest.raises(QueueError, match="no queues in"):
        Store(tmp_path / "nowhere")


def test_reading_leaves_the_file_as_it_is(store: Store) -> None:
    send(store, "a")
    file = store.home / "queue.db"
    before = file.read_bytes()

    reader = Store(store.home, "read")
    queue_move.show(reader, "live")
    queue_move.ids(reader, "live", 9, queue_move.Wanted())
    reader.close()

    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ([], 2),
        (["show"], 2),
        (["show", "live", "--count"], 2),
        (["ids", "live", "--count", "many"], 2),
        (["ids", "live"], 2),
        (["show", "live", "--where", "type"], 2),
        (["show", "live", "--wrong", "x"], 2),
        (["move", "live", "live", "--batch", "b"], 2),
        (["show", "other"], 5),
        (["show", "live"], 0),
    ],
)
def test_the_control_program_tells_usage_from_failure(store: Store, words: list[str], code: int) -> None:
    argv = [sys.executable, "-S", "-s", "-P", "-m", "runbook.demo.queue_control", str(store.home), *words]

    done = subprocess.run(
        argv, env={"PYTHONPATH": str(ROOT)}, capture_output=True, stdin=subprocess.DEVNULL, check=False
    )

    assert done.returncode == code
    assert bool(done.stdout) == (code == 0)
