"""The words of a question on its sheet: head, what it is about, choices in groups with their price. Pure.

Micro-copy lives here: a choice is a verb with its price; which state a price is told from is the run's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from msgspec import Struct

from runbook.events.state import NO_WAY_BACK, RunState
from runbook.model.question import Choice, Preview, Question
from runbook.text import one_line, reveal
from runbook.tui.presenter.place import where
from runbook.tui.presenter.words import Row, Word, count, muted, plain

_HEADS: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "proceed": ("◆", "NEXT", "wait"),
        "approve": ("◆", "APPROVE", "wait"),
        "confirm": ("!", "DESTRUCTIVE", "bad"),
        "manual": ("◆", "BY HAND", "wait"),
        "form": ("◆", "YOUR ANSWER", "wait"),
        "choose": ("◆", "DECIDE", "wait"),
        "failure": ("✗", "FAILED", "bad"),
        "doubt": ("?", "IN DOUBT", "doubt"),
        "drift": ("!", "CHANGED SINCE", "wait"),
        "undo": ("✗", "NOT BACK YET", "bad"),
        "secret": ("◆", "SECRET", "wait"),
        "host_key": ("!", "UNKNOWN HOST KEY", "bad"),
        "paused": ("◆", "PAUSED", "wait"),
    }
)
"""Symbol, word and tone of every kind of question."""

_PROMPTS = {"doubt": "What is true?", "drift": "What is true?"}

_GROUPS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "failure": {
            "retry": "Go on",
            "retry_failed": "Go on",
            "edit": "Go on",
            "skip": "Go round",
            "exclude": "Go round",
            "done": "Go round",
            "undo": "Go back",
            "undo_all": "Go back",
            "pause": "Stop",
            "abort": "Stop",
        },
        "doubt": {
            "look": "Find out",
            "done": "Decide",
            "failed": "Decide",
            "undo": "Act",
            "again": "Act",
            "pause": "Leave",
        },
        "drift": {"look": "Find out", "leave": "Decide", "pause": "Leave"},
        "undo": {"look": "Find out", "undo": "Act", "leave": "Decide", "pause": "Leave"},
    }
)


class Offer(Struct, frozen=True):
    """One choice as a row of the menu."""

    id: str
    key: str
    name: str
    price: str
    group: str = ""
    """Stands before the first choice of its group only."""


class SheetWords(Struct, frozen=True):
    """All that a sheet says."""

    symbol: str
    word: str
    tone: str
    about: str
    """The step and where, or the title."""
    lead: str
    """What is asked, in a sentence; empty if `about` says it."""
    prompt: str
    offers: tuple[Offer, ...]


def sheet_words(question: Question, state: RunState) -> SheetWords:
    """Return what the sheet of a question says."""
    symbol, word, tone = _HEADS[question.kind]
    if question.kind == "undo" and any(state.at(question.step, p).status == "in_doubt" for p in question.places):
        symbol, word, tone = "?", "IN DOUBT", "doubt"
    if question.kind in ("failure", "doubt", "confirm", "undo", "drift"):
        about, lead = _place(question), _lead(question)
    else:
        about, lead = one_line(question.title, 200), ""
    return SheetWords(
        symbol, word, tone, about, lead, _PROMPTS.get(question.kind, "What now?"), offers(question, state)
    )


def _place(question: Question) -> str:
    hosts = [where(place) for place in question.places if where(place)]
    if not hosts:
        return one_line(question.step, 100)
    on = one_line(", ".join(hosts), 100) if len(hosts) <= 3 else count(len(hosts), "host")
    return f"{one_line(question.step, 100)} on {on}"


def _lead(question: Question) -> str:
    title = one_line(question.title, 300)
    if question.kind == "confirm":
        return ""
    return title if title.endswith(".") else f"{title}."


def offers(question: Question, state: RunState) -> tuple[Offer, ...]:
    """Return the choices as rows, each group named once."""
    groups = _GROUPS.get(question.kind, {})
    rows: list[Offer] = []
    seen = ""
    for choice in question.choices:
        group = groups.get(choice.id, "")
        name, price = _worded(choice, question, state)
        rows.append(Offer(choice.id, choice.key, name, price, group if group != seen else ""))
        seen = group
    return tuple(rows)


def _worded(choice: Choice, question: Question, state: RunState) -> tuple[str, str]:
    hosts = [where(place) for place in question.places if where(place)]
    on = f" on {one_line(', '.join(hosts), 60)}" if hosts else ""
    known: dict[tuple[str, str], tuple[str, str]] = {
        ("failure", "retry"): ("retry", f"{one_line(question.step, 60)}{on} once more"),
        ("failure", "retry_failed"): ("retry failed hosts", f"{count(len(hosts), 'host')}: {', '.join(hosts)}"),
        ("failure", "edit"): ("edit once, then retry", "as a diff; approvals are void"),
        ("failure", "exclude"): (f"exclude {', '.join(hosts)}", "the other hosts go on"),
        ("failure", "done"): ("mark done by hand", "with a reason"),
        ("failure", "undo"): ("undo this step", _way_back(question, state)),
        ("failure", "undo_all"): ("undo all", _standing(state)),
        ("doubt", "look"): ("look again", "reads only; changes nothing"),
        ("doubt", "done"): ("mark done", "it was done, with your reason"),
        ("doubt", "failed"): ("mark failed", "it was not done; opens that menu"),
        ("doubt", "undo"): ("undo this step", _way_back(question, state)),
        ("doubt", "again"): ("run it again", f"may do it twice; type {one_line(choice.typed, 40)}"),
        ("confirm", "confirm"): ("run it", f"type {one_line(choice.typed, 40)}"),
    }
    if (question.kind, choice.id) in known:
        name, price = known[question.kind, choice.id]
        return one_line(name, 100), one_line(price, 200)
    match choice.id:
        case "skip":
            return "skip", "with a reason; stays unverified"
        case "pause":
            return "pause", "the doubt stays open" if question.kind == "doubt" else "changes nothing; resume any time"
        case "abort":
            return "abort", "ends the run; undo stays open"
        case _:
            pass
    name, _, price = choice.title.partition(": ")
    return one_line(name, 120), one_line(price, 200)


def _way_back(question: Question, state: RunState) -> str:
    ways = {
        planned.undo
        for place in question.places
        if (planned := state.at(question.step, place).planned) is not None and planned.undo
    }
    return one_line(ways.pop(), 100) if len(ways) == 1 else "takes back what it changed"


def _standing(state: RunState) -> str:
    standing = state.standing
    hosts = len({target for _, target, _ in standing})
    return f"{count(len(standing), 'change')} on {count(hosts, 'host')}; ends the run"


class Shown(Struct, frozen=True):
    """What will happen, for all the hosts where it is the same."""

    words: str
    rows: tuple[Row, ...]
    """Hosts, commands and notes, each with its label."""
    diff: tuple[str, ...]


def shown(previews: tuple[Preview, ...]) -> tuple[Shown, ...]:
    """Gather hosts whose previews are alike; every control character in them is visible."""
    alike: dict[tuple[str, tuple[str, ...], str, tuple[str, ...]], list[str]] = {}
    for preview in previews:
        alike.setdefault((preview.words, preview.commands, preview.diff, preview.notes), []).append(preview.target)
    return tuple(
        Shown(
            reveal(words),
            tuple(_labelled(hosts, commands, notes)),
            tuple(reveal(text, keep="\t") for text in diff.split("\n")) if diff else (),
        )
        for (words, commands, diff, notes), hosts in alike.items()
    )


_LABEL = 11


def _labelled(hosts: list[str], commands: tuple[str, ...], notes: tuple[str, ...]) -> Iterator[Row]:
    for number, command in enumerate(commands):
        yield _label("" if number else "Runs"), (reveal(command), "bold")
    named = [one_line(where(host), 100) for host in hosts if where(host)]
    if named:
        yield _label("On"), plain("  ".join(named))
    for note in notes:
        label, _, rest = note.partition(": ")
        if label == "Way back" and rest.startswith(NO_WAY_BACK):
            yield _label("No way back"), (reveal(rest.removeprefix(NO_WAY_BACK).strip()), "$bad")
        elif label == "Way back":
            yield _label(label), plain(reveal(rest))
        else:
            yield _label("Note"), plain(reveal(note))


def _label(text: str) -> Word:
    return muted(text.ljust(_LABEL) + " ")


def diff_tone(text: str) -> str:
    """Return the style of a line of a diff."""
    if text.startswith(("+++", "---", "@@")):
        return "$muted"
    return "$good" if text.startswith("+") else "$bad" if text.startswith("-") else ""


def evidence_rows(question: Question) -> tuple[str, ...]:
    """Return the lines of evidence, each clean; they may be words of hosts."""
    return tuple(reveal(text, keep="\t").replace("␊", " ⏎ ") for text in question.evidence if text.strip())


def typed_hint(wanted: str, typed: str) -> Row:
    """Say what is still missing in a typed confirmation."""
    if typed == wanted:
        return (("✓ matches", "$good"),)
    parts, have = wanted.split(), typed.split()
    if not typed.strip():
        return (plain(""), muted(f"type {wanted}"))
    if len(parts) > 1 and have == parts[: len(have)] and len(have) < len(parts):
        return (("◆ host count is missing", "$wait"),)
    return (("◆ that is something else", "$wait"),)
