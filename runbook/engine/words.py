"""Words of the playbook for people: titles, guides and the way back, filled in as far as their values are known."""

from __future__ import annotations

from collections.abc import Mapping

from runbook.errors import RunbookError
from runbook.expression import is_template, render
from runbook.secret import Secret


def filled(text: str, names: Mapping[str, object]) -> str:
    """Return a text with its values; as it is written if one of them is a secret or not known yet.

    These are words and nothing is run by them, so a value that is missing must not stop anything.
    """
    if not is_template(text):
        return text
    try:
        value = render(text, names)
    except RunbookError:
        return text
    return text if value is None or isinstance(value, Secret) else str(value)
