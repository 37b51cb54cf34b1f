"""Words of one playbook for the completion of a shell: names of parameters, and steps that need an approval.

Unlike the lists in `completion` these need the playbook to be read. Whatever cannot be read offers nothing: a prompt
is no place for an error.
"""

from __future__ import annotations

from collections.abc import Iterator

from runbook.errors import RunbookError


def words_of(kind: str, name: str) -> list[str]:
    """Return the `params` (as `NAME=`) or the `gates` of a playbook, or of the one that a run has on record."""
    try:
        return sorted(set(_params(name) if kind == "params" else _gates(name)))
    except (RunbookError, OSError):
        return []


def _params(name: str) -> Iterator[str]:
    from runbook.config import settings
    from runbook.session import library, review

    here = settings()
    if _is_run(name):
        opened = review.state(here, review.find(here, name)).opened
        yield from (f"{param}=" for param in (opened.params if opened is not None else ()))
    else:
        yield from (f"{param}=" for param in library.load(here, name).params)


def _gates(name: str) -> Iterator[str]:
    from runbook.config import settings
    from runbook.model.playbook import Stage
    from runbook.session import library, review
    from runbook.session.prepare import from_snapshot

    here = settings()
    if _is_run(name):
        opened = review.state(here, review.find(here, name)).opened
        units = from_snapshot(opened).plan.units if opened is not None else ()
        yield from (unit.id for unit in units if unit.approve != "none")
        return
    for step in library.load(here, name).steps:
        if step.approve != "none":
            yield step.stage if isinstance(step, Stage) else step.id


def _is_run(name: str) -> bool:
    # The length of a ULID; ids of playbooks begin with a letter, those of runs of this century with a digit.
    return len(name) == 26 and name[0].isdigit() and name.isalnum()
