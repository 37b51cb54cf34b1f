import json
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from runbook.errors import UsageError
from runbook.journal import Entry, Layout, Report, Writer, encode, parse, read_book, statement, verify_all, verify_run
from runbook.journal.record import GENESIS, LINE_LIMIT, digest

MakeRun = Callable[..., Layout]


def verdict(report: Report) -> tuple[str, int | None]:
    """Return the status and the number of the record that is named."""
    return report.status, report.place.seq if report.place else None


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def rechain(path: Path, change: Callable[[int, bytes], bytes]) -> None:
    """Rewrite a journal as somebody who knows the format would: every hash right again."""
    prev, lines = GENESIS, []
    for number, line in enumerate(path.read_bytes().splitlines()):
        fields = json.loads(change(number, line)) | {"prev": prev}
        lines.append(json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())
        parse(lines[-1])
        prev = digest(lines[-1])
    path.write_bytes(b"".join(line + b"\n" for line in lines))


def edit(wanted: int) -> Callable[[int, bytes], bytes]:
    return lambda number, line: line.replace(b"restart", b"nothing") if number == wanted else line


def test_a_closed_run_is_ok_and_an_open_one_open(layout: Layout, make_run: MakeRun) -> None:
    make_run("run-1")
    make_run("run-2", outcome=None)

    audit = verify_all(layout)
    assert [(report.run, report.status, report.records) for report in audit.runs] == [
        ("run-1", "ok", 4),
        ("run-2", "open", 4),
    ]
    assert (audit.ledger.status, audit.ledger.records, audit.holds) == ("ok", 3, True)


def test_an_empty_state_folder_holds(layout: Layout) -> None:
    assert verify_all(layout).holds


def test_an_unknown_run_is_a_usage_error(layout: Layout) -> None:
    with pytest.raises(UsageError):
        verify_run(layout, "run-1")


def test_a_changed_record_is_named(layout: Layout, make_run: MakeRun) -> None:
    make_run("run-1")
    path = layout.journal("run-1")
    lines = lines_of(path)
    lines[2] = lines[2].replace(b"restart", b"nothing")
    path.write_bytes(b"".join(lines))

    report = verify_run(layout, "run-1")
    assert verdict(report) == ("broken", 3)
    assert report.place is not None
    assert (report.place.file, report.place.line) == (str(path), 4)


@pytest.mark.parametrize("dropped", [1, 2, 3])
def test_the_cut_tail_of_a_closed_run_is_seen(layout: Layout, make_run: MakeRun, dropped: int) -> None:
    make_run("run-1")
    path = layout.journal("run-1")
    path.write_bytes(b"".join(lines_of(path)[:-dropped]))

    assert verdict(verify_run(layout, "run-1")) == ("truncated", 4 - dropped)


@pytest.mark.parametrize("cut", [1, 2, 100])
def test_a_torn_line_is_told_as_such_in_an_open_run_only(layout: Layout, make_run: MakeRun, cut: int) -> None:
    make_run("run-1", outcome=None)
    make_run("run-2")
    for run in ("run-1", "run-2"):
        path = layout.journal(run)
        path.write_bytes(path.read_bytes()[:-cut])

    assert verdict(verify_run(layout, "run-1")) == ("torn", 3)
    assert verdict(verify_run(layout, "run-2")) == ("truncated", 3)


def test_a_removed_run_is_missing(layout: Layout, make_run: MakeRun) -> None:
    make_run("run-1")
    shutil.rmtree(layout.folder("run-1"))

    audit = verify_all(layout)
    assert [report.status for report in audit.runs] == ["missing"]
    assert not audit.holds


def test_a_removed_journal_is_missing(layout: Layout, make_run: MakeRun) -> None:
    make_run("run-1")
    layout.journal("run-1").unlink()

    assert verify_run(layout, "run-1").status == "missing"


def test_a_renamed_run_is_seen(layout: Layout, make_run: MakeRun) -> None:
    make_run("run-1")
    layout.folder("run-1").rename(layout.folder("run-2"))

    assert [(report.run, report.status) for report in verify_all(layout).runs] == [
        ("run-1", "missing"),
        ("run-2", "broken"),
    ]


def test_a_closed_run_that_is_rechained_differs_from_its_head(layout: Layout, make_run: MakeRun) -> None:
    make_run("run-1")
    rechain(layout.journal("run-1"), edit(1))

    assert verdict(verify_run(layout, "run-1")) == ("broken", 3)


def test_limit_an_open_run_that_is_rechained_behind_its_first_record_is_not_seen(
    layout: Layout, make_run: MakeRun
) -> None:
    make_run("run-1", outcome=None)
    rechain(layout.journal("run-1"), edit(1))

    assert verify_run(layout, "run-1").status == "open"


def test_limit_the_cut_tail_of_an_open_run_is_not_seen(layout: Layout, make_run: MakeRun) -> None:
    make_run("run-1", outcome=None)
    path = layout.journal("run-1")
    path.write_bytes(b"".join(lines_of(path)[:-2]))

    assert verify_run(layout, "run-1").status == "open"


def test_limit_a_run_that_is_removed_with_all_its_ledger_lines_at_the_end_is_not_seen(
    layout: Layout, make_run: MakeRun
) -> None:
    make_run("run-1")
    whole = layout.ledger.read_bytes()
    make_run("run-2")
    shutil.rmtree(layout.folder("run-2"))
    layout.ledger.write_bytes(whole)

    assert verify_all(layout).holds


def test_even_the_first_record_of_an_open_run_is_held_by_the_ledger(layout: Layout, make_run: MakeRun) -> None:
    make_run("run-1", outcome=None)
    rechain(layout.journal("run-1"), edit(0))

    assert verdict(verify_run(layout, "run-1")) == ("broken", 0)


def test_records_behind_the_head_of_a_closed_run_are_seen(layout: Layout, make_run: MakeRun) -> None:
    make_run("run-1")
    path = layout.journal("run-1")
    for _ in range(2):
        last = path.read_bytes().splitlines()[-1]
        fields = json.loads(last)
        fields |= {"prev": digest(last), "seq": fields["seq"] + 1}
        with path.open("ab") as file:
            file.write(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode() + b"\n")

    assert verdict(verify_run(layout, "run-1")) == ("broken", 5)


def test_the_first_record_of_a_session_that_died_before_the_ledger_is_no_tampering(
    layout: Layout, make_run: MakeRun
) -> None:
    make_run("run-1")
    kept = [layout.ledger.read_bytes(), layout.heads("run-1").read_bytes()]
    with Writer.append_to(layout, "run-1") as writer:
        writer.append(Entry("SessionOpened", "session.opened"), durable=True)
    layout.ledger.write_bytes(kept[0])
    layout.heads("run-1").write_bytes(kept[1])

    assert verify_run(layout, "run-1").status == "open"


@pytest.mark.parametrize("line", range(4))
def test_every_changed_line_of_the_ledger_is_seen(layout: Layout, make_run: MakeRun, line: int) -> None:
    make_run("run-1")
    make_run("run-2")
    lines = lines_of(layout.ledger)
    lines[line] = lines[line].replace(b'"mono":', b'"mono":1')
    layout.ledger.write_bytes(b"".join(lines))

    audit = verify_all(layout)
    assert {report.run: report.status for report in audit.runs}[f"run-{1 + line // 2}"] == "broken"
    assert audit.ledger.status == ("ok" if line == 3 else "broken")
    assert [report.run for report in audit.runs if report.holds] == [f"run-{2 - line // 2}"]


def test_a_cut_ledger_is_seen_by_the_copies(layout: Layout, make_run: MakeRun) -> None:
    make_run("run-1")
    make_run("run-2")
    layout.ledger.write_bytes(b"".join(lines_of(layout.ledger)[:-1]))

    assert [(report.run, report.status) for report in verify_all(layout).runs] == [("run-1", "ok"), ("run-2", "broken")]


def test_a_removed_ledger_is_seen(layout: Layout, make_run: MakeRun) -> None:
    make_run("run-1")
    layout.ledger.unlink()

    assert verify_run(layout, "run-1").status == "broken"


def test_a_torn_ledger_is_repaired_by_the_next_head(layout: Layout, make_run: MakeRun) -> None:
    make_run("run-1", outcome=None)
    with layout.ledger.open("ab") as file:
        file.write(b'{"code":"run.cl')
    torn = verify_all(layout)
    make_run("run-2")

    assert (torn.ledger.status, torn.holds) == ("torn", True)
    assert verify_all(layout).ledger.status == "ok"
    kinds = [json.loads(line)["type"] for line in lines_of(layout.ledger)]
    assert kinds == ["run.opened", "ledger.repaired", "run.opened", "run.closed"]


def test_a_head_is_unsigned_without_a_key_and_carries_its_signature_with_one(layout: Layout, make_run: MakeRun) -> None:
    make_run("run-1")
    with Writer.create(layout, "run-2") as writer:
        writer.append(Entry("SessionOpened", "session.opened"), durable=True)
        head = writer.close("succeeded", sign=lambda statement: "signed " + statement.decode())

    assert head is not None
    assert [report.signature for report in verify_all(layout).runs] == [None, "signed " + statement(head).decode()]
    assert json.loads(lines_of(layout.ledger)[1])["data"]["signature"] is None


def side_file(layout: Layout, run: str = "run-1") -> Path:
    """Make a closed run with one side file and its index."""
    with Writer.create(layout, run) as writer:
        path = layout.output(run) / "restart.out"
        index = layout.output(run) / "restart.out.idx"
        path.write_bytes(b"restarted\n")
        index.write_bytes(b"[0,10,1]\n")
        reference = {"file": "output/restart.out", "sha256": sha256(b"restarted\n").hexdigest(), "size": 10}
        reference["index"] = {
            "file": "output/restart.out.idx",
            "sha256": sha256(b"[0,10,1]\n").hexdigest(),
            "size": 9,
        }
        writer.append(Entry("SessionOpened", "session.opened"), durable=True)
        writer.append(Entry("StepFinished", "step.finished", data={"output": reference}), durable=True)
        writer.close("succeeded")
    return path


def test_an_untouched_side_file_is_fine(layout: Layout) -> None:
    side_file(layout)

    assert verify_run(layout, "run-1").status == "ok"


@pytest.mark.parametrize("name", ["restart.out", "restart.out.idx"])
@pytest.mark.parametrize(
    ("attack", "told"),
    [
        pytest.param(
            lambda path: path.write_bytes(path.read_bytes().replace(b"1", b"2").replace(b"r", b"x")), "changed"
        ),
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:-1]), "bytes instead of"),
        pytest.param(lambda path: path.unlink(), "missing"),
        pytest.param(lambda path: (path.rename(path.with_name("x")), path.symlink_to("x")), "cannot be read"),
    ],
    ids=["changed", "cut", "removed", "replaced by a link"],
)
def test_a_touched_side_file_is_seen(layout: Layout, name: str, attack: Callable[[Path], object], told: str) -> None:
    path = side_file(layout).with_name(name)
    attack(path)

    report = verify_run(layout, "run-1")
    assert verdict(report) == ("broken", 1)
    assert report.place is not None
    assert told in report.place.what
    assert verify_run(layout, "run-1", outputs=False).status == "ok"


@pytest.mark.parametrize(
    "name", ["../../../secret", "/etc/passwd", "journal.jsonl", "output/../journal.jsonl", "output"]
)
def test_a_reference_that_leaves_the_output_folder_is_not_followed(layout: Layout, name: str) -> None:
    with Writer.create(layout, "run-1") as writer:
        data = {"output": {"file": name, "sha256": "0" * 64, "size": 0}}
        writer.append(Entry("StepFinished", "step.finished", data=data), durable=True)

    report = verify_run(layout, "run-1")
    assert report.place is not None
    assert (report.status, "not among the run's output" in report.place.what) == ("broken", True)


def test_heads_of_all_sessions_are_compared(layout: Layout, make_run: MakeRun) -> None:
    make_run("run-1", outcome="paused")
    with Writer.append_to(layout, "run-1") as writer:
        writer.append(Entry("SessionOpened", "session.opened"), durable=True)
    assert len(read_book(layout).of("run-1")) == 3
    rechain(layout.journal("run-1"), edit(2))

    assert verdict(verify_run(layout, "run-1")) == ("broken", 3)


def test_lines_that_belong_to_another_run_are_seen(layout: Layout, make_run: MakeRun) -> None:
    make_run("run-1", outcome=None)
    path = layout.journal("run-1")
    rechain(path, lambda number, line: line.replace(b"run-1", b"run-9") if number == 2 else line)
    assert encode(parse(lines_of(path)[0][:-1])) == lines_of(path)[0][:-1]

    assert verdict(verify_run(layout, "run-1")) == ("broken", 2)


@pytest.mark.parametrize("rubbish", [b"x", b"x\n", b"x\nx"])
def test_a_line_beyond_the_limit_is_no_torn_one(layout: Layout, make_run: MakeRun, rubbish: bytes) -> None:
    make_run("run-1", outcome=None)
    with layout.journal("run-1").open("ab") as file:
        file.write(b"x" * LINE_LIMIT + rubbish)

    assert verdict(verify_run(layout, "run-1")) == ("broken", 4)
