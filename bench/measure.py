"""Measuring: whole processes by the wall clock, taken in turns, and what their numbers say.

Owns the clock, the order of runs and the statistics. Leaves what is run to `work` and how it is shown to `table`.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Literal

from msgspec import Struct

KIB = 1024


class Command(Struct, frozen=True):
    """One process to measure."""

    argv: tuple[str, ...]
    clock: Literal["process", "told", "first line"] = "process"
    """From start to end; what it prints as its own seconds, where start-up is not compared; or to its first line."""
    exits: tuple[int, ...] = (0,)
    """With which it ends well."""


class Sample(Struct, frozen=True):
    """One run of a process."""

    seconds: float
    cpu_seconds: float
    """Of the process and the children it has waited for, in user and system mode."""
    peak_bytes: int
    """The largest resident set of the process or of a child it has waited for."""


class Failed(Exception):
    """A process that was to be measured did not end well, so that its time means nothing."""


class Place(Struct, frozen=True):
    """Where processes run: a folder, and an environment that shows them nothing of the user."""

    folder: Path
    env: Mapping[str, str]


def private_place(folder: Path) -> Place:
    """Return a place below the folder with a home of its own."""
    home = folder / "home"
    home.mkdir(mode=0o700)
    kept = {name: os.environ[name] for name in ("PATH", "TZ") if name in os.environ}
    return Place(folder, {**kept, "HOME": str(home), "LC_ALL": "C.UTF-8", "NO_COLOR": "1"})


def sample(command: Command, place: Place) -> Sample:
    """Run a process once. Raises Failed, with the end of what it wrote, unless it ends well."""
    with tempfile.TemporaryFile(dir=place.folder) as errors, tempfile.TemporaryFile(dir=place.folder) as told:
        outs: dict[str, int | IO[bytes]] = {"told": told, "first line": subprocess.PIPE}
        out = outs.get(command.clock, subprocess.DEVNULL)
        begun = time.perf_counter()
        child = subprocess.Popen(
            command.argv, cwd=place.folder, env=place.env, stdin=subprocess.DEVNULL, stdout=out, stderr=errors
        )
        seconds = _until_first_line(child, begun) if command.clock == "first line" else 0.0
        _, status, usage = os.wait4(child.pid, 0)
        seconds = seconds or time.perf_counter() - begun
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode not in command.exits:
            raise Failed(f"{' '.join(command.argv)[:300]} ended with {child.returncode}: {_end_of(errors)}")
        if command.clock == "told":
            told.seek(0)
            seconds = float(told.read())
    # ru_maxrss counts KiB on Linux and bytes on macOS (getrusage(2) of either).
    unit = KIB if os.uname().sysname == "Linux" else 1
    return Sample(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit)


def _until_first_line(child: subprocess.Popen[bytes], begun: float) -> float:
    """Return the seconds until a line came; all that follows is read and dropped."""
    assert child.stdout is not None
    with child.stdout as lines:
        first = lines.readline()
        seconds = time.perf_counter() - begun
        while lines.read(65536):
            pass
    return seconds if first else 0.0


def _end_of(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")[-600:]


def in_turns(commands: Mapping[str, Command], place: Place, rounds: int) -> dict[str, tuple[Sample, ...]]:
    """Run all commands once unmeasured, then `rounds` times each in the order A B C A B C.

    A machine that slows down for a while then slows all of them, and the ratio of neighbours stays.
    """
    for command in commands.values():
        sample(command, place)
    taken: dict[str, list[Sample]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            taken[name].append(sample(command, place))
    return {name: tuple(samples) for name, samples in taken.items()}


def median_seconds(samples: Sequence[Sample]) -> float:
    """Return the median of the times."""
    return statistics.median(one.seconds for one in samples)


def spread(samples: Sequence[Sample]) -> float | None:
    """Return the distance of the quartiles as a part of the median: how restless the machine was.

    None where there are too few samples to tell.
    """
    if len(samples) < 4:
        return None
    low, _, high = statistics.quantiles((one.seconds for one in samples), n=4)
    return (high - low) / median_seconds(samples)


def paired_ratio(ours: Sequence[Sample], theirs: Sequence[Sample]) -> float:
    """Return the median of the ratios of neighbours, which a drifting machine disturbs least."""
    return statistics.median(a.seconds / b.seconds for a, b in zip(ours, theirs, strict=True))


def paired_cpu_ratio(ours: Sequence[Sample], theirs: Sequence[Sample]) -> float:
    """Return the same of the processor time, which a busy machine disturbs less than the clock on the wall."""
    return statistics.median(a.cpu_seconds / b.cpu_seconds for a, b in zip(ours, theirs, strict=True))


def peak_mib(samples: Sequence[Sample]) -> float:
    """Return the largest peak memory, in MiB."""
    return max(one.peak_bytes for one in samples) / KIB**2
