"""A draft of an order: every part with its own fault, and what would be done although the hosts are not known."""

from __future__ import annotations

from pathlib import Path

import pytest

from runbook.config import settings
from runbook.model.playbook import Param
from runbook.session.draft import Wrong, check_text, draft
from runbook.session.order import Order

PLAYBOOK = """\
schema: runbook/v1
id: some
title: Some
params:
  wait: {type: duration, default: 30s}
  ref: {type: git_ref, required: true}
  password: {type: secret, from: "env:SOME_PASSWORD"}
targets:
  app: {hosts: "group:app", min: 2}
steps:
  - id: look
    on: app
    command: ["true"]
    effect: read
"""

HOSTS = """\
hosts:
  one: {transport: local, vars: {wait: 10s}}
  two: {transport: local}
groups:
  app: {hosts: [one, two]}
"""


@pytest.fixture
def order(tmp_path: Path) -> Order:
    """Return an order for a playbook, without an inventory."""
    (tmp_path / "some.yaml").write_text(PLAYBOOK)
    (tmp_path / "hosts.yaml").write_text(HOSTS)
    return Order(playbook=str(tmp_path / "some.yaml"))


def given(order: Order, **more: object) -> Order:
    """Return the order with more said."""
    from msgspec.structs import replace

    return replace(order, **more)


def test_every_value_tells_its_own_fault(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNBOOK_VAR_wait", "30")

    found = {field.name: field for field in draft(settings(), order).fields}

    assert found["wait"].value == "30"
    assert found["wait"].wrong == Wrong('is "30"', "30 what? Write 30s or 30m")
    assert found["ref"].wrong == Wrong("needs a value")
    assert found["password"].wrong == Wrong(
        "SOME_PASSWORD is not set", "export SOME_PASSWORD, or write file:PATH or ask"
    )


def test_steps_are_known_before_the_hosts_are(order: Order) -> None:
    found = draft(settings(), order)

    assert not found.hosts_known
    assert found.groups[0].wrong == Wrong('"group:app" means no host', "name the inventory file above")
    assert [(unit.id, unit.hosts) for unit in found.plan.units] == [("look", ("group:app",))]


def test_hosts_with_a_value_of_their_own_are_named(
    order: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_PASSWORD", "x")

    found = draft(settings(), given(order, inventory=tmp_path / "hosts.yaml", values={"ref": "v1"}))

    assert found.fields[0].per_host == (("one", "10s"),)
    assert found.groups[0].hosts == ("one", "two")
    assert found.is_ready


def test_a_limit_that_leaves_too_few_hosts_says_so(order: Order, tmp_path: Path) -> None:
    found = draft(settings(), given(order, inventory=tmp_path / "hosts.yaml", limit="one"))

    assert not found.hosts_known
    assert found.wrong is not None
    assert "app" in found.wrong.what


def test_an_inventory_that_cannot_be_read_is_a_fault_of_its_own(order: Order, tmp_path: Path) -> None:
    found = draft(settings(), given(order, inventory=tmp_path / "nowhere.yaml"))

    assert found.wrong is not None
    assert "nowhere.yaml" in found.wrong.what
    assert len(found.fields) == 3


def test_a_typed_value_is_checked_as_the_run_would() -> None:
    assert check_text("n", Param(type="int", min=2), "1") == Wrong("is 1", "at least 2 is needed")
    assert check_text("n", Param(type="int", min=2), "2") is None
    assert check_text("s", Param(type="secret"), "hush") == Wrong(
        "is a secret and is not given by itself", "write env:NAME, file:PATH or ask"
    )
