"""An order that is still being written: each value with its source or its fault, the hosts, and what would be done.

For forms. `prepare` refuses an order at its first fault; here every part tells its own, and the rest is shown all the
same. Reads files; asks no target.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from runbook.actions import catalogue
from runbook.config import Settings, find_playbook
from runbook.engine.plan import Planner
from runbook.errors import InventoryError, NoTargetError, RunbookError, UsageError
from runbook.loader import SecretRef, load_playbook, match, refuse_transport, value_from_text
from runbook.model.host import Host, Inventory
from runbook.model.plan import Plan
from runbook.model.playbook import Param, Playbook
from runbook.ports.action import Catalogue
from runbook.session.order import Order
from runbook.session.prepare import AVAILABLE, Includes, included, load_hosts
from runbook.session.value import Offers, offers


class Wrong(Struct, frozen=True):
    """What is wrong with a value, and what to write."""

    what: str
    remedy: str = ""


class Field(Struct, frozen=True, kw_only=True):
    """One parameter, and the value that it would get."""

    name: str
    param: Param
    value: str
    """As text; of a secret where it comes from, never the secret."""
    source: str
    wrong: Wrong | None = None
    per_host: tuple[tuple[str, str], ...] = ()
    """Hosts with a value of their own, by the inventory."""


class Group(Struct, frozen=True, kw_only=True):
    """One target group of the playbook."""

    name: str
    pattern: str
    hosts: tuple[str, ...]
    """All that the pattern means, before a limit."""
    wrong: Wrong | None = None


class Draft(Struct, frozen=True, kw_only=True):
    """An order as far as it is known."""

    playbook: Playbook
    path: str
    source: str
    fields: tuple[Field, ...]
    groups: tuple[Group, ...]
    plan: Plan
    """With hosts if they are known, else with the pattern of each group in the place of its hosts."""
    hosts_known: bool
    wrong: Wrong | None = None
    """What is wrong with inventory, limit or groups; empty if the hosts are known."""
    brings_undo: frozenset[str] = frozenset()
    """Actions of the plan that know their way back by themselves."""

    @property
    def is_ready(self) -> bool:
        """Whether nothing is left to fix."""
        return self.hosts_known and all(field.wrong is None for field in self.fields)


def draft(settings: Settings, order: Order) -> Draft:
    """Return an order as far as it is known.

    Raises RunbookError only if there is no such playbook, or it cannot be read.
    """
    found = find_playbook(settings, order.playbook)
    actions = catalogue()
    loaded = load_playbook(found.path, actions, lambda written, file: included(settings, written, file))
    playbook = loaded.playbook
    inventory, wrong = Inventory(), None
    try:
        inventory = load_hosts(order.inventory)
    except (RunbookError, OSError) as error:
        wrong = _wrong(error)
    plan: Plan | None = None
    if wrong is None:
        try:
            plan = Planner(actions, inventory, match, Includes(loaded)).plan(playbook, limit=order.limit)
            refuse_transport(tuple(plan.hosts.values()), AVAILABLE)
        except RunbookError as error:
            plan, wrong = None, _wrong(error)
    known = plan is not None
    outline = plan or Planner(actions, inventory, _stand_in, Includes(loaded)).plan(_anywhere(playbook))
    return Draft(
        playbook=playbook,
        path=str(found.path),
        source=found.source,
        fields=_fields(playbook, plan.hosts if plan else {}, order),
        groups=_groups(playbook, inventory, given=order.inventory is not None),
        plan=outline,
        hosts_known=known,
        wrong=wrong,
        brings_undo=_bringing(outline, actions),
    )


def _anywhere(playbook: Playbook) -> Playbook:
    """Return the playbook content with one host per group: what stands in for unknown hosts is one."""
    return replace(playbook, targets={n: replace(g, min=1, max=None) for n, g in playbook.targets.items()})


def _stand_in(_inventory: Inventory, pattern: str) -> tuple[Host, ...]:
    """Return the pattern in the place of the hosts that it does not mean yet."""
    return (Host(pattern),)


def _bringing(plan: Plan, actions: Catalogue) -> frozenset[str]:
    used = {step.uses for unit in plan.units for step in unit.steps}
    return frozenset(name for name in used if (info := actions.info(name)) is not None and info.brings_undo)


def _wrong(error: BaseException) -> Wrong:
    if isinstance(error, NoTargetError):
        remedy = error.remedy.replace("give an inventory with --inventory", "name the inventory file above")
        return Wrong(error.message, remedy)
    if isinstance(error, RunbookError):
        return Wrong(f"{error.where}: {error.message}" if error.where else error.message, error.remedy)
    return Wrong(str(error))


def _groups(playbook: Playbook, inventory: Inventory, *, given: bool) -> tuple[Group, ...]:
    found = []
    for name, group in playbook.targets.items():
        pattern = group.hosts if isinstance(group.hosts, str) else ",".join(group.hosts)
        try:
            hosts, wrong = tuple(host.name for host in match(inventory, pattern)), None
        except InventoryError as error:
            hosts, wrong = (), _wrong(error)
            if not given:
                wrong = Wrong(wrong.what, "name the inventory file above")
        found.append(Group(name=name, pattern=pattern, hosts=hosts, wrong=wrong))
    return tuple(found)


def _fields(playbook: Playbook, hosts: Mapping[str, Host], order: Order) -> tuple[Field, ...]:
    try:
        offered = offers(playbook, files=order.vars_files, given=order.values)
    except RunbookError as error:
        offered = Offers({}, {}, {})
        stray = _wrong(error)
        return tuple(
            Field(name=name, param=param, value="", source="", wrong=stray) for name, param in playbook.params.items()
        )
    return tuple(_field(name, param, hosts, offered) for name, param in playbook.params.items())


def _field(name: str, param: Param, hosts: Mapping[str, Host], offered: Offers) -> Field:
    found: list[tuple[str, str]] = []
    try:
        one = offered.resolve(name, param, hosts, found)
    except UsageError as error:
        source, given = found[-1] if found else ("", "")
        shown = "" if param.type == "secret" else given
        return Field(name=name, param=param, value=shown, source=source, wrong=wrong_of(name, error))
    value = one.value
    return Field(
        name=name,
        param=param,
        value=text_of(value),
        source=one.source if value is not None else "",
        wrong=_absent(value),
        per_host=tuple((host, text_of(own)) for host, own in one.per_host.items()),
    )


def text_of(value: object) -> str:
    """Return a checked value as it would be typed."""
    if value is None:
        return ""
    if isinstance(value, SecretRef):
        return value.text()
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


def check_text(name: str, param: Param, text: str) -> Wrong | None:
    """Return what is wrong with a typed value, None if nothing is; quick, for every key."""
    try:
        return _absent(value_from_text(name, param, text))
    except UsageError as error:
        return wrong_of(name, error)


def wrong_of(name: str, error: UsageError) -> Wrong:
    """Return what is wrong in the words of a form, where the field stands for the name."""
    if error.message == f"{name} has no value":
        return Wrong("needs a value")
    what = error.message.removeprefix(f"{name} ")
    return Wrong(what, error.remedy)


def _absent(value: object) -> Wrong | None:
    """Tell of a secret whose place is empty: it is better known before the run than in it."""
    if not isinstance(value, SecretRef):
        return None
    if value.kind == "env" and value.name not in os.environ:
        return Wrong(f"{value.name} is not set", f"export {value.name}, or write file:PATH or ask")
    if value.kind == "file" and not os.access(Path(value.name), os.R_OK):
        return Wrong(f"{value.name} cannot be read", "write env:NAME, another file:PATH, or ask")
    return None
