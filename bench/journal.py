"""Our side of the rows on the journal, as a script.

journal.py append COUNT BLOCK STATE    durable records, BLOCK of them at a time; prints the seconds
journal.py chain COUNT STATE           makes the chain that is to be verified; prints its run
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.material import RECORD
from runbook.journal import Entry, Layout, Writer, new_run_id

BLOCK = 1000


def append(count: int, block: int, state: Path) -> None:
    """Append durable records and print how long that took."""
    with Writer.create(Layout(state), new_run_id(datetime.now(UTC))) as writer:
        fields: dict[str, Any] = RECORD
        writer.append(Entry(**fields), durable=True)
        begun = time.perf_counter()
        for _ in range(0, count, block):
            writer.append(*(Entry(**fields) for _ in range(block)), durable=True)
        print(time.perf_counter() - begun)


def chain(count: int, state: Path) -> None:
    """Write one closed run of so many records, and print its id."""
    run = new_run_id(datetime.now(UTC))
    with Writer.create(Layout(state), run) as writer:
        fields: dict[str, Any] = RECORD
        for _ in range(0, count, BLOCK):
            writer.append(*(Entry(**fields) for _ in range(BLOCK)), durable=False)
        writer.close("succeeded")
    print(run)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["append", count, block, state]:
            append(int(count), int(block), Path(state))
        case ["chain", count, state]:
            chain(int(count), Path(state))
        case _:
            sys.exit(__doc__)
