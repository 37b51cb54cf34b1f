from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator  # type: ignore[import-untyped]  # ships no types

from runbook import loader
from runbook.actions import catalogue
from runbook.actions.registry import BUILT_IN, Registry
from runbook.errors import UsageError
from runbook.loader import diagnose, json_schema, parse, schema_text, skeleton
from runbook.ports.action import Catalogue

ROOT = Path(__file__).parents[3]


def problems(schema: dict[str, Any], text: str) -> list[str]:
    return [error.message for error in Draft7Validator(schema).iter_errors(parse(text).value)]


def objects(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if node.get("type") == "object" and "properties" in node:
            yield node
        for item in node.values():
            yield from objects(item)
    elif isinstance(node, list):
        for item in node:
            yield from objects(item)


def test_the_schema_is_one_and_describes_every_key(shelf: Catalogue) -> None:
    schema = json_schema(shelf)
    Draft7Validator.check_schema(schema)
    found = list(objects(schema))
    undescribed = [key for each in found for key, value in each["properties"].items() if not value.get("description")]
    assert undescribed == []
    assert all(each["additionalProperties"] is False for each in found)
    assert len(found) > 20


STEP = "schema: runbook/v1\nid: p\ntitle: T\nsteps:\n  - "


@pytest.mark.parametrize(
    "step",
    [
        "{id: a, command: [ls, 5], effect: read, env: {N: 5}}",
        "{id: a, uses: http, with: {url: x, status: '{{ params.x }}'}, until: {every: 2s}}",
        "{id: a, uses: service.restart, with: {unit: x}, verify: {stable_for: 10s}}",
        "{id: a, uses: acme.other, with: {anything: 1}}",
        "{stage: s, rollout: {waves: [1, 10%]}, approve: {required: 2, not: requester}, steps: [{id: a, wait: 1s}]}",
        "{id: a, wait: 1h30m}",
        "{id: a, choose: {question: q, options: [{id: x, title: X}, {id: y, title: Y, goto: end}]}}",
    ],
)
def test_a_good_step_is_accepted(step: str, shelf: Catalogue) -> None:
    assert problems(json_schema(shelf), STEP + step) == []


@pytest.mark.parametrize(
    "step",
    [
        "{id: a, command: [ls], efect: read}",
        "{id: a, command: [ls], effect: reed}",
        "{id: A, wait: 1s}",
        "{id: a, wait: 30}",
        "{id: a, wait: 1s, manual: x}",
        "{id: a}",
        "{id: a, uses: http, with: {url: x, statsu: 3}}",
        "{id: a, uses: http, with: {url: x, status: many}}",
        "{id: a, uses: http, with: {}}",
        "{stage: s, steps: []}",
        "{id: a, undo: {}, command: [ls]}",
    ],
)
def test_a_bad_step_is_refused(step: str, shelf: Catalogue) -> None:
    assert problems(json_schema(shelf), STEP + step) != []


def test_the_skeleton_validates_in_both_ways(shelf: Catalogue) -> None:
    text = skeleton("drop-cache")
    assert problems(json_schema(shelf), text) == []
    assert diagnose(text, shelf) == []


def test_what_the_skeleton_offers_in_remarks_validates_as_well() -> None:
    remarks = re.compile(r"^(# (?=targets)|#   (?=app)|  # (?=- |  |service))", re.MULTILINE)
    text = remarks.sub(lambda found: " " * (len(found[0]) - 2), skeleton("p"))
    assert "stage: change" in text
    assert [found.sentence() for found in diagnose(text, catalogue())] == []


def test_the_skeleton_validates_as_a_file_of_its_name(shelf: Catalogue, tmp_path: Path) -> None:
    path = tmp_path / "drop-cache.yaml"
    path.write_text(skeleton("drop-cache"))
    assert diagnose(path, shelf) == []


@pytest.mark.parametrize("name", ["", "Drop", "a b", "../x", "a--b", "-a", "x" * 65, "a\n"])
def test_what_cannot_be_an_id_gets_no_skeleton(name: str) -> None:
    with pytest.raises(UsageError):
        skeleton(name)


class BuiltIn(Registry):
    """The catalogue without the guests of this installation."""

    def names(self) -> tuple[str, ...]:
        return tuple(BUILT_IN)


def test_the_copy_for_editors_is_current() -> None:
    """Written anew by `runbook schema`, or by the text of `schema_text` for the built-in actions."""
    copy = (ROOT / "assets" / "runbook.schema.json").read_text(encoding="utf-8")
    assert copy == schema_text(BuiltIn(BUILT_IN))


def test_the_copy_accepts_the_shipped_playbooks() -> None:
    schema = json.loads((ROOT / "assets" / "runbook.schema.json").read_text(encoding="utf-8"))
    Draft7Validator.check_schema(schema)
    shipped = sorted((ROOT / "playbooks").glob("*.yaml"))
    assert shipped
    assert [(path.name, problems(schema, path.read_text(encoding="utf-8"))) for path in shipped] == [
        (path.name, []) for path in shipped
    ]


def test_the_loader_gives_every_name_that_it_offers_and_no_other() -> None:
    assert [name for name in loader.__all__ if getattr(loader, name, None) is None] == []
    with pytest.raises(AttributeError):
        getattr(loader, "no_such_name")  # noqa: B009
