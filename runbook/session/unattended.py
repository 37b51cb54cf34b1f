"""Nobody at the keyboard: answers come from the command line and a file, and what is missing is told beforehand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import Struct

from runbook import loader
from runbook.config import check_owner
from runbook.engine.question import confirmation
from runbook.engine.words import filled
from runbook.errors import ConfigError, UsageError
from runbook.events.fact import DecisionMade
from runbook.model.plan import Plan, PlannedStep
from runbook.model.playbook import Param
from runbook.model.question import Answer, Choice, NoAnswer, Question, QuestionKind
from runbook.model.scalar import Json
from runbook.ports.cancel import Cancel
from runbook.session.reach import reachable


class Missing(Struct, frozen=True):
    """Something that a person would have to say before an unattended run may start."""

    step: str
    what: str
    """approval, confirmation, manual, answer or decision."""
    words: str
    remedy: str


def load_answers(path: Path) -> dict[str, Json]:
    """Return an answers file: step to `done`, an option, a mapping of fields, or `{confirm: "TARGET COUNT"}`.

    Raises PlaybookError, ConfigError if it is none or others may write it.
    """
    check_owner(path)
    content = loader.parse(loader.read_text(path), str(path)).value
    if not isinstance(content, dict):
        raise ConfigError("is no mapping of steps to answers", where=str(path))
    return {str(key): value for key, value in content.items()}


class Unattended:
    """The approver that only knows what was given beforehand; it never waits."""

    def __init__(self, approvals: Iterable[str] = (), answers: Mapping[str, Json] | None = None) -> None:
        self._approvals = frozenset(approvals)
        self._answers = dict(answers or {})

    @property
    def answers(self) -> dict[str, Json]:
        """What was given for steps."""
        return dict(self._answers)

    def knows_also(self, approvals: Iterable[str], answers: Mapping[str, Json]) -> Unattended:
        """Return an approver that knows these too; what this one was given itself stands above them."""
        return Unattended((*self._approvals, *approvals), {**answers, **self._answers})

    def check(self, plan: Plan) -> None:
        """Refuse what was given for nothing, or in a form that no question takes. Raises UsageError."""
        gates = _gates(plan)
        for name in sorted(self._approvals - gates):
            raise UsageError(f"--approve {name}: nothing of that name needs an approval", remedy=_known(gates))
        asking = {step.id: step for unit in plan.units for step in unit.steps if _wanted(step)}
        for name, given in self._answers.items():
            if name not in asking:
                raise UsageError(f"there is an answer for {name}, which asks nothing", remedy=_known(asking))
            if not _fits(asking[name], given):
                raise UsageError(
                    f"the answer for {name} is none that it takes", remedy=f"write {name}: {_wanted(asking[name])}"
                )

    def ask(self, question: Question, cancel: Cancel) -> Answer | NoAnswer:
        """Return what was given for this question, or nothing."""
        given = self._answers.get(question.step)
        match question.kind:
            case "approve" if question.step in self._approvals:
                return Answer(choice="approve", source="command-line")
            case "confirm" if isinstance(given, dict) and "confirm" in given:
                return Answer(choice="confirm", values={"typed": given["confirm"]}, source="answers")
            case "manual" if given == "done":
                return Answer(choice="done", source="answers")
            case "form" if isinstance(given, dict):
                return Answer(choice="answer", values=_typed(question, given), source="answers")
            case "choose" if isinstance(given, str) and any(c.id == given for c in question.choices):
                return Answer(choice=given, source="answers")
            case _:
                return NoAnswer("nobody is there to ask")

    def missing(self, plan: Plan, params: Mapping[str, object] | None = None) -> tuple[Missing, ...]:
        """Return every gate, question and manual step on a reachable path that lacks its answer.

        What a condition over `params` alone rules out is not reachable, nor what lies beside the way of a decision
        whose answer is known.
        """
        known = params or {}
        within = reachable(plan, known, self._answers)
        found: list[Missing] = []
        for unit in plan.units:
            steps = [step for step in unit.steps if step.id in within]
            if unit.approve != "none" and any(step.kind == "action" for step in steps):
                name = unit.id if unit.is_stage else unit.steps[0].id
                if name not in self._approvals:
                    title = filled(unit.title, _names(unit.steps[0], known))
                    found.append(Missing(name, "approval", title, f"--approve {name}"))
            found.extend(lacking for step in steps if (lacking := self._lacks(step, known)) is not None)
        return tuple(found)

    def _lacks(self, step: PlannedStep, params: Mapping[str, object]) -> Missing | None:
        given = self._answers.get(step.id)
        title = filled(step.source.title, _names(step, params)) or step.id
        if step.kind == "manual" and given != "done":
            return Missing(step.id, "manual", title, f"{step.id}: done")
        if step.kind == "choose" and step.source.choose is not None:
            words = [option.id for option in step.source.choose.options]
            if given not in words:
                question = filled(step.source.choose.question, _names(step, params))
                return Missing(step.id, "decision", question, f"{step.id}: {' | '.join(words)}")
        if step.kind == "ask" and step.source.ask is not None:
            fields = given if isinstance(given, dict) else {}
            open_fields = [n for n, p in step.source.ask.items() if p.required and n not in fields]
            if given is None or open_fields:
                wanted = ", ".join(open_fields or step.source.ask)
                return Missing(step.id, "answer", title, f"{step.id}: {{{wanted}: …}}")
        if step.effect == "destructive" and not (isinstance(given, dict) and "confirm" in given):
            return Missing(step.id, "confirmation", title, f'{step.id}: {{confirm: "{confirmation(step)}"}}')
        return None


def _gates(plan: Plan) -> frozenset[str]:
    """Return the names of all that needs an approval."""
    units = (u for u in plan.units if u.approve != "none" and any(step.kind == "action" for step in u.steps))
    return frozenset(unit.id if unit.is_stage else unit.steps[0].id for unit in units)


def _known(names: Iterable[str]) -> str:
    shown = ", ".join(names)
    return f"there are {shown}" if shown else "there is none here"


def _wanted(step: PlannedStep) -> str:
    """Return how an answer for a step is written; nothing for one that asks nothing."""
    source = step.source
    if step.kind == "manual":
        return "done"
    if source.choose is not None:
        return " | ".join(option.id for option in source.choose.options)
    if source.ask is not None:
        return f"{{{', '.join(f'{name}: {param.type}' for name, param in source.ask.items())}}}"
    return f'{{confirm: "{confirmation(step)}"}}' if step.effect == "destructive" else ""


def _fits(step: PlannedStep, given: Json) -> bool:
    source = step.source
    if step.kind == "manual":
        return given == "done"
    if source.choose is not None:
        return given in [option.id for option in source.choose.options]
    if source.ask is not None:
        return isinstance(given, dict) and all(_fits_field(source.ask, name, value) for name, value in given.items())
    return given == {"confirm": confirmation(step)}


def _fits_field(fields: Mapping[str, Param], name: str, value: Json) -> bool:
    param = fields.get(name)
    if param is None:
        return False
    try:
        loader.value_from_text(name, param, value) if isinstance(value, str) else loader.check_value(name, param, value)
    except UsageError:
        return False
    return True


def _names(step: PlannedStep, params: Mapping[str, object]) -> Mapping[str, object]:
    """Return the names that words see beforehand; those of an include have parameters of their own."""
    return {} if step.scope else {"params": params}


def _typed(question: Question, given: dict[str, Json]) -> dict[str, Json]:
    values: dict[str, Json] = {}
    for name, param in question.fields.items():
        value = given.get(name, param.default)
        checked = loader.value_from_text(name, param, value) if isinstance(value, str) else value
        values[name] = checked if isinstance(checked, (str, int, float, bool, type(None), list, dict)) else None
    return values


GIVEN = "given/"
"""Begins the id of a question that was answered before it was asked."""


def gate(plan: Plan, missing: Missing) -> Question:
    """Return the question that is missing an answer, so that it can be answered before it is asked."""
    choices: tuple[Choice, ...]
    kind: QuestionKind
    match missing.what:
        case "approval":
            kind, choices = "approve", (Choice("approve", "approve"),)
        case "manual":
            kind, choices = "manual", (Choice("done", "done"),)
        case "confirmation":
            kind, choices = "confirm", (Choice("confirm", "run it"),)
        case "decision":
            source = plan.step(missing.step).source.choose
            options = source.options if source is not None else ()
            kind, choices = "choose", tuple(Choice(o.id, o.title) for o in options)
        case _:
            kind, choices = "form", (Choice("answer", "go on with these values"),)
    return Question(id=GIVEN + missing.step, kind=kind, title=missing.words, step=missing.step, choices=choices)


def given_before(decisions: Iterable[DecisionMade]) -> tuple[tuple[str, ...], dict[str, Json]]:
    """Return the approvals and answers that were given before their questions were asked."""
    approvals: list[str] = []
    answers: dict[str, Json] = {}
    for made in decisions:
        if not made.question.startswith(GIVEN):
            continue
        match made.kind:
            case "approve":
                approvals.append(made.step)
            case "confirm":
                answers[made.step] = {"confirm": made.values.get("typed", "")}
            case "form":
                answers[made.step] = dict(made.values)
            case _:
                answers[made.step] = made.choice
    return tuple(approvals), answers
