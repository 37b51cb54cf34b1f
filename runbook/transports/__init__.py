"""The ways to reach hosts: one module per transport, reached by name.

A transport is imported and built when its name is asked for. Built-ins stand in a static table; guests register a
class under the entry point group `runbook.transports`, which is searched only for a name that is not in the table.
"""

from runbook.transports.given import Given
from runbook.transports.registry import BUILT_IN, Transports, transports

__all__ = ["BUILT_IN", "Given", "Transports", "transports"]
