"""Plays a recording: feeds a scene with what was on record at a moment, so that the widgets of a live run draw it.

Executes nothing. Going back means to fold again from the first record: state is only ever made by the one fold.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec.structs import replace

from runbook.events.signal import OutputReceived
from runbook.tui.presenter.recording import Recording
from runbook.tui.scene import Scene

Speed = Literal["1×", "10×", "jump"]
SPEEDS: tuple[Speed, ...] = ("1×", "10×", "jump")

STAY = 0.8
"""Seconds that each event is shown for when jumping from one to the next."""


class Player:
    """Stands at one moment of a recording."""

    def __init__(self, recording: Recording, at: float | None = None) -> None:
        """Begin at a moment; by default at the end, where the whole run is known."""
        self.recording = recording
        self.scene = Scene(recording.run, recording.plan)
        self.speed: Speed = "1×"
        self.playing = False
        self.at = 0.0
        self.index = -1
        """The record that one is at; -1 before the first."""
        self._said = 0
        self.scene.spool.lost = recording.lost
        self._stayed = 0.0
        self._overheard: list[OutputReceived] = []
        self._heard = False
        """What was overheard is in the scene."""
        self.go(recording.span if at is None else at)

    @property
    def at_end(self) -> bool:
        """Whether all has been played."""
        return self.index >= len(self.recording.timed) - 1 and self.at >= self.recording.span

    def go(self, at: float) -> None:
        """Go to a moment."""
        at = min(max(at, 0.0), self.recording.span)
        self._show(at, self.recording.index(at))

    def go_to(self, index: int) -> None:
        """Go to a record: what came after it is not known there, even at the same moment."""
        if 0 <= index < len(self.recording.timed):
            self._show(self.recording.at[index], index)

    def event(self, by: int) -> None:
        """Go to the next event, or to the one before."""
        self.go_to(self.recording.event(self.index, by))

    def faster(self, by: int) -> None:
        """Take another speed."""
        self.speed = SPEEDS[min(max(SPEEDS.index(self.speed) + by, 0), len(SPEEDS) - 1)]

    def toggle(self) -> None:
        """Play or stop; at the end play from the beginning."""
        if not self.playing and self.at_end:
            self.go_to(0)
        self.playing, self._stayed = not self.playing and bool(self.recording.timed), 0.0

    def advance(self, seconds: float) -> bool:
        """Let time pass; return whether something moved."""
        if not self.playing:
            return False
        if self.speed == "jump":
            self._stayed += seconds
            if self._stayed < STAY:
                return False
            self._stayed = 0.0
            before = self.index
            self.event(1)
            if self.index == before:
                self.go(self.recording.span)
        else:
            self.go(self.at + seconds * (10 if self.speed == "10×" else 1))
        self.playing = not self.at_end
        return True

    def grow(self, recording: Recording) -> None:
        """Take a recording that goes on after this one; who stood at the end stands at the new end."""
        follows = self.at_end
        self.recording = recording
        self.scene.plan = self.scene.plan or recording.plan
        if follows:
            self.go(recording.span)

    def overhear(self, news: Iterable[OutputReceived], now: float) -> None:
        """Take what running steps of a live run have said up to a moment.

        It stands at the end of what is known, and gives way to what is on record of a step once that is over.
        """
        timed = [replace(said, at_ms=self._since(said, now)) for said in news]
        self._overheard += timed
        if self.at_end and self._heard:
            self._hear(timed)
        self._listen()

    def _since(self, said: OutputReceived, now: float) -> int:
        beat = self.scene.beats.get((said.step, said.target))
        return int(max(now - beat.began, 0.0) * 1000) if beat is not None else 0

    def _listen(self) -> None:
        if self._overheard and self.at_end and not self._heard:
            self._heard = True
            self._hear(self._overheard)

    def _hear(self, news: Iterable[OutputReceived]) -> None:
        for said in news:
            attempt = self.scene.state.at(said.step, said.target).attempt
            if attempt is None or attempt.number != said.attempt or attempt.is_open:
                self.scene.take(said, self.recording.span)

    def retell(self, recording: Recording) -> None:
        """Take the same recording with more of its output, and stay at the moment."""
        self.recording = recording
        self._rewind()
        self._show(self.at, self.index)

    def _rewind(self) -> None:
        self.scene = Scene(self.recording.run, self.recording.plan)
        self.scene.spool.lost = self.recording.lost
        self._said, taken = 0, self.index
        self.index = -1
        self._heard = False
        self._feed(taken, self.at)
        self._listen()

    def _show(self, at: float, index: int) -> None:
        if at < self.at or index < self.index:
            self.at, self.index = at, index
            self._rewind()
        else:
            self._feed(index, at)
        self.at, self.index = at, index
        self._listen()

    def _feed(self, index: int, at: float) -> None:
        """Take records and output in the order of their time, up to this record and this moment."""
        known = self.recording
        spoken, most = known.spoken, len(known.spoken)
        for number in range(self.index + 1, index + 1):
            moment = known.at[number]
            self._speak(moment)
            self.scene.take(known.timed[number], moment)
        while self._said < most and spoken[self._said].at <= at:
            self._speak_one()
        self.index = index

    def _speak(self, until: float) -> None:
        spoken = self.recording.spoken
        while self._said < len(spoken) and spoken[self._said].at < until:
            self._speak_one()

    def _speak_one(self) -> None:
        each = self.recording.spoken[self._said]
        self.scene.take(each.event, each.at)
        self._said += 1
