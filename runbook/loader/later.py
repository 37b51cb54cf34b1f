"""What the language already has and this version does not do: one table, so that nothing is silently ignored."""

from __future__ import annotations

from runbook.errors import NoTargetError
from runbook.model.host import Host
from runbook.model.playbook import Approve

LATER = {
    "peer": "this needs signed approvals, which are not available in this version",
}

PEER_REMEDY = "write approve: operator"


def needs_peer(approve: Approve) -> bool:
    """Tell whether an approval asks for more than the operator."""
    if isinstance(approve, str):
        return approve == "peer"
    return approve.required > 1 or bool(approve.not_)


def refuse_transport(hosts: tuple[Host, ...], available: frozenset[str]) -> None:
    """Raise NoTargetError for the first host that can only be reached in a way that this version does not have."""
    for host in hosts:
        if host.transport not in available:
            raise NoTargetError(
                LATER.get(host.transport, f"needs the transport {host.transport}, which is not there"),
                where=host.name,
                remedy="choose hosts with transport: local, ssh or chroot",
            )
