"""The report: what a run did, for people who were not there.

Owns the timeline, the sentence about the outcome and the Markdown page, all made from facts alone: it reads no file,
no clock and no playbook. Total: a damaged or half journal gives a report that says what is missing.

    timeline      one row per step and place
    summary       the one line about the outcome
    story         everything that the sections read, gathered in one pass
    decision      how decisions and deviations are worded
    markdown      the page; its sections are headline, deviation, pending, happened, watch, undoing, provenance
"""

from runbook.report.markdown import markdown_report
from runbook.report.summary import outcome_sentence
from runbook.report.timeline import Row, rows

__all__ = ["Row", "markdown_report", "outcome_sentence", "rows"]
