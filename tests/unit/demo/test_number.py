import msgspec
import pytest

from runbook.demo.number import LEAST_RATE, Numbers, Payments, is_broken, is_healthy, is_settled, make_numbers

GOOD = Numbers(orders_per_s=40.0, failure_rate=0.0, p99_ms=8.0, pool_in_use=1, pool_max=50, pool_open=50)


def test_good_numbers_are_healthy() -> None:
    assert (is_healthy(GOOD), is_broken(GOOD)) == (True, False)


@pytest.mark.parametrize(
    "change",
    [
        {"failure_rate": 0.01},
        {"failure_rate": None},
        {"orders_per_s": LEAST_RATE - 1},
        {"p99_ms": 500.0},
        {"p99_ms": None},
        {"pool_max": None},
    ],
)
def test_one_bad_or_missing_number_is_not_healthy(change: dict[str, float | None]) -> None:
    assert is_healthy(msgspec.structs.replace(GOOD, **change)) is False


def test_no_data_is_neither_healthy_nor_broken() -> None:
    nothing = make_numbers({}, {})
    assert nothing == Numbers(0.0, None, None, None, None, None)
    assert (is_healthy(nothing), is_broken(nothing)) == (False, False)


def test_most_orders_failing_is_broken() -> None:
    assert is_broken(msgspec.structs.replace(GOOD, failure_rate=0.98)) is True
    assert is_broken(msgspec.structs.replace(GOOD, failure_rate=0.8)) is False


def test_the_numbers_are_taken_from_both_pages() -> None:
    load = {
        'shop_orders_per_second{result="ok"}': 39.5,
        "shop_failure_ratio": 0.25,
        'shop_latency_seconds{quantile="0.99"}': 0.5,
    }
    order = {"pool_in_use": 3.0, "pool_max": 50.0, "pool_open": 49.0}
    assert make_numbers(load, order) == Numbers(39.5, 0.25, 500.0, 3, 50, 49)


SETTLED = Payments(sent=9, booked=9, duplicates=0, waiting=0, dead=0, consumers=1)


@pytest.mark.parametrize(
    ("change", "settled"),
    [
        ({}, True),
        ({"booked": 8}, False),
        ({"duplicates": 1}, False),
        ({"waiting": 1}, False),
        ({"dead": 1}, False),
    ],
)
def test_payments_are_settled_when_every_callback_is_booked_once(change: dict[str, int], settled: bool) -> None:
    payments = msgspec.structs.replace(SETTLED, **change)

    assert is_settled(msgspec.structs.replace(GOOD, payments=payments)) is settled


def test_payments_of_which_nobody_knows_are_not_settled() -> None:
    assert is_settled(GOOD) is False
    assert is_settled(msgspec.structs.replace(GOOD, payments=SETTLED, pool_max=None)) is False
