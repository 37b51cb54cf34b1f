"""The command `completion` as the help shows it; the entry of the package answers the plain case without click."""

from __future__ import annotations

import click

from runbook.cli.command import Command, pass_front
from runbook.cli.completion import SHELLS, script
from runbook.cli.front import Front


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(SHELLS))
@pass_front
def completion(front: Front, shell: str) -> None:
    """Write the completion script of a shell.

    bash: source <(runbook completion bash) · zsh: the same · fish: runbook completion fish | source
    """
    front.out.raw(script(shell))
