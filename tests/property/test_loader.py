from __future__ import annotations

import contextlib
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.actions import catalogue
from runbook.errors import PlaybookError, UsageError
from runbook.loader import Diagnostic, Loaded, check_value, decode, diagnose, load_playbook, parse, skeleton
from runbook.model.convert import convert
from runbook.model.playbook import Param, Playbook

CATALOGUE = catalogue()
LANGUAGE = [
    "a: ", "- ", "[", "]", "{", "}", "&x ", "*x", "!!str ", "|\n", ">\n", "'", '"', "? ", ": ", "#", "%", "---\n",
    "...\n", "\t", "\n", "  ", "\r\n", "0644", "1.10", "{{ params.x }}", "{{", "steps:", "id: ", "<<: ", "\\", "é",
    "\x85", "\u2028", "\ufeff", "@", "`", "null", "~", ",",
]  # fmt: skip
VALID = skeleton("drop-cache") + (
    "  - stage: s\n    steps:\n      - {id: x, uses: http, with: {url: 'http://{{ params.file }}', timeout: 5s}}\n"
    "      - id: y\n        command: [a, '{{ steps.look.content }}']\n        effect: change\n"
    "        verify: [{command: [b], until: {every: 1s, within: 5s}}]\n        undo: {none: because}\n"
    "  - {id: z, choose: {question: q, options: [{id: a, title: A, goto: end}, {id: b, title: B}]}}\n"
)


def sound(found: list[Diagnostic]) -> bool:
    return all(each.line >= 0 and each.message and "\n" not in each.text() for each in found)


@given(st.binary(max_size=400))
def test_any_bytes_are_a_document_or_a_typed_error(data: bytes) -> None:
    with contextlib.suppress(PlaybookError):
        parse(decode(data))


@given(st.lists(st.sampled_from(LANGUAGE), max_size=60).map("".join))
def test_any_pieces_of_yaml_are_a_document_or_a_typed_error(text: str) -> None:
    try:
        document = parse(text)
    except PlaybookError:
        return
    assert plain(document.value)


def plain(value: Any) -> bool:
    match value:
        case dict():
            return all(type(key) is str and plain(item) for key, item in value.items())
        case list():
            return all(plain(item) for item in value)
        case _:
            return value is None or type(value) in {bool, int, float, str}


def test_the_playbook_that_is_mutated_is_a_good_one() -> None:
    assert diagnose(VALID, CATALOGUE) == []


@given(st.integers(0, len(VALID)), st.integers(0, 12), st.sampled_from([*LANGUAGE, "", "x", "-", "5", "true"]))
def test_a_mutated_playbook_loads_or_tells_its_faults(at: int, cut: int, put: str) -> None:
    text = VALID[:at] + put + VALID[at + cut :]
    try:
        assert isinstance(load_playbook(text, CATALOGUE), Loaded)
    except PlaybookError:
        found = diagnose(text, CATALOGUE)
        assert found
        assert sound(found)


KEYS = st.sampled_from(
    ["id", "steps", "stage", "uses", "with", "command", "shell", "verify", "undo", "until", "when", "capture", "params",
     "targets", "ask", "choose", "options", "goto", "on", "retry", "approve", "rollout", "waves", "effect", "none", "x"]
)  # fmt: skip
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(["", "a", "30s", "{{ x }}", "http", "end"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=25,
)


@given(VALUES)
def test_any_plain_value_is_read_or_told(value: object) -> None:
    playbook, faults = convert({"schema": "runbook/v1", "id": "p", "title": "t", "steps": [value]}, Playbook)
    assert isinstance(playbook, Playbook)
    assert all(fault.got for fault in faults)


@given(VALUES)
def test_any_playbook_shaped_value_ends_in_diagnostics(value: object) -> None:
    import msgspec

    text = msgspec.json.encode({"schema": "runbook/v1", "id": "p", "title": "t", "steps": [value]}).decode()
    assert sound(diagnose(text, CATALOGUE))


KINDS = ["string", "int", "float", "bool", "duration", "size", "path", "host", "unit", "git_ref", "url"]


@given(st.sampled_from(KINDS), VALUES | st.text(max_size=40) | st.text(string.printable, max_size=20))
def test_a_parameter_is_kept_or_refused_and_never_becomes_an_option(kind: Any, value: Any) -> None:
    try:
        kept = check_value("x", Param(type=kind), value)
    except UsageError:
        return
    if isinstance(kept, str):
        assert kind == "duration" or not kept.startswith("-")
        assert "\0" not in kept


@pytest.mark.parametrize("name", ["..", "a/../../b", "\0", "x" * 5000, "~", "*"])
def test_an_include_of_any_name_is_a_fault_and_no_crash(name: str, tmp_path: Path) -> None:
    import msgspec

    path = tmp_path / "p.yaml"
    step = {"id": "a", "playbook": name}
    path.write_bytes(msgspec.json.encode({"schema": "runbook/v1", "id": "p", "title": "t", "steps": [step]}))
    assert len(diagnose(path, CATALOGUE)) >= 1
