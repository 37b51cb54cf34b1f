from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook.config import Settings
from runbook.demo import library
from runbook.demo.incident import find_incident
from runbook.demo.number import Numbers
from runbook.errors import RefusedError
from runbook.ports.approver import Approver
from runbook.session import demo as session
from runbook.session import staging
from runbook.session.order import Order
from runbook.session.run import start
from tests.cli.conftest import Call

NOT_HERE = "no-ldconfig does not run"


@pytest.mark.slow
def test_the_demo_without_a_terminal_heals_the_shop_and_leaves_only_its_run(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("stable", "steady", "soak"):
        monkeypatch.setitem(staging.SHORT, name, "1s")
    said = call("demo", "config-rollback", "--unattended", "--output", "json")

    assert (said.code, said.json["outcome"], said.json["healthy"]) == (0, "succeeded", True)
    assert said.json["before"]["failure_rate"] < said.json["broken"]["failure_rate"]
    assert "before: " in said.err
    assert "the shop is gone: no process, no folder; what was run stays in the journal" in said.err
    assert call("audit", "list", "--output", "json").json[0]["id"] == said.json["id"]
    assert call("audit", "verify").code == 0


def test_a_dashboard_needs_a_shop_that_runs(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    assert [call("demo", *words).code for words in (["--dashboard", "--once"], ["--once"])] == [2, 2]


def test_what_is_no_shop_is_not_stopped(call: Call, place: Path) -> None:
    (place / "mine").mkdir()

    said = call("demo", "--stop", "mine")

    assert said.code != 0
    assert said.err.startswith("runbook: ")
    assert (place / "mine").exists()


@pytest.fixture
def without_ldconfig(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(library, "LDCONFIG", str(place / "no-ldconfig"))
    library.why_not.cache_clear()
    yield
    library.why_not.cache_clear()


@pytest.mark.usefixtures("without_ldconfig")
def test_the_list_says_what_is_not_available_here(call: Call) -> None:
    listed = call("demo", "--list", "--output", "json").json

    assert {row["id"] for row in listed if not row["missing"]} >= {"config-rollback", "queue-replay"}
    assert [row["id"] for row in listed if NOT_HERE in row["missing"]] == ["ldconfig-refresh"]
    (line,) = (line for line in call("demo", "--list").out.splitlines() if "(not available here: " in line)
    assert line.startswith("ldconfig-refresh  ")
    assert NOT_HERE in line


@pytest.mark.usefixtures("without_ldconfig")
def test_what_is_not_available_is_refused_by_name_and_skipped_loudly_among_all(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    # All the others take minutes.
    monkeypatch.setattr(session, "incidents", lambda: (find_incident("ldconfig-refresh"),))

    named, among = call("demo", "ldconfig-refresh"), call("demo", "--unattended")

    assert (named.code, among.code) == (5, 0)
    assert NOT_HERE in named.err
    assert among.err.startswith("NOT SHOWN: ldconfig-refresh is not available here: ")
    assert NOT_HERE in among.err


def test_several_incidents_are_one_array_also_when_the_last_one_breaks(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is staged here is a small playbook: the shop takes minutes."""
    staged: list[str] = []

    def stage(where: Settings, asked: Approver, *_: object, name: str, **__: object) -> session.DemoResult:
        if staged == ["config-rollback", "queue-replay"]:
            raise RefusedError("no room for another shop")
        staged.append(name)
        result = start(where, Order(playbook="touch-file"), asked)
        none = Numbers(0.0, None, None, None, None, None)
        return session.DemoResult(
            incident=name, before=none, broken=none, after=none, results=(result,), healthy=True, folder=None
        )

    monkeypatch.setattr(session, "demo", stage)
    monkeypatch.setattr(
        session,
        "incidents",
        lambda: tuple(find_incident(n) for n in ("config-rollback", "queue-replay", "service-restart")),
    )

    said = call("demo", "--unattended", "--output", "json")

    assert said.code == 5
    assert [row.get("incident") for row in said.json] == ["config-rollback", "queue-replay", None]
    assert [row["outcome"] for row in said.json] == ["succeeded", "succeeded", "refused"]
