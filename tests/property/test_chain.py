"""The chain against everything that can happen to its bytes."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runbook.errors import RunbookError
from runbook.journal import Entry, Layout, Record, Writer, encode, parse, read, verify_all, verify_run
from runbook.journal.chain import Chain
from runbook.journal.record import GENESIS, MalformedLine, UnfitLine, digest, parse_block

RUN = "run-1"


@contextmanager
def state_folder() -> Iterator[Layout]:
    """Give a state folder for one example; a fixture would be shared by all of them."""
    with tempfile.TemporaryDirectory() as folder:
        yield Layout(Path(folder) / "state")


def write_run(layout: Layout, *, records: int = 4, close: bool = True) -> None:
    with Writer.create(layout, RUN) as writer:
        for number in range(records):
            entry = Entry("StepFinished", "step.finished", step="s", attempt=1, data={"exit": number, "text": "ü"})
            writer.append(entry, durable=False)
        if close:
            writer.close("succeeded")


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
integers = st.integers(-(2**63), 2**63 - 1)
values = st.recursive(
    st.none() | st.booleans() | integers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
entries = st.builds(
    Entry,
    type=texts,
    code=texts,
    step=st.none() | texts,
    target=st.none() | texts,
    attempt=st.none() | integers,
    operation=st.none() | texts,
    data=st.dictionaries(texts, values, max_size=5),
)


misleading_texts = st.text(
    st.sampled_from('a"\\\n\x1b\x7f\x85\x9b\u061c\u200d\u2028\u202e\u2069\U000e0041ü漢'), max_size=8
)


@given(st.lists(st.tuples(misleading_texts, st.booleans()), min_size=1, max_size=8))
def test_a_chain_holds_whether_its_lines_are_escaped_or_as_they_came(content: list[tuple[str, bool]]) -> None:
    block, prev, written = b"", GENESIS, []
    for number, (text, is_escaped) in enumerate(content):
        record = Record(
            code="c", data={text: [text]}, log=RUN, mono=number, prev=prev, run=RUN, seq=number,
            time="2026-11-01T03:04:05.000006Z", type=text, v=1,
        )  # fmt: skip
        line = encode(record)
        assert not set(line.decode()) & set("\x7f\x85\x9b\u061c\u200d\u2028\u202e\u2069\U000e0041")
        line = line if is_escaped else msgspec.json.encode(record, order="deterministic")
        block, prev = block + line + b"\n", digest(line)
        written.append(record)
    chain = Chain()

    assert [record for record, _ in chain.take(block)] == written
    assert (chain.what, chain.head) == ("", prev)


@given(st.lists(entries, min_size=1, max_size=6))
def test_any_entries_come_back_as_they_went_in(given_entries: list[Entry]) -> None:
    with state_folder() as layout:
        with Writer.create(layout, RUN) as writer:
            writer.append(*given_entries, durable=True)
            writer.close("succeeded")
        back = [
            Entry(record.type, record.code, record.step, record.target, record.attempt, record.operation, record.data)
            for record in read(layout, RUN)
        ]
        whole = layout.journal(RUN).read_bytes()

        assert back == given_entries
        assert verify_run(layout, RUN).status == "ok"
        assert whole.count(b"\n") == len(given_entries)


def base(data: dict[str, Any]) -> Record:
    return Record(code="c", data=data, log="l", mono=1, prev=GENESIS, run="r", seq=0, time="t", type="T", v=1)


@given(st.dictionaries(texts, values, max_size=5))
def test_one_record_has_one_line(data: dict[str, Any]) -> None:
    line = encode(base(data))

    assert parse(line) == base(data)
    assert encode(parse(line)) == line
    assert parse_block(line + b"\n") == [base(data)]


@given(st.binary(max_size=200))
def test_no_bytes_make_the_parser_fail_otherwise_than_by_its_errors(line: bytes) -> None:
    with pytest.raises((MalformedLine, UnfitLine)):
        parse(line)


@given(st.data())
def test_what_the_block_reader_takes_the_line_reader_takes_as_well(data: st.DataObject) -> None:
    line = bytearray(encode(base({"a": [1, {"b": "c"}], "z": None})))
    for _ in range(data.draw(st.integers(1, 3))):
        line[data.draw(st.integers(0, len(line) - 1))] = data.draw(st.sampled_from(b'0123456789-.eE"\\{}[],: nu'))
    taken = parse_block(bytes(line) + b"\n")

    if taken is not None and taken[0].v == 1 and len(taken[0].prev) == 64:
        assert parse(bytes(line)) == taken[0]


def test_every_bit_of_a_closed_run_counts(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "state")
    write_run(layout, records=2)
    assert verify_run(layout, RUN).status == "ok"
    unseen = []
    # Of the two files with the same lines one bit of each byte is enough; the walk through them is by bytes.
    for path, bits in ((layout.journal(RUN), range(8)), (layout.ledger, range(1)), (layout.heads(RUN), range(5, 6))):
        whole = path.read_bytes()
        for place in range(len(whole)):
            for bit in bits:
                changed = bytearray(whole)
                changed[place] ^= 1 << bit
                path.write_bytes(changed)
                audit = verify_all(layout)
                if audit.holds and audit.ledger.status == "ok":
                    unseen.append((path.name, place, bit))
        path.write_bytes(whole)

    assert unseen == []


def test_every_bit_before_the_last_record_of_an_open_run_counts(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "state")
    write_run(layout, records=3, close=False)
    path = layout.journal(RUN)
    whole = path.read_bytes()
    # The newline itself joins the last two lines to one that is no JSON, as a torn one is: told, but not as tampering.
    held = whole.rindex(b"\n", 0, -1)
    unseen = []
    for place in range(held):
        for bit in range(8):
            changed = bytearray(whole)
            changed[place] ^= 1 << bit
            path.write_bytes(changed)
            if verify_run(layout, RUN).holds:
                unseen.append((place, bit))

    assert unseen == []


def test_limit_the_last_record_of_an_open_run_is_held_by_nothing(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "state")
    write_run(layout, records=3, close=False)
    path = layout.journal(RUN)
    path.write_bytes(path.read_bytes().replace(b'"exit":2', b'"exit":0'))

    assert verify_run(layout, RUN).status == "open"


@pytest.mark.parametrize("close", [True, False], ids=["closed", "open"])
def test_every_dropped_moved_or_doubled_record_is_seen(tmp_path: Path, close: bool) -> None:
    layout = Layout(tmp_path / "state")
    write_run(layout, records=6, close=close)
    path = layout.journal(RUN)
    lines = path.read_bytes().splitlines(keepends=True)
    count = len(lines)
    attacks = {f"drop {n}": lines[:n] + lines[n + 1 :] for n in range(count if close else count - 1)}
    attacks |= {
        f"double {n} at {m}": [*lines[:m], lines[n], *lines[m:]] for n in range(count) for m in range(count + 1)
    }
    for first in range(count):
        for second in range(first + 1, count):
            swapped = lines.copy()
            swapped[first], swapped[second] = swapped[second], swapped[first]
            attacks[f"swap {first} and {second}"] = swapped
    unseen = []
    for name, attack in attacks.items():
        path.write_bytes(b"".join(attack))
        if verify_run(layout, RUN).holds:
            unseen.append(name)

    assert unseen == []


def test_a_write_trace_cut_at_every_byte_opens_and_is_never_called_tampering(tmp_path: Path) -> None:
    """Power loss: the open journal of any length is whole or torn, can be gone on with, and loses no whole line."""
    layout = Layout(tmp_path / "state")
    write_run(layout, records=4, close=False)
    path = layout.journal(RUN)
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    wrong = []
    for size in range(first, len(whole) + 1):
        path.write_bytes(whole[:size])
        status = verify_run(layout, RUN).status
        expected = "open" if whole[size - 1 : size] == b"\n" else "torn"
        kept = list(read(layout, RUN))
        if status != expected or len(kept) != whole[:size].count(b"\n"):
            wrong.append((size, status))

    assert wrong == []


@pytest.mark.parametrize("name", ["journal.jsonl", "ledger.jsonl", "heads.jsonl"])
def test_after_a_cut_at_any_byte_the_run_goes_on_and_is_whole(tmp_path: Path, name: str) -> None:
    """Power loss before the first head: nothing is in the ledger, part of it, or all but its copy."""
    layout = Layout(tmp_path / "state")
    write_run(layout, records=1, close=False)
    files = {path.name: path for path in (layout.journal(RUN), layout.ledger, layout.heads(RUN))}
    order = list(files)
    whole = {file: path.read_bytes() for file, path in files.items()}
    wrong = []
    for size in range(0, len(whole[name]) + 1, 7):
        for side in layout.folder(RUN).glob("torn-*"):
            side.unlink()
        for file, path in files.items():
            later = order.index(file) > order.index(name)
            path.write_bytes(b"" if later else whole[file][:size] if file == name else whole[file])
        if not verify_all(layout).holds:
            wrong.append((size, "told as tampering"))
        try:
            with Writer.append_to(layout, RUN) as writer:
                writer.append(Entry("SessionOpened", "session.opened"), durable=True)
                writer.close("succeeded")
        except RunbookError as error:
            wrong.append((size, str(error)))
        if verify_run(layout, RUN).status != "ok":
            wrong.append((size, "not whole afterwards"))

    assert wrong == []


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 5), st.binary(max_size=12)), min_size=1, max_size=4))
def test_no_damage_makes_reading_or_proving_fail_otherwise_than_by_a_verdict(damage: list[tuple[int, bytes]]) -> None:
    with state_folder() as layout:
        write_run(layout)
        paths = (layout.journal(RUN), layout.ledger, layout.heads(RUN))
        for place, rubbish in damage:
            path = paths[place % 3]
            whole = path.read_bytes()
            cut = len(whole) * place // 5
            path.write_bytes(whole[:cut] + rubbish + whole[cut + len(rubbish) :])
        audit = verify_all(layout)

        assert [report.run for report in audit.runs] == [RUN]
