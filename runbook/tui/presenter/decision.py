"""What people decided in a recorded run: when, who, what, about what, and why."""

from __future__ import annotations

from msgspec import Struct

from runbook.events import fact as f
from runbook.report import decision as word
from runbook.report.story import Told, read_story
from runbook.text import counted, duration_text, one_line
from runbook.text.mark import status_word
from runbook.tui.presenter.recording import Recording
from runbook.tui.presenter.words import Row, fit, muted, plain

_PAST = {
    "approve": "approved",
    "confirm": "confirmed",
    "run": "ran",
    "run_on": "ran on",
    "skip": "skipped",
    "done": "marked done",
    "failed": "marked failed",
    "pause": "paused",
    "retry": "retried",
    "retry_failed": "retried failed hosts",
    "exclude": "excluded",
    "include": "took in",
    "edit": "edited and retried",
    "look": "looked again",
    "again": "ran again",
    "abort": "aborted",
    "undo": "undid",
    "undo_all": "undid all",
    "trust": "trusted",
    "leave": "left as it is",
    "continue": "went on",
    "stop": "stopped",
}


class Decided(Struct, frozen=True):
    """One decision in words."""

    at: float
    seq: int
    who: str
    what: str
    about: str
    reason: str


def decisions(known: Recording) -> tuple[Decided, ...]:
    """Return what people did, oldest first; notes too, and how it was closed."""
    story = read_story(known.run, known.timed)
    by_fact = {id(told.fact): told for told in story.told}
    found: list[Decided] = []
    for at, timed in zip(known.at, known.timed, strict=True):
        told = by_fact.get(id(timed.fact))
        if told is not None:
            if word.is_decision(told) or isinstance(told.fact, f.NoteWritten):
                found.append(_decided(at, timed.seq, told))
        elif isinstance(timed.fact, f.RunFinished):
            what = "ended" if timed.fact.status == "succeeded" else status_word(timed.fact.status)
            about = one_line(timed.fact.why, 300) or f"{counted(timed.fact.unverified, 'change')} left unverified"
            found.append(Decided(at, timed.seq, "run", what, about, ""))
    return tuple(found)


def _decided(at: float, seq: int, told: Told) -> Decided:
    fact = told.fact
    who = one_line(told.actor.partition("@")[0], 20)
    what = word.what(told)
    about = word.about(told)
    if isinstance(fact, f.DecisionMade):
        if fact.kind == "secret":
            what = "gave a secret"
        elif fact.values.get("typed"):
            what = f'typed "{one_line(str(fact.values["typed"]), 30)}"'
        elif fact.choice == "edit" and fact.kind != "failure":
            what = "edited"
        elif fact.choice in _PAST and fact.kind not in ("choose", "form"):
            what = _PAST[fact.choice]
        if fact.choice in ("approve", "confirm") and fact.digest:
            about = f"{about}, plan {fact.digest[:4]}"
    return Decided(at, seq, who, one_line(what, 200), one_line(about, 300), one_line(word.why(told), 2000))


def decision_words(decided: Decided, cells: int, now: float, widest: int = 40) -> Row:
    """Return one decision in so many cells; what is to come is grey, and `widest` is the longest of their words."""
    who = max(min(len(decided.who), 10), 4)
    left = f"{duration_text(decided.at):>6}  "
    room = max(cells - len(left) - who - 2, 10)
    what = min(max(room * 55 // 100, 12), widest, room)
    said = fit(decided.what, what)
    return (
        muted(left),
        muted(fit(decided.who, who) + "  "),
        plain(said) if decided.at <= now else muted(said),
        muted(" " + fit(decided.about, room - what - 1).rstrip() if room - what > 4 else ""),
    )
