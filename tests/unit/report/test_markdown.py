"""The page for the review after the incident: its order, its words, and what each part has to tell."""

import re
from typing import Any

import pytest

from runbook.events import fact as f
from runbook.report import markdown_report
from tests.builders import (
    DIFF,
    HOSTS,
    approval,
    asked,
    began,
    broken,
    changed,
    decided,
    digest,
    ended,
    opened,
    planned,
    read,
    rollback,
    timed,
    undoing,
)

NOW = "2023-11-14T04:00:00Z"


def report(facts: list[f.Fact], **more: Any) -> str:
    return markdown_report("01JF2K", timed(facts), now=NOW, **more)


def section(page: str, title: str) -> str:
    """Return one section or part, without what follows at its level."""
    level = "##" if f"\n## {title}\n" in page else "###"
    rest = page.split(f"\n{level} {title}\n")[1]
    return re.split(rf"\n#{{2,{len(level)}}} ", rest)[0]


def headings(page: str) -> list[str]:
    return re.findall(r"^## (.+)$", page, re.MULTILINE)


def failure(step: str, target: str) -> f.QuestionAsked:
    return asked("failure", step, [target], title=f"{step} failed. Nothing runs now")


def test_decisions_stand_first_then_what_is_open() -> None:
    assert headings(report(rollback())) == [
        "Decisions and deviations",
        "What is still open",
        "What happened",
        "Undo",
        "Provenance",
    ]


def test_the_head_names_run_outcome_time_people_incident_and_proof() -> None:
    page = report(rollback(), verification="chain whole, signed by kim@ops; no witness")
    head = page.split("\n## ")[0]

    assert head.strip().splitlines() == [
        "# Roll back a bad configuration: ✓ succeeded",
        "",
        "**succeeded: 5 steps, 6 changes, 0 left unverified**",
        "",
        "- Run: `01JF2K`",
        "- Playbook: config-rollback",
        "- Incident: INC-2041",
        "- Began: 14 Nov 2023 03:15:22 UTC",
        "- Last record: 14 Nov 2023 03:17:30 UTC, took 2:08",
        "- Who: kim@laptop, olga",
        "- Journal: chain whole, signed by kim@ops; no witness",
        "- Report made: 14 Nov 2023 04:00:00 UTC; all times here are UTC",
    ]


def test_a_report_without_proof_does_not_claim_one() -> None:
    assert "- Journal: not verified for this report" in report(rollback())


def test_every_decision_says_when_who_what_and_why() -> None:
    lines = section(report(rollback()), "Every decision").splitlines()

    assert [line.split(" | ") for line in lines if line.startswith("| 14 Nov")] == [
        ["| 14 Nov 03:15:26", "kim@laptop", "done", "freeze", "  |"],
        [
            "| 14 Nov 03:15:56",
            "kim@laptop",
            "approve \\(plan 83aedb79\\)",
            "roll-back on order-1, order-2, order-3",
            "  |",
        ],
        [
            "| 14 Nov 03:16:42",
            "kim@laptop",
            "retry failed",
            "restart on order-2",
            "old pid held port 8080, killed it, port is free |",
        ],
    ]


def test_the_source_of_a_decision_is_told_where_nobody_sat_at_the_terminal() -> None:
    question = approval(["order-1"])
    page = report([opened("replay"), question, decided(question, "approve", source="command-line")])

    assert "| kim@laptop, beforehand, on the command line | approve" in page


@pytest.mark.parametrize(
    ("kind", "choice", "words"),
    [
        ("proceed", "skip", "skipped, stays unverified"),
        ("failure", "skip", "skipped, stays unverified"),
        ("failure", "done", "marked done by hand"),
        ("failure", "exclude", "excluded"),
        ("doubt", "done", "marked done by hand"),
        ("doubt", "failed", "marked failed by hand"),
        ("doubt", "again", "run again while in doubt"),
        ("drift", "leave", "left as somebody else changed it"),
    ],
)
def test_what_leaves_the_playbook_is_a_deviation(kind: str, choice: str, words: str) -> None:
    made = f.DecisionMade(
        question="q",
        kind=kind,
        step="restart",
        places=["order-2"],
        choice=choice,
        reason="port is free",
        source="operator",
    )

    assert f"- **{words}**: restart on order-2, 14 Nov 03:15:30 UTC, by kim@laptop. Reason: port is free" in section(
        report([opened(), *broken("restart", "order-2"), made, *ended()]), "Deviations from the playbook"
    )


def test_a_run_by_the_book_has_no_deviation() -> None:
    assert section(report(rollback()), "Deviations from the playbook").strip() == "None is on record."


def test_an_edit_is_shown_as_a_diff_of_what_it_changed() -> None:
    question = failure("restart", "order-1")
    facts = [
        opened(),
        planned("restart", "order-1"),
        *broken("restart", "order-1"),
        question,
        decided(question, "edit", values={"timeout": "5m"}, reason="slow today"),
    ]

    assert "- **edited**: restart on order-1" in report(facts)
    assert "```diff\n--- as planned\n+++ as edited\n@@ -1 +1 @@\n-timeout: 60s\n+timeout: 5m\n```" in report(facts)


@pytest.mark.parametrize("more", [{"choice": "break-glass"}, {"choice": "approve", "values": {"break_glass": True}}])
def test_break_glass_leads_the_report(more: dict[str, object]) -> None:
    question = approval(["order-1"])
    choice = str(more.pop("choice"))
    page = report([*rollback(), question, decided(question, choice, reason="nobody else is awake", **more)])

    assert page.splitlines()[2] == (
        "**Break-glass**: kim@laptop passed the gate of roll-back on order-1 alone. Reason: nobody else is awake"
    )
    assert "- **break-glass**: roll-back on order-1" in page


def test_a_takeover_of_a_lease_is_a_deviation() -> None:
    lease = f.LeaseClaimed(target="order-1", over="01JF00", reason="its laptop is lost")
    page = report([opened(), lease])

    assert (
        "- **took over the lease of 01JF00**: order-1, 14 Nov 03:15:24 UTC, by kim@laptop. Reason: its laptop is lost"
        in page
    )


def test_an_undo_is_a_decision_and_no_deviation() -> None:
    page = report([*rollback(), *undoing()])

    assert "| olga@laptop | undo | restart on order-3, restore on order-3," in page
    assert section(page, "Deviations from the playbook").strip() == "None is on record."


def test_a_handover_is_told_with_its_reason_until_somebody_adopts_the_run() -> None:
    over: list[f.Fact] = [
        opened(),
        opened("handover", options={"reason": "end of my shift"}),
        f.SessionClosed(status="paused", next_session="01JF2K.bundle"),
    ]
    adopted: list[f.Fact] = [
        opened("adopt", user="olga", options={"reason": "on call"}),
        f.SessionClosed(status="paused"),
    ]

    assert "| kim@laptop | handed over | the run | end of my shift |" in report(over)
    assert "goes on elsewhere; the bundle is `01JF2K.bundle`" in report(over)
    assert "| olga@laptop | adopted | the run | on call |" in report([*over, *adopted])
    assert "goes on elsewhere" not in report([*over, *adopted])


def test_a_note_written_afterwards_leaves_the_outcome_as_it_was() -> None:
    late: list[f.Fact] = [opened("note"), f.NoteWritten(text="page sent"), f.SessionClosed(status="failed")]
    page = report([opened(), f.RunFinished(status="failed", why="restart failed"), *late])

    assert "- Why it rests: restart failed" in page


def test_notes_stand_with_who_wrote_them() -> None:
    notes = section(report(rollback()), "Notes and evidence")

    assert "UTC, olga: restart" in notes
    assert "```text\npool order-db: active 64, waiting 0\n```" in notes


def test_a_secret_that_was_typed_is_not_shown() -> None:
    question = asked("secret", "", [], title="db_pass")
    page = report([opened(), question, decided(question, "answer", values={"db_pass": "hunter2-hunter2"})])

    assert "hunter2" not in page
    assert "values are not kept" in page.replace("\\", "")


# --- what is still open -----------------------------------------------------------------------------------------


def test_a_step_in_doubt_is_open_with_its_evidence() -> None:
    lost = broken("restart", "order-2", status="in_doubt", error="the connection broke", evidence=["job: unknown"])
    found = section(report([opened(), *lost, *ended("in_doubt")]), "In doubt")

    assert "- restart on order-2: the connection broke" in found
    assert "job: unknown" in found
    assert "Nothing is run again until a person decides: `runbook resume 01JF2K`" in found


def test_a_waiting_question_is_open_with_its_answers() -> None:
    question = asked("approve", "roll-back", HOSTS, title="Approve Roll back")
    found = section(report([opened(), question, *ended("waiting")]), "Waiting for an answer")

    assert "- Approve Roll back (roll-back on order-1, order-2, order-3). Possible answers: run, pause" in found
    assert "`runbook decide 01JF2K STEP CHOICE`" in found


def test_changes_that_stand_say_their_way_back() -> None:
    facts = [
        opened(),
        planned("restart", "order-1", undo="start it as it was"),
        *changed("restart", "order-1"),
        *ended(),
    ]
    found = section(report(facts), "Changes that stand and can be undone")

    assert "- restart on order-1: way back: start it as it was" in found
    assert "`runbook undo 01JF2K`" in found


def test_a_change_without_a_way_back_says_why() -> None:
    none = planned("drop", "order-1", undo="none: the service rebuilds its cache")
    page = report([opened(), none, *changed("drop", "order-1"), *ended()])

    assert "- drop on order-1: the service rebuilds its cache" in section(
        page, "Changes that stand and have no way back"
    )
    assert "Changes that stand and can be undone" not in page


def test_a_change_that_an_undo_had_to_leave_still_stands() -> None:
    left = f.UndoFinished(
        step="drop", target="order-1", attempt=1, status="none", error="no way back: rebuilt by itself"
    )
    facts: list[f.Fact] = [
        opened(),
        *changed("drop", "order-1", verified=False),
        f.UndoAsked(steps=[["drop", "order-1"]]),
        left,
        *ended("undone"),
    ]
    page = report(facts)

    assert "- drop on order-1: no way back: rebuilt by itself" in section(
        page, "Changes that stand and have no way back"
    )
    assert "- drop on order-1" in section(page, "Changes left unverified")


def test_a_question_without_an_answer_is_told_after_the_run_went_on() -> None:
    page = report([opened(), failure("restart", "order-1"), opened("undo"), *ended("undone")])

    assert "- 14 Nov 03:15:24 UTC: restart failed. Nothing runs now" in section(page, "Questions that nobody answered")


def test_an_unverified_change_is_open() -> None:
    page = report([opened(), *changed("drop", "order-1", verified=False), *ended()])

    assert "- drop on order-1: no check of it is on record as good" in section(page, "Changes left unverified")


def test_a_lease_that_was_not_given_back_is_open() -> None:
    page = report([opened(), f.LeaseClaimed(target="order-1"), f.LeaseClaimed(target="order-2"), *ended("failed")])

    assert section(page, "Leases still held").split() == ["-", "order-1", "-", "order-2"]


def test_an_undo_that_met_foreign_changes_is_open() -> None:
    drifted = f.UndoFinished(
        step="restore", target="order-1", attempt=1, status="drifted", error="changed by olga", evidence=["sha differs"]
    )
    asked_back = f.UndoAsked(steps=[["restore", "order-1"]], reason="wrong release")
    page = report([opened(), *changed("restore", "order-1"), asked_back, drifted, *ended("undo_incomplete")])

    assert "- restore on order-1: changed by olga\n" in section(page, "Undo that is not complete").replace("\\", "")


def test_a_run_without_an_end_says_that_nobody_knows() -> None:
    page = report([opened(), *began("restart", "order-1")])

    assert page.splitlines()[0] == "# Roll back a bad configuration: ► running, no outcome is on record"
    assert "it still runs, or it was ended by force" in section(page, "What is still open")
    assert "began, and its outcome is not on record" in page
    assert "no receipt: it may have been carried out, or not" in page


def test_a_run_that_only_read_leaves_nothing_open() -> None:
    page = report([opened(), *read("compare", "order-1", "alike"), *ended()])

    assert section(page, "What is still open").strip() == "Nothing is open as far as the record goes."


def test_a_secret_in_a_file_is_open() -> None:
    page = report([opened(), f.SecretFound(file="output/restart@order-1.1"), *ended()])

    assert "- A declared secret was found, replace it: output/restart@order-1.1" in page


# --- what happened ----------------------------------------------------------------------------------------------


def test_the_timeline_tells_verified_from_completed() -> None:
    facts = [opened(), *changed("restart", "order-1"), *changed("drop", "order-1", verified=False), *ended()]
    lines = [line for line in section(report(facts), "What happened").splitlines() if "| ✓" in line]

    assert lines == [
        "| restart | order-1 | ✓ succeeded | 14 Nov 03:15:24 | 0:06 | 1 | verified |   |",
        "| drop | order-1 | ✓ succeeded | 14 Nov 03:15:34 | 0:06 | 1 | not verified |   |",
    ]


def test_the_word_of_a_person_is_no_verification() -> None:
    [line] = [line for line in report(rollback()).splitlines() if line.startswith("| freeze |")]

    assert "✓ succeeded, on a person's word" in line
    assert "| by nobody | kim@laptop: done |" in line


def test_an_adopted_success_was_found_not_seen() -> None:
    found = f.StepFinished(
        step="restart", target="order-1", attempt=1, status="succeeded", effect="change", changed=True, adopted=True
    )

    assert "| ✓ succeeded, found so after a doubt |" in report([opened(), *began("restart", "order-1"), found])


def test_what_was_so_already_was_not_changed() -> None:
    found = f.StepFinished(
        step="restart",
        target="order-1",
        attempt=1,
        status="succeeded",
        effect="change",
        verified=True,
        dispatched=False,
    )

    assert "| ✓ succeeded, was so already |" in report([opened(), planned("restart", "order-1"), found])


def test_hosts_with_the_same_plan_share_its_commands_and_its_diff() -> None:
    page = report(rollback())

    assert page.count(DIFF) == 1
    assert section(page, "restore on order-1, order-2, order-3").count("attempt 1: ✓ succeeded; verified") == 3


def test_operations_stand_with_intent_and_receipt() -> None:
    page = report([opened(), *changed("restore", "order-1")])
    [line] = [line for line in page.splitlines() if "| swap |" in line]

    assert "job" not in line
    assert line.startswith("| order-1 | 1 | swap | path: /opt/config/db-config.yaml | sha256: ")


def test_errors_stand_with_their_evidence_after_a_retry_succeeded_too() -> None:
    found = section(report(rollback()), "Errors and their evidence")

    assert "- restart on order-2, attempt 1: ✗ failed: order-service did not come back: exit 1 after 1:30" in found
    assert "bind 0.0.0.0:8080: address already in use" in found


def test_readings_stand_with_their_numbers() -> None:
    assert "- soak: error rate 98 % to 0.4 %; rate: 0.4" in section(report(rollback()), "Readings")


def test_a_control_character_in_a_command_can_be_seen() -> None:
    page = report([opened(), planned("x", "order-1", commands=["rm \x1b[8m-rf /\x1b[0m"]), *changed("x", "order-1")])

    assert "rm ␛[8m-rf /␛[0m" in page


def test_a_diff_without_end_is_cut_and_says_so() -> None:
    page = report([opened(), planned("x", "order-1", diff="+line\n" * 1000), *changed("x", "order-1")])

    assert page.count("+line") == 300
    assert "701 more lines; the journal has them all" in page


# --- undo and provenance ----------------------------------------------------------------------------------------


def test_the_undo_part_says_order_reason_and_results() -> None:
    found = section(report([*rollback(), *undoing()]), "Undo")

    assert "in this order: restart on order-3, restore on order-3, restart on order-2" in found
    assert "the old release was not the cause" in found
    assert "| restore | order-1 | 1 | ↶ undone | 0:04 |   |" in found
    assert "| restart | order-1 | 2 | ↶ run again, so that the undo takes effect | 0:04 |   |" in found
    assert found.count("put-back") == 10


def test_a_run_that_was_not_undone_says_so() -> None:
    assert section(report(rollback()), "Undo").strip() == "Nothing was undone."


def test_provenance_names_playbook_people_hosts_and_parameters() -> None:
    found = section(report(rollback()), "Provenance").replace("\\", "")

    assert "- git commit: 4f0c9d2" in found
    assert "- git dirty: false" in found
    assert "- db_pass: secret from env:DB_PASS, not kept" in found
    assert "| order-1 | ssh | 192.0.2.11 | ops | fingerprint SHA256:11 |" in found
    assert "kim@laptop (uid 1000, login uid 1000, tty /dev/pts/3)" in found
    assert "self-asserted, unless" in found
    assert f"- includes: playbooks/tell.yaml, sha256 {digest('tell')}" in found
    assert "schema: runbook/v1" not in found


def test_all_sessions_are_listed_with_what_they_left() -> None:
    lines = [line for line in report([*rollback(), *undoing()]).splitlines() if "runbook: 0.1.0" in line]

    assert [line.split(" | ")[:4] for line in lines] == [
        ["| run", "14 Nov 03:15:22", "14 Nov 03:17:30", "✓ succeeded"],
        ["| undo", "14 Nov 03:17:32", "14 Nov 03:18:58", "↶ undone"],
    ]


def test_a_repair_is_told_as_such() -> None:
    page = report([opened(), f.JournalRepaired(size=120, sha256="ab" * 32, offset=900), *ended()])

    assert "a torn last line of 120 B was set aside" in page
    assert "it is no sign of tampering" in page


def test_missing_records_are_named() -> None:
    known = timed(rollback())
    page = markdown_report("01JF2K", [*known[:3], *known[4:10], *known[12:]], now=NOW)

    assert "- Missing: record 3; this report does not know what they said" in page
    assert "- Missing: records 10 to 11; this report does not know what they said" in page


def test_a_clock_that_went_back_is_told() -> None:
    known = timed(rollback())

    assert "the time of day went back 1 time" in markdown_report("01JF2K", [*known[:9], *known[4:]], now=NOW)


def test_no_record_at_all_is_no_success() -> None:
    page = report([])

    assert page.splitlines()[0] == "# run 01JF2K: nothing is on record"
    assert "No step is on record." in page
    assert "The record of the opening is missing" in page
