"""Checks of declared parameters and of the fields of forms."""

from __future__ import annotations

from typing import Any

from runbook.errors import UsageError
from runbook.loader.diagnostic import Findings
from runbook.loader.param import check_value, matches_whole, secret_ref
from runbook.model.fault import ValuePath, one_of
from runbook.model.playbook import Param

_MEASURED = frozenset({"int", "float", "duration", "size"})
_TEXTS = frozenset({"string", "choice", "path", "unit", "host", "git_ref", "url"})


def check_params(findings: Findings, path: ValuePath, params: dict[str, Param], raw: dict[str, Any]) -> None:
    """Check all parameters of a playbook, or all fields of a form, below a path."""
    for name, param in params.items():
        at = (*path, name)
        written = raw.get(name)
        if isinstance(written, dict):
            _check(findings, at, name, param, written)


def _check(findings: Findings, at: ValuePath, name: str, param: Param, raw: dict[str, Any]) -> None:
    for key, kinds in (("min", _MEASURED), ("max", _MEASURED), ("pattern", _TEXTS), ("dash", _TEXTS)):
        if key in raw and param.type not in kinds:
            findings.add((*at, key), f"{key} does not go with type {param.type}", one_of(sorted(kinds)), at_key=True)
    if param.min is not None and param.max is not None and param.min > param.max:
        findings.add((*at, "min"), "min is larger than max")
    if "choices" in raw and param.type != "choice":
        findings.add((*at, "choices"), f"choices do not go with type {param.type}", "type: choice", at_key=True)
    if param.type == "choice" and not param.choices and not findings.is_broken(at):
        findings.add(at, "a choice needs choices", "", "write choices: [a, b]")
    if param.pattern and not _good_pattern(findings, (*at, "pattern"), param.pattern):
        return
    _check_secret(findings, at, name, param, raw)
    if "default" not in raw or findings.is_broken(at) or param.type == "secret":
        return
    if param.required:
        findings.add((*at, "required"), "a required parameter has no default", "", "remove one of them", at_key=True)
    if param.default is None:
        return
    if isinstance(param.default, str) and "{{" in param.default:
        findings.add((*at, "default"), "a default takes no templates", "", "write the value itself")
        return
    try:
        check_value(name, param, param.default)
    except UsageError as error:
        findings.add((*at, "default"), f"the default of {error.message}", "", error.remedy)


def _check_secret(findings: Findings, at: ValuePath, name: str, param: Param, raw: dict[str, Any]) -> None:
    if param.type != "secret":
        if "from" in raw:
            findings.add((*at, "from"), "from goes with type: secret", at_key=True)
        return
    if "default" in raw:
        findings.add(
            (*at, "default"), "a secret has no default", "", "write from: env:NAME, file:PATH or ask", at_key=True
        )
    try:
        secret_ref(name, param.from_)
    except UsageError:
        findings.add((*at, "from"), f"the source of {name} is not known", "env:NAME, file:PATH or ask")


def _good_pattern(findings: Findings, at: ValuePath, pattern: str) -> bool:
    try:
        matches_whole(pattern, "")
    except UsageError as error:
        findings.add(at, error.message, "", error.remedy)
        return False
    return True
