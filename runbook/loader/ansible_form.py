"""By what an inventory of Ansible in YAML or JSON is told from one of our own form, before anything of it is read."""

from __future__ import annotations

from typing import Any

TAGS = frozenset({"!vault", "!vault-encrypted", "!unsafe"})
"""The tags of Ansible; the value of a vault is never looked at."""

GROUP_KEYS = frozenset({"hosts", "children", "vars"})
"""What a group may have."""

_OWN = frozenset({"hosts", "groups", "vars"})


def looks_like_tree(raw: dict[str, Any]) -> bool:
    """Tell whether a mapping is such an inventory and none of our own form."""
    if "_meta" in raw or "plugin" in raw or any(str(key).startswith("ansible_") for key in raw):
        return True
    if not raw or raw.keys() & _OWN:
        return False
    told = [value for value in raw.values() if value is not None]
    return "all" in raw or (
        all(isinstance(value, list) or (isinstance(value, dict) and set(value) <= GROUP_KEYS) for value in told)
        and any(value for value in told)
    )
