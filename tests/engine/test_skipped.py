"""What a skipped question yields to the conditions of later steps."""

from __future__ import annotations

from runbook.model.scalar import Json
from runbook.session.unattended import Unattended
from tests.engine.desk import Desk

DECISIONS = """steps:
  - id: first
    choose: {question: Which?, options: [{id: one, title: One, goto: act}, {id: two, title: Two, goto: second}]}
  - id: second
    choose: {question: And?, options: [{id: aye, title: So}, {id: nay, title: Not so}]}
  - {id: form, ask: {name: {type: string}}}
  - id: act
    command: [touch, DIR/made]
    effect: change
    when: "steps.second.choice == null and steps.form.name == null"
    verify: [{command: [test, -e, DIR/made]}]
    undo: [{command: [rm, DIR/made]}]
"""


GIVEN: dict[str, Json] = {"second": "aye", "form": {"name": "x"}}


def test_a_decision_and_a_form_that_were_skipped_are_null(desk: Desk) -> None:
    given = {**GIVEN, "first": "one"}

    result = desk.start(DECISIONS, Unattended((), given))

    assert result.status == "succeeded"
    assert desk.path("made").exists()


def test_a_decision_and_a_form_that_were_answered_are_what_was_said(desk: Desk) -> None:
    given = {**GIVEN, "first": "two"}

    result = desk.start(DECISIONS, Unattended((), given))

    assert result.status == "succeeded"
    assert not desk.path("made").exists()
