"""Names: how they are spelt in messages, what was probably meant, which of them are known.

Owns no values; looking a name up belongs to the walk.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from runbook.expression.node import Path

# Patterns are compiled when they are first used: that costs more than importing the module.
_PLAIN = r"(?a:[A-Za-z_]\w*)"
_STEP = r"(?a:[A-Za-z_]\w*(?:-\w+)*)"


def spell(path: Path) -> str:
    """Return a name as it is written in a playbook: `steps.drop-cache.changed`, `params['my-file']`."""
    text = path[0]
    for depth, part in enumerate(path[1:], start=1):
        form = _STEP if path[0] == "steps" and depth == 1 else _PLAIN
        text += f".{part[:64]}" if re.fullmatch(form, part) else f"[{part[:64]!r}]"
    return text


def closest(name: str, candidates: Iterable[str]) -> str:
    """Return the candidate that was probably meant, or an empty text."""
    import difflib  # 20 ms, and only a mistake needs it

    known = [candidate for candidate, _ in zip(candidates, range(1000), strict=False) if len(candidate) <= 64]
    return next(iter(difflib.get_close_matches(name[:64], known, n=1)), "")


def did_you_mean(name: str, candidates: Iterable[str], prefix: Path = ()) -> str:
    """Return a suggestion in words, or an empty text; `prefix` is the part of the name that was right."""
    meant = closest(name, candidates)
    return f"did you mean {spell((*prefix, meant))}?" if meant else ""


def check_names(used: Iterable[Path], known: Mapping[str, object]) -> list[str]:
    """Return one message for each name that is not known, sorted by name.

    Args:
        used: names as `Expression.names` and `names_of` tell them.
        known: a mapping says which parts there are, a set says the same of parts with anything below them,
            any other value accepts whatever follows.
    """
    messages = []
    for path in sorted(set(used)):
        here: object = known
        for depth, part in enumerate(path):
            if not isinstance(here, Mapping | AbstractSet):
                break
            if part not in here:
                names = [str(name) for name in here]
                hint = did_you_mean(part, names, path[:depth]) or _there_are(names)
                messages.append(f"unknown name {spell(path[: depth + 1])}" + (f"; {hint}" if hint else ""))
                break
            here = here[part] if isinstance(here, Mapping) else None
    return messages


def _there_are(names: list[str]) -> str:
    return f"known here: {', '.join(sorted(names))}" if 0 < len(names) <= 12 else ""
