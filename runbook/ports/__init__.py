"""The protocols at which the siblings meet: targets, actions, questions, records.

Each module is one port. Nothing here does anything; bodies live in `transports`, `actions`, `journal`, and the
front ends. Doubles for authors of actions are in `runbook.testing`.
"""
