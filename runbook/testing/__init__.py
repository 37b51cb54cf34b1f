"""Doubles of the ports and a contract suite, for the authors of actions and of transports.

`Bench` is a target on this machine, `Faulty` one that fails where it is told to, `MemoryWork` a work that can crash,
`ScriptedApprover` somebody who answers; `contract` holds the checks that every action must pass.
"""

from runbook.testing.approver import ScriptedApprover
from runbook.testing.bench import Bench
from runbook.testing.contract import CHECKS, Case
from runbook.testing.faulty import Faulty
from runbook.testing.work import Crash, MemoryWork
from runbook.testing.world import tree

__all__ = ["CHECKS", "Bench", "Case", "Crash", "Faulty", "MemoryWork", "ScriptedApprover", "tree"]
