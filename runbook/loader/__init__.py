"""Loading: files become the model, or every fault of them with its place.

Owns YAML, playbooks, parameters, inventories, the JSON Schema and the skeleton. Where files are looked for and
whether they are trusted belongs to the session.

A part is loaded when one of its names is asked for (PEP 562): an inventory needs nothing of playbooks, and no run
needs the schema.
"""

from importlib import import_module
from typing import TYPE_CHECKING

# At once, as the module and what it offers have one name.
from runbook.loader.skeleton import skeleton

if TYPE_CHECKING:
    from runbook.loader.diagnostic import Diagnostic, PlaybookFaults
    from runbook.loader.document import Document, decode, parse, read_text
    from runbook.loader.inventory import InventoryFaults, diagnose_inventory, load_inventory
    from runbook.loader.later import LATER, refuse_transport
    from runbook.loader.mark import Marks, Place
    from runbook.loader.param import SecretRef, check_value, secret_ref, value_from_text
    from runbook.loader.pattern import match, with_files
    from runbook.loader.playbook import Loaded, ResolveInclude, Source, beside, diagnose, load_playbook
    from runbook.loader.schema import json_schema, schema_text

__all__ = [
    "LATER",
    "Diagnostic",
    "Document",
    "InventoryFaults",
    "Loaded",
    "Marks",
    "Place",
    "PlaybookFaults",
    "ResolveInclude",
    "SecretRef",
    "Source",
    "beside",
    "check_value",
    "decode",
    "diagnose",
    "diagnose_inventory",
    "json_schema",
    "load_inventory",
    "load_playbook",
    "match",
    "parse",
    "read_text",
    "refuse_transport",
    "schema_text",
    "secret_ref",
    "skeleton",
    "value_from_text",
    "with_files",
]

_PARTS = {
    "diagnostic": ("Diagnostic", "PlaybookFaults"),
    "document": ("Document", "decode", "parse", "read_text"),
    "inventory": ("InventoryFaults", "diagnose_inventory", "load_inventory"),
    "later": ("LATER", "refuse_transport"),
    "mark": ("Marks", "Place"),
    "param": ("SecretRef", "check_value", "secret_ref", "value_from_text"),
    "pattern": ("match", "with_files"),
    "playbook": ("Loaded", "ResolveInclude", "Source", "beside", "diagnose", "load_playbook"),
    "schema": ("json_schema", "schema_text"),
}
_WHERE = {name: part for part, names in _PARTS.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    part = import_module(f"{__name__}.{_WHERE[name]}")
    found: object = getattr(part, name)
    globals()[name] = found
    return found
