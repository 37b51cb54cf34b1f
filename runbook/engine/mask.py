"""Masking of facts: declared secrets leave every text of them, and the output of a step what the step hides.

Names by which facts find each other (steps, targets, operations, digests, words of closed sets) stay as they are:
a secret that reads like one of them would break the record, not hide in it.
"""

from __future__ import annotations

from typing import Any, TypeVar

from msgspec.structs import fields, replace

from runbook.events import fact as f
from runbook.model.playbook import Step
from runbook.model.question import Question
from runbook.secret import Masker

Known = TypeVar("Known", bound=f.Base)

_SECRETS = {
    "words", "commands", "diff", "notes", "undo", "arguments", "before", "intent", "receipt", "evidence", "values",
    "result", "error", "reason", "text", "why", "playbook", "params", "host_params", "options", "actor",
}  # fmt: skip
_OUTPUT = {"evidence", "values", "result", "error"}


def mask_fact(masker: Masker, fact: f.Fact) -> f.Fact:
    """Return the fact without any declared secret."""
    if not masker:
        return fact
    if isinstance(fact, f.QuestionAsked):
        return replace(fact, question=_mask_question(masker, fact.question))
    # The reason of a skip is a word of a closed set; a text of that name stands beside it.
    closed = {"why"} if isinstance(fact, f.StepSkipped) else set()
    return _masked(masker, fact, _SECRETS - closed)


def kept(step: Step, masker: Masker, fact: f.Fact) -> f.Fact:
    """Return a fact of a step without what the step says of its output: `sensitive` and `redact`."""
    if not isinstance(fact, (f.StepFinished, f.VerifyFinished, f.UndoFinished)):
        return fact
    if step.redact:
        fact = _masked(masker, fact, _OUTPUT)
    if not step.sensitive:
        return fact
    if isinstance(fact, f.StepFinished):
        error = f"{fact.status.replace('_', ' ')}; the output is not kept" if fact.error else ""
        return replace(fact, error=error, evidence=[], result={})
    return replace(fact, evidence=[])


def _masked(masker: Masker, fact: Known, names: set[str]) -> Known:
    changed: dict[str, Any] = {
        field.name: masker.mask_tree(value)
        for field in fields(fact)
        if field.name in names and isinstance(value := getattr(fact, field.name), (str, list, dict)) and value
    }
    return replace(fact, **changed) if changed else fact


def _mask_question(masker: Masker, question: Question) -> Question:
    previews = tuple(
        replace(
            preview,
            words=masker.mask(preview.words),
            commands=tuple(masker.mask(line) for line in preview.commands),
            diff=masker.mask(preview.diff),
            notes=tuple(masker.mask(line) for line in preview.notes),
        )
        for preview in question.previews
    )
    return replace(
        question,
        title=masker.mask(question.title),
        body=masker.mask(question.body),
        evidence=tuple(masker.mask(line) for line in question.evidence),
        previews=previews,
    )
