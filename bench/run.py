"""The comparison: `make bench`, or `python bench/run.py [ROW...] [--rounds N]`.

Measures whole processes in turns, in a private folder on a disk, and prints a table for the rows on this machine and
one for those over SSH. It states what was seen and fails for no number: a busy machine is no fault of the code.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from bench import peer, remote, table, work
from bench.measure import Failed, Place, in_turns, private_place
from bench.row import NAMES, Row
from runbook import __version__
from tests.lab.lab import Lab, join
from tests.lab.place import LabMissing

HERE = ("floor", "chaos")
THERE = ("floor", "openssh", "fabric", "pyinfra", "ansible")


def main() -> int:
    """Measure the rows that were asked for, all of them by default."""
    here, there = work.rows(), remote.rows()
    parser = argparse.ArgumentParser(description="Runbook beside its peers and beside the floor.")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"only these: {', '.join([*here, *there])}")
    parser.add_argument("--rounds", type=int, help="rounds of every row, instead of its own number")
    asked = parser.parse_args()
    unknown = [name for name in asked.rows if name not in here and name not in there]
    if unknown:
        parser.error(f"there is no row {unknown[0]}; there are {', '.join([*here, *there])}")
    wanted = asked.rows or [*here, *there]
    print(_circumstances())
    good = True
    if any(name in here for name in wanted):
        others = _prepared(HERE)
        chosen = [(name, here[name]) for name in wanted if name in here]
        good &= _measure_all(chosen, others, asked.rounds)
    if any(name in there for name in wanted):
        with _lab() as lab:
            if lab is not None:
                others = _prepared(THERE)
                taken = [(name, _in(lab, there[name])) for name in wanted if name in there]
                good &= _measure_all(taken, others, asked.rounds)
    print(f"\nLoad of the machine at the end: {_load()}")
    return 0 if good else 1


def _in(lab: Lab, make: remote.Make) -> Callable[[Place], Row]:
    return lambda place: make(place, lab)


def _measure_all(
    chosen: Iterable[tuple[str, Callable[[Place], Row]]], others: tuple[str, ...], rounds: int | None
) -> bool:
    print(f"\n{table.head(others)}", flush=True)
    done = [_measure(name, make, others, rounds) for name, make in chosen]
    return all(done)


def _measure(name: str, make: Callable[[Place], Row], others: tuple[str, ...], rounds: int | None) -> bool:
    """Measure one row in a folder of its own and print its line; False if something in it does not run at all."""
    folder = Path(tempfile.mkdtemp(prefix="runbook-bench-", dir=_disk()))
    try:
        place = private_place(folder)
        row = make(place)
        commands = {who: command for who, command in row.commands.items() if who in {"runbook", *others}}
        if sys.stderr.isatty():
            print(f"{name} …", end="\r", file=sys.stderr, flush=True)
        with row.around():
            taken = in_turns(commands, place, rounds or row.rounds)
        print(table.line(row, taken, others), flush=True)
    except Failed as failure:
        print(f"{name}: {failure}", file=sys.stderr)
        return False
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return True


@contextmanager
def _lab() -> Iterator[Lab | None]:
    """Have the lab up, and be in its network; None where there cannot be one."""
    try:
        lab = join()
    except (LabMissing, TimeoutError) as missing:
        print(f"\nThe rows over SSH are not measured: {missing}", file=sys.stderr)
        yield None
        return
    try:
        with lab.inside():
            yield lab
    finally:
        lab.leave()


def _prepared(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return those who can be measured here, and tell of the others."""
    ready = []
    for name in names:
        hindered = peer.prepare(name)
        if hindered:
            print(f"{NAMES[name]} is not measured: {hindered}", file=sys.stderr)
        else:
            ready.append(name)
    told = [f"{NAMES[name]} {version}" for name in ready if (version := peer.version(name))]
    print(f"Runbook {__version__} · CPython {platform.python_version()}" + "".join(f" · {words}" for words in told))
    return tuple(ready)


def _circumstances() -> str:
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC · {platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"load {_load()}"
    )


def _disk() -> str | None:
    # Not the usual temporary folder, which may lie in memory, where a sync costs nothing; not the checkout either:
    # Runbook puts the commit of a playbook on record, and the peer has nothing like it.
    return "/var/tmp" if os.access("/var/tmp", os.W_OK) else None  # noqa: S108 - the folder made there is private


def _load() -> str:
    return " ".join(f"{value:.2f}" for value in os.getloadavg())


if __name__ == "__main__":
    sys.exit(main())
