"""Secrets reach commands and nothing else; what a step hides of its output is nowhere on record."""

from __future__ import annotations

import base64
import tarfile

import pytest

from runbook.events import fact as f
from runbook.journal import list_runs
from runbook.session.handover import handover
from tests.engine.desk import Desk, Ear

SECRET = "c0rrect-h0rse-b4ttery"
BESIDE = "what-0nly-the-0utput-has"
PARAMS = 'params:\n  db_pass: {type: secret, from: "env:DB_PASS"}\n'


def found_in(desk: Desk, text: str) -> list[str]:
    return [str(path) for path in desk.files() if text.encode() in path.read_bytes()]


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASS", SECRET)


def test_a_secret_reaches_a_command_by_environment_and_stdin_and_no_file_of_ours(desk: Desk) -> None:
    result = desk.start(
        PARAMS
        + """
steps:
  - id: by-env
    shell: printf %s "$PASS" | sha256sum > DIR/env
    env: {PASS: "{{ params.db_pass }}"}
    timeout: 7s
    effect: change
    verify: [{command: [test, -s, DIR/env]}]
    undo: {none: "a test"}
  - id: by-stdin
    shell: sha256sum > DIR/stdin
    stdin: "{{ params.db_pass }}"
    effect: change
    verify: [{command: [test, -s, DIR/stdin]}]
    undo: {none: "a test"}
  - id: by-read
    shell: sha256sum
    stdin: "{{ params.db_pass }}"
    effect: read
    capture: {sum: stdout}
"""
    )

    assert result.status == "succeeded"
    assert desk.text("env") == desk.text("stdin") == result.state.at("by-read", "local").values["sum"]
    assert found_in(desk, SECRET) == []


def test_a_secret_in_output_is_masked_in_journal_side_files_and_what_is_handed_over(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN_OF_THE_OPERATOR", BESIDE)
    result = desk.start(
        PARAMS
        + """
steps:
  - id: leak
    shell: echo "it is $PASS"; echo "$PASS" >&2; printf %s "$PASS" | base64
    env: {PASS: "{{ params.db_pass }}"}
    effect: read
    capture: {said: stdout}
  - id: hides
    shell: echo "BESIDE"; touch DIR/made
    stdin: "{{ params.db_pass }}"
    sensitive: true
    effect: change
    verify: [{command: [test, -e, DIR/made]}]
    undo: [{command: [rm, DIR/made]}]
  - {id: bad, command: ["false"], effect: read}
""".replace('echo "BESIDE"', f"printf '%s' {BESIDE[:7]}; echo {BESIDE[7:]}")
    )
    bundle = handover(desk.settings, result.run, desk.path("bundle"), "end of shift")

    assert result.status == "failed"
    assert found_in(desk, SECRET) == []
    assert "it is" in "".join(path.read_text() for path in desk.layout.output(result.run).iterdir())
    with tarfile.open(bundle) as archive:
        handed = {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]
    assert {"manifest.json", "journal.jsonl"} < handed.keys()
    assert b"it is" in b"".join(handed.values())
    forms = (SECRET.encode(), base64.b64encode(SECRET.encode()), SECRET.encode().hex().encode(), BESIDE.encode())
    assert [name for name, data in handed.items() for form in forms if form in data] == []


SAYS = """
steps:
  - id: act
    shell: echo "it is $PASS" | tee /dev/stderr; touch DIR/made
    env: {PASS: "{{ params.db_pass }}"}
    effect: change
    verify: [{command: [test, -e, DIR/made]}]
    undo: [{shell: 'echo "undone, it was $PASS"; rm DIR/made', env: {PASS: "{{ params.db_pass }}"}}]
"""


def test_a_secret_that_a_change_and_its_undo_print_is_gone_once_their_outcome_is_on_record(desk: Desk) -> None:
    held: dict[str, list[str]] = {}

    def look(event: object) -> None:
        if isinstance(event, f.StepPlanned):
            held[event.step] = found_in(desk, SECRET)

    result = desk.start(
        PARAMS + SAYS + "  - {id: after, command: [touch, DIR/x], effect: change, "
        'verify: [{command: [test, -e, DIR/x]}], undo: {none: "a test"}}\n',
        ear=Ear(look),
    )
    after = found_in(desk, SECRET)
    undone = desk.undo(result.run)

    assert (result.status, undone.status) == ("succeeded", "undone")
    assert held == {"act": [], "after": []}
    assert (after, found_in(desk, SECRET)) == ([], [])
    assert "it was" in "".join(path.read_text() for path in desk.layout.output(result.run).iterdir())


def test_what_a_job_in_doubt_has_printed_stays_as_evidence_until_somebody_decides(desk: Desk) -> None:
    result = desk.start(
        PARAMS
        + """
steps:
  - id: act
    shell: echo "the evidence"; kill -9 $(cut -d " " -f 1 "$RUNBOOK_JOB/process"); sleep 60
    timeout: 2s
    effect: change
    verify: [{command: [test, -e, DIR/made]}]
    undo: {none: "a test"}
"""
    )
    seen = [path for path in desk.files() if path.name == "out" and "the evidence" in path.read_text()]

    assert result.status == "in_doubt"
    assert len(seen) == 1


def test_the_output_of_a_session_that_was_killed_after_the_outcome_goes_when_the_run_is_taken_up(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def kill(point: str) -> None:
        if point == "after-outcome":
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("runbook.engine.failpoint.crash", kill)
        with pytest.raises(Killed):
            desk.start(PARAMS + SAYS)
    (run,) = list_runs(desk.layout)
    left = found_in(desk, SECRET)

    result = desk.resume(run)

    assert [path.rpartition("/")[2] for path in left] == ["err", "out"]
    assert result.status == "succeeded"
    assert found_in(desk, SECRET) == []


def test_a_secret_in_the_text_of_a_command_is_masked_in_its_job_folder(desk: Desk) -> None:
    result = desk.start(
        PARAMS
        + f"""
steps:
  - id: act
    command: [touch, DIR/made]
    effect: change
    verify: [{{command: [test, -e, DIR/made]}}]
    undo: [{{shell: ": {SECRET}; rm DIR/made"}}]
"""
    )

    assert desk.undo(result.run).status == "undone"
    intents = [path.read_text() for path in desk.files() if path.name == "intent"]
    assert len(intents) == 2
    assert not any(SECRET in text for text in intents)


def test_a_secret_parameter_passes_into_an_include(desk: Desk) -> None:
    desk.playbook(
        """
params:
  inner: {type: secret, required: true, from: ask}
steps:
  - id: use
    shell: sha256sum > DIR/inner
    stdin: "{{ params.inner }}"
    effect: change
    verify: [{command: [test, -s, DIR/inner]}]
    undo: {none: "a test"}
""",
        name="part",
    )
    result = desk.start(
        PARAMS
        + """
steps:
  - id: sub
    playbook: {id: part, params: {inner: "{{ params.db_pass }}"}}
  - id: direct
    shell: sha256sum
    stdin: "{{ params.db_pass }}"
    effect: read
    capture: {sum: stdout}
"""
    )

    assert result.status == "succeeded"
    assert desk.text("inner") == result.state.at("direct", "local").values["sum"]
    assert found_in(desk, SECRET) == []


def test_a_plan_whose_record_would_differ_from_what_is_run_is_refused(desk: Desk) -> None:
    desk.path(SECRET).mkdir()
    result = desk.start(
        PARAMS
        + f"""
steps:
  - id: plain
    command: [touch, DIR/{SECRET}/made]
    effect: change
    verify: [{{command: ["true"]}}]
    undo: {{none: "a test"}}
"""
    )

    assert result.status == "failed"
    assert list(desk.path(SECRET).iterdir()) == []


@pytest.mark.parametrize("secret", ["succeeded", "command", "123456", "step.finished", "before"])
def test_a_secret_that_reads_like_a_word_of_the_record_does_not_break_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    monkeypatch.setenv("DB_PASS", secret)
    result = desk.start(PARAMS + 'steps:\n  - {id: before, command: ["true"], effect: read}\n')

    assert result.status == "succeeded"
    assert desk.state(result.run).status == "succeeded"
    assert desk.holds()


def test_sensitive_output_is_kept_nowhere_in_the_run(desk: Desk) -> None:
    result = desk.start("""
steps:
  - id: hidden
    shell: printf 'one-%s-word\\n' time; printf 'other-%s\\n' word >&2; exit 3
    effect: read
    sensitive: true
    on_failure: continue
  - id: changing
    shell: printf 'third-%s\\n' word; printf 'fourth-%s\\n' word >&2; exit 4
    effect: change
    sensitive: true
    verify: [{command: ["true"]}]
    undo: {none: "a test"}
""")

    assert result.status == "failed"
    folder = desk.layout.folder(result.run)
    kept = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    for word in (b"one-time-word", b"other-word", b"third-word", b"fourth-word"):
        assert word not in kept
        assert found_in(desk, word.decode()) == []


def test_redact_hides_a_pattern_in_the_output_of_its_step_alone(desk: Desk) -> None:
    result = desk.start("""
steps:
  - id: hides
    shell: printf 'token %s%s\\n' 12 345
    effect: read
    redact: ['\\d+']
    capture: {said: stdout}
  - id: shows
    command: [echo, "number 67890"]
    effect: read
    capture: {said: stdout}
  - id: act
    command: [touch, DIR/made-2468]
    effect: change
    redact: ['\\d+']
    verify: [{command: [test, -e, DIR/made-2468]}]
    undo: {none: "a test"}
""")

    assert result.status == "succeeded"
    output = {path.name: path.read_text() for path in desk.layout.output(result.run).iterdir()}
    assert not any("12345" in text for text in output.values())
    assert any("67890" in text for text in output.values())
    assert "12345" not in str(result.state.at("hides", "local").values)
    assert desk.path("made-2468").exists()


def test_outputs_on_record_are_those_of_the_step(desk: Desk) -> None:
    result = desk.start("steps:\n  - {id: say, command: [echo, hello], effect: read}\n")

    finished = [fact for fact in desk.facts(result.run) if isinstance(fact, f.StepFinished)]
    assert finished[0].output is not None
    assert (desk.layout.folder(result.run) / finished[0].output.file).read_text() == "hello\n"
