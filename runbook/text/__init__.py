"""Text from outside made safe to show, and values made readable: sanitising, quoting, units."""

from runbook.text.quote import csv_cell, fence, html, markdown, shell_words
from runbook.text.sanitise import StreamSanitiser, one_line, reveal, sanitise
from runbook.text.unit import counted, duration_text, seconds, share, size, size_text

__all__ = [
    "StreamSanitiser",
    "counted",
    "csv_cell",
    "duration_text",
    "fence",
    "html",
    "markdown",
    "one_line",
    "reveal",
    "sanitise",
    "seconds",
    "share",
    "shell_words",
    "size",
    "size_text",
]
