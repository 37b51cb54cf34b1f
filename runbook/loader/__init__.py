"""Loading: files become the model, or every fault of them with its place.

Owns YAML, playbooks, parameters, inventories, the JSON Schema and the skeleton. Where files are looked for and
whether they are trusted belongs to the session.
"""

from runbook.loader.diagnostic import Diagnostic, PlaybookFaults
from runbook.loader.document import Document, decode, parse, read_text
from runbook.loader.inventory import InventoryFaults, diagnose_inventory, load_inventory
from runbook.loader.later import LATER, refuse_transport
from runbook.loader.mark import Marks, Place
from runbook.loader.param import SecretRef, check_value, secret_ref, value_from_text
from runbook.loader.pattern import match, with_files
from runbook.loader.playbook import Loaded, ResolveInclude, Source, beside, diagnose, load_playbook
from runbook.loader.schema import json_schema, schema_text
from runbook.loader.skeleton import skeleton

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
