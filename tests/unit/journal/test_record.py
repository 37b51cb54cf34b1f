import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from runbook.journal import Record, encode, new_run_id, parse
from runbook.journal.record import GENESIS, LINE_LIMIT, MalformedLine, UnfitLine, parse_block, plain, timestamp


def record(**changes: Any) -> Record:
    fields: dict[str, Any] = {
        "code": "step.finished",
        "data": {"b": [1, True, None], "a": "ü"},
        "log": "run-1",
        "mono": 17,
        "prev": GENESIS,
        "run": "run-1",
        "seq": 0,
        "time": "2026-11-01T03:04:05.000006Z",
        "type": "StepFinished",
        "v": 1,
    }
    return Record(**(fields | changes))


def test_a_line_has_sorted_keys_and_no_spaces_and_leaves_out_what_is_none() -> None:
    line = encode(record(step="restart"))

    text = line.decode()
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert list(json.loads(text)) == [
        "code", "data", "log", "mono", "prev", "run", "seq", "step", "time", "type", "v",
    ]  # fmt: skip


def test_a_line_is_read_back_as_it_was() -> None:
    assert parse(encode(record())) == record()


@pytest.mark.parametrize(
    "value", [1.0, float("nan"), b"x", {1}, {1: 2}, 2**63, -(2**63) - 1, object(), [0.5], {"a": (1.5,)}]
)
def test_values_without_one_exact_text_are_refused(value: object) -> None:
    with pytest.raises(TypeError):
        plain(value)


def test_a_string_with_a_meaning_of_its_own_is_refused() -> None:
    class Secret(str):
        __slots__ = ()

    with pytest.raises(TypeError):
        plain({"password": Secret("x")})


def test_tuples_become_lists_and_the_copy_is_independent() -> None:
    source = {"a": [1]}
    copy = plain({"deep": source, "pair": (1, 2)})
    source["a"].append(2)

    assert copy == {"deep": {"a": [1]}, "pair": [1, 2]}


def test_text_that_utf8_cannot_carry_is_refused() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        encode(record(data={"name": "\udc80"}))


def test_a_line_beyond_the_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than the limit"):
        encode(record(data={"a": "x" * LINE_LIMIT}))


GOOD = encode(record())


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(GOOD.replace(b'"seq":0', b'"seq": 0'), id="a space"),
        pytest.param(GOOD + b" ", id="a space at the end"),
        pytest.param(GOOD.replace(b'"mono":17', b'"mono":17.0'), id="a float in the head"),
        pytest.param(GOOD.replace(b"[1,", b"[1.5,"), id="a float in the data"),
        pytest.param(GOOD.replace(b"[1,", b"[1e3,"), id="an exponent"),
        pytest.param(GOOD.replace(b"[1,", b"[-0,"), id="minus zero"),
        pytest.param(GOOD.replace(b"[1,", b"[9223372036854775808,"), id="65 bits in the data"),
        pytest.param(GOOD.replace(b'"mono":17', b'"mono":9223372036854775808'), id="65 bits in the head"),
        pytest.param(GOOD.replace(b'"a":', b'"a":"x","a":'), id="a key twice"),
        pytest.param(GOOD.replace(b'"seq":0', b'"seq":0,"seq":0'), id="a field twice"),
        pytest.param(GOOD.replace("ü".encode(), b"\\u00fc"), id="an escape without need"),
        pytest.param(GOOD.replace(b'"seq":0', b'"seq":true'), id="a boolean for a number"),
        pytest.param(GOOD.replace(b'"v":1', b'"v":2'), id="another version"),
        pytest.param(GOOD.replace(b'"v":1', b'"v":1,"w":1'), id="an unknown field"),
        pytest.param(GOOD.replace(b'"log":"run-1",', b""), id="a missing field"),
        pytest.param(GOOD.replace(b'"run":', b'"step":null,"run":'), id="a null that is left out"),
        pytest.param(GOOD.replace(GENESIS.encode(), b"00"), id="a short hash"),
        pytest.param(b"[]", id="no object"),
        pytest.param(b"17", id="a number"),
    ],
)
def test_json_that_is_no_canonical_record_is_unfit(line: bytes) -> None:
    with pytest.raises(UnfitLine):
        parse(line)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="one brace"),
        pytest.param(GOOD[:-1], id="one byte less"),
        pytest.param(GOOD[:40], id="the beginning"),
        pytest.param(b"\xff", id="no UTF-8"),
        pytest.param(b"\x00" * 20, id="zeros"),
        pytest.param(b'{"data":{"a":' + b"[" * 100_000, id="nested too deep"),
        pytest.param(GOOD.replace(b"[1,", b"[NaN,"), id="NaN"),
    ],
)
def test_what_is_no_json_is_malformed(line: bytes) -> None:
    with pytest.raises(MalformedLine):
        parse(line)


def test_a_block_is_read_at_once_only_if_every_line_is_canonical() -> None:
    block = GOOD + b"\n"

    assert parse_block(block * 2) == [record(), record()]
    assert parse_block(block + block.replace(b"17", b"17.0")) is None
    assert parse_block(block + b"\n" + block) is None


MISLEADING = "\x1b]0;x\x07 \x7f \x9b31m \u202e\u2066 \u200b \U000e0041"


def test_a_line_shows_no_control_to_a_terminal_and_no_lie_to_an_eye() -> None:
    written = record(step=MISLEADING, data={MISLEADING: MISLEADING})

    line = encode(written)

    assert line.decode().isprintable()
    assert parse(line) == written


def test_a_line_with_such_characters_as_they_are_is_read_as_well_and_a_mixed_one_is_not() -> None:
    written = record(data={"a": MISLEADING})
    raw = msgspec.json.Encoder(order="deterministic").encode(written)
    mixed = raw.replace(b"\x7f", b"\\u007f")

    assert parse(raw) == parse(encode(written)) == written
    assert parse_block(raw + b"\n") == parse_block(encode(written) + b"\n") == [written]
    with pytest.raises(UnfitLine):
        parse(mixed)


def test_times_are_utc_with_microseconds() -> None:
    moment = datetime(2026, 11, 1, 4, 0, 0, tzinfo=timezone(timedelta(hours=1)))

    assert timestamp(moment) == "2026-11-01T03:00:00.000000Z"
    with pytest.raises(ValueError, match="without zone"):
        timestamp(moment.replace(tzinfo=None))


def test_run_ids_sort_by_time_and_are_lower_case() -> None:
    early = new_run_id(datetime(2026, 1, 1, tzinfo=UTC), lambda size: b"\xff" * size)
    late = new_run_id(datetime(2026, 1, 1, 0, 0, 0, 1000, tzinfo=UTC), lambda size: b"\x00" * size)

    assert early < late
    assert (len(early), early) == (26, early.lower())
    assert new_run_id(datetime(1970, 1, 1, tzinfo=UTC), lambda size: b"\x00" * size) == "0" * 26
