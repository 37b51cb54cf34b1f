"""What a playbook is, beside the list: its summary, and in facts what it would do, where, and how it went before."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct
from textual import events
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from runbook.session.review import RunSummary
from runbook.tui.look import Look, bold, line, muted
from runbook.tui.presenter import library as facts_of
from runbook.tui.prose import prose
from runbook.tui.widgets.scroll import Scroll

if TYPE_CHECKING:
    from runbook.session.draft import Draft
    from runbook.session.library import Entry

LABEL = 9


class Shown(Struct, frozen=True, eq=False):
    """All that is known of one playbook."""

    entry: Entry
    words: tuple[str, ...]
    """Those of the alert that it answers."""
    last: RunSummary | None
    now: datetime
    draft: Draft | None = None
    trouble: str = ""
    """Why there is no draft; both empty while it is read."""
    full: bool = False
    """There is room for guides and the list of steps."""
    bare: bool = False
    """There is nothing but the summary."""


class Preview(Scroll):
    """One playbook, to be read before it is chosen."""

    def __init__(self, look: Look, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self._look = look
        self._shown: Shown | None = None

    def compose(self) -> ComposeResult:
        """Build the page."""
        yield Static()

    def show(self, shown: Shown | None) -> None:
        """Show another playbook, or more of the same one."""
        if shown is None or self._shown is None or shown.entry.path != self._shown.entry.path:
            self.scroll_home(animate=False)
        self._shown = shown
        self._draw()

    def on_resize(self, event: events.Resize) -> None:
        """Wrap anew."""
        self._draw()

    def _draw(self) -> None:
        if not self.is_attached:
            return
        width = max(self.size.width - 1, 20)
        lines = [] if self._shown is None else list(self._lines(self._shown, width))
        self.query_one(Static).update(Content("\n").join(lines))

    def _lines(self, shown: Shown, width: int) -> Iterator[Content]:
        entry, look = shown.entry, self._look
        yield from wrapped(bold(line(entry.title or entry.id)), width)
        owner = f" {look.own('·')} {line(entry.owner)}" if entry.owner else ""
        yield muted(f"{line(entry.id)}{owner}").truncate(width, ellipsis=True)
        yield Content("")
        if entry.error:
            yield from self._fault(entry.error, width)
            return
        # Where there is little room, what it would do counts more than all that it is.
        first, _, more = entry.summary.strip().partition("\n\n")
        if first:
            yield from prose(entry.summary if shown.full or shown.bare else first, width, look).split("\n")
            yield Content("")
        if not shown.bare:
            yield from self._facts(shown, width)
            if more and not shown.full:
                yield Content("")
                yield muted("z shows all of it")

    def _fault(self, error: str, width: int) -> Iterator[Content]:
        yield self._look.status("failed", says="cannot be used")
        yield Content("")
        yield from wrapped(Content(line(error, 2000)), width)
        yield Content("")
        yield from wrapped(muted("`runbook validate` tells every fault of it, with its place."), width)

    def _facts(self, shown: Shown, width: int) -> Iterator[Content]:
        entry, now = shown.entry, shown.now
        if shown.words:
            words = Content(" ").join(Content.styled(line(w), "bold underline $accent") for w in shown.words[:12])
            yield from labelled("Matches", words, width)
        if shown.trouble:
            yield from labelled(
                "Steps", Content.assemble(self._look.mark("failed"), " ", line(shown.trouble, 1000)), width
            )
        elif shown.draft is None:
            yield from labelled("Steps", muted("reading ..."), width)
        else:
            yield from self._effects(facts_of.facts(shown.draft), width)
        if shown.last is not None:
            status, word, rest = facts_of.last_words(shown.last, now)
            parts = [muted(part) for part in rest]
            head = Content.assemble(self._look.status(status, says=word), " ", parts[0] if parts else "")
            yield from labelled("Last", packed([head, *parts[1:]], muted(", "), width - LABEL), width)
        else:
            yield from labelled("Last", muted("never run"), width)
        reviewed = facts_of.reviewed_words(entry, now)
        stale = Content.styled("  ! stale", "$wait") if entry.stale else Content("")
        yield from labelled("Reviewed", Content.assemble(reviewed, stale), width)
        if shown.full and shown.draft is not None:
            yield from self._steps(shown.draft, width)

    def _effects(self, facts: facts_of.Facts, width: int) -> Iterator[Content]:
        sign = Content.styled(f" {self._look.own('·')} ", "$muted")
        effects = packed([_effect(words, effect) for words, effect in facts.effects], sign, width - LABEL)
        yield from labelled("Steps", effects, width)
        if facts.changes:
            yield from labelled("Undo", self._undo(facts), width)
        hosts = Content(line(" ".join(facts.hosts), 400)) if facts.hosts else muted(line(facts.hosts_note))
        yield from labelled("Hosts", hosts, width)

    def _undo(self, facts: facts_of.Facts) -> Content:
        mark = self._look.mark("succeeded")
        if not facts.no_way_back:
            return Content.assemble(mark, " all of it")
        names = Content(", ").join(bold(line(name)) for name in facts.no_way_back[:4])
        return Content.assemble(mark, " all but ", names)

    def _steps(self, draft: Draft, width: int) -> Iterator[Content]:
        yield Content("")
        yield muted("STEPS")
        stage = ""
        for unit in draft.plan.units:
            for step in unit.steps:
                if unit.is_stage and unit.id != stage:
                    stage = unit.id
                    gate = Content.styled("  asks before it", "$wait") if unit.approve != "none" else Content("")
                    yield Content("")
                    yield Content.assemble(muted("stage "), bold(line(unit.title or unit.id)), gate)
                yield Content("")
                yield from self._step(line(step.source.title or step.id), facts_of.says(step), width)
                if step.source.guide.strip():
                    for each in prose(step.source.guide, width - 2, self._look).split("\n"):
                        yield Content.assemble("  ", each.stylize_before("$muted"))

    def _step(self, title: str, effect: str, width: int) -> Iterator[Content]:
        tone = "$bad" if effect == "destructive" else "$foreground" if effect == "change" else "$muted"
        says = Content.styled(f"{'! ' if effect == 'destructive' else ''}{effect}", tone)
        text = bold(title)
        if text.cell_length + says.cell_length + 2 <= width:
            yield Content.assemble(text, " " * (width - text.cell_length - says.cell_length), says)
        else:
            yield from wrapped(text, width)
            yield Content.assemble("  ", says)


def _effect(words: str, effect: str) -> Content:
    number, _, rest = words.partition(" ")
    tone = "$bad" if effect == "destructive" else ""
    return Content.assemble((number, tone), " ", (rest, tone))


def wrapped(text: Content, width: int) -> list[Content]:
    """Return a text as lines that fit, broken between words."""
    return [part.rstrip() for part in text.wrap(width)]


def packed(items: list[Content], between: Content, width: int) -> Content:
    """Return items on as few lines as they need; none is broken."""
    lines = [items[0]] if items else []
    for item in items[1:]:
        if lines[-1].cell_length + between.cell_length + item.cell_length <= width:
            lines[-1] = Content.assemble(lines[-1], between, item)
        else:
            lines.append(item)
    return Content("\n").join(lines)


def labelled(label: str, value: Content, width: int, room: int = LABEL) -> Iterator[Content]:
    """Return a value behind its label; more lines hang under the first."""
    for number, part in enumerate(wrapped(value, width - room)):
        yield Content.assemble((f"{label if not number else '':<{room}}", "$muted"), part)
