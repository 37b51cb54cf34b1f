"""`cache.degrade` and `cache.restore`: what is refused, what enforces an expiry, and an HTTP switch in doubt."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from runbook.actions.cache_degrade import CacheDegrade, DegradeBefore, DegradeResult, DegradeWith
from runbook.actions.cache_form import Asked, Settling, StatusAsked, matches
from runbook.actions.cache_restore import CacheRestore, RestoreBefore, RestoreWith
from runbook.errors import ActionError, DispatchRefused, TransportError
from runbook.model.convert import convert
from runbook.ports.action import Already, Done, NotDone, Proceed, Refuse, Unknown
from runbook.testing import Bench, MemoryWork
from runbook.testing.work import Crash
from tests.unit.actions.cache_service import Service, status_of

DEGRADE, RESTORE = CacheDegrade(), CacheRestore()
NORMAL = '{"degraded": false}'
SOON = Settling(within=0.3)


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as running:
        yield running


@pytest.fixture
def switch(tmp_path: Path) -> Path:
    return tmp_path / "switch.json"


def by_file(switch: Path, **more: Any) -> DegradeWith:
    given: dict[str, Any] = {"switch": "file", "path": str(switch), "expires": 600.0, "verify": SOON}
    return DegradeWith(**(given | more))


def by_http(service: Service, **more: Any) -> DegradeWith:
    given: dict[str, Any] = {"switch": "http", "url": service.url, "normal": NORMAL, "expires": 600.0}
    return DegradeWith(**(given | {"status": status_of(service), "verify": SOON} | more))


def agreement(service: Service) -> Asked:
    return Asked(url=service.url, expect="json.agree")


def enforced(switch: Path, service: Service, **more: Any) -> DegradeWith:
    """A degradation whose service promises to obey the expiry; it reads the switch as its own mode."""
    given: dict[str, Any] = {"at_expiry": "restore_if_check", "honours_expiry": True}
    return by_file(switch, **(given | {"status": status_of(service), "check": agreement(service)} | more))


def restore_with(switch: Path, service: Service, **more: Any) -> RestoreWith:
    given: dict[str, Any] = {"switch": "file", "path": str(switch), "check": agreement(service), "verify": SOON}
    return RestoreWith(**(given | more))


def before(w: DegradeWith) -> DegradeBefore:
    found = DEGRADE.inspect(w, Bench())
    assert isinstance(found, Proceed), found
    return found.before


def refusal(found: object) -> str:
    assert isinstance(found, Refuse), found
    return f"{found.why}; {found.remedy}"


def obey(switch: Path, service: Service) -> None:
    """Let the service do what its switch says."""
    service.mode = json.loads(switch.read_text())


# --- the expiry ---------------------------------------------------------------------------------------------------


def test_an_expiry_that_nothing_enforces_is_refused_unless_it_is_an_alarm(switch: Path) -> None:
    said = refusal(DEGRADE.inspect(by_file(switch, at_expiry="restore_if_check"), Bench()))

    assert "nothing that outlives Runbook and a reboot" in said
    assert "honours_expiry: true" in said
    assert "at_expiry: alarm" in said
    assert isinstance(DEGRADE.inspect(by_file(switch, at_expiry="alarm"), Bench()), Proceed)


@pytest.mark.parametrize(
    ("lacks", "said"),
    [
        ({"status": None}, "cannot be verified"),
        ({"check": None}, "stock numbers agree"),
        ({"degraded": "on\n"}, "does not carry the expiry"),
        ({"expires": 0.0}, "not in the future"),
    ],
)
def test_a_promise_to_obey_that_could_not_be_verified_is_refused(
    switch: Path, service: Service, lacks: dict[str, Any], said: str
) -> None:
    assert said in refusal(DEGRADE.inspect(enforced(switch, service, **lacks), Bench()))


def test_a_service_that_does_not_tell_its_state_is_refused_before_any_change(switch: Path, service: Service) -> None:
    silent = StatusAsked(url="http://127.0.0.1:9/status", expect="json.degraded", until="json.until")

    assert "does not tell its state" in refusal(DEGRADE.inspect(enforced(switch, service, status=silent), Bench()))
    assert not switch.exists()


def test_the_expiry_counts_from_the_turn_and_is_what_the_service_obeys(switch: Path, service: Service) -> None:
    w = enforced(switch, service)
    b = before(w)
    result = DEGRADE.apply(w, b, MemoryWork(Bench()))
    obey(switch, service)

    written = json.loads(switch.read_text())
    assert written == {"degraded": True, "until": result.open_until, "at_expiry": "restore_if_check"}
    left = datetime.fromisoformat(result.open_until) - datetime.now(UTC)
    assert timedelta(seconds=540) < left <= timedelta(seconds=600)
    verdict = DEGRADE.verify(w, b, result, Bench())
    assert (verdict.state, result.open_what) == ("good", f"file {switch}")
    assert f"the service obeys the expiry {result.open_until}" in verdict.evidence


@pytest.mark.parametrize("until", ["2031-01-01T00:00:00Z", None, "never"])
def test_a_service_that_obeys_another_expiry_or_none_fails_the_check(
    switch: Path, service: Service, until: str | None
) -> None:
    w = enforced(switch, service)
    b = before(w)
    result = DEGRADE.apply(w, b, MemoryWork(Bench()))
    service.mode = {"degraded": True, "until": until}

    assert DEGRADE.verify(w, b, result, Bench()).state == "bad"


def test_a_service_that_does_not_read_its_switch_fails_the_check(switch: Path, service: Service) -> None:
    w = by_file(switch, status=status_of(service))
    b = before(w)

    assert DEGRADE.verify(w, b, DEGRADE.apply(w, b, MemoryWork(Bench())), Bench()).state == "bad"


def test_the_plan_says_until_when_and_what_happens_then(switch: Path, service: Service) -> None:
    w = by_file(switch)
    plan = DEGRADE.plan(w, before(w))

    assert plan.words == f"Degrade by file {switch} for 10:00"
    assert plan.diff == f'+++ file {switch}\n+{{"degraded": true, "until": "UNTIL", "at_expiry": "alarm"}}\n'
    assert "nothing restores it by itself" in " ".join(plan.notes)
    assert "oversell" in " ".join(plan.notes)


# --- the operation is on record -----------------------------------------------------------------------------------


def test_intent_and_receipt_say_what_is_open_and_until_when(switch: Path) -> None:
    w = by_file(switch)
    work = MemoryWork(Bench())
    result = DEGRADE.apply(w, before(w), work)

    opens: Any = work.intents["switch"].intent["opens"]
    assert (opens["what"], opens["until"], opens["at_expiry"]) == (f"file {switch}", result.open_until, "alarm")
    assert work.done["switch"]["opens"] == opens


def test_after_a_crash_the_expiry_of_then_counts(switch: Path) -> None:
    w = by_file(switch)
    b = before(w)
    torn = MemoryWork(Bench(), crash=("after", "switch"))
    with pytest.raises(Crash):
        DEGRADE.apply(w, b, torn)
    (o,) = torn.open()
    settled = DEGRADE.settle(w, b, o, Bench())
    assert isinstance(settled, Done)
    torn.settled(o, settled.receipt)

    result = DEGRADE.apply(by_file(switch, expires=9000.0), b, torn.restarted())

    assert result.open_until == json.loads(switch.read_text())["until"]


def test_a_new_degradation_of_a_degraded_service_leads_back_to_the_old_one(switch: Path) -> None:
    old = '{"degraded": true, "until": "2026-11-01T03:00:00Z", "at_expiry": "alarm"}\n'
    switch.write_text(old)
    w = by_file(switch)
    b = before(w)
    assert "It is degraded already" in DEGRADE.plan(w, b).notes[0]
    work = MemoryWork(Bench())
    result = DEGRADE.apply(w, b, work)
    assert switch.read_text() != old

    DEGRADE.undo(w, b, result, MemoryWork(Bench(), undo=True, receipts=work.receipts))

    assert switch.read_text() == old


def test_undo_has_nothing_to_do_where_somebody_has_led_it_back_already(switch: Path, service: Service) -> None:
    w = by_file(switch, check=agreement(service))
    b = before(w)
    work = MemoryWork(Bench())
    result = DEGRADE.apply(w, b, work)
    switch.unlink()
    service.agree = False

    assert DEGRADE.drift(w, b, result, Bench()).state == "good"
    DEGRADE.undo(w, b, result, MemoryWork(Bench(), undo=True, receipts=work.receipts))
    assert DEGRADE.undone(w, b, result, Bench()).state == "good"


# --- the numbers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("agree", "said"), [(False, "do not agree"), (None, "it is not known whether")])
def test_undo_leaves_the_switch_while_the_numbers_do_not_agree(
    switch: Path, service: Service, agree: bool | None, said: str
) -> None:
    w = by_file(switch, check=agreement(service))
    b = before(w)
    work = MemoryWork(Bench())
    result = DEGRADE.apply(w, b, work)
    service.agree = agree

    with pytest.raises(ActionError, match=said):
        DEGRADE.undo(w, b, result, MemoryWork(Bench(), undo=True, receipts=work.receipts))
    assert switch.exists()

    service.agree = True
    DEGRADE.undo(w, b, result, MemoryWork(Bench(), undo=True, receipts=work.receipts))
    assert not switch.exists()


@pytest.mark.parametrize(("agree", "said"), [(False, "do not agree"), (None, "it is not known whether")])
def test_restore_is_refused_while_the_numbers_do_not_agree(
    switch: Path, service: Service, agree: bool | None, said: str
) -> None:
    degrade(switch)
    service.agree = agree

    assert said in refusal(RESTORE.inspect(restore_with(switch, service), Bench()))
    assert switch.exists()


def test_restore_looks_at_the_numbers_again_right_before(switch: Path, service: Service) -> None:
    degrade(switch)
    w = restore_with(switch, service)
    found = RESTORE.inspect(w, Bench())
    assert isinstance(found, Proceed)
    service.agree = False

    with pytest.raises(ActionError, match="do not agree"):
        RESTORE.apply(w, found.before, MemoryWork(Bench()))
    assert switch.exists()


def test_what_is_normal_is_left_alone_and_closes_a_degradation(switch: Path, service: Service) -> None:
    found = RESTORE.inspect(restore_with(switch, service), Bench())

    assert isinstance(found, Already)
    assert isinstance(found.before, RestoreBefore)
    assert found.before.closes.what == f"file {switch}"


def test_a_service_that_is_degraded_although_its_switch_is_normal_is_refused(switch: Path, service: Service) -> None:
    service.degrade("2031-01-01T00:00:00Z")
    w = restore_with(switch, service, status=status_of(service))

    assert "the service says that it is degraded" in refusal(RESTORE.inspect(w, Bench()))


def test_a_switch_of_unknown_content_is_not_restored(switch: Path, service: Service) -> None:
    switch.write_text("maintenance\n")

    assert "neither" in refusal(RESTORE.inspect(restore_with(switch, service), Bench()))


def degrade(switch: Path) -> DegradeResult:
    w = by_file(switch)
    return DEGRADE.apply(w, before(w), MemoryWork(Bench()))


# --- over HTTP ----------------------------------------------------------------------------------------------------


def test_an_http_switch_is_turned_by_one_post_and_turned_back_by_another(service: Service) -> None:
    w = by_http(service)
    b = before(w)
    work = MemoryWork(Bench())
    result = DEGRADE.apply(w, b, work)
    assert DEGRADE.verify(w, b, result, Bench()).state == "good"
    assert service.mode["until"] == result.open_until

    DEGRADE.undo(w, b, result, MemoryWork(Bench(), undo=True, receipts=work.receipts))

    assert service.posts == [service.posts[0], NORMAL]
    assert work.intents["switch"].intent["through"] == "tunnel"


@pytest.mark.parametrize("answer", [0, 500])
def test_an_answer_that_is_lost_is_doubt_and_is_settled_by_asking(service: Service, answer: int) -> None:
    w = by_http(service)
    b = before(w)
    service.answer = answer
    work = MemoryWork(Bench())

    with pytest.raises(TransportError):
        DEGRADE.apply(w, b, work)
    (o,) = work.open()
    settled = DEGRADE.settle(w, b, o, Bench())

    assert isinstance(settled, Done)
    work.settled(o, settled.receipt)
    result = DEGRADE.apply(w, b, work.restarted())
    assert len(service.posts) == 1
    assert service.mode["until"] == result.open_until


def test_a_post_that_was_not_carried_out_is_settled_as_not_done_and_sent_again(service: Service) -> None:
    w = by_http(service)
    b = before(w)
    service.answer, service.takes = 503, False
    work = MemoryWork(Bench())
    with pytest.raises(TransportError):
        DEGRADE.apply(w, b, work)
    (o,) = work.open()
    assert isinstance(DEGRADE.settle(w, b, o, Bench()), NotDone)

    service.answer, service.takes = 204, True
    DEGRADE.apply(w, b, work.restarted())

    assert service.mode["degraded"] is True


def test_what_a_silent_service_made_of_a_post_stays_unknown() -> None:
    with Service() as service:
        w = by_http(service)
        b = before(w)
        work = MemoryWork(Bench(), crash=("before", "switch"))
        with pytest.raises(Crash):
            DEGRADE.apply(w, b, work)
        (o,) = work.open()

    assert isinstance(DEGRADE.settle(w, b, o, Bench()), Unknown)


def test_a_refused_post_and_a_closed_port_are_no_doubt(service: Service) -> None:
    w = by_http(service)
    b = before(w)
    service.answer, service.takes = 403, False
    with pytest.raises(ActionError, match="says no: HTTP 403"):
        DEGRADE.apply(w, b, MemoryWork(Bench()))

    closed = by_http(service, url="http://127.0.0.1:9/switch")
    with pytest.raises(DispatchRefused):
        DEGRADE.apply(closed, b, MemoryWork(Bench()))


# --- the form -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        {"switch": "file", "path": "relative"},
        {"switch": "file", "path": "/a", "url": "http://x/"},
        {"switch": "file", "path": "/a", "degraded": "same", "normal": "same"},
        {"switch": "http", "url": "http://x/", "normal": "{}"},
        {"switch": "redis"},
        {"switch": "redis", "key": "k", "path": "/a"},
        {"switch": "redis", "key": "k", "server": "-x"},
        {"switch": "redis", "key": "k", "password": "plain text"},
        {"switch": "http", "normal": "{}", "status": StatusAsked(url="http://x/", expect="json.d", until="json.u")},
        {"switch": "http", "url": "http://x/", "normal": "{}", "status": StatusAsked(url="http://x/", expect="json.d")},
    ],
)
def test_what_does_not_go_together_is_refused(given: dict[str, Any]) -> None:
    assert isinstance(DEGRADE.inspect(DegradeWith(expires=60.0, **given), Bench()), Refuse)


def test_restoring_without_a_check_is_no_valid_step() -> None:
    _, faults = convert({"switch": "file", "path": "/srv/switch"}, RestoreWith)

    assert ["check" in fault.text() for fault in faults] == [True]


def test_a_switch_file_that_is_a_link_is_refused(switch: Path, tmp_path: Path) -> None:
    switch.symlink_to(tmp_path / "elsewhere")

    assert "symbolic link" in refusal(DEGRADE.inspect(by_file(switch), Bench()))


def test_a_text_is_recognised_whatever_expiry_it_carries() -> None:
    written = "mode=cache until=$UNTIL_UNIX ($UNTIL) .*\n"

    assert matches(written, "mode=cache until=1790000000 (2026-09-21T14:13:20Z) .*\n")
    assert not matches(written, "mode=cache until=soon (2026-09-21T14:13:20Z) .*\n")
    assert not matches(written, "mode=cache until=1790000000 (2026-09-21T14:13:20Z) anything\n")
