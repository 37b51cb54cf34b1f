"""A hundred hosts are told in lines that a person can read: 80 columns, and what is the same only once."""

from __future__ import annotations

import io

from msgspec.structs import replace

from runbook.cli.crowd import PATIENCE, Crowd, Line, all_names, on_hosts
from runbook.cli.doctor import all_lines
from runbook.cli.ending import open_lines
from runbook.cli.guided import _alike
from runbook.cli.handover import remains_lines
from runbook.cli.printer import Printer
from runbook.cli.rehearse import alike, obstacles, step_lines
from runbook.cli.stream import Stream
from runbook.cli.style import Style
from runbook.engine.rehearsal import Rehearsed
from runbook.events import fact as f
from runbook.events.fold import fold_all
from runbook.events.signal import OutputReceived
from runbook.model.question import Preview, Question
from runbook.model.scalar import Json
from runbook.ports.target import FoundJob, OpKey
from runbook.session.doctor import Checkup, Finding
from runbook.session.remains import Remains

HUNDRED = [f"web{n:03}" for n in range(1, 101)]
ODD = HUNDRED[::2]


def heard(*events: object) -> list[str]:
    out = io.StringIO()
    printer = Printer(Stream(out, Style(), narration=True))
    hosts: list[Json] = [{"name": name} for name in HUNDRED]
    playbook: dict[str, Json] = {"id": "p", "title": "P"}
    printer.hear(f.SessionOpened(mode="replay", actor={}, boot_id="", versions={}, playbook=playbook, hosts=hosts))
    for event in events:
        printer.hear(event)  # type: ignore[arg-type]
    printer.close()
    return out.getvalue().splitlines()[1:]


def begun(host: str, step: str = "mark") -> f.AttemptStarted:
    return f.AttemptStarted(step=step, target=host, attempt=1, effect="change", plan_digest="")


def finished(host: str, step: str = "mark", ms: int = 0, **more: object) -> f.StepFinished:
    told = {"effect": "change", "changed": True, "verified": True, "status": "succeeded"} | more
    return f.StepFinished(step=step, target=host, attempt=1, ms=ms, **told)  # type: ignore[arg-type]


def test_what_goes_well_on_a_hundred_hosts_is_one_line() -> None:
    events = [event for n, host in enumerate(HUNDRED) for event in (begun(host), finished(host, ms=20 * n))]
    assert heard(*events) == ["✓ succeeded   mark on web[001-100]  0:00 to 0:01  verified"]


def test_one_that_fails_is_told_by_its_name_with_its_evidence() -> None:
    events = [finished(h) if h != "web007" else finished(h, status="failed", error="exit 1", evidence=["no space"])
              for h in HUNDRED]  # fmt: skip
    assert heard(*events) == [
        "✓ succeeded   mark on web[001-006]  0:00  verified",
        "✗ failed      mark on web007  0:00: exit 1",
        "  | no space",
        "✓ succeeded   mark on web[008-100]  0:00  verified",
    ]


def test_another_step_and_what_is_about_the_run_come_after_what_was_before() -> None:
    lines = heard(begun("web001"), f.NoteWritten(text="hm"), finished("web001"), begun("web001", "look"))
    assert lines == [
        "► running     mark on web001",
        "  note: hm",
        "✓ succeeded   mark on web001  0:00  verified",
        "► running     look on web001",
    ]


def test_nothing_is_kept_back_before_a_question() -> None:
    question = Question(id="q", kind="manual", title="Look", step="s")
    out = io.StringIO()
    printer = Printer(Stream(out, Style(), narration=True), asked=True)
    printer.hear(f.SessionOpened(mode="run", actor={}, boot_id="", versions={}, hosts=[{"name": n} for n in HUNDRED]))
    printer.hear(finished("web001"))
    printer.hear(f.QuestionAsked(question=question))
    assert "mark on web001" in out.getvalue()


def test_output_is_told_at_once() -> None:
    lines = heard(begun("web001"), OutputReceived("mark", "web001", 1, "out", "hello\n", 0))
    assert lines[0] == "  web001 | hello"


def test_a_slow_step_shows_how_far_it_is() -> None:
    now = 100.0
    told: list[str] = []
    crowd = Crowd(lambda status, text: told.append(f"{status} {text}"), lambda: now)
    crowd.add(Line("succeeded", "mark"), "web001")
    now += PATIENCE / 2
    crowd.add(Line("succeeded", "mark"), "web002")
    assert told == []
    now += PATIENCE
    crowd.add(Line("succeeded", "mark"), "web003")
    assert told == ["succeeded mark on web[001-002]"]
    crowd.flush()
    assert told[1:] == ["succeeded mark on web003"]


def test_names_that_do_not_fit_are_counted_and_stand_below_in_full() -> None:
    assert on_hosts(ODD) == " on 50 hosts"
    below = all_names(ODD)
    assert max(map(len, below)) <= 80
    assert ", ".join(ODD) == " ".join(line.strip() for line in below)
    assert (on_hosts(HUNDRED), all_names(HUNDRED)) == (" on web[001-100]", [])
    assert (on_hosts(["*"]), on_hosts(["*2"]), on_hosts(["a"])) == ("", " in wave 2", " on a")


def test_a_rehearsal_tells_the_same_plan_once() -> None:
    plan = Rehearsed(step="mark", title="Mark", target="", kind="action", effect="change", state="known", words="Run x",
                     commands=("x",), undo="y")  # fmt: skip
    places = [replace(plan, target=host) for host in HUNDRED]
    places[-1] = replace(places[-1], state="unreachable", words="no answer", commands=(), undo="")
    lines = [line for step, hosts in alike(tuple(places)) for line in step_lines(step, Style(), hosts)]
    assert lines == [
        "◦ mark on web[001-099] (change): Run x",
        "    $ x",
        "    Way back: y",
        "⊘ mark on web100 (change, unreachable): no answer",
    ]
    odd = replace(plan, target="web007", state="refused", words="there is no x")
    assert list(obstacles((*places, odd, replace(places[-1], step="look")), Style())) == [
        "⊘ refused: a precheck says no",
        "  mark on web007: there is no x",
        "⊘ unreachable: not every target could be asked",
        "  web100: no answer",
    ]


def test_what_is_open_on_many_hosts_is_a_line_per_reason() -> None:
    same = fold_all(finished(h, status="unreachable", error="no answer") for h in HUNDRED)
    assert open_lines(same, 0) == ["Open: mark on web[001-100] unreachable: no answer"]
    each = fold_all(finished(h, status="failed", error=f"exit 1 at {h}") for h in HUNDRED)
    assert open_lines(each, 0) == ["Open: mark on web[001-100] failed: exit 1 at web001 (and others)"]
    few = fold_all(finished(h, status="failed", error=f"exit 1 at {h}") for h in HUNDRED[:2])
    assert len(open_lines(few, 0)) == 2


def test_an_approval_shows_the_same_plan_once_and_never_fewer_times_than_it_runs() -> None:
    plans = [Preview(host, "Run x", ("x",)) for host in HUNDRED]
    assert [targets for _, targets in _alike(plans)] == [HUNDRED]
    assert [targets for _, targets in _alike([*plans, plans[0]])] == [HUNDRED, ["web001"]]


def test_a_preflight_of_many_hosts_tells_who_is_fit_in_one_line_and_each_hint_once() -> None:
    good = (Finding(what="reach", state="good", told="answers"), Finding(what="clock", state="good", told="agrees"))
    late = Finding(what="clock", state="warn", told="40 s behind", remedy="see to its time service")
    found = [Checkup(host=h, findings=(good[0], late) if h in HUNDRED[10:12] else good) for h in HUNDRED]
    assert list(all_lines(found, Style())) == [
        "✓ fit on web[001-010], web[013-100]: reach, clock",
        "◆ clock on web[011-012]: 40 s behind",
        "    see to its time service",
    ]


def test_the_keys_that_are_not_known_are_got_by_one_command_on_each_way() -> None:
    def unknown(host: str, begin: str) -> Checkup:
        remedy = f"compare the fingerprint with one that you got another way, then: {begin}{host} >> /h/known_hosts"
        return Checkup(host=host, findings=(Finding(what="host key", state="bad", told="not known", remedy=remedy),))

    plain = [unknown(host, "ssh-keyscan ") for host in HUNDRED[:9]]
    behind = [unknown(host, "ssh -F c gate ssh-keyscan -p 2222 ") for host in ("a", "b")]
    assert list(all_lines([*plain, *behind], Style()))[-2:] == [
        f"Once all 9 fingerprints are compared: ssh-keyscan {' '.join(HUNDRED[:9])} >> /h/known_hosts",
        "Once all 2 fingerprints are compared: ssh -F c gate ssh-keyscan -p 2222 a b >> /h/known_hosts",
    ]
    assert "Once" not in "".join(all_lines(behind[:1], Style()))


def test_what_lies_on_many_hosts_of_a_run_is_told_once_and_scripts_by_the_name_of_their_operation() -> None:
    def job(host: str, name: str, command: str, status: str) -> FoundJob:
        return FoundJob(OpKey("01r", "edit", host, 1, name), command, "", status)

    jobs = (
        *(job(host, "keep", f"sh -c '␊umask 077␊' {host}", "0 exit") for host in HUNDRED),
        *(job(host, "write", f"replace /etc/{host}", "0 exit") for host in HUNDRED[:2]),
        job("web003", "write", "replace /etc/web003", "143 timeout"),
        job("web004", "", "systemctl restart x", ""),
    )
    assert list(remains_lines(Remains("01r", "app-conf", "", "root", jobs))) == [
        "01r  app-conf · root",
        "  edit on web[001-100]: keep: exit 0",
        "  edit on web[001-002]: write: replace /etc/web001 (and others): exit 0",
        "  edit on web003: write: replace /etc/web003: exit 143 after timeout",
        "  edit on web004: systemctl restart x: no outcome",
    ]
