"""Words for times, places and values."""

import pytest

from runbook.model.scalar import Json
from runbook.report.word import at, full_moment, moment, took, value_text, where


@pytest.mark.parametrize(
    ("time", "short", "full"),
    [
        ("2023-11-14T03:15:22.123456Z", "14 Nov 03:15:22", "14 Nov 2023 03:15:22 UTC"),
        ("2023-11-14T03:15:22", "14 Nov 03:15:22", "14 Nov 2023 03:15:22 UTC"),
        ("2023-11-14T00:15:22+05:00", "13 Nov 19:15:22", "13 Nov 2023 19:15:22 UTC"),
        ("yesterday", "yesterday", "yesterday"),
        ("0001-01-01T00:00:00+05:00", "0001-01-01T00:00:00+05:00", "0001-01-01T00:00:00+05:00"),
    ],
)
def test_times_are_utc_and_say_so_where_they_stand_alone(time: str, short: str, full: str) -> None:
    assert (moment(time), full_moment(time)) == (short, full)


@pytest.mark.parametrize(("place", "words"), [("*", "this run"), ("*2", "wave 2"), ("#1", "after wave 1"), ("a", "a")])
def test_places_have_words(place: str, words: str) -> None:
    assert where(place) == words


def test_a_step_of_the_run_needs_no_place() -> None:
    assert [at("soak", "*"), at("restart", "order-2"), at("roll-back", "#1")] == [
        "soak",
        "restart on order-2",
        "roll-back after wave 1",
    ]


@pytest.mark.parametrize(
    ("ms", "text"), [(None, "not known"), (999, "0:00"), (121_000, "2:01"), (3_600_000, "1:00:00")]
)
def test_durations_are_minutes_and_seconds(ms: int | None, text: str) -> None:
    assert took(ms) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"secret": "env:DB_PASS"}, "secret from env:DB_PASS, not kept"),
        ({"secret": ""}, "secret, not kept"),
        ({"float": "0.25"}, "0.25"),
        ({"int": "123456789012345678901"}, "123456789012345678901"),
        ({"path": "/a", "seen": [1, True, None]}, "path: /a, seen: [1, true, nothing]"),
        ({"object": {"secret": "of life"}}, "secret: of life"),
        ({"a": {"b": 1}}, "a: {b: 1}"),
        ({"float": "no number"}, "no number"),
    ],
)
def test_recorded_values_are_words(value: Json, text: str) -> None:
    assert value_text(value) == text


def test_a_value_without_end_is_cut() -> None:
    value: Json = "end"
    for _ in range(500):
        value = [value]

    assert "…" in value_text(value)
