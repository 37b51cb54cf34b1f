"""What steps do: one module per mechanism, reached by name through the catalogue.

Actions and probes use the ports alone and know neither engine nor transports. Nothing is imported before its
name is asked for, so that a run pays only for what its playbook uses.
"""

from runbook.actions.registry import catalogue

__all__ = ["catalogue"]
