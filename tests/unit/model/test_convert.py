from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct, field

from runbook.model.convert import convert, takes_anything
from runbook.model.fault import Fault, nearest, path_text, shown
from runbook.model.playbook import Playbook, Stage, Step, Until
from runbook.model.scalar import Identifier, Json, Name, Seconds
from runbook.secret import Secret


class Inner(Struct, frozen=True):
    size: int
    name: str = "n"


class Everything(Struct, frozen=True, rename=lambda name: name.rstrip("_")):
    text: str = ""
    whole: int = 0
    number: float = 0.0
    truth: bool = False
    wait: Seconds = 0.0
    room: Annotated[int, Meta(extra={"text": "size"})] = 0
    word: Literal["red", "green"] = "red"
    port: Annotated[int, Meta(ge=1, le=65535)] = 1
    id_: Identifier = "x"
    many: tuple[str, ...] = ()
    by_name: dict[Name, int] = {}
    either: int | str = 0
    maybe: Seconds | None = None
    inner: Inner | None = None
    anything: Any = None
    plain: Json = None
    env: dict[str, Any] = {}
    day: dt.date | None = None
    few: Annotated[tuple[int, ...], Meta(min_length=1, max_length=2)] = (1,)


class Choosy(Struct, frozen=True):
    low: int
    high: int

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is above high")


def read(value: object, **how: Any) -> Everything:
    found, faults = convert(value, Everything, **how)
    assert faults == ()
    return found


def faults_of(value: object, type_: Any = Everything, **how: Any) -> list[str]:
    return [fault.text() for fault in convert(value, type_, **how)[1]]


def test_plain_values_become_the_types_of_the_fields() -> None:
    found = read(
        {
            "text": "a",
            "whole": 3,
            "number": 2,
            "truth": True,
            "wait": "1m30s",
            "room": "4k",
            "word": "green",
            "id": "drop-cache",
            "many": ["a", "b"],
            "by_name": {"x": 1},
            "either": "10%",
            "maybe": "500ms",
            "inner": {"size": 1},
            "anything": [{}],
            "plain": {"a": [1]},
            "day": "2026-02-03",
        }
    )
    expected = Everything(
        text="a",
        whole=3,
        number=2.0,
        truth=True,
        wait=90.0,
        room=4096,
        word="green",
        id_="drop-cache",
        many=("a", "b"),
        by_name={"x": 1},
        either="10%",
        maybe=0.5,
        inner=Inner(1),
        anything=[{}],
        plain={"a": [1]},
        day=dt.date(2026, 2, 3),
    )
    assert found == expected


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"wait": 30}, "wait: wait is 30; expected a duration such as 30s or 2m; 30 what? Write 30s or 30m"),
        ({"wait": "soon"}, "wait: wait is \"soon\"; expected a duration such as 30s or 2m; 'soon' is no duration. "),
        ({"txet": "a"}, 'txet: unknown key "txet"; expected one of text, whole'),
        ({"inner": {}}, "inner: size is missing; expected a whole number"),
        ({"inner": 3}, "inner: inner is 3; expected a mapping with size"),
        ({"whole": True}, "whole: whole is true; expected a whole number"),
        ({"whole": "3"}, 'whole: whole is "3"; expected a whole number'),
        ({"number": "x"}, 'number: number is "x"; expected a number'),
        ({"truth": "no"}, 'truth: truth is "no"; expected true or false; no is text in YAML 1.2'),
        ({"word": "gren"}, 'word: word is "gren"; expected one of red, green; did you mean green?'),
        ({"port": 70000}, "port: port is 70000; expected at most 65535"),
        ({"port": 0}, "port: port is 0; expected at least 1"),
        ({"id": "Drop Cache"}, 'id: id is "Drop Cache"; expected lower-case words joined by - or _'),
        ({"many": "a"}, 'many: many is "a"; expected a list; write [ … ] around it'),
        ({"many": ["a", None]}, "many[1]: entry 2 is empty; expected text"),
        ({"by_name": {"a b": 1}}, 'by_name.a b: the name "a b" is not allowed; expected a name of letters'),
        ({"either": None}, "either: either is empty; expected a whole number or text"),
        ({"either": [1]}, "either: either is a list; expected a whole number or text"),
        ({"few": []}, "few: few is a list; expected at least 1 entry"),
        ({"few": [1, 2, 3]}, "few: few is a list; expected at most 2 entries"),
        ({"day": "2026-02-31"}, 'day: day is "2026-02-31"; expected a date'),
        ({"text": None}, 'text: text is empty; expected text; write "" if it is meant to be empty'),
    ],
)
def test_a_fault_says_where_what_and_what_instead(given: object, told: str) -> None:
    (only,) = faults_of(given)
    assert only.startswith(told)


def test_all_faults_are_found_at_once_and_the_rest_is_read() -> None:
    found, faults = convert({"whole": "x", "text": "kept", "nope": 1, "wait": 5}, Everything)
    assert [fault.path for fault in faults] == [("whole",), ("nope",), ("wait",)]
    assert [fault.at_key for fault in faults] == [False, True, False]
    assert found.text == "kept"
    assert found.whole == 0


def test_a_misspelt_key_is_not_told_as_missing_besides() -> None:
    assert faults_of({"sise": 1}, Inner) == ['sise: unknown key "sise"; expected one of size, name; did you mean size?']


def test_paths_begin_where_the_caller_says() -> None:
    _, faults = convert({"whole": "x"}, Everything, ("steps", 2, "with"))
    assert path_text(faults[0].path) == "steps[2].with.whole"


def test_what_a_class_checks_itself_becomes_a_fault() -> None:
    assert faults_of({"low": 3, "high": 1}, Choosy) == ["low is above high"]


def test_a_stage_is_told_from_a_step_by_its_key() -> None:
    given = {
        "schema": "runbook/v1",
        "id": "p",
        "title": "t",
        "steps": [{"id": "a", "wait": "1s"}, {"stage": "s", "steps": [{"id": "b", "wait": "1s"}]}],
    }
    found, faults = convert(given, Playbook)
    assert faults == ()
    assert [type(item) for item in found.steps] == [Step, Stage]


def test_a_misspelt_stage_is_still_read_as_a_stage() -> None:
    given = {"schema": "runbook/v1", "id": "p", "title": "t", "steps": [{"stag": "s", "steps": []}]}
    told = faults_of(given, Playbook)
    assert told[0].startswith('steps[0].stag: unknown key "stag"')
    assert told[0].endswith("did you mean stage?")


def test_text_is_taken_as_it_was_written_where_text_is_wanted() -> None:
    rewrites: dict[tuple[str | int, ...], str] = {}
    written = {("text",): "1.10", ("many", 0): "5"}
    found, faults = convert({"text": 1.1, "many": [5]}, Everything, text_of=written.get, rewrites=rewrites)
    assert faults == ()
    assert (found.text, found.many) == ("1.10", ("5",))
    assert rewrites == written


def test_a_number_without_its_text_is_no_text() -> None:
    assert faults_of({"text": 5}) == ["text: text is 5; expected text; write it in quotes"]


def test_templates_are_accepted_for_any_scalar_and_nothing_else() -> None:
    one = "{{ params.x }}"
    given = {"whole": one, "truth": one, "wait": one, "word": one, "port": one, "either": one, "by_name": {"a": one}}
    assert faults_of(given, templates=True) == []
    assert faults_of({"many": one}, templates=True) != []
    assert faults_of({"whole": one}) != []
    assert faults_of({"low": one, "high": 1}, Choosy, templates=True) == []


def test_rendered_text_becomes_what_the_field_wants() -> None:
    given = {
        "text": 5,
        "whole": " 12 ",
        "number": "2.5",
        "truth": "true",
        "wait": "30s",
        "port": "80",
        "either": "7",
        "inner": {"size": "3"},
        "many": ("a", 1),
    }
    found = read(given, lenient=True)
    expected = Everything(
        text="5",
        whole=12,
        number=2.5,
        truth=True,
        wait=30.0,
        port=80,
        either="7",
        inner=Inner(3),
        many=("a", "1"),
    )
    assert found == expected


@pytest.mark.parametrize(
    "given", [{"whole": "1e3"}, {"number": "nan"}, {"number": "inf"}, {"truth": "1"}, {"port": "0"}]
)
def test_rendered_text_that_does_not_fit_is_a_fault(given: object) -> None:
    assert len(faults_of(given, lenient=True)) == 1


def test_a_secret_passes_only_through_fields_for_any_value() -> None:
    secret = Secret("hunter2-hunter2")
    found = read({"anything": secret, "env": {"PASS": secret}}, lenient=True)
    assert (found.anything, found.env) == (secret, {"PASS": secret})
    for key, value in (("text", secret), ("plain", secret), ("plain", {"a": [secret]}), ("many", [secret])):
        (told,) = faults_of({key: value}, lenient=True)
        assert "hunter2" not in told


def test_open_fields_are_known_by_their_type() -> None:
    opened = [key for key in ("anything", "env", "text", "plain", "many") if takes_anything(Everything, key)]
    assert opened == ["anything", "env"]


def test_what_is_no_mapping_gives_one_fault_and_a_usable_value() -> None:
    found, faults = convert([], Until)
    assert len(faults) == 1
    assert found == Until()


def test_a_record_can_hold_itself() -> None:
    found, faults = convert({"name": "a", "next": {"name": "b"}}, Chain)
    assert faults == ()
    assert found == Chain("a", Chain("b"))


class Chain(Struct, frozen=True):
    name: str
    next: Chain | None = None
    tags: list[str] = field(default_factory=list)


def test_shown_values_are_short_and_printable() -> None:
    assert shown("a\x1b[31m\nb") == '"a\\u001b[31m\\nb"'
    assert len(shown("x" * 1000)) == 50
    assert shown(Secret("hunter2-hunter2")) == "a Secret"


def test_nothing_near_gives_no_suggestion() -> None:
    assert nearest("zzz", ["title", "guide"]) == ""
    assert nearest("Titel", ["title", "guide"]) == "title"
    assert Fault((), False, "it is 3").text() == "it is 3"
