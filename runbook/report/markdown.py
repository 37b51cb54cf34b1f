"""The report as a page of Markdown, for a review after the incident: decisions first, then what is open.

Owns the order of the sections only; each stands in a module of its own. The page is CommonMark with tables
(https://github.github.com/gfm/#tables-extension-), and every text from outside is quoted, so that it renders as itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from runbook.events.timed import Timed
from runbook.report.deviation import decisions
from runbook.report.happened import happened
from runbook.report.headline import headline
from runbook.report.pending import still_open
from runbook.report.provenance import provenance
from runbook.report.story import read_story
from runbook.report.undoing import undo


def markdown_report(
    run: str, timed: Sequence[Timed], *, verification: str = "", is_left: bool = False, now: str
) -> str:
    """Return the report of a run.

    Args:
        run: its id, as commands take it.
        timed: its facts in the order of the journal; any sequence gives a report, half of them too.
        verification: what the proof of the journal said, in words; empty if it was not asked for.
        is_left: no process has the run in its hands, whatever the journal says.
        now: RFC 3339 time of the report.
    """
    story = read_story(run, timed, is_left=is_left)
    blocks = [
        *headline(story, verification, now),
        *decisions(story),
        *still_open(story),
        *happened(story),
        *undo(story),
        *provenance(story),
    ]
    return "\n\n".join(blocks) + "\n"
