"""Words of the review of one run: its now line, its seal, and the bar of the playback."""

from __future__ import annotations

from typing import Protocol

from msgspec.structs import replace

from runbook.events import fact as f
from runbook.events.outcome import came_to, outcome_word
from runbook.events.state import RunState
from runbook.events.status import RESUMABLE
from runbook.journal import Report
from runbook.text import counted, duration_text, one_line
from runbook.text.mark import mark_of, status_word
from runbook.tui.presenter.now import NowWords
from runbook.tui.presenter.place import where
from runbook.tui.presenter.record import record_words
from runbook.tui.presenter.recording import Recording
from runbook.tui.presenter.runs import from_to
from runbook.tui.presenter.words import Row, Word, bold, muted, plain
from runbook.tui.scene import Scene


class Playing(Protocol):
    """Where a playback is."""

    @property
    def recording(self) -> Recording:
        """What is played."""

    @property
    def scene(self) -> Scene:
        """What is known at this moment."""

    @property
    def at(self) -> float:
        """The moment, in seconds."""

    @property
    def index(self) -> int:
        """The record that one is at."""

    @property
    def speed(self) -> str:
        """How fast, in a word."""

    @property
    def playing(self) -> bool:
        """Whether it goes on by itself."""

    @property
    def at_end(self) -> bool:
        """Whether all has been played."""


NOTHING_RUNS = "a recording: nothing is executed"
ONLY_WATCHED = "followed: you only watch, it is steered where it runs"
OPEN_HERE = "followed: you only watch; it is open here, F4 steers it"


def status_now(state: RunState, *, live: bool) -> str:
    """Return the status of a run as it is, not as its journal left it: who was killed wrote no end."""
    if state.live and not live and state.status in ("running", "waiting"):
        return "interrupted"
    return state.status


def review_words(known: Recording, state: RunState, report: Report | str | None, *, live: bool, wide: bool) -> NowWords:
    """Return the now line: what became of the run, and whether its record holds."""
    status = status_now(state, live=live)
    mark = mark_of(status)
    opened = state.opened
    title = one_line(str(opened.playbook.get("title") or opened.playbook.get("id") or ""), 200) if opened else ""
    said = outcome_word(state) if status == state.status else status_word(status)
    first: Row = ((f"{mark.symbol} {said.upper()}  ", f"bold ${mark.tone}"), bold(title))
    times = from_to(known.timed[0].time, known.timed[-1].time) if known.timed else ""
    right: Row = (muted("run "), plain(known.run if wide else known.run[:10]))
    if wide:
        right += (muted(f"   {times}"),)
    second = _outcome(known, state)
    proof: Row = (muted("live: its record is open"),) if live and report is None else badge(report, wide=wide)
    return NowWords(mark.tone, first, right, second, proof, f"review: {mark.symbol} {said}")


def as_recording(said: NowWords, player: Playing, *, live: bool, here: bool = False) -> NowWords:
    """Return the now line of a run that is shown as it ran: what stood at this moment, and that nothing happens."""
    scene = player.scene
    step, place = scene.last
    second: list[Word] = [bold(_meaning(live=live, here=here))]
    if step and not (live and player.at_end):
        on = f" on {one_line(where(place), 40)}" if where(place) else ""
        status = status_word(scene.state.at(step, place).status)
        second += [muted("   at "), plain(duration_text(player.at)), muted(f" {one_line(step, 40)}{on}: {status}")]
    return replace(said, second=tuple(second))


def _meaning(*, live: bool, here: bool) -> str:
    return (OPEN_HERE if here else ONLY_WATCHED) if live else NOTHING_RUNS


def _outcome(known: Recording, state: RunState) -> Row:
    if known.trouble:
        return (("! ", "$wait"), plain(f"cannot be read to its end: {one_line(known.trouble, 300)}"))
    finished = next((t.fact for t in reversed(known.timed) if isinstance(t.fact, f.RunFinished)), None)
    parts: list[Word] = []
    if finished is not None and finished.why:
        parts.append(plain(one_line(finished.why, 200)))
    retries = sum(max(len(at.attempts) - 1, 0) for at in state.steps.values())
    if retries:
        parts.append(muted(counted(retries, "retry", "retries")))
    failed = sum(1 for at in state.steps.values() if at.status == "undo_failed")
    if failed:
        parts.append((f"{failed} undo failed", "bold $bad"))
    unverified = f"{counted(state.unverified, 'change')} left unverified"
    parts.append((unverified, "$wait") if state.unverified else muted(unverified))
    if state.undo_open:
        parts.append(muted(f"{state.undo_open} can be undone"))
    if state.deviated:
        parts.append(muted("went another way than written"))
    if state.handed_over:
        parts.append(muted("handed over"))
    row: list[Word] = []
    for part in parts:
        row += ([muted(", ")] if row else []) + [part]
    return tuple(row)


def badge(report: Report | str | None, *, wide: bool = True) -> Row:
    """Return the verdict on the record; a text is why there is none."""
    if report is None:
        return (muted("verifying the record …"),)
    if isinstance(report, str):
        return (("! not verified: ", "$wait"), plain(one_line(report, 80)))
    signed = muted(" · unsigned") if report.signature is None else plain(" · signed")
    match report.status:
        case "ok":
            return (("✓ ", "$good"), plain("chain whole"), signed)
        case "open":
            return (("✓ ", "$good"), plain("whole so far"), signed)
        case "torn":
            return (("! ", "$wait"), plain("last line torn by a crash"), signed)
        case "truncated":
            return (("✗ ", "$bad"), ("RECORD CUT", "bold $bad"), _where(report, wide))
        case "missing":
            return (("✗ ", "$bad"), ("RECORD GONE", "bold $bad"))
        case _:
            return (("✗ ", "$bad"), ("RECORD CHANGED", "bold $bad"), _where(report, wide))


def _where(report: Report, wide: bool) -> Word:
    place = report.place
    if place is None:
        return plain("")
    at = f" at record {place.seq}" if place.seq is not None else ""
    return plain(f"{at}: {one_line(place.what, 80)}" if wide else at)


def seal_words(known: Recording, state: RunState, report: Report | str | None, *, wide: bool) -> Row:
    """Return what stands at the right of row 0."""
    row: list[Word] = []
    if state.sessions:
        opened, last = state.sessions[0], state.sessions[-1]
        user = f"{last.actor.get('user', '')}@{last.actor.get('host', '')}".strip("@")
        words = [str(opened.options.get("incident") or "")]
        words += [user, str(opened.playbook.get("id", ""))] if wide else []
        row += [muted(f"{one_line(each, 40)}   ") for each in words if each]
    records = f" {counted(len(known.timed), 'record')} "
    if isinstance(report, Report):
        held = ("✓ VERIFIED", "$good") if report.holds else ("✗ NOT VERIFIED", "bold $bad")
        return (*row, held, muted(records))
    return (*row, muted(records))


def can_resume(state: RunState, *, live: bool) -> bool:
    """Tell whether the run may be taken up again from here."""
    return not live and not state.handed_over and bool(state.sessions) and state.status in RESUMABLE


def can_undo(state: RunState, *, live: bool) -> bool:
    """Tell whether anything of it can be walked back from here."""
    left = state.undo_open if state.status == "undone" else state.pending_undo
    return not live and not state.handed_over and left > 0


def playback_rows(
    player: Playing, cells: int, *, live: bool, ahead: float = 0.0, here: bool = False
) -> tuple[Row, Row]:
    """Return the two rows of the bar: where the playback is, and what comes next.

    `ahead` is how many seconds a live run has gone on since its last record; `here` is whether this interface steers
    it.
    """
    known = player.recording
    follows = live and player.at_end
    if follows:
        head: Row = (("► FOLLOWING  ", "bold $live"),)
    elif player.playing:
        head = ((f"► PLAYING {player.speed}  ", "bold $accent"),)
    else:
        head = (bold(f"  STOPPED {player.speed}  "),)
    end = known.span + ahead
    time: Row = (
        (f"{duration_text(end if follows else player.at):>5}", "bold"),
        muted("  " if follows else f" of {duration_text(end)}  "),
        *((muted("rests left out  "),) if known.breaks else ()),
    )
    used = sum(len(text) for text, _ in (*head, *time))
    first: Row = (*head, *time, *_track(player, max(cells - used - 1, 4)))
    second: list[Word] = [muted(f"  {_meaning(live=live, here=here)}")]
    after = known.event(player.index, 1)
    if after != player.index:
        what, about = record_words(known.timed[after].fact)
        second += [muted("    next "), bold(duration_text(known.at[after])), plain(f" {what} {about}")]
    elif not live:
        second += [muted("    the end of the record")]
    return first, tuple(second)


def _track(player: Playing, cells: int) -> Row:
    span = player.recording.span
    here = min(int(player.at / span * (cells - 1) + 0.5), cells - 1) if span > 0 else cells - 1
    return (("━" * here, "$accent"), ("◆", "bold"), ("─" * (cells - 1 - here), "$rule"))


def output_head(step: str, place: str, attempt: int, at: float) -> Row:
    """Return what stands above the output."""
    on = f" on {one_line(where(place), 60)}" if where(place) else ""
    tries = {1: "first try", 2: "2nd try", 3: "3rd try"}.get(attempt, f"{attempt}th try") if attempt else ""
    said = f"{one_line(step, 40)}{on}" + (f", {tries}" if tries else "")
    return (muted("OUTPUT AT "), bold(duration_text(at)), muted(f"   {said}"))


def output_foot(state: RunState, step: str, place: str) -> list[Row]:
    """Return how the step stands at this moment, and the proof of its output."""
    at = state.at(step, place)
    attempt = at.attempt
    status = came_to(at)
    mark = mark_of(status)
    words = at.error or (at.evidence[0] if at.evidence else "")
    rows: list[Row] = [((f"{mark.symbol} {status_word(status)}  ", f"${mark.tone}"), plain(one_line(words, 300)))]
    if attempt is not None and attempt.finished is not None and attempt.finished.output is not None:
        kept = attempt.finished.output
        dropped = f" · {kept.dropped} bytes were over the cap" if kept.dropped else ""
        said = f"attempt {attempt.number} · {kept.size} bytes · sha256 {kept.sha256[:8]}{dropped}"
        rows.append((muted(said),))
    return rows
