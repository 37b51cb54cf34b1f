"""`ldconfig.refresh`: what is refused, what is planned, and where the folder stands afterwards."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.actions.ldconfig_before import RefreshBefore, RefreshWith
from runbook.actions.ldconfig_config import Config, default_name, folders, read_config, with_folder
from runbook.actions.ldconfig_refresh import LdconfigRefresh
from runbook.actions.ldconfig_tool import ToolWith, check_tool
from runbook.errors import ActionError
from runbook.ports.action import Already, Proceed, Refuse
from runbook.ports.target import Cmd, Finished, Sink
from runbook.testing import Bench, MemoryWork, tree
from tests.ldconfig_world import LDCONFIG, SONAME, World, program

ACTION = LdconfigRefresh()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "world", program(tmp_path))


def before(w: RefreshWith) -> RefreshBefore:
    found = ACTION.inspect(w, Bench())
    assert isinstance(found, Proceed), found
    return found.before


def refusal(world: World, **more: str) -> str:
    start = tree(world.folder)
    found = ACTION.inspect(RefreshWith(**world.tool | more), Bench())
    assert isinstance(found, Refuse), found
    assert tree(world.folder) == start
    return found.why


def test_the_plan_shows_the_configuration_and_what_every_soname_leads_to(world: World) -> None:
    w = RefreshWith(path=str(world.new), name="00-new.conf", **world.tool)

    plan = ACTION.plan(w, before(w))

    file = world.conf("00-new.conf")
    assert plan.diff == (
        f"--- {file} (now)\n+++ {file} (new)\n@@ -0,0 +1 @@\n+{world.new}\n"
        f"--- {world.cache} (now)\n+++ {world.cache} (new)\n"
        f"-{SONAME} => {world.old}/{SONAME}\n+{SONAME} => {world.new}/{SONAME}\n"
    )
    assert plan.words == f"Name {world.new} in {file}, make a link, build {world.cache} anew"
    assert plan.commands[-1].endswith(f"-X -f {world.config} -C {world.cache}")


def test_what_the_plan_foretells_is_what_the_built_cache_says(world: World) -> None:
    w = RefreshWith(path=str(world.new), **world.tool)
    b = before(w)

    result = ACTION.apply(w, b, MemoryWork(Bench()))

    assert f"+{SONAME} => {world.first()}" in b.diff
    assert result.resolves == {SONAME: f"{world.new}/{SONAME}"}
    assert isinstance(ACTION.inspect(w, Bench()), Already)


def test_a_folder_that_is_configured_already_is_put_first_and_stays_once(world: World) -> None:
    world.add(world.new, "1.2.13")
    world.conf("zz.conf").write_text(f"{world.new}/\n")
    world.build()
    w = RefreshWith(path=str(world.new), **world.tool)

    ACTION.apply(w, before(w), MemoryWork(Bench()))

    assert world.listed()[0] == f"{world.new}/{SONAME}"
    assert world.listed().count(f"{world.new}/{SONAME}") == 1


def test_a_link_that_leads_to_an_older_file_is_changed_and_led_back(world: World) -> None:
    world.add(world.new, "1.2.9")
    world.add(world.new, "1.2.13", linked=False)
    start = tree(world.folder)
    w = RefreshWith(path=str(world.new), **world.tool)
    b, work = before(w), MemoryWork(Bench())

    result = ACTION.apply(w, b, work)

    assert (world.new / SONAME).readlink() == Path(f"{SONAME}.1.2.13")
    ACTION.undo(w, b, result, MemoryWork(Bench(), undo=True, receipts=work.receipts))
    assert tree(world.folder) == start


@pytest.mark.skipif(os.getuid() != 0, reason="giving a file away needs root")
def test_undo_gives_bytes_mode_and_owner_of_the_cache_back(world: World) -> None:
    world.cache.chmod(0o600)
    os.chown(world.cache, 12345, 54321)
    start = tree(world.folder)
    w = RefreshWith(path=str(world.new), **world.tool)
    b, work = before(w), MemoryWork(Bench())

    result = ACTION.apply(w, b, work)
    ACTION.undo(w, b, result, MemoryWork(Bench(), undo=True, receipts=work.receipts))

    assert tree(world.folder) == start


def test_what_would_not_help_is_refused_and_says_why(world: World) -> None:
    empty = world.folder / "empty"
    empty.mkdir()
    assert refusal(world, path=str(empty)) == f"there is no library in {empty}"
    assert refusal(world, path="/not/there") == "there is no folder /not/there"
    assert "no absolute path" in refusal(world, path="lib")
    assert "cannot be in the search path" in refusal(world, path="/opt/a#b")
    assert refusal(world, path=str(world.new), name="x").startswith("name: 'x' is no name")
    assert refusal(world, ldconfig="/not/there").endswith("there is no program /not/there")


def test_where_sh_does_not_run_the_program_is_not_called_missing() -> None:
    class Broken(Bench):
        def read(self, cmd: Cmd, sink: Sink) -> Finished:
            sink.write("err", b"chroot: failed to run command 'sh'")
            return Finished(127, 0.0)

    with pytest.raises(ActionError, match="sh does not run there: chroot: failed"):
        check_tool(Broken(), ToolWith())


def test_a_name_that_would_not_put_the_folder_first_is_refused(world: World) -> None:
    assert refusal(world, path=str(world.new), name="zz.conf") == (
        f"{world.old} ({world.conf('old.conf')}) would still come before {world.new}"
    )


def test_a_configuration_that_would_not_read_the_file_is_refused(world: World) -> None:
    world.config.write_text(f"{world.old}\n")

    assert refusal(world, path=str(world.new)).startswith(f"{world.config} does not read ")


def test_a_file_that_stands_in_the_place_of_a_link_is_refused(world: World) -> None:
    (world.new / SONAME).write_bytes((world.old / SONAME).read_bytes() + b"other")

    assert "is a file of its own" in refusal(world, path=str(world.new))


def test_links_in_other_folders_are_left_alone(world: World) -> None:
    (world.old / SONAME).unlink()
    start = tree(world.old)
    w = RefreshWith(path=str(world.new), **world.tool)

    ACTION.apply(w, before(w), MemoryWork(Bench()))

    assert tree(world.old) == start


def test_the_order_of_folders_is_that_of_ldconfig_itself(world: World) -> None:
    for name in ("x", "y", "z"):
        world.add(world.folder / name, f"1.{name == 'y'}")
    place = world.folder
    world.config.write_text(
        f"\t{place}/z = libc6 # comment\ninclude ld.so.conf.d/*.conf more/a.conf\nhwcap 0 no\n{place}/y//\n"
    )
    (place / "more").mkdir()
    (place / "more/a.conf").write_text(f"{place}/x\n{place}/z\ninclude ../ld.so.conf.d/old.conf\n")
    world.conf(".hidden.conf").write_text("/not/read\n")
    said = subprocess.run([LDCONFIG, "-N", "-X", "-v", "-f", world.config], capture_output=True, text=True, check=True)

    found = [line.folder for line in folders(read_config(Bench(), RefreshWith(**world.tool)))]

    theirs = [row.split(":")[0] for row in said.stdout.splitlines() if row.startswith(f"{place}/")]
    assert found == theirs == [f"{place}/{name}" for name in ("z", "old", "x", "y")]


FOLDER = st.text("ab/.-", min_size=1, max_size=6).map(lambda text: f"/f{text}".rstrip("/"))


@given(st.lists(FOLDER, max_size=6), FOLDER, st.booleans())
def test_a_line_puts_its_folder_where_it_should_be_and_keeps_the_others(
    others: list[str], path: str, ended: bool
) -> None:
    old = "\n".join(others) + ("\n" if ended and others else "")

    def order(text: bytes) -> list[str]:
        return [line.folder for line in folders(Config("/c", {"/c": text.decode()}, {}))]

    kept = [folder for folder in dict.fromkeys(others) if folder != path]
    assert order(with_folder(old.encode(), path, "first")) == [path, *kept]
    assert set(order(with_folder(old.encode(), path, "last"))) == {*others, path}


def test_the_name_of_a_file_tells_the_folder() -> None:
    assert default_name("/opt/example/lib", "first") == "00-opt-example-lib.conf"
    assert default_name("/opt/ünï", "last") == "zz-opt-n.conf"
