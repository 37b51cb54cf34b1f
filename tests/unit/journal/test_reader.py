import threading
from collections.abc import Callable

import pytest

from runbook.errors import JournalBroken, UsageError
from runbook.journal import Entry, Layout, Record, Writer, find, follow, holder, read

MakeRun = Callable[..., Layout]


def number(record: Record) -> int:
    value = record.data["number"]
    assert isinstance(value, int)
    return value


def entry(value: int) -> Entry:
    return Entry("StepFinished", "step.finished", data={"number": value})


class Reads:
    """Stops a follower after so many looks that found nothing, and acts at each."""

    def __init__(self, *acts: Callable[[], object]) -> None:
        self._acts = list(acts)

    def wait(self, timeout: float) -> bool:
        if not self._acts:
            return True
        self._acts.pop(0)()
        return False


def test_reading_stops_before_a_torn_line(layout: Layout, make_run: MakeRun) -> None:
    make_run("run-1", outcome=None)
    with layout.journal("run-1").open("ab") as file:
        file.write(b'{"code":')

    assert [number(record) for record in read(layout, "run-1")] == [0, 1, 2, 3]


def test_reading_a_broken_chain_gives_what_holds_and_then_fails(layout: Layout, make_run: MakeRun) -> None:
    make_run("run-1")
    path = layout.journal("run-1")
    path.write_bytes(path.read_bytes().replace(b'"number":1', b'"number":9'))
    records = read(layout, "run-1")
    seen = [number(next(records)), number(next(records))]

    with pytest.raises(JournalBroken, match=r"journal\.jsonl:3"):
        next(records)
    assert seen == [0, 9]


@pytest.mark.parametrize(
    "attempt", [lambda layout: list(read(layout, "run-9")), lambda layout: list(follow(layout, "run-9", Reads()))]
)
def test_an_unknown_run_is_a_usage_error(layout: Layout, attempt: Callable[[Layout], object]) -> None:
    with pytest.raises(UsageError, match="run-9"):
        attempt(layout)


def test_a_follower_sees_what_is_added_and_never_half_a_line(layout: Layout) -> None:
    with Writer.create(layout, "run-1") as writer:
        writer.append(entry(0), durable=True)
        writer.append(entry(1), durable=True)
        path = layout.journal("run-1")
        whole = path.read_bytes()
        first = whole.index(b"\n") + 1
        path.write_bytes(whole[: first + 20])
        looks = 0

        def look() -> None:
            nonlocal looks
            looks += 1

        def finish() -> None:
            look()
            path.write_bytes(whole)

        followed = follow(layout, "run-1", Reads(look, look, finish, look))
        seen = [(number(record), looks) for record in followed]

    assert seen == [(0, 0), (1, 3)]


def test_a_follower_waits_at_a_torn_line_until_the_repair(layout: Layout, make_run: MakeRun) -> None:
    make_run("run-1", records=1, outcome=None)
    with layout.journal("run-1").open("ab") as file:
        file.write(b"{torn\n")

    def repair() -> None:
        with Writer.append_to(layout, "run-1") as writer:
            assert writer.repair is not None
            writer.append(entry(7), durable=True)

    assert [number(record) for record in follow(layout, "run-1", Reads(int, repair, int))] == [0, 7]


def test_a_follower_fails_at_a_line_that_does_not_hold(layout: Layout, make_run: MakeRun) -> None:
    make_run("run-1")
    path = layout.journal("run-1")
    path.write_bytes(path.read_bytes().replace(b'"number":2', b'"number":9'))

    with pytest.raises(JournalBroken):
        list(follow(layout, "run-1", Reads()))


def test_a_follower_of_a_live_writer_gets_every_record_and_ends_when_told(layout: Layout) -> None:
    stop = threading.Event()
    with Writer.create(layout, "run-1") as writer:

        def write() -> None:
            for value in range(200):
                writer.append(entry(value), durable=value % 50 == 0)
            stop.set()

        worker = threading.Thread(target=write)
        worker.start()
        seen = [number(record) for record in follow(layout, "run-1", stop)]
        worker.join()

    assert seen == list(range(200))


def test_a_unique_prefix_finds_a_run(layout: Layout, make_run: MakeRun) -> None:
    for run in ("01abc", "01abd", "02xyz", "01"):
        make_run(run, records=1)

    assert (find(layout, "02"), find(layout, "01ABC"), find(layout, "01")) == ("02xyz", "01abc", "01")
    with pytest.raises(UsageError, match="01abc, 01abd"):
        find(layout, "01ab")
    for unknown in ("03", ""):
        with pytest.raises(UsageError, match="no run"):
            find(layout, unknown)


def test_a_run_is_live_only_while_its_writer_holds_it(layout: Layout) -> None:
    assert holder(layout, "run-1") is None
    with Writer.create(layout, "run-1"):
        assert holder(layout, "run-1") is not None
    assert holder(layout, "run-1") is None
