"""The comparison: `make bench`, or `python bench/run.py [ROW...] [--rounds N]`.

Measures whole processes in turns, in a private folder on a disk, and prints a table. It states what was seen
and fails for no number: a busy machine is no fault of the code.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from bench import peer, table
from bench.measure import Failed, in_turns, private_place
from bench.work import rows
from runbook import __version__


def main() -> int:
    """Measure the rows that were asked for, all of them by default."""
    every = rows()
    parser = argparse.ArgumentParser(description="Runbook beside Chaos Toolkit and beside the floor.")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"only these: {', '.join(every)}")
    parser.add_argument("--rounds", type=int, help="rounds of every row, instead of its own number")
    asked = parser.parse_args()
    unknown = [name for name in asked.rows if name not in every]
    if unknown:
        parser.error(f"there is no row {unknown[0]}; there are {', '.join(every)}")
    hindered = peer.prepare()
    if hindered:
        print(f"Chaos Toolkit is not measured: {hindered}", file=sys.stderr)
    print(_circumstances(with_peer=not hindered))
    print(table.head(), flush=True)
    failed = 0
    for name in asked.rows or every:
        failed += not _measure(name, asked.rounds, with_peer=not hindered)
    print(f"\nLoad of the machine at the end: {_load()}")
    return 1 if failed else 0


def _measure(name: str, rounds: int | None, *, with_peer: bool) -> bool:
    """Measure one row in a folder of its own and print its line; False if something in it does not run at all."""
    folder = Path(tempfile.mkdtemp(prefix="runbook-bench-", dir=_disk()))
    try:
        place = private_place(folder)
        row = rows()[name](place)
        commands = {who: command for who, command in row.commands.items() if with_peer or who != "chaos"}
        if sys.stderr.isatty():
            print(f"{name} …", end="\r", file=sys.stderr, flush=True)
        print(table.line(row, in_turns(commands, place, rounds or row.rounds)), flush=True)
    except Failed as failure:
        print(f"{name}: {failure}", file=sys.stderr)
        return False
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return True


def _circumstances(*, with_peer: bool) -> str:
    versions = [f"Runbook {__version__}", f"CPython {platform.python_version()}"]
    if with_peer:
        versions.append(f"Chaos Toolkit {peer.version()}")
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC · {platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"load {_load()}\n{' · '.join(versions)}\n"
    )


def _disk() -> str | None:
    # Not the usual temporary folder, which may lie in memory, where a sync costs nothing; not the checkout either:
    # Runbook puts the commit of a playbook on record, and the peer has nothing like it.
    return "/var/tmp" if os.access("/var/tmp", os.W_OK) else None  # noqa: S108 - the folder made there is private


def _load() -> str:
    return " ".join(f"{value:.2f}" for value in os.getloadavg())


if __name__ == "__main__":
    sys.exit(main())
