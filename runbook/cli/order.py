"""The options with which a run is ordered, the same for every command that takes them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click
from msgspec import Struct

from runbook.cli.command import F
from runbook.cli.front import Front
from runbook.errors import UsageError

if TYPE_CHECKING:
    from runbook.session.order import Order

FILE = click.Path(path_type=Path)


def _options(*options: Callable[[F], F]) -> Callable[[F], F]:
    def add(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return add


def _set_ssh_config(context: click.Context, _: click.Parameter, value: Path | None) -> None:
    front = context.find_object(Front)
    if value is not None and front is not None:
        front.ssh_config = value


ssh_config_option = click.option(
    "--ssh-config",
    type=FILE,
    expose_value=False,
    callback=_set_ssh_config,
    help="Read this in place of the ssh configuration of the user and the system.",
)


def _with_files(_context: click.Context, _: click.Parameter, value: str) -> str:
    if "@" not in value:
        return value
    from runbook.loader import with_files

    return with_files(value)


limit_option = click.option(
    "--limit",
    metavar="PATTERN",
    default="",
    callback=_with_files,
    help="Only these hosts of the inventory; @FILE: those that a file names, one a line.",
)


class Chosen(Struct, frozen=True):
    """Values and targets, as the options give them."""

    values: dict[str, str]
    vars_files: tuple[Path, ...]
    inventory: Path | None
    limit: str

    def order(self, playbook: str, **more: Any) -> Order:
        """Return the order for a playbook; `more` are the other fields of `Order`."""
        from runbook.session.order import Order

        return Order(
            playbook=playbook,
            values=self.values,
            vars_files=self.vars_files,
            inventory=self.inventory,
            limit=self.limit,
            **more,
        )


def value_options(function: F) -> F:
    """Add the options that give values and choose targets; the command gets them together, as `chosen`."""

    @wraps(function)
    def gathering(
        *given: Any,
        values: tuple[str, ...],
        vars_files: tuple[Path, ...],
        inventory: Path | None,
        limit: str,
        **more: Any,
    ) -> Any:
        return function(*given, chosen=Chosen(pairs(values), vars_files, inventory, limit), **more)

    return _options(
        click.option("--set", "values", metavar="NAME=VALUE", multiple=True, help="Give a parameter its value."),
        click.option("--vars-file", "vars_files", type=FILE, multiple=True, help="Values from a YAML file."),
        click.option("--inventory", type=FILE, help="The file that names the hosts."),
        limit_option,
        ssh_config_option,
    )(cast("F", gathering))


def going_options(function: F) -> F:
    """Add the options of what goes on: the failure policy and leases."""
    return _options(
        click.option(
            "--on-failure",
            type=click.Choice(["stop", "undo"]),
            callback=lambda _context, _option, value: value or "",
            help="What `on_failure: ask` is answered with.",
        ),
        click.option("--take-over", metavar="REASON", default="", help="Take over targets that another run claims."),
    )(function)


def answer_options(function: F) -> F:
    """Add the options that answer questions beforehand."""
    return _options(
        click.option("--approve", "approvals", metavar="STEP", multiple=True, help="Approve a step or stage."),
        click.option("--answers", type=FILE, help="A YAML file: STEP to `done`, an option, or a mapping of fields."),
    )(function)


incident_option = click.option("--incident", metavar="ID", default="", help="The incident that this belongs to.")

parallel_option = click.option(
    "--parallel",
    metavar="HOSTS",
    type=click.IntRange(1, 1000),
    callback=lambda _context, _option, value: value or 0,
    help="At most so many hosts at once; a playbook may say fewer.",
)

guided_option = click.option(
    "--unattended", is_flag=True, help="Do not ask, even on a terminal: what is open stays open."
)


def pairs(given: tuple[str, ...]) -> dict[str, str]:
    """Return `NAME=VALUE` words as a mapping. Raises UsageError."""
    found: dict[str, str] = {}
    for word in given:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise UsageError(f"--set {word} has no value", remedy="write --set NAME=VALUE")
        if name in found:
            raise UsageError(f"--set {name} is given twice")
        found[name] = value
    return found


def step_and_target(word: str) -> tuple[str, str]:
    """Return the two parts of `STEP@HOST`; the host may be missing."""
    step, _, target = word.partition("@")
    if not step:
        raise UsageError(f"{word} names no step", remedy="write STEP or STEP@HOST")
    return step, target


def answers_of(path: Path | None) -> dict[str, Any]:
    """Return the content of an answers file; nothing without one. Raises PlaybookError, ConfigError."""
    if path is None:
        return {}
    from runbook.session.unattended import load_answers

    return load_answers(path)
