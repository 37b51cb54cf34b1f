"""The journal: the truth about runs, as plain text.

Owns records and their chain, the single writer of a run, the ledger of heads, side files for output, reading, and
proof. Leaves what the records mean to `events`, signatures to the session, and search to the index.

    Writer ── Group ── journal.jsonl       one chained line per record
       └───── Ledger ─ ledger.jsonl        one chained line per opening and close of any run
    read, follow, find                     without proof
    verify_run, verify_all                 chain, ledger, copies and side files against each other
"""

from runbook.journal.book import Anchor, Book, read_book
from runbook.journal.chain import Chain, Link, Place, Scan
from runbook.journal.disk import Disk, Room
from runbook.journal.identity import new_run_id
from runbook.journal.layout import Layout, is_run_id, list_runs
from runbook.journal.ledger import Head, Ledger, Sign, statement
from runbook.journal.lock import Holder, Lock, holder, this_process
from runbook.journal.output import Chunk, FileRef, OutputFile, OutputRef, output_name, read_output
from runbook.journal.reader import find, follow, read
from runbook.journal.record import Clock, Entry, Record, encode, parse, system_clock
from runbook.journal.tear import Repair
from runbook.journal.verify import Audit, Report, check_output, verify_all, verify_run
from runbook.journal.writer import Writer

__all__ = [
    "Anchor",
    "Audit",
    "Book",
    "Chain",
    "Chunk",
    "Clock",
    "Disk",
    "Entry",
    "FileRef",
    "Head",
    "Holder",
    "Layout",
    "Ledger",
    "Link",
    "Lock",
    "OutputFile",
    "OutputRef",
    "Place",
    "Record",
    "Repair",
    "Report",
    "Room",
    "Scan",
    "Sign",
    "Writer",
    "check_output",
    "encode",
    "find",
    "follow",
    "holder",
    "is_run_id",
    "list_runs",
    "new_run_id",
    "output_name",
    "parse",
    "read",
    "read_book",
    "read_output",
    "statement",
    "system_clock",
    "this_process",
    "verify_all",
    "verify_run",
]
