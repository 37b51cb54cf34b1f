"""Asking fails closed: a refused run stays refused when it is resumed, and only the user's own files answer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runbook.config import check_owner
from runbook.errors import ConfigError
from runbook.session.steer import decide
from runbook.session.unattended import Unattended, load_answers
from runbook.testing import ScriptedApprover
from tests.engine.desk import Desk, touch

GATED = (
    "steps:\n" + touch("first") + touch("second", "    approve: operator\n") + "  - {id: freeze, manual: Stop it.}\n"
)


def test_a_refused_run_is_refused_again_until_everything_is_answered(desk: Desk) -> None:
    run = desk.start(GATED).run

    refused = desk.resume(run)
    decide(desk.settings, run, "second", "", "approve")
    half = desk.resume(run)

    assert (refused.status, half.status) == ("waiting", "waiting")
    assert [m.step for m in refused.missing] == ["second", "freeze"]
    assert [m.step for m in half.missing] == ["freeze"]
    assert desk.lines("log") == []


def test_a_refused_run_goes_on_once_all_is_answered(desk: Desk) -> None:
    run = desk.start(GATED).run
    decide(desk.settings, run, "second", "", "approve")
    decide(desk.settings, run, "freeze", "", "done")

    assert desk.resume(run).status == "succeeded"
    assert desk.lines("log") == ["first", "second"]


def test_what_is_given_to_resume_counts(desk: Desk) -> None:
    run = desk.start(GATED).run

    assert desk.resume(run, Unattended(["second"], {"freeze": "done"})).status == "succeeded"


def test_a_run_that_has_begun_goes_on_to_its_next_gate(desk: Desk) -> None:
    run = desk.guided(GATED, ScriptedApprover({"proceed": "run", "approve": "pause"})).run
    assert desk.lines("log") == ["first"]

    assert desk.resume(run).status == "waiting"
    assert desk.lines("log") == ["first"]


def test_answers_that_others_may_write_count_for_nothing(desk: Desk) -> None:
    with pytest.raises(ConfigError, match="others may write it"):
        load_answers(open_to_all(desk, "freeze: done\n"))


def test_values_that_others_may_write_count_for_nothing(desk: Desk) -> None:
    values = open_to_all(desk, "name: theirs\n")

    with pytest.raises(ConfigError, match="others may write it"):
        desk.start("params:\n  name: {type: string}\n" + GATED, vars_files=(values,))


@pytest.mark.parametrize("way", ["a link", "a link to a link", "a linked folder", "a link upwards"])
def test_a_playbook_is_judged_where_its_links_stand_and_where_they_lead_to(desk: Desk, way: str) -> None:
    shared, own = desk.path("shared"), desk.path("own")
    shared.mkdir()
    own.mkdir()
    real = desk.playbook(GATED).rename(shared / "try.yaml")
    match way:
        case "a link":
            path = own / "try.yaml"
            path.symlink_to(real)
        case "a link to a link":
            path = own / "try.yaml"
            (shared / "between.yaml").symlink_to(desk.playbook(GATED))
            path.symlink_to(shared / "between.yaml")
        case "a linked folder":
            (own / "books").symlink_to("../shared")
            path = own / "books" / "try.yaml"
        case _:
            (own / "inside").symlink_to(shared)
            path = own / "try.yaml"
            path.symlink_to("inside/../shared/try.yaml")

    check_owner(path)
    shared.chmod(0o777)

    with pytest.raises(ConfigError, match="others may write it"):
        check_owner(path)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a link away")
def test_a_link_of_somebody_else_may_lead_to_another_playbook_tomorrow(desk: Desk) -> None:
    books = desk.path("books")
    desk.path("own").mkdir()
    books.symlink_to(desk.playbook(GATED).rename(desk.path("own") / "try.yaml").parent)
    os.lchown(books, 12345, 0)

    with pytest.raises(ConfigError, match="belongs to somebody else"):
        check_owner(books / "try.yaml")


def test_a_link_that_leads_to_itself_is_no_playbook(desk: Desk) -> None:
    loop = desk.path("loop.yaml")
    loop.symlink_to(loop)

    with pytest.raises(ConfigError, match="cannot be read"):
        check_owner(loop)


def open_to_all(desk: Desk, text: str) -> Path:
    path = desk.path("given.yaml")
    path.write_text(text)
    path.chmod(0o666)
    return path
