"""The approver for plain lines: shows a question whole, takes a numbered choice, and fails closed.

Owns the words around a question and the way to an answer. The text of targets and playbooks is shown with every
control character visible; nothing that was typed before the question stood there counts; Enter takes the safe choice.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Mapping, Sequence

from msgspec.structs import replace

from runbook.cli.crowd import all_names, on_hosts
from runbook.cli.form import Asked, ask_edit, ask_fields
from runbook.cli.keyboard import Keyboard, NoInput
from runbook.cli.stream import Stream
from runbook.cli.style import Tone, broken
from runbook.model.question import Answer, Choice, NoAnswer, Preview, Question
from runbook.model.scalar import Json
from runbook.ports.cancel import Cancel
from runbook.text import reveal
from runbook.text.mark import WAITING

_BOLD = re.compile(r"\*\*(\S(?:.*?\S)?)\*\*")

Arguments = Callable[[str], Mapping[str, Json]]
"""The arguments of a step's latest plan, for an edit."""

Steps = Callable[[], tuple[str, ...]]
"""The ids of all steps of the plan, in their order."""


def _alike(previews: Sequence[Preview]) -> list[tuple[Preview, list[str]]]:
    """Return what is the same on several hosts once, with their names; what happens twice on one stands twice."""
    found: list[tuple[Preview, list[str]]] = []
    latest: dict[Preview, list[str]] = {}
    for preview in previews:
        bare = replace(preview, target="")
        targets = latest.get(bare)
        if targets is None or preview.target in targets:
            targets = latest[bare] = []
            found.append((bare, targets))
        targets.append(preview.target)
    return [(preview, [target for target in targets if not target.startswith("*")]) for preview, targets in found]


def no_steps() -> tuple[str, ...]:
    """Return the steps of a plan that nobody knows."""
    return ()


class Guided:
    """Asks at the terminal."""

    def __init__(
        self, stream: Stream, arguments: Arguments, keyboard: Keyboard | None = None, steps: Steps = no_steps
    ) -> None:
        self._to = stream
        self._steps = steps
        self._arguments = arguments
        self._keyboard = keyboard or Keyboard()

    def ask(self, question: Question, cancel: Cancel) -> Answer | NoAnswer:
        """Put the question; no terminal, the end of input and a set token are no answer."""
        with self._to.held():
            try:
                self._show(question)
                return self._answer(question, cancel)
            except NoInput as none:
                self._write(f"  no answer: {none}\n")
                return NoAnswer(str(none))

    # --- what is shown -----------------------------------------------------------------------------------------

    def _show(self, question: Question) -> None:
        style = self._to.style
        places = [p for p in question.places if not p.startswith("*")]
        mark = style.paint(WAITING.symbol if style.unicode else WAITING.ascii, WAITING.tone)
        self._write("\n")
        self._words(f"{mark} ", _shown(question.title), taken=2, rest="  ")
        where = [on_hosts(places).strip()] if places else []
        where += [position] if (position := _position(question, self._steps())) else []
        if where:
            self._words("  ", ", ".join(where))
        for line in all_names(places, style.width) if places else ():
            self._write(f"{line}\n")
        self._block(question.body)
        for line in question.evidence:
            self._words("  | ", _shown(line), rest="  |   ")
        for preview, targets in _alike(question.previews):
            self._preview(preview, targets)
        if question.digest:
            self._write(f"  digest {question.digest[:16]}\n")

    def _preview(self, preview: Preview, targets: list[str]) -> None:
        """Show what will happen on some targets: what is the same on all of them is shown once."""
        where = f"{on_hosts(targets).removeprefix(' on ')}: " if targets else ""
        self._write("\n")
        self._words("  ", f"{where}{_shown(preview.words)}")
        for line in all_names(targets, self._to.style.width) if targets else ():
            self._write(f"{line}\n")
        for command in preview.commands:
            self._write(f"    $ {_shown(command)}\n")
        for line in preview.diff.split("\n") if preview.diff else ():
            self._write(f"    {self._to.style.paint(_shown(line), _diff_tone(line))}\n")
        for note in preview.notes:
            self._words("    ", _shown(note))

    def _words(self, begin: str, text: str, *, taken: int = 0, rest: str = "    ") -> None:
        """Write one line of words, broken between them; commands and diffs are left whole, to be copied."""
        first, *more = broken(text, self._to.style.width, first=taken or len(begin), rest=rest)
        self._write("".join(f"{line}\n" for line in (begin + first, *more)))

    def _block(self, text: str) -> None:
        if text.strip():
            lines = [wrapped for line in reveal(text).strip().split("\n") for wrapped in self._wrapped(line)]
            self._write("\n" + "".join(f"  {line}\n" if line else "\n" for line in lines))

    def _wrapped(self, line: str) -> list[str]:
        """Return a line of Markdown in the width of the terminal, broken between words, bold where it can be."""
        style = self._to.style
        indent = line[: len(line) - len(line.lstrip(" -*0123456789."))]
        broken = textwrap.wrap(
            line,
            style.width - 2,
            subsequent_indent=" " * len(indent),
            break_long_words=False,
            break_on_hyphens=False,
            drop_whitespace=True,
        )
        return [_BOLD.sub(lambda found: style.bold(found[1]), part) for part in broken] or [""]

    def _choices(self, question: Question) -> None:
        self._write("\n")
        for number, choice in enumerate(question.choices, 1):
            safe = "  (Enter)" if choice.id == question.safe else ""
            self._words("  ", f"{number}  {_shown(choice.title)}{safe}", rest="     ")

    # --- what is answered --------------------------------------------------------------------------------------

    def _answer(self, question: Question, cancel: Cancel) -> Answer | NoAnswer:
        if question.kind == "secret":
            return self._secret(question, cancel)
        self._choices(question)
        # After the last line: keys that were pressed while it was written were not meant as its answer either.
        self._keyboard.drop_typed_ahead()
        while True:
            choice = self._chosen(question, cancel)
            if choice is None:
                continue
            answer = self._complete(question, choice, cancel)
            if answer is not None:
                return answer
            self._choices(question)

    def _chosen(self, question: Question, cancel: Cancel) -> Choice | None:
        typed = self._line("  > ", cancel).strip()
        found = _choice(question, typed)
        if found is None:
            last = len(question.choices)
            said = f"{_shown(typed[:40])} is no choice. " if typed else ""
            self._write(f"  {said}Write a number from 1 to {last}.\n")
        return found

    def _complete(self, question: Question, choice: Choice, cancel: Cancel) -> Answer | None:
        """Ask for what the choice needs; None leads back to the choices."""
        values: dict[str, Json] = {}
        reason = ""
        if choice.typed:
            self._write(f"  To go on, type: {_shown(choice.typed)}\n")
            if self._line("  > ", cancel).strip() != choice.typed:
                self._write("  That is something else. Nothing was done.\n")
                return None
            values["typed"] = choice.typed
        if choice.reason:
            reason = self._line("  Reason: ", cancel).strip()
            if not reason:
                self._write("  Without a reason nothing is done.\n")
                return None
        more = self._values(question, choice, cancel)
        if more is None:
            return None
        return Answer(choice=choice.id, values=values | more, reason=reason)

    def _values(self, question: Question, choice: Choice, cancel: Cancel) -> dict[str, Json] | None:
        asked = Asked(self._write, lambda prompt: self._line(prompt, cancel), lambda p: self._hidden(p, cancel))
        match question.kind, choice.id:
            case "form", "answer":
                return ask_fields(asked, question.fields)
            case "failure" | "proceed" | "confirm", "edit":
                return ask_edit(asked, self._arguments(question.step))
            case "manual", "done":
                evidence = self._line("  Evidence, if there is some (Enter for none): ", cancel).strip()
                return {"evidence": evidence} if evidence else {}
            case _:
                return {}

    def _secret(self, question: Question, cancel: Cancel) -> Answer | NoAnswer:
        values: dict[str, Json] = {}
        self._keyboard.drop_typed_ahead()
        for name in question.fields:
            value = self._hidden(f"  {_shown(name)} (not shown): ", cancel)
            if not value:
                return NoAnswer("nothing was typed")
            values[name] = value
        return Answer(choice=question.choices[0].id if question.choices else "answer", values=values)

    def _line(self, prompt: str, cancel: Cancel) -> str:
        self._write(prompt)
        return self._keyboard.line(cancel)

    def _hidden(self, prompt: str, cancel: Cancel) -> str:
        try:
            with self._keyboard.silent():
                return self._line(prompt, cancel)
        finally:
            self._write("\n")

    def _write(self, text: str) -> None:
        self._to.raw(text)


def _position(question: Question, steps: tuple[str, ...]) -> str:
    """Return how far the run has come: `step 2 of 9`; of a stage, its first and its last step."""
    meant = {question.step, *(key.rpartition("@")[0] for key in question.covers)}
    found = [number for number, step in enumerate(steps, 1) if step in meant]
    if not found:
        return ""
    if found[0] == found[-1]:
        return f"step {found[0]} of {len(steps)}"
    return f"steps {found[0]} to {found[-1]} of {len(steps)}"


def _choice(question: Question, typed: str) -> Choice | None:
    """Return the choice that was typed: its number, its word or its key; nothing typed is the safe one."""
    wanted = typed or question.safe
    if wanted.isascii() and wanted.isdigit() and 1 <= int(wanted) <= len(question.choices):
        return question.choices[int(wanted) - 1]
    for choice in question.choices:
        if wanted and wanted in (choice.id, choice.key):
            return choice
    return None


def _shown(text: str) -> str:
    """Return one line of text in which nothing is hidden."""
    return reveal(text, keep="\t").replace("␊", " ⏎ ")


def _diff_tone(line: str) -> Tone:
    if line.startswith("+"):
        return "good"
    return "bad" if line.startswith("-") else "plain"
