from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Call, steady
from tests.cli.test_run import APPROVED, FAILING, write


@pytest.fixture
def run(call: Call) -> str:
    """Return the id of a finished run."""
    return str(call("replay", "touch-file", "--output", "json").json["id"])


def journal(run: str, home: Path) -> Path:
    return home / f".local/state/runbook/runs/{run}/journal.jsonl"


def test_a_list_of_runs_is_an_array_newest_first(call: Call, run: str) -> None:
    newer = call("replay", "touch-file", "--output", "json").json["id"]

    rows = call("audit", "list", "--output", "json").json

    assert [row["id"] for row in rows] == [newer, run]
    assert {k: rows[0][k] for k in ("playbook", "outcome", "verified", "live")} == {
        "playbook": "touch-file",
        "outcome": "succeeded",
        "verified": True,
        "live": False,
    }


def test_a_list_of_runs_as_text_has_one_line_for_each(call: Call, run: str) -> None:
    line = call("audit", "list").out

    assert line.startswith(f"{run}  ✓ succeeded  20")
    assert line.count("\n") == 1


def test_only_what_is_open_is_listed_on_demand(call: Call, run: str, place: Path) -> None:
    write(place, "failing", FAILING)
    call("replay", "failing")

    assert [row["playbook"] for row in call("audit", "list", "--open", "--output", "json").json] == ["failing"]


def test_no_run_is_an_empty_array(call: Call) -> None:
    assert call("audit", "list", "--output", "json").json == []
    assert call("audit", "list").err == "there is no run yet\n"


def test_a_run_is_shown_fact_by_fact(call: Call, run: str) -> None:
    lines = [line[16:] for line in call("audit", "show", run).out.splitlines()]

    assert lines[0].startswith("session opened: replay by ")
    assert "touch on local begins, attempt 1, change" in lines
    assert lines[-2:] == ["✓ succeeded: verified", "session closed: succeeded"]


def test_a_run_is_shown_with_its_output(call: Call, run: str) -> None:
    assert "        | hello\n" in call("audit", "show", run, "--with-output").out


def test_facts_as_json_have_their_place_and_code(call: Call, run: str) -> None:
    facts = call("audit", "show", run, "--output", "json").json

    assert [fact["seq"] for fact in facts] == list(range(len(facts)))
    assert (facts[0]["type"], facts[0]["code"]) == ("session.opened", "R100")


def test_an_untouched_run_is_proved(call: Call, run: str, place: Path) -> None:
    said = call("audit", "verify")

    assert said.code == 0
    assert steady(said.out, place).splitlines()[1].startswith("✓ run RUN: as it was written, ")


def test_one_changed_byte_is_named(call: Call, run: str, home: Path) -> None:
    path = journal(run, home)
    lines = path.read_bytes().splitlines(keepends=True)
    assert b"look" in lines[1]
    path.write_bytes(b"".join([lines[0], lines[1].replace(b"look", b"lock", 1), *lines[2:]]))

    said = call("audit", "verify", run, "--output", "json")

    assert said.code == 11
    assert (said.json[0]["holds"], said.json[0]["status"]) == (False, "broken")
    assert said.json[0]["place"]["file"] == str(path)


def test_a_cut_tail_and_a_missing_run_are_named(call: Call, run: str, home: Path) -> None:
    other = call("replay", "touch-file", "--output", "json").json["id"]
    path = journal(run, home)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    for file in sorted(journal(other, home).parent.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    journal(other, home).parent.rmdir()

    said = call("audit", "verify", "--output", "json")

    assert said.code == 11
    assert {row["run"]: row["status"] for row in said.json if row["run"]} == {run: "truncated", other: "missing"}


def test_a_report_is_markdown(call: Call, run: str) -> None:
    said = call("audit", "report", run)

    assert said.code == 0
    assert said.out.startswith("# Touch a file")
    assert run in said.out


def test_a_report_overwrites_no_file(call: Call, run: str, place: Path) -> None:
    (place / "report.md").write_text("mine")

    assert call("audit", "report", run, "--to", "report.md").code == 2
    assert (place / "report.md").read_text() == "mine"
    assert call("audit", "report", run, "--to", "new.md").out == "new.md\n"


def test_a_finished_run_is_watched_at_once(call: Call, run: str) -> None:
    said = call("watch", run, "--output", "ndjson")

    assert said.code == 0
    assert said.lines[0]["type"] == "session.opened"
    assert (said.lines[-1]["type"], said.lines[-1]["outcome"]) == ("result", "succeeded")


def test_the_exit_code_of_watch_is_that_of_the_run(call: Call, place: Path) -> None:
    write(place, "failing", FAILING)
    call("replay", "failing")

    assert call("watch", call("audit", "list", "--output", "json").json[0]["id"]).code == 1


# --- steering what rests ----------------------------------------------------------------------------------------


def test_a_resting_run_takes_notes(call: Call, run: str) -> None:
    assert call("note", run, "all", "is", "well").out == "on record\n"
    assert "all is well" in call("audit", "show", run).out
    assert call("audit", "verify").code == 0


def test_a_run_that_does_not_run_cannot_be_paused(call: Call, run: str) -> None:
    assert call("pause", run).code == 2


def test_a_failed_run_that_rests_is_closed_by_cancel(call: Call, place: Path) -> None:
    write(place, "failing", FAILING)
    call("replay", "failing")
    run = call("audit", "list", "--output", "json").json[0]["id"]

    said = call("cancel", run, "--output", "json")

    assert said.code == 0
    assert said.json["done"].startswith("aborted; 1 change")


def test_a_decision_is_put_on_record_and_resumed(call: Call, place: Path) -> None:
    write(place, "failing", FAILING)
    assert call("replay", "failing").code == 1
    run = call("audit", "list", "--output", "json").json[0]["id"]

    refused = call("decide", run, "fail@local", "skip")
    decided = call("decide", run, "fail@local", "skip", "--reason", "not needed")

    assert (refused.code, decided.code) == (2, 0)
    assert "needs a reason" in refused.err
    result = call("resume", run)
    assert result.out.startswith("✓ SUCCEEDED")
    assert "  1 change: 1 verified, 0 left unverified; deviated from the playbook\n" in result.out


def test_an_answer_to_no_question_is_a_usage_error(call: Call, run: str) -> None:
    assert call("decide", run, "touch", "retry").code == 2


def test_a_waiting_run_takes_its_approval_and_goes_on(call: Call, place: Path) -> None:
    write(place, "approved", APPROVED)
    assert call("replay", "approved").code == 6
    run = call("audit", "list", "--output", "json").json[0]["id"]
    (place / "answers.yaml").write_text("ready: done\n")

    said = call("resume", run, "--approve", "touch", "--answers", "answers.yaml")

    assert (said.code, (place / "made").exists()) == (0, True)


# --- handing over -----------------------------------------------------------------------------------------------


def test_a_run_is_handed_over_and_undone_by_another_operator(
    call: Call, place: Path, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = call("handover", run, "--to", "shift.bundle", "--reason", "end of shift")
    monkeypatch.setenv("XDG_STATE_HOME", str(place / "colleague"))

    adopted = call("adopt", "shift.bundle", "--output", "json")
    undone = call("undo", run)

    assert (given.code, given.out) == (0, "shift.bundle\n")
    assert adopted.json == {"id": run}
    assert (undone.code, (place / "made").exists()) == (0, False)
    facts = call("audit", "show", run, "--output", "json").json
    assert [f["mode"] for f in facts if f["type"] == "session.opened"] == ["replay", "handover", "adopt", "undo"]
    assert call("audit", "verify").code == 0


def test_what_is_no_bundle_is_not_adopted(call: Call, place: Path) -> None:
    (place / "bundle").write_text(json.dumps({"run": "x"}))

    assert call("adopt", "bundle").code == 2


def test_what_is_handed_over_gives_its_targets_back_and_is_no_open_run_here(call: Call, place: Path) -> None:
    write(
        place, "stuck", FAILING.replace("failing", "stuck").replace('command: [rm, "HERE/made"]', 'command: ["false"]')
    )
    assert call("replay", "stuck", "--on-failure", "undo").code == 10
    run = call("audit", "list", "--output", "json").json[0]["id"]
    assert call("replay", "touch-file").code == 5

    call("handover", run, "--to", "shift.bundle")

    assert call("replay", "touch-file").code == 0
    assert "handed over as " in call("audit", "list").out.splitlines()[2]
    assert call("audit", "list", "--open", "--output", "json").json == []


# --- what does not hold -----------------------------------------------------------------------------------------


def tamper(path: Path) -> None:
    """Change the second line of a journal: the third does not fit it any more."""
    lines = path.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1].replace(b"look", b"lock", 1)
    path.write_bytes(b"".join(lines))


@pytest.mark.parametrize("command", ["show", "report"])
def test_a_changed_journal_is_told_with_its_place(call: Call, run: str, home: Path, command: str) -> None:
    path = journal(run, home)
    tamper(path)

    said = call("audit", command, run)
    as_json = call("audit", command, run, "--output", "json")

    assert said.code == 11
    assert said.err.startswith(f"runbook: run {run} does not hold: {path}:3: record 2: ")
    assert (as_json.code, as_json.json["outcome"], as_json.json["exit"]) == (11, "audit_failed", 11)


@pytest.mark.parametrize("command", ["show", "report"])
def test_a_journal_that_is_gone_is_told_with_its_place(call: Call, run: str, home: Path, command: str) -> None:
    path = journal(run, home)
    shutil.rmtree(path.parent)

    said = call("audit", command, run)

    assert (said.code, said.out) == (11, "")
    assert f"{path}: record 0: the ledger knows the run, but its journal is gone" in said.err


def test_the_place_of_a_proof_reads_like_one_of_a_compiler(call: Call, run: str, home: Path) -> None:
    path = journal(run, home)
    tamper(path)

    said = call("audit", "verify", run)

    assert (said.code, f"CHANGED, 2 records, unsigned: {path}:3: record 2: " in said.out) == (11, True)
