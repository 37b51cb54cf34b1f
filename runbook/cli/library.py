"""The commands of the library: list, show, new, validate, schema."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from runbook.cli.command import Command, pass_front
from runbook.cli.exit_codes import Exit
from runbook.cli.front import Front
from runbook.cli.order import FILE, Chosen, value_options
from runbook.cli.style import table
from runbook.errors import UsageError
from runbook.text import one_line

if TYPE_CHECKING:
    from runbook.session.library import Entry


@click.command("list", cls=Command)
@click.option("--for", "alert", metavar="ALERT TEXT", default="", help="Rank by the symptoms in an alert's text.")
@pass_front
def list_playbooks(front: Front, alert: str) -> None:
    """List the playbooks: local ones, your own, the built-in ones."""
    import msgspec

    from runbook.session import library

    found = library.entries(front.settings())
    if alert:
        found = library.ranked(found, alert)
    front.rows([msgspec.to_builtins(entry) for entry in found], lambda: table([_row(entry) for entry in found]))
    if not found and front.is_text:
        what = "no playbook matches" if alert else "there is no playbook"
        front.say(f"{what}; `runbook new` writes one, `runbook demo` shows one")
    _tell_degraded(front)


def _tell_degraded(front: Front) -> None:
    """Say what earlier runs have degraded and nobody has restored: it must not be forgotten."""
    from runbook.session.degraded import degradations

    for found in degradations(front.settings()):
        front.say(f"still open: {one_line(found.words, 400)}; to lead it back: {found.next}")


def _row(entry: Entry) -> list[str]:
    if entry.error:
        return [entry.id, "!", one_line(entry.error, 200)]
    notes = [f"reviewed {entry.reviewed}" if entry.reviewed else "never reviewed"] if entry.stale else []
    notes += [entry.source] if entry.source != "built-in" else []
    return [entry.id, entry.severity, f"{entry.title} ({', '.join(notes)})" if notes else entry.title]


@click.command(cls=Command)
@click.argument("playbook")
@value_options
@click.option("--explain", metavar="VAR", default="", help="Tell where the value of a parameter comes from.")
@pass_front
def show(
    front: Front,
    playbook: str,
    chosen: Chosen,
    explain: str,
) -> None:
    """Show one playbook as a readable page."""
    from runbook.cli.page import explained, page_lines, page_object, value_object
    from runbook.session import library

    page = library.show(front.settings(), chosen.order(playbook))
    if not explain:
        front.value(page_object(page), lambda: page_lines(page, front.out.style))
        return
    found = next((value for value in page.values if value.name == explain), None)
    if found is None:
        known = ", ".join(page.playbook.params) or "it has none"
        raise UsageError(f"{explain} is no parameter of {playbook}", remedy=page.trouble or f"its parameters: {known}")
    front.value(value_object(found), lambda: explained(found))


@click.command(cls=Command)
@click.argument("playbook_id", metavar="ID")
@click.option("--folder", type=FILE, default=Path("playbooks"), show_default=True, help="Where it is written.")
@pass_front
def new(front: Front, playbook_id: str, folder: Path) -> None:
    """Write a commented skeleton of a playbook; it validates as it is."""
    from runbook.session import library

    path = library.new_playbook(playbook_id, folder)
    front.value({"path": str(path)}, lambda: [one_line(str(path), 4096)])
    front.say(f"edit it, then: runbook validate {one_line(str(path), 4096)}")


@click.command(cls=Command)
@click.argument("paths", nargs=-1, type=FILE, metavar="[PATH]...")
@click.option("--trust", type=FILE, help="Trust a local playbook that shadows another one, as it is.")
@pass_front
def validate(front: Front, paths: tuple[Path, ...], trust: Path | None) -> None:
    """Tell every fault of playbooks and inventories with file:line:column; without paths, of all that are found."""
    import msgspec

    from runbook.session import library

    settings = front.settings()
    looked_at = (*paths, trust) if trust is not None else paths
    faults, files = front.working("validating", lambda: library.diagnose_all(settings, looked_at))
    front.rows([msgspec.to_builtins(fault) for fault in faults], lambda: [one_line(f.text(), 2000) for f in faults])
    errors = sum(1 for fault in faults if fault.severity == "error")
    front.say(f"{_count(files, 'file')} checked, {_count(errors, 'error')}")
    if errors:
        front.code = Exit.INVALID
    elif trust is not None:
        from runbook.config import trust as remember

        front.say(f"trusted as it is: {one_line(str(trust), 4096)} (sha256 {remember(settings, trust)[:16]})")


@click.command(cls=Command)
@pass_front
def schema(front: Front) -> None:
    """Write the JSON Schema of the playbook language, for editors."""
    from runbook.cli.front import encode
    from runbook.session import library

    front.out.raw(encode(library.schema(), indent=front.format != "ndjson"))


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
