"""Facts and records: every kind of fact has one type, one code, and a place in the head of its line."""

from __future__ import annotations

import pytest

from runbook.errors import JournalBroken
from runbook.events import fact as f
from runbook.journal import Record
from runbook.session.record import FACTS, to_entry, to_fact


def record(**given: object) -> Record:
    fields = {"code": "R000", "data": {}, "log": "r", "mono": 1, "prev": "0" * 64, "run": "r", "seq": 4, "time": ""}
    return Record(**{**fields, "v": 1, **given})  # type: ignore[arg-type]


def test_types_and_codes_are_their_own() -> None:
    codes = [kind.code for kind in FACTS.values()]
    assert len(codes) == len(set(codes))
    assert len(FACTS) == len(f.Fact.__args__)


def test_the_place_of_a_fact_stands_in_the_head_and_not_in_its_data() -> None:
    entry = to_entry(f.OperationIntended(step="one", target="a", attempt=2, operation="run", intent={"do": "it"}))

    assert (entry.type, entry.step, entry.target, entry.attempt, entry.operation) == (
        "operation.intended",
        "one",
        "a",
        2,
        "run",
    )
    assert entry.data == {"intent": {"do": "it"}}


def test_a_decision_about_many_places_keeps_its_step_in_its_data() -> None:
    made = f.DecisionMade(question="q", kind="failure", step="one", places=["a"], choice="skip", source="operator")

    entry = to_entry(made)
    assert entry.step is None
    assert entry.data["step"] == "one"


def test_bytes_that_are_no_text_do_not_stop_a_record() -> None:
    entry = to_entry(f.NoteWritten(text="a name of \udcff"))

    assert entry.data["text"] == "a name of ?"


def test_a_record_of_another_version_is_refused_by_name() -> None:
    with pytest.raises(JournalBroken, match=r"record 4 has the unknown type step\.danced"):
        to_fact(record(type="step.danced"))


def test_a_record_with_missing_fields_is_refused_with_its_place() -> None:
    with pytest.raises(JournalBroken, match=r"record 4 \(step\.finished\) cannot be read"):
        to_fact(record(type="step.finished", step="one", target="a"))
