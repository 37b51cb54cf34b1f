"""How the report words what people did: the decision, what it was about, and why. Plain text, not yet quoted. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from runbook.events import fact as f
from runbook.model.scalar import Json
from runbook.report.story import Told
from runbook.report.word import at, places, value_text, words

_SOURCE = {
    "operator": "",
    "command-line": "beforehand, on the command line",
    "answers": "beforehand, in the answers file",
    "policy": "by policy",
    "inbox": "from outside the run",
    "peer": "as second person",
}

_DEVIATES = {
    ("failure", "edit"): "edited",
    ("proceed", "edit"): "edited",
    ("confirm", "edit"): "edited",
    ("failure", "done"): "marked done by hand",
    ("failure", "exclude"): "excluded",
    ("doubt", "done"): "marked done by hand",
    ("doubt", "failed"): "marked failed by hand",
    ("doubt", "again"): "run again while in doubt",
    ("drift", "leave"): "left as somebody else changed it",
    ("undo", "leave"): "marked as led back by hand",
    ("undo", "undo"): "led back while in doubt",
}

_STEERING = {
    "pause": "asked to pause",
    "interrupt": "asked to interrupt",
    "cancel": "asked to cancel",
    "continue": "asked to go on",
}


def who(told: Told) -> str:
    """Return who decided, and by which way if not at the terminal."""
    source = _SOURCE.get(told.fact.source, told.fact.source) if isinstance(told.fact, f.DecisionMade) else ""
    return f"{told.actor}, {source}" if source else told.actor


def about(told: Told) -> str:
    """Return what it was about: a step in its places, or the question."""
    match told.fact:
        case f.DecisionMade(kind="proceed", choice="undo", values=values):
            return value_text(values["step"]) if "step" in values else "the latest change"
        case f.DecisionMade(kind="proceed", choice="undo_all"):
            return "the run"
        case f.DecisionMade(step="", places=targets) if targets:
            return places(targets)
        case f.DecisionMade(step=step, places=targets) if step or targets:
            return at(step, "") if not targets or list(targets) == ["*"] else f"{step} on {places(targets)}"
        case f.DecisionMade(question=question):
            return told.question.title if told.question is not None else question
        case f.StepSkipped(step=step, target=target) | f.PaceSet(step=step, target=target):
            return at(step, target)
        case f.UndoAsked(steps=steps):
            return ", ".join(_undo_entries(steps))
        case f.LeaseClaimed(target=target):
            return target
        case f.NoteWritten(step=step):
            return step or "the run"
        case f.SteeringAsked() | f.SessionOpened():
            return "the run"


def what(told: Told) -> str:
    """Return the decision in words."""
    match told.fact:
        case f.DecisionMade():
            return _decided(told.fact)
        case f.SteeringAsked(what=asked):
            return _STEERING[asked]
        case f.UndoAsked(abort=abort):
            return "undo, and end the run" if abort else "undo"
        case f.LeaseClaimed(over=over):
            return f"took over the lease of {over}"
        case f.StepSkipped():
            return "skip"
        case f.PaceSet(rate=rate):
            return f"set its rate to {value_text(rate)} a second"
        case f.NoteWritten():
            return "note"
        case f.SessionOpened(mode=mode):
            return {"handover": "handed over", "adopt": "adopted"}.get(mode, mode)


def why(told: Told) -> str:
    """Return the reason that was given; empty if none was."""
    match told.fact:
        case f.NoteWritten(text=text):
            return text
        case f.SessionOpened(options=options):
            return str(options.get("reason") or "")
        case _:
            return told.fact.reason


def is_decision(told: Told) -> bool:
    """Tell whether a person or a policy decided something, rather than the playbook or an observer."""
    match told.fact:
        case f.LeaseClaimed(over=over):
            return bool(over)
        case f.StepSkipped(why=cause):
            return cause in ("operator", "excluded")
        case f.NoteWritten():
            return False
        case _:
            return True


def deviation(told: Told) -> str:
    """Return in which way this leaves the playbook; empty if it does not."""
    match told.fact:
        case f.DecisionMade(kind=kind, choice=choice):
            if is_break_glass(told):
                return "break-glass"
            if choice == "skip" and kind != "choose":
                return "skipped, stays unverified"
            if (kind, choice) == ("drift", "leave") and told.untellable:
                return "left as it is; nobody could tell whether it was changed"
            return _DEVIATES.get((kind, choice), "")
        case f.StepSkipped(why=cause):
            return {"operator": "skipped, stays unverified", "excluded": "excluded"}.get(cause, "")
        case f.LeaseClaimed(over=over):
            return f"took over the lease of {over}" if over else ""
        case _:
            return ""


def is_break_glass(told: Told) -> bool:
    """Tell whether a gate for a second person was passed alone."""
    if not isinstance(told.fact, f.DecisionMade) or told.fact.kind == "choose":
        return False
    names = {told.fact.choice, told.fact.source, *told.fact.values}
    return "break_glass" in {name.replace("-", "_") for name in names}


def argument_lines(values: Mapping[str, Json], names: Mapping[str, Json]) -> list[str]:
    """Return the arguments of these names as lines for a diff."""
    return [f"{name}: {value_text(values[name])}" for name in sorted(names) if name in values]


def _decided(fact: f.DecisionMade) -> str:
    parts = [words(fact.choice)]
    if fact.digest and fact.choice in ("approve", "confirm"):
        parts.append(f"plan {fact.digest[:8]}")
    if fact.kind == "secret":
        parts.append("values are not kept")
    elif fact.choice not in ("edit", "undo") and fact.values:
        parts.append(", ".join(_value(name, value) for name, value in fact.values.items()))
    return parts[0] if len(parts) == 1 else f"{parts[0]} ({'; '.join(parts[1:])})"


def _value(name: str, value: Json) -> str:
    return f'typed "{value_text(value)}"' if name == "typed" else f"{name} = {value_text(value)}"


def _undo_entries(steps: Sequence[list[str]]) -> Iterator[str]:
    """Yield what is undone in its order; hosts that follow each other with the same step together."""
    entries = [(*entry, "", "", "")[:3] for entry in steps]
    for (step, more), group in groupby(entries, key=lambda entry: (entry[0], entry[2])):
        targets = [target for _, target, _ in group]
        place = at(step, targets[0]) if len(targets) == 1 else f"{step} on {places(targets)}"
        yield f"{place}{' (run again)' if more else ''}"
