"""The form of all commands: options that each of them takes, and groups that load a command when it is called.

Owns the wiring to click. The table of commands stands in `main`, the commands in one module per family.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click
from msgspec import Struct

from runbook.cli.front import FORMATS, Front
from runbook.model.fault import did_you_mean

F = TypeVar("F", bound=Callable[..., Any])

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

pass_front = click.make_pass_decorator(Front)


def output_option() -> click.Option:
    """Return the option that every command and the group take: the last one given holds."""
    return click.Option(
        ["--output"],
        type=click.Choice(FORMATS),
        expose_value=False,
        callback=_set_format,
        help="How data is written to stdout; narration always goes to stderr.",
    )


def _set_format(context: click.Context, _: click.Parameter, value: Any) -> None:
    front = context.find_object(Front)
    if value and front is not None:
        front.format = value


class Command(click.Command):
    """A command with the options that all have."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("context_settings", CONTEXT)
        super().__init__(*args, **kwargs)
        self.params.append(output_option())


class Entry(Struct, frozen=True):
    """Where a command is found, and its line in the help."""

    module: str
    name: str
    help: str


class Group(click.Group):
    """A group that imports the module of a command when it is called."""

    def __init__(self, *args: Any, table: Mapping[str, Entry], **kwargs: Any) -> None:
        kwargs.setdefault("context_settings", CONTEXT)
        super().__init__(*args, **kwargs)
        self.params.append(output_option())
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of the table, which is the order of use."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command."""
        entry = self.table.get(cmd_name)
        if entry is None:
            return None
        found: click.Command = getattr(importlib.import_module(entry.module), entry.name)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one may be meant."""
        if args and args[0] not in self.table and not args[0].startswith("-"):
            near = did_you_mean(args[0], self.table)
            raise click.UsageError(f"there is no command {args[0]}{f', {near}' if near else ''}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table, without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in self.table.items()])
