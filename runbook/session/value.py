"""Values of parameters: where each comes from, by precedence, and how secrets are fetched at the moment of use.

Low to high: playbook default, inventory group, inventory host, `--vars-file`, `RUNBOOK_VAR_x`, `--set` or an answer.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from runbook import loader
from runbook.config import check_owner
from runbook.errors import ConfigError, UsageError
from runbook.loader.param import SecretRef, check_value, value_from_text
from runbook.model.host import Host, why_unreadable
from runbook.model.playbook import Param, Playbook
from runbook.model.question import Choice, NoAnswer, Question
from runbook.model.scalar import Json
from runbook.ports.approver import Approver
from runbook.ports.cancel import Cancel
from runbook.secret import Secret

PREFIX = "RUNBOOK_VAR_"


class Values(Struct, frozen=True):
    """The values of one run; secrets are references."""

    common: dict[str, Json | SecretRef]
    """For what runs once."""
    per_host: dict[str, dict[str, Json | SecretRef]]
    """Only what differs from `common`."""
    sources: dict[str, str]
    """Where the common value of each comes from, in words."""
    candidates: dict[str, list[tuple[str, str]]]
    """All places that gave a value, low to high, with the value as text."""


def resolve(
    playbook: Playbook,
    hosts: Mapping[str, Host],
    *,
    files: tuple[Path, ...] = (),
    given: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Values:
    """Return the checked values. Raises UsageError for a value that is none, or a name that is no parameter."""
    offered = offers(playbook, files=files, given=given, environment=environment)
    common: dict[str, Json | SecretRef] = {}
    per_host: dict[str, dict[str, Json | SecretRef]] = {name: {} for name in hosts}
    sources: dict[str, str] = {}
    candidates: dict[str, list[tuple[str, str]]] = {}
    for name, param in playbook.params.items():
        found = candidates[name] = []
        one = offered.resolve(name, param, hosts, found)
        common[name], sources[name] = one.value, one.source
        for host, value in one.per_host.items():
            per_host[host][name] = value
    return Values(common, {h: v for h, v in per_host.items() if v}, sources, candidates)


class Resolved(Struct, frozen=True):
    """The value of one parameter."""

    value: Json | SecretRef
    source: str
    per_host: dict[str, Json | SecretRef] = {}
    """Only what differs from `value`."""


class Offers(Struct, frozen=True):
    """What was given from outside the playbook and the inventory, checked for names but not yet for values."""

    files: Mapping[str, tuple[str, Json]]
    given: Mapping[str, str]
    environment: Mapping[str, str]

    def resolve(self, name: str, param: Param, hosts: Mapping[str, Host], found: list[tuple[str, str]]) -> Resolved:
        """Return the checked value of one parameter.

        Args:
            name: of the parameter.
            param: what it accepts.
            hosts: those of the plan; their variables stand below what was given.
            found: gets all places that gave a value, low to high, also if the value is none.

        Raises:
            UsageError: the value is none, or is lacking.
        """
        by_host = {h.name: h.vars[name] for h in hosts.values() if name in h.vars}
        try:
            high = _high(name, param, self.files, self.given, self.environment, found)
        finally:
            found.extend((f"inventory, host {host}", str(value)) for host, value in by_host.items())
        if high is not None:
            return Resolved(*high)
        for host, value in by_host.items():
            if why := why_unreadable(value):
                raise UsageError(f"{name} of {host} is {why}", remedy=f"give it with --set {name}=VALUE")
        covered = len(by_host) == len(hosts) and bool(hosts)
        if by_host and covered and len(set(map(str, by_host.values()))) == 1:
            return Resolved(check_value(name, param, next(iter(by_host.values()))), "inventory")
        own = {host: check_value(name, param, value) for host, value in by_host.items()}
        relaxed = param if not covered else _optional(param)
        return Resolved(check_value(name, relaxed, param.default), "default of the playbook", own)


def offers(
    playbook: Playbook,
    *,
    files: tuple[Path, ...] = (),
    given: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Offers:
    """Gather what was given. Raises UsageError for a name that is no parameter, ConfigError for a file that is none."""
    found = Offers(_from_files(files), given or {}, os.environ if environment is None else environment)
    for name in (*found.files, *found.given):
        if name not in playbook.params:
            raise UsageError(f"the playbook has no parameter {name}", remedy=_known(playbook))
    return found


def _optional(param: Param) -> Param:
    return replace(param, required=False)


def _high(
    name: str,
    param: Param,
    files: Mapping[str, tuple[str, Json]],
    given: Mapping[str, str],
    env: Mapping[str, str],
    found: list[tuple[str, str]],
) -> tuple[Json | SecretRef, str] | None:
    """Return the value that stands above the inventory, None if there is none."""
    best: tuple[Json | SecretRef, str] | None = None
    if param.default is not None:
        found.append(("default of the playbook", str(param.default)))
    if name in files:
        path, value = files[name]
        found.append((path, str(value)))
        best = (check_value(name, param, value), path)
    if PREFIX + name in env:
        found.append((PREFIX + name, env[PREFIX + name]))
        best = (value_from_text(name, param, env[PREFIX + name]), PREFIX + name)
    if name in given:
        if given[name] == "" and param.type not in ("string", "secret"):
            raise UsageError(f"--set {name}= gives no value", remedy=f"write --set {name}={param.type.upper()}")
        best = (value_from_text(name, param, given[name]), "--set")
        found.append(("--set", given[name]))
    return best


def _from_files(files: tuple[Path, ...]) -> dict[str, tuple[str, Json]]:
    values: dict[str, tuple[str, Json]] = {}
    for path in files:
        check_owner(path)
        content = loader.parse(loader.read_text(path), str(path)).value
        if not isinstance(content, dict):
            raise ConfigError("is no mapping of names to values", where=str(path))
        values |= {str(name): (str(path), value) for name, value in content.items()}
    return values


def _known(playbook: Playbook) -> str:
    names = ", ".join(playbook.params)
    return f"there are {names}" if names else "it has none"


def fetch_secrets(
    values: Values, approver: Approver, cancel: Cancel, environment: Mapping[str, str] | None = None
) -> dict[str, Secret]:
    """Return the secrets by name, fetched now. Raises UsageError if one cannot be had."""
    env = os.environ if environment is None else environment
    everywhere = {**values.common, **{k: v for host in values.per_host.values() for k, v in host.items()}}
    return {
        name: _fetch(name, reference, approver, cancel, env)
        for name, reference in everywhere.items()
        if isinstance(reference, SecretRef)
    }


def _fetch(name: str, reference: SecretRef, approver: Approver, cancel: Cancel, env: Mapping[str, str]) -> Secret:
    match reference.kind:
        case "env":
            if reference.name not in env:
                raise UsageError(f"the secret {name} is not there", remedy=f"export {reference.name}")
            return Secret(env[reference.name])
        case "file":
            try:
                return Secret(Path(reference.name).read_text().rstrip("\n"))
            except (OSError, UnicodeDecodeError) as error:
                raise UsageError(f"the secret {name} cannot be read from {reference.name}: {error}") from error
        case _:
            return _ask(name, approver, cancel)


def _ask(name: str, approver: Approver, cancel: Cancel) -> Secret:
    question = Question(
        id=f"secret/{name}",
        kind="secret",
        title=f"The value of {name}",
        fields={name: Param(type="secret", required=True)},
        choices=(Choice("answer", "use this value", key="a"), Choice("pause", "leave", key="p")),
        safe="pause",
    )
    answer = approver.ask(question, cancel)
    value = None if isinstance(answer, NoAnswer) else answer.values.get(name)
    if not isinstance(value, str) or not value:
        raise UsageError(
            f"the secret {name} was not given", remedy=f"give its place with --set {name}=env:NAME or file:PATH"
        )
    return Secret(value)


def revealed(values: Mapping[str, Json | SecretRef], secrets: Mapping[str, Secret]) -> dict[str, object]:
    """Return the values for templates: secrets in the place of their references."""
    return {name: secrets[name] if isinstance(value, SecretRef) else value for name, value in values.items()}


def settled(values: Values) -> dict[str, Json]:
    """Return the values that are the same everywhere and no secrets: what a condition can be judged by beforehand."""
    differing = {name for own in values.per_host.values() for name in own}
    return {n: v for n, v in values.common.items() if not isinstance(v, SecretRef) and n not in differing}


def recorded(values: Mapping[str, Json | SecretRef]) -> dict[str, Json]:
    """Return the values for the record: a secret is `{"secret": SOURCE}`."""
    return {n: {"secret": v.text()} if isinstance(v, SecretRef) else v for n, v in values.items()}


def from_record(values: Mapping[str, Json]) -> dict[str, Json | SecretRef]:
    """Return what `recorded` was given."""
    found: dict[str, Json | SecretRef] = {}
    for name, value in values.items():
        if isinstance(value, dict) and set(value) == {"secret"}:
            kind, _, rest = str(value["secret"]).partition(":")
            found[name] = SecretRef(kind, rest)
        else:
            found[name] = value
    return found
