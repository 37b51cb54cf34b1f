"""Loading a playbook: text, structure, checks, includes; one faultless value or all the faults.

Finding playbooks by id, trusting them, and giving values to their parameters belong to the session.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from msgspec import Struct

from runbook.errors import PlaybookError, UsageError
from runbook.loader.check import check
from runbook.loader.diagnostic import Diagnostic, Findings, PlaybookFaults, TooManyFaults, from_error
from runbook.loader.document import parse, read_text, sha256_of
from runbook.loader.lone import as_lone
from runbook.loader.mark import Marks
from runbook.loader.param import check_value
from runbook.loader.written import restore_text
from runbook.model.convert import convert
from runbook.model.fault import ValuePath, did_you_mean, shown
from runbook.model.playbook import Include, Playbook, Step
from runbook.ports.action import Catalogue

MAX_INCLUDES = 8
"""How deep playbooks may include each other."""


class Source(Struct, frozen=True):
    """A playbook that is no file any more, such as the copy in a journal."""

    text: str
    file: str = ""
    """What its faults call it."""


ResolveInclude: TypeAlias = Callable[[str, str], "Path | Source"]
"""Finds an included playbook by what is written and the file that says it; raises PlaybookError."""


class Loaded(Struct, frozen=True):
    """A playbook without faults, with all that is known of its file."""

    playbook: Playbook
    text: str
    sha256: str
    """Of the text, which is that of the file."""
    marks: Marks
    path: str
    """The file; empty if there is none."""
    includes: dict[str, Loaded] = {}
    """The included playbooks, by what is written."""


def beside(written: str, file: str) -> Path:
    """Return the file of an include: a path from the folder of the including file, or ID.yaml in it."""
    folder = Path(file).parent
    is_path = "/" in written or written.endswith((".yaml", ".yml"))
    return folder / (written if is_path else f"{written}.yaml")


def load_playbook(
    source: Path | Source | str, catalogue: Catalogue, resolve_include: ResolveInclude = beside
) -> Loaded:
    """Return the playbook in a file or a text (`str` is text); raises PlaybookFaults with all that is wrong."""
    loaded, found = _Load(catalogue, resolve_include).load(source, ())
    if loaded is None or found:
        raise PlaybookFaults(tuple(found))
    return loaded


def diagnose(
    source: Path | Source | str, catalogue: Catalogue, resolve_include: ResolveInclude = beside
) -> list[Diagnostic]:
    """Return all faults of a playbook and of what it includes, in the order of files and lines; never raises them."""
    _, found = _Load(catalogue, resolve_include, only_check=True).load(source, ())
    return sorted(set(found))


class _Load:
    """One load, with everything that is included on the way."""

    def __init__(self, catalogue: Catalogue, resolve_include: ResolveInclude, *, only_check: bool = False) -> None:
        self._catalogue = catalogue
        self._only_check = only_check
        self._resolve = resolve_include

    def load(self, source: Path | Source | str, above: tuple[str, ...]) -> tuple[Loaded | None, list[Diagnostic]]:
        """Return the playbook, None if it has faults, and the faults; `above` are the files that include it."""
        file = source.file if isinstance(source, Source) else str(source) if isinstance(source, Path) else ""
        try:
            if isinstance(source, Path):
                text = read_text(source)
            else:
                text = source.text if isinstance(source, Source) else source
            document = parse(text, file)
        except PlaybookError as error:
            return None, [from_error(error, file)]
        findings = Findings(file, document.marks)
        raw = document.value
        if not isinstance(raw, dict):
            what = "the file is empty" if raw is None else f"a playbook is a mapping, this is {shown(raw)}"
            findings.add((), what, "", "begin with schema: runbook/v1; runbook new writes a skeleton")
            return None, findings.found
        restore_text(raw, document.marks, self._catalogue)
        playbook, faults = convert(raw, Playbook, text_of=document.marks.text_of)
        stem = source.stem if isinstance(source, Path) else ""
        includes: dict[str, Loaded] = {}
        inner: list[Diagnostic] = []
        try:
            for fault in as_lone(raw, faults):
                findings.add_fault(fault)
            check(playbook, raw, findings, self._catalogue, stem)
            includes, inner = self._includes(playbook, findings, file, above)
        except TooManyFaults:
            findings.close()
        found = sorted(set(findings.found)) + inner
        if found:
            return None, found
        digest = "" if self._only_check else sha256_of(text)
        return Loaded(playbook, text, digest, document.marks, file, includes), found

    def _includes(
        self, playbook: Playbook, findings: Findings, file: str, above: tuple[str, ...]
    ) -> tuple[dict[str, Loaded], list[Diagnostic]]:
        includes: dict[str, Loaded] = {}
        inner: list[Diagnostic] = []
        for path, step in _including(playbook):
            written = step.playbook.id if isinstance(step.playbook, Include) else step.playbook or ""
            at: ValuePath = (*path, "playbook")
            if not written or findings.is_broken(at):
                continue
            if written not in includes:
                loaded, found = self._include(written, at, findings, file, above)
                inner.extend(found)
                if loaded is None:
                    continue
                includes[written] = loaded
            given = step.playbook.params if isinstance(step.playbook, Include) else {}
            _check_given((*at, "params"), at, given, includes[written].playbook, playbook, findings)
        return includes, inner

    def _include(
        self, written: str, at: ValuePath, findings: Findings, file: str, above: tuple[str, ...]
    ) -> tuple[Loaded | None, list[Diagnostic]]:
        try:
            source = self._resolve(written, file)
            is_there = not isinstance(source, Path) or source.exists()
            name = str(source.resolve()) if isinstance(source, Path) else source.file or written
        except PlaybookError as error:
            findings.add(at, error.message, "", error.remedy)
            return None, []
        except (OSError, ValueError, RuntimeError) as error:
            # A name that no file can have, or a circle of links.
            findings.add(at, f"{shown(written)} cannot be a playbook: {shown(str(error))}")
            return None, []
        own = str(Path(file).resolve()) if file else ""
        if name == own or name in above:
            findings.add(at, f"{written} includes itself", "", "a playbook cannot be a part of itself")
            return None, []
        if len(above) >= MAX_INCLUDES:
            findings.add(at, f"more than {MAX_INCLUDES} playbooks include each other", "", "put less into each other")
            return None, []
        if not is_there:
            findings.add(
                at,
                f"there is no playbook {shown(written)}",
                f"the file {source}",
                "a path, or the id of one beside this",
            )
            return None, []
        return self.load(source, (*above, own))


def _including(playbook: Playbook) -> list[tuple[ValuePath, Step]]:
    """Return the steps that include something; those inside of stages are refused by the checks."""
    steps = [(("steps", at), item) for at, item in enumerate(playbook.steps) if isinstance(item, Step)]
    return [(path, step) for path, step in steps if step.playbook is not None]


def _check_given(
    path: ValuePath, step: ValuePath, given: dict[str, Any], included: Playbook, outer: Playbook, findings: Findings
) -> None:
    """Check the values that an include gives to the parameters of the included playbook."""
    from runbook.loader.check_name import NameCheck

    names = NameCheck(findings, outer.params, ())
    for name, value in given.items():
        param = included.params.get(name)
        if param is None:
            hint = did_you_mean(name, included.params)
            findings.add((*path, name), f"{included.id} has no parameter {name}", "", hint, at_key=True)
            continue
        if isinstance(value, str) and "{{" in value:
            names.template(
                (*path, name),
                value,
                params_only=True,
                secrets=param.type == "secret",
                place="a parameter of an include",
            )
            continue
        written = findings.marks.text_of((*path, name)) if isinstance(value, int | float) else None
        try:
            check_value(name, param, written if written is not None and param.type == "string" else value)
        except UsageError as error:
            findings.add((*path, name), error.message, "", error.remedy)
    for name, param in included.params.items():
        if param.required and name not in given:
            findings.add(step, f"{included.id} needs a value for {name}", f"params: {{{name}: …}}")
