"""The narrator: tells a run as plain lines, one for each fact that matters.

Owns which facts are told and in which words. The line about what runs now belongs to `clock`, the end of a run to
`ending`, questions to `guided`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from runbook.cli.clock import Clock
from runbook.cli.crowd import MANY, Crowd, Line
from runbook.cli.stream import Stream
from runbook.cli.style import Tone, broken, place
from runbook.cli.watching import watch_words
from runbook.events import fact as f
from runbook.events.plain import thaw
from runbook.events.signal import OutputReceived, PhaseEntered, Progressed, Signal
from runbook.text import duration_text, one_line
from runbook.text.mark import WARNING, status_word

LINE = 400
"""Characters of a message in one line."""

LONG = 4000
"""Characters of one line of output in a narration; more is cut, as the side file has it whole."""

FEW = 64
"""Pieces of a line that is data, after which what came of it is written."""

SAMPLE = 100
"""Characters of what the latest of several looks saw, in the line about what runs now."""

SEEN = 3
"""Lines of what a step that only reads has seen; all of them are on record."""

_PLAIN = frozenset({"run", "run_on"})
"""Answers that let a run go on as written: that it goes on is seen."""

STATUS = 11
"""Columns of the word of a status."""

SESSIONS = {"resume": "resumed", "undo": "taken back", "handover": "handed over", "adopt": "adopted"}
"""What a later session of a run is about; one that only writes down a note or an answer is told by that alone."""


def no_run() -> str:
    """Return the id of a run that nobody knows yet."""
    return ""


class Printer:
    """Listens to one run and writes its lines."""

    def __init__(
        self,
        stream: Stream,
        *,
        output: Stream | None = None,
        run: Callable[[], str] = no_run,
        asked: bool = False,
    ) -> None:
        """Tell a run on a stream.

        Args:
            stream: takes all lines.
            output: takes what commands write to stdout instead, as data.
            run: gives the id of the run as soon as it is known.
            asked: this process answers the questions, so that they need not be told.
        """
        self._to = stream
        self._output = output
        self._run = run
        self._asked = asked
        self._clock = Clock(stream)
        self._crowd = Crowd(self._write)
        self._planned: dict[tuple[str, str], f.StepPlanned] = {}
        self._idle: set[tuple[str, str]] = set()
        """Where a way back has begun and nothing was done for it yet."""
        self._rest: dict[tuple[str, str, str], str] = {}
        self._pieces: dict[tuple[str, str], list[str]] = {}
        """The beginning of a line that is data, by step and target: it is never cut."""
        self._begun_lines: set[tuple[str, str]] = set()
        """Where a part of such a line is written already."""
        self._guards: dict[str, str] = {}
        """What each guard saw last."""
        self._ago = 0.0
        """Seconds since that happened which is told."""
        self._hosts = 1
        self._seen: set[str] = set()
        """The hosts that were told of: only the first session of a run names them all."""

    def close(self) -> None:
        """Take the line about what runs now away."""
        self._flush_all()
        self._crowd.flush()
        self._clock.close()

    def recall(self, fact: f.Fact, ago: float) -> None:
        """Tell what was put on record so many seconds ago."""
        self._ago = ago
        self.hear(fact)

    def hear(self, event: f.Fact | Signal) -> None:
        """Tell one event, if it matters."""
        match event:
            case OutputReceived():
                self._clock.heard(event.step, event.target)
                self._output_lines(event)
            case PhaseEntered():
                self._clock.phase(event.step, event.target, event.phase, one_line(event.words, SAMPLE))
            case Progressed():
                self._clock.progress(event)
            case f.AtStep():
                self._step(event)
            case _:
                self._about_run(event)

    def _about_run(self, fact: f.Fact) -> None:
        if not isinstance(fact, (f.GuardSampled, f.TargetMet, f.LeaseClaimed, f.LeaseReturned)):
            # Before a question, and before the end, nothing is kept back.
            self._crowd.flush()
        match fact:
            case f.SessionOpened():
                self._opened(fact)
            case f.QuestionAsked() if not self._asked:
                self._line("waiting", one_line(fact.question.title, LINE))
            case f.DecisionMade() if fact.source != "operator" or not (self._asked or fact.choice in _PLAIN):
                edited = f" ({one_line(_values(fact), LINE)})" if fact.choice == "edit" and fact.values else ""
                self._muted(f"{fact.choice} for {fact.step}{edited}, by {_source(fact)}{_reason(fact.reason)}")
            case f.SteeringAsked() if fact.what != "continue":
                self._line("waiting", f"{fact.what} was asked for{_reason(fact.reason)}")
            case f.NoteWritten():
                self._muted(f"note: {one_line(fact.text, LINE)}")
            case f.UndoAsked():
                self._know(entry[1] for entry in fact.steps if len(entry) > 1)
                count = len(fact.steps)
                self._line("undoing", f"going back, {count} step{'s' if count != 1 else ''}{_reason(fact.reason)}")
            case f.LeaseClaimed() if fact.over:
                self._warn(f"{fact.target} was claimed by {fact.over} and is taken over{_reason(fact.reason)}")
            case f.JournalRepaired():
                self._warn(f"the last line of the journal was torn by a crash and set aside ({fact.size} bytes)")
            case f.ListenerFailed():
                self._warn(f"{fact.listener} failed and hears no more: {one_line(fact.error, LINE)}")
            case f.BaselineTaken() | f.GuardBreached():
                self._line("waiting" if isinstance(fact, f.GuardBreached) else "succeeded", watch_words(fact))
            case f.GuardSampled():
                self._sampled(fact)
            case f.SecretFound():
                self._warn(f"a declared secret stands in {one_line(fact.file, LINE)}; remove it, and change the secret")
            case _:
                pass

    def _sampled(self, fact: f.GuardSampled) -> None:
        before = self._guards.get(fact.guard, "good")
        self._guards[fact.guard] = fact.state
        if fact.state != "good":
            self._warn(watch_words(fact))
        elif before != "good":
            self._line("succeeded", watch_words(fact))

    def _know(self, targets: Iterable[str]) -> None:
        self._seen.update(target for target in targets if target[:1] not in ("*", "#"))
        self._hosts = max(self._hosts, len(self._seen))

    def _opened(self, fact: f.SessionOpened) -> None:
        hosts = [str(host.get("name", "")) if isinstance(host, dict) else str(host) for host in fact.hosts]
        self._hosts = max(self._hosts, len(hosts))
        title = one_line(str(fact.playbook.get("title", "")), LINE)
        name = one_line(str(fact.playbook.get("id", "")), LINE)
        where = "" if not hosts else f" on {hosts[0]}" if len(hosts) == 1 else f" on {len(hosts)} hosts"
        again = SESSIONS.get(fact.mode)
        if again is None and not title:
            return
        who = one_line(str(fact.actor.get("user", "")), 60)
        what = f"{again} by {who}" if again else f"{title} ({name}){where}"
        run = self._run()
        self._line("running", f"{what} · run {run}" if run else what)

    def _step(self, fact: f.AtStep) -> None:
        key = (fact.step, fact.target)
        self._know((fact.target,))
        match fact:
            case f.StepPlanned():
                self._planned[key] = fact
                self._clock.end(*key)
            case f.StepSkipped():
                self._clock.end(*key)
                self._each("skipped", fact, f": {one_line(fact.reason or fact.why, LINE)}")
            case f.AttemptStarted() | f.ReadStarted():
                self._clock.begin(*key, "running", self._ago)
                self._begun(fact)
            case f.VerifyFinished() if fact.state != "good":
                self._each("failed", fact, f": its check is {fact.state}")
                self._evidence(fact.evidence)
            case f.StepFinished():
                self._flush(*key)
                self._clock.end(*key)
                self._finished(fact)
            case f.PaceSet():
                by = f", by {one_line(fact.actor, 60)}" if fact.actor else ""
                self._line("running", f"{at(fact)}: rate set to {pace_words(fact)}{by}{_reason(fact.reason)}")
            case f.UndoStarted():
                self._clock.begin(*key, "undoing", self._ago)
                self._idle.add(key)
                self._each("undoing", fact)
            case f.OperationIntended(undo=True):
                self._idle.discard(key)
            case f.UndoFinished():
                self._flush(*key)
                self._clock.end(*key)
                self._undone(fact)
            case _:
                pass

    def _begun(self, fact: f.AttemptStarted | f.ReadStarted) -> None:
        planned = self._planned.get((fact.step, fact.target))
        if isinstance(fact, f.ReadStarted):
            return
        again = f", attempt {fact.attempt}" if fact.attempt > 1 else ""
        words = f": {one_line(planned.words, LINE)}" if planned is not None and planned.words else ""
        self._each("running", fact, f"{again}{words}")

    def _finished(self, fact: f.StepFinished) -> None:
        parts = [""]
        if fact.status == "succeeded" and fact.effect != "read":
            parts.append("verified" if fact.verified else "not verified")
        if fact.adopted:
            parts.append("found done afterwards")
        said = fact.error or _message(fact)
        seen = [line for line in fact.evidence if line != fact.error]
        self._each(fact.status, fact, "  ".join(parts) + (f": {one_line(said, LINE)}" if said else ""), fact.ms)
        if fact.status != "succeeded":
            self._evidence(seen)
        elif fact.effect == "read" and fact.output is None:
            # Where output was shown, the evidence would repeat it; that all went well was just said.
            self._evidence([line for line in seen if line != "exit 0"][:SEEN])

    def _undone(self, fact: f.UndoFinished) -> None:
        if fact.covered_by:
            # The line of the later attempt has said that the step is undone.
            return
        words = {
            "undone": ("undone", ""),
            "none": ("skipped", ": it has no way back, as the playbook says"),
            "drifted": ("undo_failed", ": somebody else changed it since, nothing was overwritten"),
            "in_doubt": ("in_doubt", ": it is not known whether it was undone"),
            "undo_failed": ("undo_failed", ""),
            "unreachable": ("undo_failed", ": it cannot be reached; undo it when it is back"),
        }
        status, text = words[fact.status]
        if fact.status == "undone" and (fact.step, fact.target) in self._idle:
            text = ": no way back needed"
        error = f": {one_line(fact.error, LINE)}" if fact.error else text
        self._each(status, fact, error, fact.ms)
        if fact.status not in ("undone", "none"):
            self._evidence(fact.evidence)

    def _output_lines(self, event: OutputReceived) -> None:
        if self._output is not None and event.stream == "out":
            self._data(self._output, (event.step, event.target), event.text)
            return
        key = (event.step, event.target, event.stream)
        whole, newline, rest = (self._rest.pop(key, "") + event.text).rpartition("\n")
        if len(rest) > LONG:
            whole, newline, rest = f"{whole}{newline}{rest}", "\n", ""
        if rest:
            self._rest[key] = rest
        if newline:
            self._output_block(event.target, event.stream, whole)

    def _data(self, to: Stream, key: tuple[str, str], text: str) -> None:
        """Write what came as data, whole lines at once; a long one of a single host in the pieces in which it comes."""
        if to.style.live:
            # Both streams end on the same terminal: data would stand behind the line about what runs.
            self._to.live("")
        pieces = self._pieces.setdefault(key, [])
        whole, newline, rest = text.rpartition("\n")
        if newline:
            lines = "".join((*pieces, whole))
            pieces.clear()
            self._begun_lines.discard(key)
            to.line(_begun_with(f"{key[1]} | ", lines) if self._hosts > 1 else lines)
        if rest:
            pieces.append(rest)
        if self._hosts == 1 and (len(rest) > LONG or len(pieces) > FEW):
            # Of several hosts a line waits for its end, as another may speak before it.
            to.raw("".join(pieces))
            pieces.clear()
            self._begun_lines.add(key)

    def _output_block(self, target: str, stream: str, lines: str) -> None:
        # All at once: a talkative command writes more lines in a second than could be touched one by one.
        lines = lines if _is_short(lines) else "\n".join(self._cut(line) for line in lines.split("\n"))
        sign = self._to.style.paint("!", WARNING.tone) if stream == "err" else "|"
        self._to.line(_begun_with(f"  {f'{target} ' if self._hosts > 1 else ''}{sign} ", lines))

    def _cut(self, line: str) -> str:
        if len(line) <= LONG:
            return line
        run = self._run()
        return f"{line[:LONG]}… cut{f'; all of it: runbook audit show {run} --with-output' if run else ''}"

    def _flush(self, step: str, target: str) -> None:
        key = (step, target)
        if self._output is not None and (self._pieces.get(key) or key in self._begun_lines):
            self._data(self._output, key, "\n")
        for stream in ("out", "err"):
            rest = self._rest.pop((step, target, stream), "")
            if rest:
                self._output_block(target, stream, rest)

    def _flush_all(self) -> None:
        for step, target in {*self._pieces, *((step, target) for step, target, _ in self._rest)}:
            self._flush(step, target)

    def _evidence(self, lines: Sequence[str]) -> None:
        if lines:
            self._crowd.flush()
        for line in lines:
            self._lines("  | ", one_line(line, LONG), rest="  |   ")

    def _each(self, status: str, fact: f.AtStep, tail: str = "", ms: int | None = None) -> None:
        """Tell what became of a step in one place; of many hosts, with those where it is the same."""
        line = Line(status, fact.step, tail, ms is not None)
        if self._hosts > MANY and not fact.target.startswith(("*", "#")):
            self._crowd.add(line, fact.target, ms or 0)
            return
        took = "" if ms is None else f"  {duration_text(ms / 1000)}"
        self._line(status, f"{at(fact)}{took}{tail}")

    def _line(self, status: str, text: str) -> None:
        self._crowd.flush()
        self._write(status, text)

    def _write(self, status: str, text: str) -> None:
        self._lines(f"{self._to.style.status(status, STATUS)} ", text, taken=STATUS + 3)

    def _muted(self, text: str, tone: Tone = "muted") -> None:
        self._crowd.flush()
        self._lines("  ", text, tone=tone)

    def _warn(self, text: str) -> None:
        self._crowd.flush()
        self._lines("! ", text, tone=WARNING.tone)

    def _lines(self, begin: str, text: str, *, taken: int = 0, rest: str = "    ", tone: Tone = "plain") -> None:
        """Write one line, on a terminal as several that are broken between words; `taken`: columns of its beginning."""
        style = self._to.style
        if not style.wraps:
            self._to.line(style.paint(f"{begin}{text}", tone))
            return
        first, *more = broken(text, style.width, first=taken or len(begin), rest=rest)
        self._to.lines([style.paint(line, tone) for line in (begin + first, *more)])


def at(fact: f.AtStep) -> str:
    """Return the step and its place, as people say it."""
    return f"{fact.step}{place(fact.target)}"


def pace_words(fact: f.PaceSet) -> str:
    """Return the rate that was set, as people say it."""
    rate = thaw(fact.rate)
    return f"{rate:g} a second" if isinstance(rate, (int, float)) and rate else "no limit"


def _is_short(lines: str) -> bool:
    """Tell whether no line is longer than `LONG`, in leaps from the last line end that is near enough to the next."""
    at = 0
    while len(lines) - at > LONG:
        at = lines.rfind("\n", at, at + LONG + 1) + 1
        if not at:
            return False
    return True


def _begun_with(begin: str, lines: str) -> str:
    return begin + lines.replace("\n", f"\n{begin}")


def _message(fact: f.StepFinished) -> str:
    """Return what a `notify` step tells people."""
    message = fact.result.get("message") if len(fact.result) == 1 else None
    return message if isinstance(message, str) else ""


def _values(fact: f.DecisionMade) -> str:
    """Return the arguments that a person gave a step, as people say them."""
    return ", ".join(f"{name}: {thaw(value)}" for name, value in fact.values.items())


def _source(fact: f.DecisionMade) -> str:
    actor = f" ({one_line(fact.actor, 60)})" if fact.actor else ""
    return f"{status_word(fact.source).replace('-', ' ')}{actor}"


def _reason(reason: str) -> str:
    return f": {one_line(reason, LINE)}" if reason else ""
