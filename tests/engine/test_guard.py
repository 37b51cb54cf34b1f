"""Guards and baselines in real runs: a query API whose number the steps themselves change, through files."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from runbook.cli.rehearse import step_lines
from runbook.cli.style import Style
from runbook.events import fact as f
from runbook.events.plain import thaw
from runbook.events.signal import Signal
from runbook.model.question import Answer, NoAnswer, Question
from runbook.ports.cancel import Cancel
from runbook.session.order import Order
from runbook.session.rehearse import rehearse
from runbook.session.unattended import Unattended
from tests.engine.desk import PATIENCE, Desk, Ear, change, indented, touch, until

NORMAL, SPOILT = 10.0, 90.0


class Shop:
    """A query API over a folder: `errors` is high while a bad file is there, and there is none while it is down."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.url = ""
        self.release = threading.Event()
        self.release.set()
        self.asked = 0

    def answer(self, query: str, past: bool) -> dict[str, object]:
        self.asked += 1
        bad = len(list(self._folder.glob("bad*")))
        value = NORMAL if past or not bad else SPOILT
        numbers = {"errors": value, "bad_hosts": float(bad)}
        down = (self._folder / "down").exists() and not past
        found = [] if down or query not in numbers else [{"metric": {}, "value": [0, str(numbers[query])]}]
        return {"status": "success", "data": {"resultType": "vector", "result": found}}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the name of the standard library
            shop.release.wait(20)
            asked = parse_qs(urlsplit(self.path).query)
            body = json.dumps(shop.answer(asked["query"][0], "time" in asked)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                self.wfile.write(body)
            except OSError:
                self.close_connection = True  # nobody waits any more

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        shop.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield shop
        shop.release.set()
        server.shutdown()
        thread.join()


def query(shop: Shop, name: str = "errors") -> str:
    return f'uses: metric.query, with: {{url: "{shop.url}", query: {name}}}'


def baseline(shop: Shop, more: str = ", at: -2h") -> str:
    return f"baseline:\n  - {{id: normal, {query(shop)}{more}}}\n"


def guard(shop: Shop, on_breach: str = "pause", more: str = "", name: str = "errors") -> str:
    """Return a guard whose threshold is three bad samples, at a pace that suits a test."""
    watched = 'fail_when: "value > 2 * baseline.normal", every: 20ms, threshold: 3'
    return f"guards:\n  - {{id: errors, {query(shop, name)}, {watched}, on_breach: {on_breach}{more}}}\n"


def watch(shop: Shop, on_breach: str = "pause", more: str = "") -> str:
    return baseline(shop) + guard(shop, on_breach, more)


SPOIL = change("spoil", "[touch, DIR/bad]", "[test, -e, DIR/bad]", "[rm, DIR/bad]")
LONG = "  - id: soak\n    wait: 5m\n"


def all_of(desk: Desk, run: str, kind: type[f.Base]) -> list[f.Base]:
    return [fact for fact in desk.facts(run) if isinstance(fact, kind)]


def breaches(desk: Desk, run: str) -> list[tuple[str, str]]:
    return [(x.cause, x.response) for x in desk.facts(run) if isinstance(x, f.GuardBreached)]


def samples(desk: Desk, run: str) -> list[str]:
    return [x.state for x in desk.facts(run) if isinstance(x, f.GuardSampled)]


def soaked(desk: Desk, run: str) -> int:
    """Return how long the soak was, in milliseconds, as it is on record."""
    (ended,) = (x for x in desk.facts(run) if isinstance(x, f.StepFinished) and x.step == "soak")
    return ended.ms


def test_a_breach_with_undo_ends_a_long_wait_at_once_and_leads_everything_back(desk: Desk, shop: Shop) -> None:
    result = desk.start(watch(shop, "{undo: run}") + "steps:\n" + touch("first") + SPOIL + LONG + touch("never"))

    assert result.status == "aborted"
    assert desk.statuses(result.run) == {"first": "undone", "spoil": "undone", "soak": "cancelled"}
    assert breaches(desk, result.run) == [("bad", "undo run")]
    assert desk.lines("log") == ["first", "un-first"]
    assert soaked(desk, result.run) < 60_000
    assert not desk.path("bad").exists()
    assert desk.holds()


def test_a_breach_with_stop_ends_a_long_wait_and_undoes_nothing(desk: Desk, shop: Shop) -> None:
    result = desk.start(watch(shop, "stop") + "steps:\n" + SPOIL + LONG + touch("never"))

    assert (result.status, result.why) == ("failed", "guard errors was breached")
    assert desk.statuses(result.run) == {"spoil": "succeeded", "soak": "cancelled"}
    assert desk.path("bad").exists()


@pytest.mark.parametrize(
    "reading",
    [
        "    command: [sleep, '290']\n    effect: read\n    timeout: 300s\n",
        "    command: [test, -e, DIR/nothing]\n    effect: read\n    until: {every: 1m, within: 10m}\n",
    ],
)
def test_a_breach_with_undo_ends_what_only_reads(reading: str, desk: Desk, shop: Shop) -> None:
    result = desk.start(watch(shop, "{undo: run}") + "steps:\n" + SPOIL + "  - id: soak\n" + reading + touch("never"))

    assert result.status == "aborted"
    assert desk.statuses(result.run) == {"spoil": "undone", "soak": "cancelled"}


def test_a_change_that_runs_is_let_end_and_then_led_back(desk: Desk, shop: Shop) -> None:
    """The change ends only when the breach is on record: nothing killed it, and it stands on the way back."""
    ear = Ear(lambda event: desk.path("go").touch() if isinstance(event, f.GuardBreached) else None)
    slow = change(
        "slow",
        "[sh, -c, 'touch DIR/bad; while [ ! -e DIR/go ]; do sleep 0.02; done; touch DIR/whole']",
        "[test, -e, DIR/whole]",
        "[sh, -c, 'rm DIR/bad DIR/whole']",
    )

    result = desk.start(watch(shop, "{undo: run}") + "steps:\n" + slow + touch("never"), ear=ear)

    (finished,) = (x for x in desk.facts(result.run) if isinstance(x, f.StepFinished))
    assert finished.status == "succeeded"
    assert (result.status, desk.statuses(result.run)) == ("aborted", {"slow": "undone"})
    assert not desk.path("whole").exists()


def test_a_breach_pauses_and_a_resumed_run_goes_on_once_all_is_well(desk: Desk, shop: Shop) -> None:
    hold = "  - id: hold\n    command: [sh, -c, 'while [ ! -e DIR/seen ]; do sleep 0.02; done']\n    effect: read\n"
    ear = Ear(lambda event: desk.path("seen").touch() if isinstance(event, f.GuardBreached) else None)
    result = desk.start(watch(shop) + "steps:\n" + SPOIL + hold + touch("rest"), ear=ear)
    assert (result.status, result.why) == ("paused", "guard errors was breached")
    assert not desk.path("rest").exists()

    desk.path("bad").unlink()
    again = desk.resume(result.run)

    assert again.status == "succeeded"
    assert len(all_of(desk, result.run, f.BaselineTaken)) == 1
    assert desk.state(result.run).deviated


def test_a_pause_ends_what_only_waits_at_once_and_a_resumed_run_waits_anew(desk: Desk, shop: Shop) -> None:
    soak = "    command: [test, -e, DIR/well]\n    effect: read\n    until: {every: 1m, within: 10m}\n"
    result = desk.start(watch(shop) + "steps:\n" + SPOIL + "  - id: soak\n" + soak + touch("last"))
    before = desk.statuses(result.run)
    desk.path("bad").unlink()
    desk.path("well").touch()

    assert (result.status, before) == ("paused", {"spoil": "succeeded", "soak": "cancelled"})
    assert desk.resume(result.run).status == "succeeded"
    assert desk.statuses(result.run) == {"spoil": "succeeded", "soak": "succeeded", "last": "succeeded"}


def test_no_data_pauses_even_where_a_breach_asks_to_undo(desk: Desk, shop: Shop) -> None:
    down = change("down", "[touch, DIR/down]", "[test, -e, DIR/down]", "[rm, DIR/down]")
    hold = "  - id: hold\n    command: [sh, -c, 'while [ ! -e DIR/seen ]; do sleep 0.02; done']\n    effect: read\n"
    ear = Ear(lambda event: desk.path("seen").touch() if isinstance(event, f.GuardBreached) else None)

    result = desk.start(watch(shop, "{undo: run}") + "steps:\n" + down + hold + touch("never"), ear=ear)

    assert result.status == "paused"
    assert breaches(desk, result.run) == [("no data", "pause")]
    assert desk.path("down").exists()


def test_a_normal_value_of_history_is_not_that_of_the_incident(desk: Desk, shop: Shop) -> None:
    desk.path("bad-before").touch()
    body = f"""baseline:
  - {{id: then, {query(shop)}, at: -30d}}
  - {{id: present, {query(shop)}}}
steps:
  - id: compare
    {query(shop).replace(", with", chr(10) + "    with")}
    expect: "value == baseline.present and value > 2 * baseline.then"
"""

    result = desk.start(body)

    facts = [x for x in desk.facts(result.run) if isinstance(x, f.BaselineTaken)]
    taken = {x.baseline: (thaw(x.value), x.during_incident) for x in facts}
    assert taken == {"then": (NORMAL, False), "present": (SPOILT, True)}
    assert result.status == "succeeded"


def test_a_normal_value_that_nobody_knows_makes_every_sample_one_without_data(desk: Desk, shop: Shop) -> None:
    desk.path("down").touch()
    body = baseline(shop, "") + guard(shop, "{undo: run}").replace("query: errors", "query: bad_hosts")

    def hear(event: f.Fact | Signal) -> None:
        if isinstance(event, f.BaselineTaken):
            desk.path("down").unlink(missing_ok=True)
            desk.path("bad").touch()
        elif isinstance(event, f.GuardBreached):
            desk.path("seen").touch()

    hold = "  - id: hold\n    command: [sh, -c, 'while [ ! -e DIR/seen ]; do sleep 0.02; done']\n    effect: read\n"
    result = desk.start(body + "steps:\n" + hold + touch("rest"), ear=Ear(hear))

    assert result.status == "paused"
    assert set(samples(desk, result.run)) == {"no data"}


def test_before_its_step_has_ended_a_guard_does_not_look(desk: Desk, shop: Shop) -> None:
    desk.path("bad").touch()
    mend = change("mend", "[rm, DIR/bad]", "[test, '!', -e, DIR/bad]", "[touch, DIR/bad]")
    body = watch(shop, "{undo: run}", ", arm_after: mend")
    hold = "  - id: before\n    wait: 200ms\n"
    after = "  - id: after\n    command: [sh, -c, 'while [ ! -e DIR/seen ]; do sleep 0.02; done']\n    effect: read\n"
    ear = Ear(lambda event: desk.path("seen").touch() if isinstance(event, f.GuardSampled) else None)

    result = desk.start(body + "steps:\n" + hold + mend + after, ear=ear)

    facts = desk.facts(result.run)
    ended = next(n for n, x in enumerate(facts) if isinstance(x, f.StepFinished) and x.step == "mend")
    assert result.status == "succeeded"
    assert set(samples(desk, result.run)) == {"good"}
    assert not any(isinstance(x, f.GuardSampled) for x in facts[:ended])


FLEET = tuple(f"h{n}" for n in range(1, 11))


def rolled(verify_more: str = "") -> str:
    """Return a step that every host does once, and whose third host is the one that makes the errors."""
    return (
        "  - id: roll\n    command: [sh, -c, 'echo {{ host.name }} >> DIR/log; "
        "if [ {{ host.name }} = h3 ]; then touch DIR/bad; fi; touch DIR/is-{{ host.name }}']\n"
        "    effect: change\n    verify: [{command: [test, -e, 'DIR/is-{{ host.name }}']}]\n"
        "    undo: [{command: [sh, -c, 'rm DIR/is-{{ host.name }}; rm -f DIR/bad']}]\n" + verify_more
    )


def staged(body: str, rollout: str) -> str:
    return f"steps:\n  - stage: out\n    on: all\n    rollout: {rollout}\n    steps:\n" + indented(body)


TARGETS = 'targets:\n  all: {hosts: "all"}\n'


def test_the_policy_of_an_automatic_rollback(desk: Desk, shop: Shop) -> None:
    """More than so many errors lead back; looked at in an interval; a bounded share of hosts out at once."""
    policy = f"""guards:
  - id: rollback
    uses: metric.query
    with: {{url: "{shop.url}", query: errors}}
    fail_when: "value > 2 * baseline.normal"
    threshold: 3        # rollback_threshold
    every: 20ms         # monitor_interval
    arm_after: roll
    on_breach: {{undo: stage}}
"""
    rollout = "{waves: [1, 50%, 100%], max_unavailable: 10%, pause: 1m}"
    desk.path("bad-from-h1").touch()  # the first wave is bad already when the guard begins to look
    body = TARGETS + baseline(shop) + policy + staged(rolled(), rollout)

    result = desk.start(body, inventory=desk.inventory(*FLEET))

    assert result.status == "aborted"
    assert desk.statuses(result.run)["roll@h1"] == "undone"
    assert samples(desk, result.run)[:3] == ["bad", "bad", "bad"]
    assert desk.lines("log") == ["h1"]


def test_a_canary_stops_at_the_wave_whose_look_is_bad_and_takes_back_that_wave_alone(desk: Desk, shop: Shop) -> None:
    looked = f"""  - id: errors
    uses: metric.query
    with: {{url: "{shop.url}", query: errors}}
    expect: "value < 2 * baseline.normal"
    until: {{every: 50ms, within: 5m, for: 100ms}}
"""
    body = TARGETS + watch(shop, "{undo: wave}", ", arm_after: roll")
    body += staged(rolled() + looked, "{waves: [10%, 50%, 100%]}")

    result = desk.start(body, inventory=desk.inventory(*FLEET))

    statuses = desk.statuses(result.run)
    assert result.status == "aborted"
    assert statuses["roll@h1"] == "succeeded"
    assert {statuses[f"roll@h{n}"] for n in range(2, 6)} == {"undone"}
    assert not any(f"roll@h{n}" in statuses for n in range(6, 11))
    assert sorted(p.name for p in desk.folder.glob("is-*")) == ["is-h1"]


def test_a_canary_that_stays_well_reaches_every_host(desk: Desk, shop: Shop) -> None:
    look = f"""  - id: look
    uses: metric.query
    with: {{url: "{shop.url}", query: errors}}
    expect: "value < 2 * baseline.normal"
"""
    body = (
        TARGETS
        + watch(shop, "{undo: wave}")
        + staged(rolled().replace("= h3", "= none") + look, "{waves: [10%, 50%, 100%]}")
    )

    result = desk.start(body, inventory=desk.inventory(*FLEET))

    assert result.status == "succeeded"
    assert [len([x for x in desk.statuses(result.run) if x.startswith(name)]) for name in ("roll@", "look@")] == [10, 3]


class Slow:
    """Somebody who does not answer before the question is taken back."""

    def ask(self, question: Question, cancel: Cancel) -> Answer | NoAnswer:
        assert cancel.wait(PATIENCE)
        return NoAnswer(cancel.reason)


def test_a_breach_takes_back_an_open_question(desk: Desk, shop: Shop) -> None:
    """A person who is asked while all goes down need not answer first."""
    asked = "  - id: ready\n    manual: Look at the shop.\n"

    result = desk.start(watch(shop, "{undo: run}") + "steps:\n" + SPOIL + asked, Slow())

    assert result.status == "aborted"
    assert [x.status for x in desk.facts(result.run) if isinstance(x, f.UndoFinished)] == ["undone"]
    assert desk.statuses(result.run)["spoil"] == "undone"


def test_a_server_that_never_answers_holds_back_neither_the_run_nor_its_end(desk: Desk, shop: Shop) -> None:
    shop.release.clear()
    body = guard(shop).replace("baseline.normal", "3")

    result = desk.start(body + "steps:\n" + touch("first"))
    before = len(desk.facts(result.run))
    shop.release.set()
    until(lambda: shop.asked > 0)

    assert result.status == "succeeded"
    assert (len(desk.facts(result.run)), samples(desk, result.run)) == (before, [])
    assert desk.holds()


def test_a_rehearsal_takes_normal_values_and_a_sample_and_changes_nothing(desk: Desk, shop: Shop) -> None:
    desk.path("bad").touch()
    body = f"""baseline:
  - {{id: normal, {query(shop)}, at: -2h}}
  - {{id: present, {query(shop)}}}
  - {{id: unknown, {query(shop, "nothing")}}}
"""
    body += guard(shop, "{undo: wave}", ", arm_after: first") + "steps:\n" + touch("first")

    found = rehearse(desk.settings, Order(playbook=str(desk.playbook(body))), Unattended())

    signs = {seen.step: seen.seen for seen in found.steps if seen.seen}
    assert signs == {
        "baseline normal": "good", "baseline present": "good", "baseline unknown": "no data", "guard errors": "bad",
    }  # fmt: skip
    marks = [next(step_lines(seen, Style(unicode=False)))[0] for seen in found.steps if seen.kind == "guard"]
    assert marks == [Style(unicode=False).mark("failed")]
    watches = {seen.step: (seen.kind, seen.words) for seen in found.steps if seen.kind in ("baseline", "guard")}
    assert watches == {
        "baseline normal": ("baseline", "10, from history"),
        "baseline present": ("baseline", "90, as it is now, during the incident"),
        "baseline unknown": ("baseline", "no data"),
        "guard errors": (
            "guard",
            "bad now, 90; watches after first, every 0.02 s; 3 bad in a row: undo wave",
        ),
    }
    assert (found.refused, found.unreachable, found.blast_radius["changes"]) == (False, False, 1)
    assert not desk.path("first").exists()


def test_a_rehearsed_look_compares_with_the_normal_value(desk: Desk, shop: Shop) -> None:
    desk.path("bad").touch()
    look = f'  - id: look\n    uses: metric.query\n    with: {{url: "{shop.url}", query: errors}}\n'
    body = baseline(shop) + "steps:\n" + look + '    expect: "value < 2 * baseline.normal"\n'

    found = rehearse(desk.settings, Order(playbook=str(desk.playbook(body))), Unattended())

    assert found.steps[-1].words == "does not hold now: expected value < 2 * baseline.normal"
