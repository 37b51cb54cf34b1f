"""Filling in an order: what was typed over what was found, what is left to fix, and the words beside each field.

Holds what an operator typed until the run begins, also while other screens are shown. No terminal here.
"""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from runbook.model.host import LOCAL
from runbook.session.draft import Draft, Field, Wrong, check_text
from runbook.session.order import Order
from runbook.text import counted, one_line
from runbook.tui.presenter.words import Row, muted, plain, said

INVENTORY = "inventory"
LIMIT = "limit"
TARGETS = (INVENTORY, LIMIT)
"""Fields that are no parameters; their ids stand apart from those by a colon."""

EMPTY_TYPES = ("string",)
"""Types of which nothing is a value too."""


class Filling:
    """One order while it is filled in."""

    def __init__(self, order: Order) -> None:
        self.base = order
        """As it came: by a command line, or empty but for the playbook."""
        self.draft: Draft | None = None
        self.typed: dict[str, str] = dict(order.values)
        self.inventory = str(order.inventory or "")
        self.limit = order.limit

    def fields(self) -> tuple[Field, ...]:
        """Return the parameters: those that have to be given first."""
        if self.draft is None:
            return ()
        return tuple(sorted(self.draft.fields, key=lambda field: not _is_asked_for(field)))

    def field(self, name: str) -> Field:
        """Return a parameter; raises KeyError."""
        for field in self.draft.fields if self.draft is not None else ():
            if field.name == name:
                return field
        raise KeyError(name)

    def text(self, name: str) -> str:
        """Return what stands in a field."""
        return self.typed[name] if name in self.typed else self.field(name).value

    def stands(self, name: str) -> str | None:
        """Return what stands in a field or, with a colon, in one of the targets; None while nothing is known."""
        if name.startswith(":"):
            return self.inventory if name == f":{INVENTORY}" else self.limit
        return self.text(name) if self.draft is not None else None

    def type(self, name: str, text: str) -> None:
        """Take what was typed; what was found already needs not be said again."""
        field = self.field(name)
        if text == field.value or (text == "" and field.param.type not in EMPTY_TYPES):
            self.typed.pop(name, None)
        else:
            self.typed[name] = text

    def wrong(self, name: str) -> Wrong | None:
        """Return what is wrong with a field."""
        field = self.field(name)
        if name in self.typed:
            return check_text(name, field.param, self.typed[name])
        return field.wrong

    def to_fix(self) -> tuple[str, ...]:
        """Return the fields that keep the run from beginning, in the order of the form."""
        if self.draft is None:
            return ()
        wrong = [field.name for field in self.fields() if self.wrong(field.name) is not None]
        if self.draft.wrong is not None:
            wrong.append(f":{LIMIT}" if self.limit and self._is_limit_wrong else f":{INVENTORY}")
        return tuple(wrong)

    @property
    def identity(self) -> str:
        """Return what a playbook is called by, and how grave its incidents are."""
        if self.draft is None:
            return ""
        found = self.draft.playbook
        return " · ".join(part for part in (one_line(found.id, 40), one_line(found.severity or "", 20)) if part)

    @property
    def _is_limit_wrong(self) -> bool:
        return self.draft is not None and all(group.wrong is None for group in self.draft.groups) and bool(self.limit)

    def order(self) -> Order:
        """Return the order as it is filled in."""
        return replace(self.asked(), values=dict(self.typed), guided=True)

    def asked(self) -> Order:
        """Return the order without what was typed into parameters: what their values are without it."""
        return replace(
            self.base,
            values={},
            inventory=Path(self.inventory.strip()).expanduser() if self.inventory.strip() else None,
            limit=self.limit.strip(),
        )

    @property
    def is_ready(self) -> bool:
        """Whether the run could begin."""
        return self.draft is not None and not self.to_fix()

    def hosts(self) -> tuple[tuple[str, bool], ...]:
        """Return all hosts that the playbook could run on, and whether each is in."""
        if self.draft is None:
            return ()
        named = dict.fromkeys(host for group in self.draft.groups for host in group.hosts)
        if not self.draft.groups:
            named = {LOCAL: None}
        chosen = self.draft.plan.hosts if self.draft.hosts_known else {}
        return tuple((host, host in chosen) for host in named)

    def toggle(self, host: str) -> None:
        """Take a host out of the limit, or into it again."""
        chosen = [name for name, is_in in self.hosts() if is_in != (name == host)]
        everything = [name for name, _ in self.hosts()]
        if chosen:
            self.limit = "" if chosen == everything else ",".join(chosen)


def _is_asked_for(field: Field) -> bool:
    return field.param.required and field.param.default is None


def is_reference(text: str) -> bool:
    """Tell whether what stands in the field of a secret says where it is, and may be read by all who look."""
    return text == "ask" or text.startswith(("env:", "file:"))


_SOURCES = {"default of the playbook": "default", "--set": "yours"}


def verdict(field: Field, typed: bool, wrong: Wrong | None) -> Row:
    """Return the words right of a field: good or not, and where the value comes from."""
    if wrong is not None:
        return (said("waiting" if wrong.what == "needs a value" else "failed", _short(wrong.what)),)
    if typed:
        return (said("succeeded", "yours"),)
    if field.param.type == "secret" and field.value:
        kind, _, name = field.value.partition(":")
        if kind == "ask":
            return (said("waiting", "asked at start"),)
        return (said("succeeded", "set"), muted(f" {kind} {one_line(name, 40)}"))
    if field.per_host:
        return (said("succeeded", "inventory"), muted(f" {counted(len(field.per_host), 'host')}"))
    if not field.value:
        return (said("pending", "not set"),)
    source = _SOURCES.get(field.source, field.source)
    return (said("succeeded", one_line(source.rpartition("/")[2], 24)),)


_SHORT = (
    ("is none", "not known"),
    ("is not set", "not set"),
    ("cannot be read", "not readable"),
    ("needs a value", "needs a value"),
    ("is empty", "empty"),
)


def _short(what: str) -> str:
    return next((short for start, short in _SHORT if start in what), "to fix")


def message(field: Field, wrong: Wrong | None) -> Row:
    """Return the words below a field: what is wrong and what to write, else what the value is for."""
    about = one_line(field.param.help, 300)
    if wrong is None:
        return (muted(about),) if about else ()
    if wrong.what == "needs a value":
        return (plain(f"{about or _kind(field)}. "), muted("It has no value yet."))
    return fault(wrong)


def fault(wrong: Wrong) -> Row:
    """Return what is wrong and what to write; the examples stand out."""
    remedy = wrong.remedy
    if " what? Write " in remedy:
        asked, _, example = remedy.partition(" Write ")
        first, _, other = example.rstrip(".").partition(" or ")
        return (
            (f"{one_line(asked, 120)} Write ", "$bad"),
            (first, "bold $bad"),
            (" or ", "$bad"),
            (other, "bold $bad"),
            (".", "$bad"),
        )
    what = one_line(wrong.what, 300)
    head = what[:1].upper() + what[1:]
    return ((f"{head}{f': {one_line(remedy, 300)}' if remedy else ''}.", "$bad"),)


def _kind(field: Field) -> str:
    return {"git_ref": "A tag, a branch or a commit", "url": "An address"}.get(
        field.param.type, f"A {field.param.type}"
    )


def now_words(filling: Filling, warnings: int, refused: tuple[str, ...] = ()) -> tuple[str, str, str]:
    """Return status and word of the now line, and what has to be done next; `refused` are steps by the rehearsal."""
    if filling.draft is None:
        return "pending", "reading", ""
    left = len(filling.to_fix())
    read = f", {counted(warnings, 'warning')} to read" if warnings else ""
    if left:
        return "waiting", "not ready yet", f"{counted(left, 'value')} to fix{read}."
    if refused:
        more = f" and {counted(len(refused) - 1, 'more step')}" if len(refused) > 1 else ""
        return "refused", "not ready", f"The rehearsal refused {one_line(refused[0], 40)}{more}."
    return "succeeded", "ready", f"All values are good{read}."


def headline(filling: Filling) -> str:
    """Return hosts and steps in numbers."""
    draft = filling.draft
    if draft is None:
        return ""
    steps = sum(len(unit.steps) for unit in draft.plan.units)
    hosts = counted(len(draft.plan.hosts), "host") if draft.hosts_known else "no host yet"
    return f"{hosts} · {counted(steps, 'step')}"
