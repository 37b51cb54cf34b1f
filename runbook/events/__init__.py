"""What is told: facts that the journal keeps, signals that screens show, and the fold of facts into state.

Facts are written before they are shown, and all state is folded from them: live view, watch, resume, playback
and review share `runbook.events.fold`. Signals (output, progress, phases) may be dropped by a display.
"""
