"""The engine: from a plan to facts.

`plan` flattens a playbook, `decide` says what comes next (pure), `run` carries it out with a bounded pool of
threads, `change`, `probe`, `settle` and `undo` are what a worker does in one place. The engine never prints and
never reads a file of its own; it records facts, tells signals and asks questions through `runbook.ports`.
"""
