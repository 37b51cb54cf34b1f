"""The words of a question on its sheet: head, what it is about, choices in groups with their price. Pure.

Micro-copy lives here: a choice is a verb with its price; which state a price is told from is the run's.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct
from rich.cells import cell_len

from runbook.events.state import NO_WAY_BACK, RunState
from runbook.events.way_back import is_back_by_itself, was_untellable
from runbook.model.question import Choice, Preview, Question
from runbook.text import counted, one_line, reveal
from runbook.text.hostlist import told
from runbook.tui.presenter.guide import guide_rows
from runbook.tui.presenter.place import where
from runbook.tui.presenter.words import BLANK, Row, Word, fit, muted, plain, width, wrapped

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


def offer_rows(offer: Offer, number: int, cells: int, name: int) -> list[Row]:
    """Return an offer as rows, without the bar of the focus: key, verb in so many cells, price; nothing is cut off.

    What does not fit goes on below the price; below the verb, where that leaves no room.
    """
    key = offer.key or str(number)
    verb = fit(offer.name, name) if cell_len(offer.name) <= name else offer.name
    row: Row = (plain(" "), (key, "bold $accent"), plain("  "), plain(verb), plain("  "), muted(offer.price))
    indent = width(row[:5])
    if cells - indent < _PRICE or not offer.price:
        indent = width(row[:3])
    return wrapped(row, cells, indent)


_PRICE = 16
"""Cells in which a price can be read."""


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
    if question.kind == "failure" and all(state.at(question.step, p).status == "undone" for p in question.places):
        none = all(is_back_by_itself(state.at(question.step, p)) for p in question.places)
        symbol, word, tone = "↶", "NO WAY BACK NEEDED" if none else "UNDONE", "wait"
    if question.kind == "drift" and any(was_untellable(state.at(question.step, p)) for p in question.places):
        symbol, word, tone = "?", "CANNOT BE TOLD", "doubt"
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
    on = one_line(", ".join(hosts), 100) if len(hosts) <= 3 else counted(len(hosts), "host")
    return f"{one_line(question.step, 100)} on {on}"


def _lead(question: Question) -> str:
    title = one_line(question.title, 300)
    if question.kind == "confirm":
        return ""
    for how in ("failed", "was undone", "needed no way back"):
        # The head says that already.
        title = title.removeprefix(f"{one_line(question.step, 100)} {how}. ")
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
    named = one_line(told(hosts, 40), 60)
    on = f" on {named}" if hosts else ""
    count = counted(len(hosts), "host")
    short = named if len(named) <= 24 else count
    counting = named if named.startswith(count) else f"{count}: {named}"
    known: dict[tuple[str, str], tuple[str, str]] = {
        ("failure", "retry"): ("retry", f"{one_line(question.step, 60)}{on} once more"),
        ("failure", "retry_failed"): ("retry failed hosts", counting),
        ("failure", "edit"): ("edit once, then retry", "as a diff; approvals are void"),
        ("failure", "exclude"): (f"exclude {short}", "the other hosts go on"),
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
    if question.kind == "failure" and not any(
        step == question.step and place in question.places for step, place, _ in state.standing
    ):
        # Another step is meant, and the choice names it.
        del known["failure", "undo"]
    if (question.kind, choice.id) in known:
        name, price = known[question.kind, choice.id]
        return one_line(name, 100), one_line(price, 200)
    match choice.id:
        case "skip":
            return "skip", "with a reason; stays unverified"
        case "pause":
            return "pause", "the doubt stays open" if question.kind == "doubt" else "changes nothing; resume any time"
        case "abort":
            return "abort", f"ends the run; {_left_by_abort(state)}"
        case _:
            pass
    name, _, price = choice.title.partition(": ")
    return one_line(name, 400), one_line(price, 400)


def _left_by_abort(state: RunState) -> str:
    if state.pending_undo:
        return "undo stays open"
    return "what was changed stays" if state.standing else "nothing was changed"


def _way_back(question: Question, state: RunState) -> str:
    ways = {
        planned.undo
        for place in question.places
        if (planned := state.at(question.step, place).planned) is not None and planned.undo
    }
    return one_line(ways.pop(), 300) if len(ways) == 1 else "takes back what it changed"


def _standing(state: RunState) -> str:
    hosts = len({target for _, target, _ in state.with_way_back})
    return f"{counted(state.pending_undo, 'change')} on {counted(hosts, 'host')}; ends the run"


def about_rows(question: Question, words: SheetWords, cells: int) -> list[Row]:
    """Return what a question is about, as rows of at most so many cells: words, evidence, guide, what will happen."""
    parts: list[list[Row]] = []
    if words.lead:
        parts.append(wrapped((plain(words.lead),), cells))
    if evidence := evidence_rows(question):
        parts.append([row for text in evidence for row in _well(text, "", cells)])
    if question.body:
        parts.append(guide_rows(question.body, cells))
    parts.extend(_preview(*each, cells) for each in alike(question.previews))
    if question.digest and question.kind in ("approve", "confirm"):
        parts.append([(muted(f"plan {question.digest[:4]} {question.digest[4:8]}"),)])
    rows: list[Row] = []
    for part in parts:
        rows.extend(([BLANK] if rows else []) + part)
    return rows


def is_grave(question: Question) -> bool:
    """Tell whether something is agreed to that destroys, or has no way back."""
    final = any(note.startswith(f"Way back: {NO_WAY_BACK}") for each in question.previews for note in each.notes)
    return question.kind == "confirm" or (question.kind == "approve" and final)


def alike(previews: tuple[Preview, ...]) -> tuple[tuple[Preview, tuple[str, ...]], ...]:
    """Gather hosts for which the same will happen: one of their previews, and all their names."""
    found: dict[tuple[str, tuple[str, ...], str, tuple[str, ...]], tuple[Preview, list[str]]] = {}
    for preview in previews:
        key = (preview.words, preview.commands, preview.diff, preview.notes)
        found.setdefault(key, (preview, []))[1].append(preview.target)
    return tuple((preview, tuple(hosts)) for preview, hosts in found.values())


_LABEL = 12

MOST_EVIDENCE = 2000
"""Characters of a line of evidence that are shown: the record has all of it."""


def _preview(preview: Preview, hosts: tuple[str, ...], cells: int) -> list[Row]:
    """Return the rows of one preview; the diff comes first, and every control character in it is visible."""
    rows = wrapped(((reveal(preview.words), "bold"),), cells)
    for text in preview.diff.rstrip("\n").split("\n") if preview.diff else ():
        rows.extend(_well(reveal(text, keep="\t"), diff_tone(text), cells))
    named = [one_line(where(host), 100) for host in hosts if where(host)]
    if named:
        rows.extend(_labelled("On", plain("  ".join(named)), cells))
    for number, command in enumerate(preview.commands):
        rows.extend(_labelled("" if number else "Runs", plain(reveal(command)), cells))
    for note in preview.notes:
        label, _, rest = note.partition(": ")
        if label == "Way back" and rest.startswith(NO_WAY_BACK):
            rows.extend(_labelled("No way back", (reveal(rest.removeprefix(NO_WAY_BACK).strip()), "$bad"), cells))
        elif label in ("Way back", "Only if"):
            rows.extend(_labelled(label, plain(reveal(rest)), cells))
        else:
            rows.extend(_labelled("Note", muted(reveal(note)), cells))
    return rows


def _labelled(label: str, word: Word, cells: int) -> list[Row]:
    return wrapped((muted(label.ljust(_LABEL)), word), cells, _LABEL)


def _well(text: str, tone: str, cells: int) -> list[Row]:
    """Return words of a host, or of its files, on the ground of the well."""
    line: Row = ((text.expandtabs(4) or " ", f"{tone} on $well".strip()),)
    room = max(cells - 2, 8)
    return [row or ((" ", line[0][1]),) for row in wrapped(line, room)] if width(line) > room else [line]


def diff_tone(text: str) -> str:
    """Return the style of a line of a diff."""
    if text.startswith(("+++", "---", "@@")):
        return "$muted"
    return "$good" if text.startswith("+") else "$bad" if text.startswith("-") else ""


def evidence_rows(question: Question) -> tuple[str, ...]:
    """Return the lines of evidence, each clean; they may be words of hosts."""
    return tuple(_cut(text) for text in question.evidence if text.strip())


def _cut(text: str) -> str:
    """Return a line of evidence, clean; one that nobody would read to its end is told as that."""
    more = len(text) - MOST_EVIDENCE
    clean = reveal(text[:MOST_EVIDENCE], keep="\t").replace("␊", " ⏎ ")
    return f"{clean} … and {more} more characters" if more > 0 else clean


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
