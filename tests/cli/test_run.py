from __future__ import annotations

from pathlib import Path

import pytest

from runbook.cli.conduct import Keyholder
from runbook.errors import JournalFull
from runbook.events import fact as f
from runbook.model.question import Answer, Choice, NoAnswer, Question, QuestionKind
from runbook.ports.cancel import Cancel
from runbook.session.record import JournalRecorder
from runbook.testing import ScriptedApprover
from tests.cli.conftest import Call, Said, steady

APPROVED = """\
schema: runbook/v1
id: approved
title: With an approval
steps:
  - id: ready
    manual: Stop the release automation.
  - id: touch
    title: Make the file
    command: [touch, "HERE/made"]
    effect: change
    approve: operator
    verify: [{command: [test, -e, "HERE/made"]}]
    undo: [{command: [rm, "HERE/made"]}]
"""

FAILING = """\
schema: runbook/v1
id: failing
title: It fails
steps:
  - id: touch
    command: [touch, "HERE/made"]
    effect: change
    verify: [{command: [test, -e, "HERE/made"]}]
    undo: [{command: [rm, "HERE/made"]}]
  - id: fail
    command: [sh, -c, "echo why it fails; echo worse >&2; exit 3"]
    effect: read
"""


def write(place: Path, name: str, text: str) -> None:
    (place / f"playbooks/{name}.yaml").write_text(text.replace("HERE", str(place)))


def test_a_run_is_narrated_on_stderr_and_its_end_is_data(call: Call, place: Path) -> None:
    said = call("replay", "touch-file")

    assert said.code == 0
    assert steady(said.err, place) == (
        "► running     Touch a file (touch-file) on local · run RUN\n"
        "  | hello\n"
        "  ! oops\n"
        "✓ succeeded   look on local  0:00\n"
        "► running     touch on local: Run touch HERE/made\n"
        "✓ succeeded   touch on local  0:00  verified\n"
    )
    assert steady(said.out, place) == (
        "✓ SUCCEEDED  Touch a file · run RUN\n"
        "  1 change: 1 verified, 0 left unverified\n"
        "  Next: runbook audit report RUN\n"
    )


def test_a_run_as_json_is_one_object(call: Call) -> None:
    said = call("replay", "touch-file", "--output", "json", "--incident", "INC-1")

    result = said.json
    assert {k: result[k] for k in ("playbook", "outcome", "exit", "verified", "deviated", "unverified")} == {
        "playbook": "touch-file",
        "outcome": "succeeded",
        "exit": 0,
        "verified": True,
        "deviated": False,
        "unverified": 0,
    }
    assert result["id"]
    assert result["started"].endswith("Z")
    assert [(step["step"], step["status"]) for step in result["steps"]] == [
        ("look", "succeeded"),
        ("touch", "succeeded"),
    ]


def test_a_run_as_ndjson_is_its_facts_and_last_its_result(call: Call) -> None:
    lines = call("replay", "touch-file", "--output", "ndjson").lines

    assert [
        line["type"] for line in lines if line["type"] in ("session.opened", "attempt.started", "run.finished")
    ] == [
        "session.opened",
        "attempt.started",
        "run.finished",
    ]
    assert (lines[-1]["type"], lines[-1]["outcome"]) == ("result", "succeeded")


def test_what_lacks_an_answer_is_listed_and_nothing_is_executed(call: Call, place: Path) -> None:
    write(place, "approved", APPROVED)

    said = call("replay", "approved")

    assert (said.code, (place / "made").exists()) == (6, False)
    assert steady(said.out, place) == (
        "◆ WAITING  With an approval · run RUN\n"
        "  nothing was run: ready (manual), touch (approval)\n"
        "  nothing was changed\n"
        "  Nothing was executed. What it lacks:\n"
        "    ready: manual: ready; give ready: done\n"
        "    touch: approval: Make the file; give --approve touch\n"
        "  Next: give what it lacks, and replay again\n"
    )


def test_approvals_and_answers_are_given_beforehand(call: Call, place: Path) -> None:
    write(place, "approved", APPROVED)
    (place / "answers.yaml").write_text("ready: done\n")

    said = call("replay", "approved", "--approve", "touch", "--answers", "answers.yaml")

    assert (said.code, (place / "made").exists()) == (0, True)
    assert "  approve for touch, by command line\n" in said.err


def test_a_failure_says_why_and_what_is_open(call: Call, place: Path) -> None:
    write(place, "failing", FAILING)

    said = call("replay", "failing")

    assert said.code == 1
    assert "  | why it fails\n  ! worse\n" in said.err
    assert "✗ failed      fail on local  0:00: " in steady(said.err, place)
    assert said.out.startswith("✗ FAILED  It fails · run ")
    assert "  Open: 1 change can be undone\n" in said.out
    assert "abort): runbook decide RUN fail CHOICE\n" in steady(said.out, place)
    assert "  Next: runbook resume RUN, or runbook undo RUN\n" in steady(said.out, place)


def test_going_on_after_a_failure_is_a_partial_success(call: Call, place: Path) -> None:
    write(place, "failing", FAILING + "    on_failure: continue\n")

    said = call("replay", "failing", "--output", "json")

    assert (said.code, said.json["outcome"]) == (7, "partial")


def test_the_command_line_makes_a_policy_only_stricter(call: Call, place: Path) -> None:
    write(place, "failing", FAILING + "    on_failure: continue\n")

    assert call("replay", "failing", "--on-failure", "stop").code == 1


def test_a_failure_undoes_the_run_where_that_is_asked_for(call: Call, place: Path) -> None:
    write(place, "failing", FAILING)

    said = call("replay", "failing", "--on-failure", "undo", "--output", "json")

    assert (said.code, said.json["outcome"], (place / "made").exists()) == (9, "aborted", False)


def test_a_failure_can_take_everything_back(call: Call, place: Path) -> None:
    write(place, "failing", FAILING)

    said = call("replay", "failing", "--on-failure", "stop")
    undone = call("undo", run_of(call), "--reason", "not needed")

    assert (said.code, undone.code) == (1, 0)
    assert not (place / "made").exists()
    assert "↶ undone      touch on local" in undone.err
    assert undone.out.startswith("↶ UNDONE  It fails · run ")
    assert "  Open: fail on local failed: exit 3" in said.out
    assert "  fail on local failed: exit 3" in undone.out


def run_of(call: Call) -> str:
    return str(call("audit", "list", "--output", "json").json[0]["id"])


def test_a_run_can_be_undone_by_the_beginning_of_its_id(call: Call, place: Path) -> None:
    call("replay", "touch-file")

    said = call("undo", run_of(call)[:20], "--output", "json")

    assert (said.code, said.json["outcome"], (place / "made").exists()) == (0, "undone", False)


ON_TWO = """\
schema: runbook/v1
id: on-two
title: On two hosts
targets: {{all: {{hosts: "a,b"}}}}
steps:
  - id: one
    command: [sh, -c, "touch {at}/$0", "{{{{ host.name }}}}"]
    effect: change
    verify: [{{command: [test, -e, "{at}/{{{{ host.name }}}}"]}}]
    undo: [{{command: [rm, "{at}/{{{{ host.name }}}}"]}}]
  - id: two
    command: [touch, "{at}/two"]
    effect: change
    verify: [{{command: [test, -e, "{at}/two"]}}]
    undo: {{none: it is wanted}}
  - {{id: bad, command: ["false"], effect: read}}
"""


def test_a_part_that_is_undone_is_not_told_as_the_whole(call: Call, place: Path) -> None:
    write(place, "on-two", ON_TWO.format(at=place))
    (place / "hosts.yaml").write_text("hosts:\n  a: {transport: local}\n  b: {transport: local}\n")
    call("replay", "on-two", "--inventory", str(place / "hosts.yaml"), "--on-failure", "stop")
    run = run_of(call)

    part = call("undo", run, "one@a")
    assert (part.code, (place / "a").exists(), (place / "b").exists()) == (0, False, True)
    assert part.out.startswith("↶ 1 OF 4 CHANGES UNDONE  On two hosts · run ")
    assert "  Open: 1 change can be undone\n" in part.out
    assert f"  Next: runbook undo {run}, or runbook audit report {run}\n" in part.out
    (listed,) = call("audit", "list", "--open", "--output", "json").json
    assert (listed["outcome"], listed["partly_undone"], listed["pending_undo"]) == ("undone", True, 1)
    assert "↶ partly undone" in call("audit", "list").out
    assert call("audit", "report", run).out.startswith("# On two hosts: ↶ 1 of 4 changes undone\n")

    rest = call("undo", run)
    assert rest.out.startswith("↶ 2 OF 4 CHANGES UNDONE  On two hosts · run ")
    assert "  2 of 4 changes stand: no way back\n" in rest.out
    assert "can be undone" not in rest.out
    assert call("audit", "list", "--open", "--output", "json").json == []


def test_undoing_twice_says_that_nothing_stands(call: Call) -> None:
    call("replay", "touch-file")
    run = run_of(call)
    call("undo", run)

    said = call("undo", run)

    assert (said.code, said.out) == (5, "")
    assert "it is undone already; nothing stands that could be undone" in said.err
    assert said.err.count("\n") == 1


def test_a_past_run_is_replayed_with_its_own_values(call: Call, place: Path) -> None:
    call("replay", "touch-file", "--set", f"file={place}/other")
    first = run_of(call)
    (place / "other").unlink()

    said = call("replay", first)

    assert (said.code, (place / "other").exists(), (place / "made").exists()) == (0, True, False)
    assert run_of(call) != first


def test_a_failed_run_is_resumed(call: Call, place: Path) -> None:
    write(place, "failing", FAILING.replace('"echo why it fails; echo worse >&2; exit 3"', '"test -e HERE/gate"'))
    assert call("replay", "failing").code == 1
    (place / "gate").touch()

    said = call("resume", run_of(call), "--failed-hosts", "--output", "json")

    assert (said.code, said.json["outcome"]) == (0, "succeeded")


def test_a_run_that_is_over_is_not_resumed(call: Call) -> None:
    call("replay", "touch-file")

    said = call("resume", run_of(call))

    assert said.code == 5
    assert "is over: succeeded" in said.err


def test_a_decision_for_a_run_that_is_over_is_told_so(call: Call) -> None:
    call("replay", "touch-file")

    said = call("decide", run_of(call), "look", "skip", "--reason", "x")

    assert (said.code, "is over: succeeded; it asks nothing any more" in said.err) == (2, True)


def test_a_program_that_is_not_there_is_told_once(call: Call) -> None:
    said = call("exec", "--", "no-such-program")

    assert said.code == 1
    assert "exec on local  0:00: exit 127: there is no program no-such-program" in steady(said.err, Path("/nowhere"))
    assert "  | exit 127" not in said.err


def test_a_guided_run_without_a_terminal_executes_nothing(command: Call, place: Path) -> None:
    said = command("run", "touch-file")

    assert (said.code, said.out, (place / "made").exists()) == (6, "", False)
    assert said.err == (
        "runbook: touch-file: there is no terminal to ask on, so nothing was executed; "
        "`runbook replay touch-file` executes without interaction\n"
    )


def test_a_journal_that_cannot_be_written_stops_everything(
    call: Call, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = place / "state"
    state.write_text("in the way")
    monkeypatch.setenv("XDG_STATE_HOME", str(state))

    said = call("replay", "touch-file")

    assert (said.code, (place / "made").exists()) == (5, False)
    assert said.err.startswith("runbook: ")


def test_an_invalid_playbook_runs_nothing(call: Call, place: Path) -> None:
    write(place, "failing", FAILING.replace("effect: change", "effect: chance"))

    said = call("replay", "failing", "--output", "json")

    assert (said.code, said.json["outcome"]) == (3, "invalid")
    assert said.err.startswith("runbook: ")
    assert "failing.yaml:7:" in said.err


def test_a_pattern_without_a_target_is_no_success(call: Call, place: Path) -> None:
    assert call("replay", "touch-file", "--limit", "order-9").code == 4
    (place / "hosts.yaml").write_text("hosts: {a: {transport: local}, b: {transport: local}}\n")
    assert call("exec", "--on=a", "--limit=b", "--inventory=hosts.yaml", "--", "true").code == 4


def test_a_limit_may_be_a_file_with_a_target_per_line(call: Call, place: Path) -> None:
    (place / "hosts.yaml").write_text("hosts: {a: {transport: local}, b: {transport: local}, c: {transport: local}}\n")
    (place / "failed.retry").write_text("# of last night\nc\n\na\n")

    def said(limit: str) -> Said:
        return call("exec", "--on=all", "--inventory=hosts.yaml", f"--limit={limit}", "--output=json", "--", "true")

    named = call("audit", "show", said("@failed.retry").json["id"], "--output", "json").json
    (place / "failed.retry").write_text("# nobody\n")

    finished = [record["target"] for record in named if record["type"] == "step.finished"]
    assert sorted(finished) == ["a", "c"]
    assert (said("@failed.retry").code, said("@missing").code) == (4, 2)


def test_a_rehearsal_shows_the_plan_and_changes_nothing(call: Call, place: Path) -> None:
    said = call("rehearse", "touch-file")

    assert (said.code, (place / "made").exists()) == (0, False)
    assert steady(said.out, place) == (
        "◦ look on local (read, not run): only claims to read; --run-reads runs it\n"
        "    $ sh -c 'echo hello; echo oops >&2'\n"
        "◦ touch on local (change): Run touch HERE/made\n"
        "    $ touch HERE/made\n"
        "    Way back: rm HERE/made\n"
        "\n"
        "Blast radius: 1 change on 1 host, 0 destructive. Nothing was changed.\n"
    )


def test_a_rehearsal_as_json_has_the_blast_radius(call: Call) -> None:
    result = call("rehearse", "touch-file", "--output", "json", "--run-reads").json

    assert (result["outcome"], result["exit"]) == ("succeeded", 0)
    assert result["blast_radius"] == {"hosts": 1, "changes": 1, "destructive": 0}
    assert [step["step"] for step in result["steps"]] == ["look", "touch"]


def test_a_rehearsal_leaves_no_run(call: Call) -> None:
    call("rehearse", "touch-file")

    assert call("audit", "list", "--output", "json").json == []


# --- exec -------------------------------------------------------------------------------------------------------


def test_the_output_of_an_ad_hoc_command_is_the_data(call: Call, place: Path) -> None:
    said = call("exec", "--", "sh", "-c", "echo one; echo two >&2; printf three")

    assert (said.code, said.out) == (0, "one\nthree\n")
    assert "  ! two\n" in said.err
    assert "SUCCEEDED" in said.err


def test_the_words_of_an_ad_hoc_command_are_no_templates(call: Call) -> None:
    words = ("{{ 7*7 }}", "{{.Names}}", "{{{%x", "{# a #}", "{{ '", "{{- x -}}", "{{ x }}" * 12_000)

    said = call("exec", "--", "printf", "%s\n", *words)

    assert said.out.splitlines() == list(words)


def test_an_ad_hoc_command_is_on_record(call: Call) -> None:
    call("exec", "--", "true")

    assert call("audit", "list", "--output", "json").json[0]["outcome"] == "succeeded"


def test_an_ad_hoc_command_as_json_holds_its_output(call: Call) -> None:
    result = call("exec", "--output", "json", "--", "sh", "-c", "echo one; exit 4").json

    assert (result["outcome"], result["exit"]) == ("failed", 1)
    assert [(s["target"], s["stdout"], s["exit"]) for s in result["steps"]] == [("local", "one\n", 4)]


def test_terminal_control_of_a_command_never_reaches_the_screen(call: Call) -> None:
    said = call("exec", "--", "printf", "\\033]0;owned\\007\\033[2Jplain\\r\\n")

    assert said.out == "plain\n"
    assert "\x1b" not in said.out + said.err


def test_an_ad_hoc_change_without_a_terminal_executes_nothing(command: Call, place: Path) -> None:
    said = command("exec", "--effect", "change", "--", "touch", str(place / "made"), "{{ 1 + 1 }}")

    assert (said.code, (place / "made").exists()) == (6, False)
    assert f"exec: approval: touch {place / 'made'} {{{{ 1 + 1 }}}}" in said.err


@pytest.mark.parametrize("timeout", ["5", "0s", "soon", "-1s"])
def test_a_timeout_that_is_none_is_refused(call: Call, timeout: str) -> None:
    said = call("exec", f"--timeout={timeout}", "--", "true")

    assert (said.code, said.err.startswith("runbook: --timeout")) == (2, True)


def test_an_ad_hoc_command_that_takes_too_long_is_stopped(call: Call) -> None:
    said = call("exec", "--timeout", "200ms", "--output", "json", "--", "sleep", "60")

    assert (said.code, said.json["steps"][0]["status"]) == (1, "timed_out")


# --- what is given for nothing --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "answers", "line"),
    [
        (("--approve", "tuch"), "", "--approve tuch: nothing of that name needs an approval; there are touch"),
        ((), "redy: done", "there is an answer for redy, which asks nothing; there are ready"),
        ((), "ready: yes", "the answer for ready is none that it takes; write ready: done"),
    ],
)
def test_what_is_given_for_nothing_is_refused_and_nothing_is_run(
    call: Call, place: Path, words: tuple[str, ...], answers: str, line: str
) -> None:
    write(place, "approved", APPROVED)
    (place / "answers.yaml").write_text(answers or "ready: done\n")

    said = call("replay", "approved", "--answers", "answers.yaml", *words)

    assert (said.code, said.err) == (2, f"runbook: {line}\n")
    assert call("audit", "list", "--output", "json").json == []


def test_what_was_done_by_hand_once_is_not_taken_for_done_again(call: Call, place: Path) -> None:
    write(place, "approved", APPROVED)
    (place / "answers.yaml").write_text("ready: done\n")
    first = call("replay", "approved", "--answers", "answers.yaml", "--approve", "touch", "--output", "json").json

    again = call("replay", first["id"], "--approve", "touch", "--output", "json")

    assert again.code == 6
    assert [(m["step"], m["what"]) for m in again.json["missing"]] == [("ready", "manual")]


SECRET = """\
schema: runbook/v1
id: secretive
title: With a secret
params:
  token: {type: secret, FROM}
steps:
  - id: look
    command: ["true"]
    effect: read
"""


def test_a_secret_that_nobody_needs_is_not_asked_for(call: Call, place: Path) -> None:
    write(place, "secretive", SECRET.replace("FROM", "required: false"))

    assert call("replay", "secretive").code == 0


def test_a_secret_that_cannot_be_had_leaves_no_run(call: Call, place: Path) -> None:
    write(place, "secretive", SECRET.replace("FROM", 'from: "env:NOT_SET"'))

    said = call("replay", "secretive")

    assert (said.code, "export NOT_SET" in said.err) == (2, True)
    assert call("audit", "list", "--output", "json").json == []


def test_a_parameter_that_is_set_to_nothing_is_a_usage_error(call: Call, place: Path) -> None:
    write(place, "secretive", SECRET.replace("token: {type: secret, FROM}", "n: {type: int, default: 3}"))

    said = call("replay", "secretive", "--set", "n=")

    assert (said.code, said.err) == (2, "runbook: --set n= gives no value; write --set n=INT\n")


def test_without_a_terminal_what_is_wrong_with_the_order_is_told_first(call: Call, place: Path) -> None:
    write(place, "wrong", "schema: runbook/v1\nid: wrong\n")

    codes = [
        call("run", *words).code
        for words in (("touch-file", "--set", "no=1"), ("wrong",), ("touch-file", "--limit", "nobody"), ("touch-file",))
    ]

    assert codes == [2, 3, 4, 6]


def test_an_ad_hoc_change_without_a_terminal_says_how_it_can_be_agreed_to(call: Call, place: Path) -> None:
    said = call("exec", "--effect", "change", "--", "touch", "made")

    assert (said.code, (place / "made").exists()) == (6, False)
    assert "give your answer on a terminal" in said.err
    assert "--approve" not in said.err
    assert ", on a terminal: it shows the command and asks" in said.err.splitlines()[-1]


def test_a_step_that_reads_shows_what_it_saw(call: Call, place: Path) -> None:
    write(place, "reads", "schema: runbook/v1\nid: reads\ntitle: It reads\nsteps:\n" + SUM)
    (place / "file").write_text("x")

    said = call("replay", "reads")

    assert said.code == 0
    assert "✓ succeeded   sum on local  0:00\n  | " in steady(said.err, place)


SUM = """\
  - id: sum
    uses: file.checksum
    with: {path: "HERE/file"}
"""


@pytest.mark.parametrize(
    ("lost_at", "code", "outcome"), [("step.finished", 1, "interrupted"), ("step.planned", 5, "refused")]
)
@pytest.mark.parametrize("output", ["json", "ndjson"])
def test_a_journal_lost_in_the_middle_tells_the_run_that_goes_on_later(
    call: Call, monkeypatch: pytest.MonkeyPatch, lost_at: str, code: int, outcome: str, output: str
) -> None:
    put = JournalRecorder.put

    def full(recorder: JournalRecorder, *facts: f.Fact) -> int:
        if any(fact.type == lost_at and getattr(fact, "step", "") == "touch" for fact in facts):
            raise JournalFull("the disk is full")
        return put(recorder, *facts)

    with monkeypatch.context() as patch:
        patch.setattr(JournalRecorder, "put", full)
        said = call("replay", "touch-file", "--output", output)
    listed = call("audit", "list", "--output", "json").json[0]

    told = said.json if output == "json" else said.lines[-1]
    assert (said.code, told["outcome"], told["exit"]) == (code, outcome, code)
    assert {name: told[name] for name in ("id", "playbook", "started")} == {
        name: listed[name] for name in ("id", "playbook", "started")
    }
    assert told["error"] == "the disk is full"
    assert f"next: runbook resume {listed['id']}" in said.err
    assert listed["outcome"] == "interrupted"
    assert call("resume", listed["id"]).code == 0


def test_an_error_after_a_run_has_come_to_its_rest_names_no_run(call: Call) -> None:
    assert call("replay", "touch-file", "--output", "json").json["outcome"] == "succeeded"

    assert "id" not in call("resume", "nothing", "--output", "json").json


def test_a_command_at_a_terminal_asks_for_secrets_and_nothing_else() -> None:
    person = ScriptedApprover({"secret": Answer(choice="answer", values={"secret": "sesame"}), "host_key": "accept"})
    holder = Keyholder(person)

    def answer(kind: QuestionKind) -> Answer | NoAnswer:
        choices = (Choice("accept", "yes"), Choice("answer", "this"))
        return holder.ask(Question(id=kind, kind=kind, title="?", choices=choices, safe="accept"), Cancel())

    given = answer("secret")
    assert isinstance(given, Answer)
    assert given.values == {"secret": "sesame"}
    assert isinstance(answer("host_key"), NoAnswer)
