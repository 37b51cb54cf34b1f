"""What every command has at hand: the two streams, the wanted format, and the settings.

Owns how data leaves the process in each format. Leaves the words of each command to the command.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

from msgspec.structs import replace

from runbook.cli.stream import Stream, standard_streams

if TYPE_CHECKING:
    from runbook.config import Settings

T = TypeVar("T")

Format: TypeAlias = Literal["text", "json", "ndjson"]

FORMATS: tuple[Format, ...] = ("text", "json", "ndjson")


class Front:
    """One process of the command line."""

    def __init__(self, streams: tuple[Stream, Stream] | None = None) -> None:
        self.out, self.err = streams or standard_streams()
        self.format: Format = "text"
        self.code = 0
        """The exit code; a command sets it when it is not 0."""
        self.terminated = False
        """The first signal that asked for the end was SIGTERM."""
        self.effect = False
        """A change had begun: an error after it is told with another code."""
        self.begun: dict[str, str] = {}
        """`id`, `playbook` and `started` of a run that was begun and did not come to a rest."""
        self.ssh_config: Path | None = None
        """What --ssh-config says."""
        self._ends: list[Mapping[str, Any]] | None = None

    @property
    def is_text(self) -> bool:
        """Whether people read the data."""
        return self.format == "text"

    @property
    def is_interactive(self) -> bool:
        """Whether somebody can be asked: the questions go to stderr and the answers come from stdin."""
        try:
            return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
        except ValueError:
            return False

    def settings(self) -> Settings:
        """Return the folders of this user and of the present folder."""
        from runbook.config import settings

        found = settings()
        return found if self.ssh_config is None else replace(found, ssh_config=self.ssh_config)

    def say(self, text: str) -> None:
        """Tell something beside the data; `text` is clean already."""
        self.err.line(text)

    def text(self, lines: Iterable[str]) -> None:
        """Write lines of clean text as data."""
        for line in lines:
            self.out.line(line)

    def value(self, value: Mapping[str, Any], text: Callable[[], Iterable[str]]) -> None:
        """Write one value: as an object, or as the lines that `text` makes."""
        if self.is_text:
            self.text(text())
        else:
            self.out.raw(encode(value, indent=self.format == "json"))

    def rows(self, items: Sequence[Mapping[str, Any]], text: Callable[[], Iterable[str]]) -> None:
        """Write a list: as an array, as one object per line, or as the lines that `text` makes."""
        match self.format:
            case "text":
                self.text(text())
            case "json":
                self.out.raw(encode(items, indent=True))
            case "ndjson":
                for item in items:
                    self.out.raw(encode(item))

    def expect_several_ends(self) -> None:
        """Keep what `end` is given from now on for one array; lines of NDJSON go out as they come."""
        self._ends = [] if self.format == "json" else None

    def end(self, row: Mapping[str, Any]) -> None:
        """Write the object that tells a program how it ended; nothing for people."""
        if self._ends is not None:
            self._ends.append(row)
        elif not self.is_text:
            self.out.raw(encode(row, indent=self.format == "json"))

    def finish(self) -> None:
        """Write what was kept; nothing is kept from here on."""
        ends, self._ends = self._ends, None
        if ends is not None:
            self.out.raw(encode(ends, indent=True))

    def working(self, words: str, work: Callable[[], T]) -> T:
        """Do some work; on a terminal its elapsed time shows after the first second."""
        if not self.err.style.live:
            return work()
        done = Event()
        began = time.monotonic()

        def tick() -> None:
            from runbook.text import duration_text

            while not done.wait(1):
                self.err.live(f"{self.err.style.mark('running')} {words} {duration_text(time.monotonic() - began)}")

        ticker = Thread(target=tick, name="elapsed", daemon=True)
        ticker.start()
        try:
            return work()
        finally:
            done.set()
            ticker.join()
            self.err.live("")


def encode(value: object, *, indent: bool = False) -> str:
    """Return a value as JSON, one line or indented, with a line end; a terminal may show it as it is."""
    import msgspec

    from runbook.text.escape import harmless_json

    data = harmless_json(msgspec.json.encode(value, enc_hook=_plain))
    return (msgspec.json.format(data, indent=2) if indent else data).decode() + "\n"


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else repr(value)
