"""Inventories of Ansible in their INI form: lines of hosts, and the sections [GROUP], [GROUP:vars], [GROUP:children].

https://docs.ansible.com/ansible/latest/collections/ansible/builtin/ini_inventory.html. Values are read as literals of
Python where they are some, else they are text, as Ansible does it.
"""

from __future__ import annotations

import re
from typing import cast

from runbook.loader.ansible import Faults, Told, Var, check_group, check_host
from runbook.loader.hostrange import MOST, expand
from runbook.model.fault import did_you_mean, shown
from runbook.model.scalar import Json

SECTION = re.compile(r"\[([^:\]\s]+)(?::(\w+))?\]\s*(?:[#;].*)?")
LITERAL = 2000
"""Characters of a value that is looked at as a literal; a longer one is text."""


def looks_like_ini(text: str) -> bool:
    """Tell whether a text that is no mapping of YAML is meant as such an inventory."""
    lines = [line.strip() for line in text.splitlines()]
    told = [line for line in lines if line and line[0] not in "#;"]
    return any(SECTION.fullmatch(line) or re.search(r"\bansible_\w+\s*=", line) for line in told) or (
        bool(told) and all(re.fullmatch(r"[A-Za-z0-9_][\w.:\[\]-]*(\s+\w+=\S*)*", line) for line in told)
    )


def read_ini(text: str, faults: Faults) -> Told:
    """Return what the lines say; what cannot be read is a fault with its line."""
    told = Told({}, {})
    told.group("all")
    section, kind = "ungrouped", "hosts"
    first: dict[str, int] = {}
    """Where a group was named that has to be declared somewhere."""
    declared = {"all", "ungrouped"}
    for number, raw in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        if line.startswith("["):
            head = SECTION.fullmatch(line)
            if head is None or (head[2] or "hosts") not in ("hosts", "vars", "children"):
                hint = "write [GROUP], [GROUP:vars] or [GROUP:children]"
                faults.add(number, 1, f"{shown(line)} begins no section", hint)
                section, kind = "", "hosts"
                continue
            section, kind = head[1], head[2] or "hosts"
            if kind == "vars":
                first.setdefault(section, number)
            else:
                declared.add(section)
            check_group(section, number, 2, faults)
            told.group(section)
            continue
        match kind:
            case "vars":
                _variable(told, section, line, number, faults)
            case "children":
                child = line.split("#")[0].strip()
                first.setdefault(child, number)
                check_group(child, number, 1, faults)
                told.group(child)
                told.group(section).children[child] = None
            case _:
                _hosts(told, section, line, number, faults)
    for name in sorted(first.keys() - declared):
        faults.add(first[name], 1, f"there is no group {name}", did_you_mean(name, declared) or f"declare [{name}]")
    return told


def _variable(told: Told, section: str, line: str, number: int, faults: Faults) -> None:
    name, equals, value = line.partition("=")
    if not equals:
        faults.add(number, 1, f"{shown(line)} is no variable", "write NAME=VALUE")
        return
    told.group(section).vars[name.strip()] = Var(_literal(value.strip()), number, 1)


def _hosts(told: Told, section: str, line: str, number: int, faults: Faults) -> None:
    import shlex

    try:
        words = shlex.split(line, comments=True)
        written, port = _with_port(words[0])
        names = expand(written)
    except (ValueError, IndexError) as error:
        faults.add(number, 1, f"{shown(line)} {_why(error)}")
        return
    values = {"ansible_port": Var(port, number, 1)} if port else {}
    for word in words[1:]:
        name, equals, value = word.partition("=")
        if not equals:
            faults.add(number, 1, f"{shown(word)} is no variable", "write NAME=VALUE, or one host in a line")
            return
        values[name] = Var(_literal(value), number, 1)
    if len(told.hosts) + len(names) > MOST:
        faults.add(number, 1, f"these are more than {MOST} hosts", "split the inventory")
        return
    for name in names:
        check_host(name, number, 1, faults)
        told.hosts.setdefault(name, {}).update(values)
        if section:
            told.group(section).hosts[name] = None


def _why(error: Exception) -> str:
    # What `shlex` says begins in capitals, what `expand` says goes on with the sentence.
    text = str(error)
    return f"cannot be read: {text[0].lower()}{text[1:]}" if text[:1].isupper() else text


def _with_port(word: str) -> tuple[str, int]:
    """Return a name and the port behind it; a colon inside of a range is none before a port."""
    found = re.fullmatch(r"(.*[^:\[\]]|.*\]):(\d{1,5})", word)
    if found is None or found[1].count("[") != found[1].count("]") or ":" in re.sub(r"\[[^\]]*\]", "", found[1]):
        return word, 0
    return found[1], int(found[2])


def _literal(text: str) -> Json:
    if len(text) > LITERAL:
        return text
    import ast

    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return text
    return cast("Json", value) if _is_json(value) else text


def _is_json(value: object) -> bool:
    match value:
        case None | bool() | str() | float():
            return True
        case int():
            return -(2**63) <= value < 2**63
        case list():
            return all(_is_json(each) for each in value)
        case dict():
            return all(isinstance(key, str) and _is_json(each) for key, each in value.items())
        case _:
            return False
