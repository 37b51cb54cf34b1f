"""The preflight in Prepare: a row per host, what to do about what is not good, and nothing that waits for it."""

from __future__ import annotations

from pathlib import Path

from runbook.session.doctor import Checkup, Finding
from runbook.session.order import Order
from runbook.tui.presenter.preflight import Preflight, finding_rows, head_row, host_row, status, unfit
from runbook.tui.presenter.words import Row
from runbook.tui.widgets.begin import Begin
from tests.tui.canned import Canned, holds
from tests.tui.test_prepare import Stage, canned, place

__all__ = ["place"]

FIT = tuple(Finding(what=what, state="good", told="well") for what in ("reach", "login", "disk", "clock", "tools"))
HINT = Finding(what="sudo", state="warn", told="wants a password", remedy="allow it with NOPASSWD")
KEY = Finding(what="host key", state="bad", told="[/dev/sda1]\x1b[2J is unknown", remedy="compare SHA256:abc first")

FOUND = Preflight(
    "done",
    (
        Checkup(host="order-1", findings=FIT, clock_offset=0.0),
        Checkup(host="order-2", findings=(*FIT, HINT)),
        Checkup(host="order-3", findings=(KEY,)),
    ),
)


def text(row: Row) -> str:
    return "".join(words for words, _ in row)


def test_each_host_has_its_marks_under_the_names_of_the_columns_and_ends_with_a_word() -> None:
    names = text(head_row(FOUND, 60)).split()
    rows = [text(host_row(host, FOUND, 60)) for host in ("order-1", "order-2", "order-3")]

    assert names == ["reach", "key", "login", "sudo", "disk", "clock", "tools"]
    assert [row.split()[-2:] for row in rows] == [["✓", "fit"], ["!", "hint"], ["host", "key"]]
    assert rows[2].index("✗") == text(head_row(FOUND, 60)).index("key") - 16
    assert len({len(row) - len(row.split("  ")[-1]) for row in rows[:2]}) == 1


def test_a_narrow_row_keeps_its_word_and_nobody_looked_is_said_as_such() -> None:
    assert text(host_row("order-2", FOUND, 30)) == "! hint"
    assert head_row(FOUND, 30) == ()
    assert text(host_row("order-9", Preflight(), 60)) == "◦ not looked yet"
    assert text(status(Preflight(), 3)) == "not looked yet"
    assert text(status(Preflight("running", FOUND.checkups[:1]), 3)) == "► looking, 1 of 3 hosts"
    assert text(status(Preflight("done"), 0)) == "◦ no host was looked at"
    assert text(status(FOUND, 3)) == "✗ 1 of 3 hosts not fit"
    assert unfit(FOUND) == 1


def test_what_is_found_is_told_worst_first_with_its_remedy_and_harmless() -> None:
    rows = [text(row) for row in finding_rows("order-3", FOUND, 60)]

    assert rows == ["order-3", "✗ host key [/dev/sda1] is unknown", "           › compare SHA256:abc first"]
    assert text(finding_rows("order-2", FOUND, 60)[1]) == "! sudo     wants a password"


async def test_the_preflight_goes_on_beside_the_form_and_is_shown_host_by_host(place: Path) -> None:
    known: Canned = canned(place)
    known.examined = (Checkup(host="order-1", findings=FIT), Checkup(host="order-2", findings=(KEY,)))
    known.held.clear()
    app = Stage(known, Order(playbook=str(place / "back.yaml"), inventory=place / "hosts.yaml", guided=True))
    async with app.run_test(size=(120, 36)) as pilot:
        await holds(pilot, lambda: bool(app.prepare.query(Begin)) and "order-2" in app.text("#targets"))
        assert "PREFLIGHT   not looked yet" in app.text("#preflight")

        await pilot.press("enter", *"v1.2")
        await holds(pilot, lambda: "looking, 2 of 2 hosts" in app.text("#preflight"))
        # It still looks, and the run could begin all the same.
        assert app.prepare.query_one(Begin).ready
        assert "✓ fit" in app.text("#hosts")
        assert "compare SHA256:abc" in app.text("#findings")

        known.held.set()
        await holds(pilot, lambda: "1 of 2 hosts not fit" in app.text("#preflight"))
        await pilot.press("ctrl+t")
        await holds(pilot, lambda: "order-1" in app.text("#findings"))
        assert "compare" not in app.text("#findings")
        await pilot.press("down")
        await holds(pilot, lambda: "compare SHA256:abc" in app.text("#findings"))

        await pilot.press("enter")
        await holds(pilot, lambda: "out of date" in app.text("#preflight"))
