"""`ldconfig.inspect`: what is told of a search path, and that it is what the loader itself would do."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from runbook.actions.ldconfig_inspect import InspectResult, InspectWith, LdconfigInspect
from runbook.actions.ldconfig_program import Search
from runbook.actions.ldconfig_tool import Cache, ToolWith, read_cache, read_order
from runbook.actions.ldconfig_view import version_of
from runbook.ports.action import Bad, Good, NoData
from runbook.testing import Bench, tree
from runbook.testing.work import Silent
from tests.ldconfig_world import SONAME, World, library, needs_loader, program
from tests.unit.actions.test_elf import made


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "world", program(tmp_path))


def look(world: World, **more: object) -> Good[InspectResult] | Bad[InspectResult] | NoData:
    start = tree(world.folder)
    found = LdconfigInspect().observe(InspectWith(**world.tool, **more), Bench(), Silent())  # type: ignore[arg-type]
    assert tree(world.folder) == start
    return found


def fault(found: Good[InspectResult] | Bad[InspectResult] | NoData) -> InspectResult:
    assert isinstance(found, Bad), found
    return found.value


def test_a_search_path_without_a_fault_is_good(world: World) -> None:
    found = look(world, names=("libutil",))

    assert isinstance(found, Good)
    assert (found.value.healthy, found.value.current, found.value.gets) == (
        True,
        True,
        {SONAME: f"{world.old}/{SONAME}"},
    )


def test_a_stale_first_folder_is_told_with_the_file_that_is_newer(world: World) -> None:
    world.add(world.new, "1.2.13")
    world.conf("zz.conf").write_text(f"{world.new}\n")
    world.build()

    found = look(world, names=(SONAME,))

    assert fault(found).stale == (SONAME,)
    (rival,) = fault(found).conflicts
    assert (rival.wins, rival.by_order) == (f"{world.old}/{SONAME}", f"{world.old}/{SONAME}")
    assert found.evidence[0] == f"{SONAME}: {world.old}/{SONAME} wins, and is older than {world.new}/{SONAME}"


def test_a_cache_that_is_older_than_the_configuration_tells_which_file_would_win(world: World) -> None:
    world.add(world.new, "1.2.13")
    world.conf("00-new.conf").write_text(f"{world.new}\n")

    seen = fault(look(world))

    assert (seen.current, seen.unindexed) == (False, (str(world.new),))
    (rival,) = [rival for rival in seen.conflicts if rival.soname == SONAME]
    assert (rival.wins, rival.by_order) == (f"{world.old}/{SONAME}", f"{world.new}/{SONAME}")


def test_the_same_bytes_under_two_paths_are_no_conflict(world: World) -> None:
    world.add(world.new, "1.2.13")
    for folder in (world.new, world.old):
        (folder / SONAME).resolve().write_bytes(library().read_bytes())
    world.conf("zz.conf").write_text(f"{world.new}\n")
    world.build()

    assert isinstance(look(world, names=(SONAME,)), Good)


def test_folders_and_files_that_are_gone_are_told(world: World) -> None:
    world.conf("zz.conf").write_text("/not/there\n")
    (world.old / SONAME).resolve().unlink()
    (world.old / SONAME).unlink()

    seen = fault(look(world))

    assert (seen.absent, seen.dangling) == (("/not/there",), (f"{world.old}/{SONAME}",))


def test_a_missing_or_broken_cache_is_told(world: World) -> None:
    world.cache.write_bytes(b"nothing")
    assert f"{world.cache} is broken: run ldconfig" in look(world).evidence
    world.cache.unlink()
    assert f"{world.cache} is missing: run ldconfig" in look(world).evidence


def test_what_is_no_gnu_ldconfig_gives_no_data(world: World) -> None:
    for wrong in ("/bin/true", "/not/there", "ldconfig"):
        tool = world.tool | {"ldconfig": wrong}
        assert isinstance(LdconfigInspect().observe(InspectWith(**tool), Bench(), Silent()), NoData)


def test_a_library_that_a_program_cannot_find_is_told(world: World) -> None:
    binary = world.folder / "program"
    binary.write_bytes(made(needed=(SONAME, "libexample.so.1")))

    seen = fault(look(world, binary=str(binary)))

    assert seen.unresolved == ("libexample.so.1",)
    assert seen.gets[SONAME] == f"{world.old}/{SONAME}"


def test_a_library_without_the_wanted_version_is_told(world: World) -> None:
    """What the loader calls: version `GLIBC_…' not found (required by …)."""
    (real,) = {
        need.path for need in Search(Bench(), ToolWith(), *found_of()).needs(str(library())) if "libc.so" in need.soname
    }
    (world.old / "libc.so.6").write_bytes(Path(real).read_bytes().replace(b"GLIBC_2.", b"GLIBX_2."))
    world.build()

    found = look(world, binary=str(library()))

    assert "libc.so.6" in fault(found).wrong_version
    assert fault(found).unresolved == ()
    assert any("asks for GLIBC_2." in line for line in found.evidence)


@pytest.mark.parametrize(("key", "value"), [("runpath", "$ORIGIN/own"), ("rpath", "${ORIGIN}/own")])
def test_folders_that_the_program_names_come_before_the_cache(world: World, key: str, value: str) -> None:
    world.add(world.folder / "own", "9.9")
    binary = world.folder / "program"
    binary.write_bytes(made(needed=(SONAME,), **{key: value}))  # type: ignore[arg-type]

    found = look(world, binary=str(binary))

    assert isinstance(found, Good | Bad)
    assert found.value.gets[SONAME] == f"{world.folder}/own/{SONAME}"


def test_a_library_for_another_machine_is_passed_over(world: World) -> None:
    binary = world.folder / "program"
    binary.write_bytes(made(needed=(SONAME,), wide=False))

    assert fault(look(world, binary=str(binary))).unresolved == (SONAME,)


def test_a_script_is_no_program_of_the_loader(world: World) -> None:
    script = world.folder / "script"
    script.write_text("#!/bin/sh\n")

    assert isinstance(look(world, binary=str(script)), NoData)


def found_of() -> tuple[Cache, tuple[str, ...]]:
    w = ToolWith()
    return read_cache(Bench(), w), tuple(f.path for f in read_order(Bench(), w).folders)


@pytest.mark.parametrize("name", ["ls", "git", "ssh", "sh", "curl"])
def test_a_real_program_gets_what_the_loader_says(name: str) -> None:
    needs_loader()
    path = next((Path(f"{folder}/{name}") for folder in ("/usr/bin", "/bin") if Path(folder, name).exists()), None)
    if path is None:
        pytest.skip(f"NOT TESTED: there is no {name} here")
    told = subprocess.run(["ldd", path], capture_output=True, text=True, check=True).stdout
    theirs = dict(re.findall(r"^\s+(\S+) => (\S+)", told, re.MULTILINE))

    mine = {need.soname: need.path for need in Search(Bench(), ToolWith(), *found_of()).needs(str(path))}

    # The loader itself stands in that list without an arrow.
    assert {n: os.path.realpath(p) for n, p in mine.items() if not n.startswith("ld-")} == {
        n: os.path.realpath(p) for n, p in theirs.items()
    }


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("/a/libz.so.1.2.11", (1, 2, 11)),
        ("/a/libfoo-2.36.so", (2, 36)),
        ("/a/libz.so.1", (1,)),
        ("/a/libz.so", ()),
        ("/a.so.9/libz.so", ()),
    ],
)
def test_a_version_is_read_from_the_name_of_the_file(path: str, version: tuple[int, ...]) -> None:
    assert version_of(path) == version
