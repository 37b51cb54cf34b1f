"""The walls of the house: who may import whom, what start-up may load, and how a module looks."""

import ast
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import NamedTuple

import pytest

TOP = Path(__file__).parent.parent
PACKAGE = TOP / "runbook"


def dotted(path: Path) -> str:
    """Return the name under which a file of the package is imported."""
    parts = path.relative_to(TOP).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {dotted(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def within(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def test_the_package_is_where_these_tests_look() -> None:
    assert "runbook.errors" in FILES


# --- import directions ------------------------------------------------------------------------------------------


def lint_imports(tree: Path) -> subprocess.CompletedProcess[str]:
    script = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    return subprocess.run([sys.executable, "-c", script], cwd=tree, text=True, capture_output=True, check=False)


def test_the_import_contracts_hold() -> None:
    result = lint_imports(TOP)

    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("module", "line"),
    [
        pytest.param("errors.py", "import runbook.text.planted", id="upwards"),
        pytest.param("text/planted.py", "import textual", id="textual below the screens"),
        pytest.param("text/planted.py", "def late() -> None:\n    import paramiko", id="paramiko inside a function"),
        pytest.param("text/planted.py", "import rich.console", id="drawing below the front ends"),
        pytest.param("newcomer.py", "", id="a module without a place"),
    ],
)
def test_the_import_contracts_catch_a_planted_fault(tmp_path: Path, module: str, line: str) -> None:
    shutil.copytree(PACKAGE, tmp_path / "runbook", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(TOP / "pyproject.toml", tmp_path)
    (tmp_path / "runbook/text").mkdir(exist_ok=True)
    (tmp_path / "runbook/text/__init__.py").touch()
    (tmp_path / "runbook/text/planted.py").touch()
    with (tmp_path / "runbook" / module).open("a") as file:
        file.write(f"\n{line}\n")

    result = lint_imports(tmp_path)

    assert result.returncode == 1
    assert "Broken contracts" in result.stdout


# --- what an import loads ---------------------------------------------------------------------------------------

LATE = ("git", "httpx", "importlib.metadata", "jinja2", "paramiko", "psutil", "textual")
"""Libraries that are loaded by the function that needs them, because they cost 26 to 200 ms each."""

DRAWING = ("click", "rich")

# One fork per module: each sees a fresh sys.modules without paying for a fresh interpreter. What all of them may load,
# and modules below them that bring nothing watched, are loaded once before the forks: neither can hide anything.
LOADER = """
import importlib, json, os, sys
import http.server, ssl, subprocess, tarfile
import msgspec, yaml
names, watched, common = json.loads(sys.argv[1])
for name in common:
    importlib.import_module(name)
early = [name for name in watched if name in sys.modules]
for name in names:
    if os.fork() == 0:
        try:
            importlib.import_module(name)
            answer = [library for library in watched if library in sys.modules]
        except BaseException as error:
            answer = [f"{type(error).__name__}: {error}"]
        print(json.dumps([name, answer]), flush=True)
        os._exit(0)
    os.wait()
print(json.dumps(["before any of them", early]))
"""


def loaded(modules: Iterable[str], common: Iterable[str]) -> dict[str, set[str]]:
    """Import each module in a process of its own; map its name to the watched libraries that came with it.

    What is common to all of them is imported first; under a name of its own is told what came with that.
    """
    question = json.dumps([[*modules], [*LATE, *DRAWING], [*common]])
    result = subprocess.run(
        [sys.executable, "-c", LOADER, question], cwd=TOP, text=True, capture_output=True, check=True
    )
    return {name: set(found) for name, found in map(json.loads, result.stdout.splitlines())}


class Place(NamedTuple):
    """A part of the package whose modules may load the same."""

    packages: tuple[str, ...]
    allowed: AbstractSet[str] = frozenset()
    """Which watched libraries may come with a module."""
    common: tuple[str, ...] = ()
    """What of them is loaded for all modules at once."""
    upon: tuple[str, ...] = ()
    """Places below it, whose modules may load nothing watched."""


PLACES: Mapping[str, Place] = {
    "tui": Place(
        ("runbook.tui",),
        {*DRAWING, "textual", "importlib.metadata"},
        ("textual.app", "textual.widgets"),
        ("core", "middle", "session"),
    ),
    "cli": Place(("runbook.cli",), {*DRAWING}, ("click", "rich.console"), ("core", "middle", "session")),
    "ssh": Place(("runbook.transports.ssh",), {"paramiko", "importlib.metadata"}, upon=("core",)),
    "session": Place(("runbook.session",), upon=("core", "middle")),
    "core": Place(tuple(f"runbook.{name}" for name in ("ports", "events", "model", "expression", "secret", "text"))),
    "middle": Place(("runbook",), upon=("core",)),
}


def modules_of(place: str) -> list[str]:
    """Return the modules of a place: those that no place before it has."""
    return [name for name in FILES if next(p for p, found in PLACES.items() if within(name, *found.packages)) == place]


@pytest.mark.parametrize("name", PLACES)
def test_importing_a_module_loads_only_what_its_place_allows(name: str) -> None:
    place, modules = PLACES[name], modules_of(name)

    seen = loaded(modules, (*place.common, *(module for below in place.upon for module in modules_of(below))))

    assert len(seen) == len(modules) + 1
    assert {module: found - place.allowed for module, found in seen.items() if found - place.allowed} == {}


# --- how a module looks -----------------------------------------------------------------------------------------


def test_every_module_is_short_enough_to_read() -> None:
    lengths = {module: len(path.read_text().splitlines()) for module, path in FILES.items()}

    assert {module: length for module, length in lengths.items() if length > 500} == {}


def test_every_module_says_what_it_owns() -> None:
    assert [module for module, path in FILES.items() if not ast.get_docstring(ast.parse(path.read_text()))] == []


def test_every_module_has_a_precise_name() -> None:
    vague = re.compile(r"\b(utils?|common|misc|helpers?|\w*manager)$")

    assert [module for module in FILES if vague.search(module)] == []


# --- untrusted text stays text ----------------------------------------------------------------------------------

TAG = re.compile(
    r"\[(/|/?(b|bold|dim|i|italic|u|underline|s|strike|reverse|blink|on|not|link|red|green|yellow|blue|magenta|cyan"
    r"|white|black|bright_\w+|grey\d*|#[0-9a-fA-F]{3,6}|\$[\w-]+|@[\w.]+)\b[^\]]*)\]"
)
"""What rich or textual would take for markup; a bare word such as [stderr] is none."""


def is_built(node: ast.expr) -> bool:
    """Tell whether a string expression takes in values: an f-string, `%`, `+` or `.format`."""
    match node:
        case ast.JoinedStr(values=parts):
            return any(isinstance(part, ast.FormattedValue) for part in parts)
        case ast.BinOp(op=ast.Add() | ast.Mod()) | ast.Call(func=ast.Attribute(attr="format" | "join")):
            return True
        case _:
            return False


def markup_faults(source: str) -> Iterator[str]:
    """Find the places where a value could become markup."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Attribute(attr="from_markup") | ast.Name(id="from_markup"), args=[first, *_]):
                if is_built(first):
                    yield f"line {node.lineno}: from_markup of a string with values in it; pass them by name"
            case ast.Call(func=ast.Attribute(attr="Console") | ast.Name(id="Console"), keywords=keywords):
                if not any(k.arg == "markup" for k in keywords):
                    yield f"line {node.lineno}: a Console reads markup unless it gets markup=False"
            case ast.JoinedStr(values=parts) if is_built(node):
                if any(isinstance(p, ast.Constant) and TAG.search(str(p.value)) for p in parts):
                    yield f"line {node.lineno}: an f-string with markup in it; use Text or Content with a style"
            case ast.keyword(arg="markup", value=ast.Constant(value=True)):
                yield f"line {node.value.lineno}: markup=True"
            case _:
                pass


def test_no_value_can_become_markup() -> None:
    faults = {module: list(markup_faults(path.read_text())) for module, path in FILES.items()}

    assert {module: found for module, found in faults.items() if found} == {}


@pytest.mark.parametrize(
    "source",
    [
        'f"[bold]{host}[/]"',
        'f"{host} [red]down"',
        'f"[@click=app.quit]{name}[/]"',
        'Text.from_markup(f"{host}")',
        'Content.from_markup("[b]" + host)',
        'Text.from_markup("[b]%s" % host)',
        'Text.from_markup("[b]{}".format(host))',
        "Console(stderr=True)",
        "Static(text, markup=True)",
    ],
)
def test_the_markup_rule_catches(source: str) -> None:
    assert len(list(markup_faults(source))) == 1


@pytest.mark.parametrize(
    "source",
    [
        'f"[{index}] {line}"',
        'f"[stderr] {line}"',
        'Content.from_markup("[b]$host[/]", host=host)',
        "Console(markup=False)",
        '"[bold]fixed words[/]"',
    ],
)
def test_the_markup_rule_lets_pass(source: str) -> None:
    assert list(markup_faults(source)) == []
