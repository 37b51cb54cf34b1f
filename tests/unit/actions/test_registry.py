"""The catalogue finds built-ins without importing them all, and guests without trusting them."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from msgspec import Meta, Struct

from runbook.actions import catalogue
from runbook.actions.command import Command
from runbook.actions.registry import BUILT_IN
from runbook.errors import ActionError
from runbook.testing import CHECKS, Bench, Case, tree

GUEST = Path(__file__).parents[2] / "guest"


@pytest.fixture
def guest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(GUEST))


def test_names_are_sorted_and_include_guests(guest: None) -> None:
    names = catalogue().names()

    assert list(names) == sorted(names)
    assert {"command", "file.backup", "git.restore", "service.restart", "acme.drain"} <= set(names)


def test_the_table_is_sorted_and_its_places_exist() -> None:
    assert list(BUILT_IN) == sorted(BUILT_IN)
    for name, place in BUILT_IN.items():
        module, _, attribute = place.partition(":")
        assert getattr(import_module(module), attribute).name == name


@pytest.mark.parametrize("name", list(BUILT_IN))
def test_every_built_in_tells_about_itself(name: str) -> None:
    info = catalogue().info(name)

    assert info is not None
    assert info.name == name
    assert info.summary
    assert (info.effect == "read") == info.is_probe


@pytest.mark.parametrize("name", list(BUILT_IN))
def test_every_argument_has_a_description_for_editors(name: str) -> None:
    info = catalogue().info(name)
    assert info is not None
    hints = get_type_hints(info.model, include_extras=True, localns={"Json": object})

    assert [field for field in info.model.__struct_fields__ if not _described(hints[field])] == []
    assert info.model.__struct_config__.forbid_unknown_fields


def _described(hint: Any) -> bool:
    if isinstance(hint, type) and issubclass(hint, Struct):
        return bool(hint.__doc__) and all(map(_described, get_type_hints(hint, include_extras=True).values()))
    return any(isinstance(mark, Meta) and mark.description for mark in get_args(hint)[1:])


def test_command_is_an_action_and_a_probe() -> None:
    known = catalogue()

    assert isinstance(known.action("command"), Command)
    assert isinstance(known.probe("command"), Command)
    info = known.info("command")
    assert info is not None
    assert (info.is_probe, info.brings_verify, info.brings_undo) == (False, False, False)


def test_a_probe_is_no_action_and_an_action_is_no_probe() -> None:
    with pytest.raises(KeyError):
        catalogue().action("tcp")
    with pytest.raises(KeyError):
        catalogue().probe("file.backup")


def test_an_unknown_name_is_nothing() -> None:
    assert catalogue().info("no.such") is None
    with pytest.raises(KeyError):
        catalogue().action("no.such")
    with pytest.raises(KeyError):
        catalogue().probe("no.such")


def test_a_built_in_costs_neither_the_others_nor_the_scan_for_guests() -> None:
    script = """
import sys
from runbook.actions import catalogue
assert not [m for m in sys.modules if m.startswith("runbook.actions.") and not m.endswith("registry")]
catalogue().info("file.checksum")
print(sorted({"httpx", "importlib.metadata", "runbook.actions.http", "runbook.actions.command"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def test_a_guest_is_found_by_its_entry_point(guest: None) -> None:
    info = catalogue().info("acme.drain")

    assert info is not None
    assert (info.summary, info.effect, info.is_probe) == (
        "Take the host out of rotation by a flag file",
        "change",
        False,
    )
    assert catalogue().probe("acme.drained").name == "acme.drained"


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_guest_can_be_held_against_the_contract(guest: None, tmp_path: Path, check) -> None:  # type: ignore[no-untyped-def]
    numbers = iter(range(1000))

    def make() -> Case:
        action = catalogue().action("acme.drain")
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        flag = folder / "drained"
        return Case(action, action.model(flag=str(flag)), Bench(), lambda: tree(folder), flag.rmdir)

    check(make)


def test_a_guest_does_not_take_the_name_of_a_built_in(guest: None) -> None:
    assert isinstance(catalogue().action("command"), Command)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("acme.broken", "RuntimeError: the license of this guest has expired"),
        ("acme.gone", "AttributeError"),
        ("acme.half", "it has no `observe`, and not all of an action: inspect, plan"),
        ("acme.function", "it is no class"),
    ],
)
def test_a_broken_guest_is_an_error_that_names_its_distribution(guest: None, name: str, why: str) -> None:
    known = catalogue()
    assert name in known.names()

    for ask in (known.info, known.action, known.probe):
        with pytest.raises(ActionError) as caught:
            ask(name)
        assert caught.value.where == name
        assert why in caught.value.message
        assert "acme-runbook 1.2" in caught.value.remedy


def test_two_guests_of_one_name_are_an_error_that_names_both(
    guest: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "other-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[runbook.actions]\nacme.drain = other:Drain\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    with pytest.raises(ActionError, match="more than one") as caught:
        catalogue().info("acme.drain")
    assert "acme-runbook 1.2 and other 0.1" in caught.value.remedy
