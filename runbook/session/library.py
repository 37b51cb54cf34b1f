"""The library: which playbooks there are, which one an alert asks for, and what one of them says.

A list is read at every start, and the screens are drawn before it is: so the loader, the planner, the actions and the
journal are imported by what needs them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from runbook.config import Found, Settings, find_playbook, playbook_files
from runbook.errors import InventoryError, RunbookError, UsageError
from runbook.model.host import ONCE
from runbook.model.plan import Plan
from runbook.model.playbook import Playbook
from runbook.session.order import Order
from runbook.session.result import standing

if TYPE_CHECKING:
    from runbook.events.state import RunState
    from runbook.loader import Diagnostic
    from runbook.session.review import RunSummary

STALE = timedelta(days=180)
"""After this time without a review a playbook is marked."""


class Entry(Struct, frozen=True, kw_only=True):
    """One playbook in a list."""

    id: str
    title: str = ""
    summary: str = ""
    symptoms: tuple[str, ...] = ()
    severity: str = ""
    owner: str = ""
    reviewed: str = ""
    stale: bool = False
    path: str
    source: str
    error: str = ""
    """Why it cannot be used; empty if it can."""
    score: float = 0.0
    """How well it answers an alert, from 0 to 1."""


class OpenLoop(Struct, frozen=True, kw_only=True):
    """Something that an earlier run left open."""

    run: str
    playbook: str
    status: str
    since: str
    why: str
    next: str
    """The command that goes on with it."""
    stopped: str = ""
    """When it came to a rest; empty while it runs."""
    at: str = ""
    """The step and the host where it stands, in words; empty if that cannot be told."""
    until: str = ""
    """When a degradation ends; empty if it has no end."""


class ValueSource(Struct, frozen=True, kw_only=True):
    """Where the value of a parameter comes from."""

    name: str
    type: str
    help: str
    value: str
    source: str
    required: bool
    candidates: tuple[tuple[str, str], ...]
    """All places that gave a value, low to high."""


class Page(Struct, frozen=True, kw_only=True):
    """One playbook, to be read."""

    playbook: Playbook
    path: str
    source: str
    values: tuple[ValueSource, ...]
    plan: Plan | None
    trouble: str = ""
    """Why there is no plan yet, such as a required parameter without a value."""


def entries(settings: Settings) -> tuple[Entry, ...]:
    """Return all playbooks, one per id: the one that would be used."""
    found: dict[str, Entry] = {}
    for file in playbook_files(settings):
        if file.id not in found:
            found[file.id] = _entry(settings, file)
    return tuple(found[name] for name in sorted(found))


def _entry(settings: Settings, file: Found) -> Entry:
    """Return what a list shows; cheaper than loading, so that a list of many is quick."""
    from runbook.loader import parse, read_text

    plain = Entry(id=file.id, path=str(file.path), source=file.source)
    try:
        find_playbook(settings, file.id)
        content = parse(read_text(file.path), str(file.path)).value
    except RunbookError as error:
        return replace(plain, error=str(error))
    if not isinstance(content, dict) or content.get("schema") != "runbook/v1":
        return replace(plain, error=f"{file.path}: is no playbook of the language runbook/v1")
    symptoms = content.get("symptoms")
    reviewed = str(content.get("reviewed") or "")
    return replace(
        plain,
        title=str(content.get("title") or ""),
        summary=str(content.get("summary") or ""),
        symptoms=tuple(str(s) for s in symptoms) if isinstance(symptoms, list) else (),
        severity=str(content.get("severity") or ""),
        owner=str(content.get("owner") or ""),
        reviewed=reviewed,
        stale=_is_stale(reviewed),
    )


def _is_stale(reviewed: str) -> bool:
    try:
        return datetime.now(UTC) - datetime.fromisoformat(reviewed).replace(tzinfo=UTC) > STALE
    except ValueError:
        return True


def ranked(found: Iterable[Entry], alert: str) -> tuple[Entry, ...]:
    """Return the playbooks that answer an alert, best first; those that share no word with it are left out."""
    wanted = _words(alert)
    scored = [replace(entry, score=_score(entry, wanted, alert.lower())) for entry in found]
    return tuple(sorted((e for e in scored if e.score > 0), key=lambda e: (-e.score, e.id)))


def _score(entry: Entry, wanted: set[str], alert: str) -> float:
    if not wanted:
        return 0.0
    best = 0.0
    for symptom in entry.symptoms:
        words = _words(symptom)
        if symptom.lower() in alert:
            best = 1.0
        elif words:
            best = max(best, 0.9 * len(words & wanted) / len(words))
    about = _words(f"{entry.id} {entry.title} {entry.summary}")
    return round(max(best, 0.5 * len(about & wanted) / len(wanted)), 3)


COMMON = frozenset(
    {"a", "an", "and", "are", "at", "by", "for", "from", "has", "have", "in", "is", "it", "of", "on", "or", "over"}
    | {"since", "than", "that", "the", "to", "was", "with"}
)
"""Words that say nothing about an alert."""


def _words(text: str) -> set[str]:
    return {stem(word) for word in re.findall(r"[a-z0-9]+", text.lower()) if word not in COMMON}


def stem(word: str) -> str:
    """Return the beginning of a word that its forms share, as far as matching an alert needs it."""
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def open_loops(settings: Settings) -> tuple[OpenLoop, ...]:
    """Return what earlier runs left open, newest first, and then what is still degraded."""
    from runbook.session.degraded import degradations
    from runbook.session.review import runs

    degraded = (
        OpenLoop(
            run=d.run, playbook=d.playbook, status="degraded", since=d.since, why=d.words, next=d.next, until=d.until
        )
        for d in degradations(settings)
    )
    return (*(loop for run in runs(settings) if (loop := _loop(settings, run)) is not None), *degraded)


def _loop(settings: Settings, run: RunSummary) -> OpenLoop | None:
    from runbook.session.review import state

    if run.error:
        why, command = run.error, f"runbook audit verify {run.id}"
    elif run.live:
        why, command = "runs now", f"runbook watch {run.id}"
    elif run.outcome == "succeeded" or run.handed_over or (run.outcome == "undone" and not run.pending_undo):
        return None
    elif run.outcome in ("aborted", "undone", "undo_incomplete", "failed", "partial") and run.pending_undo:
        why, command = standing(run.pending_undo), f"runbook undo {run.id}"
    elif run.outcome in ("failed", "refused", "unreachable", "partial", "aborted"):
        return None
    else:
        why, command = run.outcome.replace("_", " "), f"runbook resume {run.id}"
    return OpenLoop(
        run=run.id,
        playbook=run.playbook,
        status=run.outcome,
        since=run.started,
        why=why,
        next=command,
        stopped=run.ended,
        at="" if run.error else _stands_at(state(settings, run.id)),
    )


def _stands_at(run: RunState) -> str:
    """Return the step and the host that matter most: in doubt, failed, running, asked about, or begun last."""
    for wanted in (("in_doubt",), ("failed", "timed_out", "undo_failed", "refused", "unreachable"), ("running",)):
        for (step, target), at in run.steps.items():
            if at.status in wanted:
                return _at(step, (target,))
    # Steps of later waves are on record long before their turn: what was asked tells where it goes on.
    asked = [(question.step, question.places) for question in run.questions.values()]
    put_aside = [(made.step, tuple(made.places)) for made in run.decisions[-1:] if made.choice == "pause"]
    for step, places in reversed([*put_aside, *asked]):
        if step:
            return _at(step, places)
    begun = [step for (step, _), at in run.steps.items() if at.attempts]
    return begun[-1] if begun else ""


def _at(step: str, places: tuple[str, ...]) -> str:
    return f"{step} on {places[0]}" if len(places) == 1 and not places[0].startswith(ONCE) else step


def show(settings: Settings, order: Order) -> Page:
    """Return one playbook with its plan and the values that its parameters would get."""
    from runbook.session.prepare import prepare

    found = find_playbook(settings, order.playbook)
    try:
        prepared = prepare(settings, order)
    except (InventoryError, UsageError) as error:
        loaded = load(settings, order.playbook)
        return Page(
            playbook=loaded, path=str(found.path), source=found.source, values=(), plan=None, trouble=str(error)
        )
    playbook = prepared.playbook
    assert playbook is not None
    values = tuple(
        ValueSource(
            name=name,
            type=param.type,
            help=param.help,
            value=_shown(prepared.values.common.get(name)),
            source=prepared.values.sources.get(name, ""),
            required=param.required,
            candidates=tuple(prepared.values.candidates.get(name, [])),
        )
        for name, param in playbook.params.items()
    )
    return Page(playbook=playbook, path=str(found.path), source=found.source, values=values, plan=prepared.plan)


def load(settings: Settings, name: str) -> Playbook:
    """Return a playbook without giving values to its parameters. Raises PlaybookError, UsageError."""
    from runbook.actions import catalogue
    from runbook.loader import load_playbook
    from runbook.session.prepare import included

    found = find_playbook(settings, name)
    return load_playbook(found.path, catalogue(), lambda written, file: included(settings, written, file)).playbook


def _shown(value: object) -> str:
    return "" if value is None else value.text() if hasattr(value, "text") else str(value)


def diagnose_all(settings: Settings, paths: tuple[Path, ...]) -> tuple[tuple[Diagnostic, ...], int]:
    """Return all faults of these files (folders: of all YAML files in them), and how many files were looked at.

    Without paths, all playbooks that can be found. An inventory is told by `hosts` or `groups` in it, or by its name.
    """
    from runbook.actions import catalogue
    from runbook.loader import diagnose, diagnose_inventory
    from runbook.session.prepare import included

    files = (
        [file for path in paths for file in _yaml_files(path)]
        if paths
        else [found.path for found in playbook_files(settings)]
    )
    actions = catalogue()
    faults: list[Diagnostic] = []
    for file in files:
        if _is_inventory(file):
            faults.extend(diagnose_inventory(file))
        else:
            faults.extend(diagnose(file, actions, lambda written, said: included(settings, written, said)))
    return tuple(faults), len(files)


def _yaml_files(path: Path) -> list[Path]:
    if not path.exists():
        raise UsageError("there is no such file or folder", where=str(path))
    if not path.is_dir():
        return [path]
    return sorted(p for p in path.iterdir() if p.suffix in (".yaml", ".yml") and not p.name.startswith("."))


def _is_inventory(file: Path) -> bool:
    """Tell an inventory by its top-level keys, without reading the file as YAML a second time."""
    from runbook.loader import read_text

    try:
        text = read_text(file)
    except RunbookError:
        return False
    keys = set(re.findall(r"^([a-z_]+)[ \t]*:", text, re.MULTILINE))
    if keys & {"schema", "id", "steps"}:
        return False
    # Of the forms of Ansible, INI and JSON go by other names; a tree holds `hosts` below a group.
    return (
        file.suffix not in (".yaml", ".yml")
        or re.search(r"^[ \t]*(hosts|groups)[ \t]*:", text, re.MULTILINE) is not None
    )


def schema() -> dict[str, object]:
    """Return the JSON Schema of the playbook language, with the actions of this installation."""
    from runbook.actions import catalogue
    from runbook.loader import json_schema

    return json_schema(catalogue())


def new_playbook(playbook_id: str, folder: Path) -> Path:
    """Write a commented skeleton as `FOLDER/ID.yaml`; raises UsageError if the file is there or the id is none."""
    from runbook.loader import skeleton

    text = skeleton(playbook_id)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{playbook_id}.yaml"
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError("there is such a file already", where=str(path), remedy="choose another id") from None
    except OSError as error:
        raise UsageError(f"cannot be written: {error.strerror}", where=str(path)) from error
    return path
