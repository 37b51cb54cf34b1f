from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Call, steady

BROKEN = """\
schema: runbook/v1
id: broken
title: Broken
stepz: []
steps:
  - id: one
    manual: Do it
    gide: x
"""


def test_a_list_is_an_array_with_every_playbook(call: Call) -> None:
    rows = call("list", "--output", "json").json

    assert {"touch-file", "config-rollback"} <= {row["id"] for row in rows}
    assert next(row for row in rows if row["id"] == "touch-file")["source"] == "local"


def test_a_list_as_text_has_one_line_for_each(call: Call) -> None:
    said = call("list")

    lines = [" ".join(line.split()) for line in said.out.splitlines()]
    assert "touch-file sev3 Touch a file (local)" in lines
    assert len(lines) == len(set(lines))
    assert (said.code, said.err) == (0, "")


def test_a_list_as_ndjson_has_one_object_per_line(call: Call) -> None:
    assert "touch-file" in [row["id"] for row in call("--output", "ndjson", "list").lines]


def test_the_text_of_an_alert_ranks(call: Call) -> None:
    rows = call("list", "--for", "ALERT: file is missing on order-1", "--output", "json").json

    assert rows[0]["id"] == "touch-file"


def test_nothing_that_matches_is_an_empty_array_and_a_hint(call: Call) -> None:
    assert call("list", "--for", "zzz qqq", "--output", "json").json == []
    assert call("list", "--for", "zzz qqq").err == (
        "no playbook matches; `runbook new` writes one, `runbook demo` shows one\n"
    )


def test_a_page_shows_parameters_and_steps(call: Call, place: Path) -> None:
    said = call("show", "touch-file")

    assert steady(said.out, place) == (
        "Touch a file  (touch-file)\n"
        "sev3 · local: HERE/playbooks/touch-file.yaml · reviewed 2026-11-01\n"
        "\n"
        "A small thing.\n"
        "\n"
        "Symptoms: file is missing\n"
        "\n"
        "Parameters\n"
        "  file  path  HERE/made from default of the playbook\n"
        "\n"
        "Steps\n"
        "  look: Look around (command, read)\n"
        "  touch: Make the file (command, change)\n"
        "    Look **closely**.\n"
    )


def test_a_page_of_a_playbook_without_its_inventory_says_what_is_missing(call: Call) -> None:
    said = call("show", "config-rollback")

    assert said.code == 0
    assert said.out.splitlines()[-1].startswith("Not ready: ")


def test_the_source_of_a_value_is_explained(call: Call, place: Path) -> None:
    said = call("show", "touch-file", "--set", "file=/x", "--explain", "file")

    assert steady(said.out, place).splitlines()[0] == "file = /x"
    assert "  over default of the playbook: HERE/made" in steady(said.out, place).splitlines()


def test_an_unknown_value_to_explain_is_a_usage_error(call: Call) -> None:
    said = call("show", "touch-file", "--explain", "fil")

    assert (said.code, said.out) == (2, "")
    assert said.err == "runbook: fil is no parameter of touch-file; its parameters: file\n"


def test_a_new_playbook_validates(call: Call, place: Path) -> None:
    said = call("new", "restart-cache")

    assert (said.code, said.out) == (0, "playbooks/restart-cache.yaml\n")
    assert call("validate", "playbooks/restart-cache.yaml").code == 0


def test_a_new_playbook_overwrites_nothing(call: Call) -> None:
    assert call("new", "touch-file").code == 2


def test_every_fault_is_told_with_its_place(call: Call, place: Path) -> None:
    (place / "broken.yaml").write_text(BROKEN)

    said = call("validate", "broken.yaml")

    assert said.code == 3
    assert [line.split(":")[:3] for line in said.out.splitlines()] == [
        ["broken.yaml", "4", "1"],
        ["broken.yaml", "8", "5"],
    ]
    assert "did you mean guide?" in said.out
    assert said.err == "1 file checked, 2 errors\n"


def test_faults_as_json_are_an_array(call: Call, place: Path) -> None:
    (place / "broken.yaml").write_text(BROKEN)

    rows = call("validate", "broken.yaml", "--output", "json").json

    assert [(row["file"], row["line"], row["column"]) for row in rows] == [("broken.yaml", 4, 1), ("broken.yaml", 8, 5)]


def test_a_file_that_is_not_there_is_a_usage_error(call: Call) -> None:
    assert call("validate", "nowhere.yaml").code == 2


def test_an_inventory_of_ansible_is_validated_as_one(call: Call, place: Path) -> None:
    (place / "hosts.ini").write_text("[web]\nweb-[01:30]\n")
    (place / "tree.yaml").write_text("web:\n  hosts:\n    web-1:\n      ansible_ssh_common_args: -o ProxyJump=b\n")
    assert call("validate", "hosts.ini").code == 0
    assert "tree.yaml:4:7: error: ansible_ssh_common_args cannot be honoured" in call("validate", "tree.yaml").out


def test_a_playbook_that_shadows_another_is_used_when_it_is_trusted(call: Call, place: Path) -> None:
    text = (place / "playbooks/touch-file.yaml").read_text().replace("touch-file", "config-rollback")
    (place / "playbooks/config-rollback.yaml").write_text(text)

    refused = call("replay", "config-rollback")
    trusted = call("validate", "--trust", "playbooks/config-rollback.yaml")

    assert (refused.code, trusted.code) == (3, 0)
    assert "runbook validate --trust" in refused.err
    assert call("replay", "config-rollback").code == 0


def test_a_broken_playbook_is_not_trusted(call: Call, place: Path) -> None:
    (place / "playbooks/config-rollback.yaml").write_text(BROKEN.replace("id: broken", "id: config-rollback"))

    assert call("validate", "--trust", "playbooks/config-rollback.yaml").code == 3
    assert call("replay", "config-rollback").code == 3


def test_the_schema_is_json(call: Call) -> None:
    assert call("schema").json["$schema"].startswith("http")


def test_a_preflight_of_this_machine_alone_says_that_the_inventory_was_not_needed(call: Call, place: Path) -> None:
    (place / "hosts.yaml").write_text("hosts: {web-1: {address: 192.0.2.1, user: deploy}}\n")
    said = call("doctor", "touch-file", "--inventory", "hosts.yaml")
    assert (said.code, said.err) == (
        0, "only this machine was looked at: the playbook asks for no other host of hosts.yaml\n"
    )  # fmt: skip
