from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct

from runbook.loader import Diagnostic, diagnose
from runbook.model.scalar import Effect, Seconds
from runbook.ports.action import Action, ActionInfo, Catalogue, Probe

Text = Annotated[str, Meta(description="some text")]


class CommandWith(Struct, frozen=True, kw_only=True):
    """A program."""

    argv: Annotated[tuple[Any, ...], Meta(description="the words", min_length=1)]
    env: Annotated[dict[str, Any], Meta(description="the environment")] = {}
    cwd: Text = ""
    stdin: Annotated[Any, Meta(description="the input")] = ""
    sudo: Annotated[bool, Meta(description="as root")] = False


class ShellWith(Struct, frozen=True, kw_only=True):
    """A script."""

    script: Text
    env: Annotated[dict[str, Any], Meta(description="the environment")] = {}
    sudo: Annotated[bool, Meta(description="as root")] = False


class HttpWith(Struct, frozen=True, kw_only=True):
    """A request."""

    url: Text
    headers: Annotated[dict[str, Any], Meta(description="the headers")] = {}
    status: Annotated[int, Meta(description="the wanted status")] = 200
    method: Annotated[Literal["GET", "HEAD"], Meta(description="the method")] = "GET"


class GitWith(Struct, frozen=True, kw_only=True):
    """A file of a repository."""

    repo: Text
    path: Text
    ref: Text


class Watch(Struct, frozen=True):
    """How long to look."""

    stable_for: Annotated[Seconds, Meta(description="how long")] = 5.0


class ServiceWith(Struct, frozen=True, kw_only=True):
    """A unit."""

    unit: Text
    sudo: Annotated[bool, Meta(description="as root")] = False
    verify: Annotated[Watch, Meta(description="the check")] = Watch()


class Result(Struct, frozen=True):
    """What was found."""

    changed: bool = False
    ref_sha256: str = ""


def info(name: str, model: type[Struct], effect: Effect = "read", *, brings: bool = False) -> ActionInfo:
    return ActionInfo(
        name=name,
        summary=f"what {name} does",
        effect=effect,
        model=model,
        result=Result,
        is_probe=effect == "read" and name not in {"command", "shell"},
        once=False,
        brings_verify=brings,
        brings_undo=brings,
    )


class Shelf:
    """A catalogue of a few actions that are never carried out."""

    def __init__(self) -> None:
        infos = [
            info("command", CommandWith, "change"),
            info("shell", ShellWith, "change"),
            info("http", HttpWith),
            info("git.diff", GitWith),
            info("git.restore", GitWith, "change", brings=True),
            info("service.restart", ServiceWith, "change", brings=True),
            info("acme.half", ServiceWith, "change"),
        ]
        self._infos = {each.name: each for each in infos}

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._infos))

    def info(self, name: str) -> ActionInfo | None:
        return self._infos.get(name)

    def action(self, name: str) -> Action[Struct, Struct, Struct]:
        raise KeyError(name)

    def probe(self, name: str) -> Probe[Struct, Struct]:
        raise KeyError(name)


@pytest.fixture
def shelf() -> Catalogue:
    return Shelf()


Faults = Callable[..., list[str]]

HEAD = "schema: runbook/v1\nid: p\ntitle: T\n"


@pytest.fixture
def faults(shelf: Catalogue) -> Faults:
    """Return the faults of a playbook, without the head that every one has, as `LINE:COLUMN message; …`."""

    def of(body: str, head: str = HEAD) -> list[str]:
        return [told(each) for each in diagnose(head + body, shelf)]

    return of


def told(each: Diagnostic) -> str:
    return f"{each.line}:{each.column} {each.sentence()}"


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    def file(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return file
