"""The ways to the hosts of one session: transports that know whom to ask, what to mask, which configuration to read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from msgspec.structs import replace

from runbook.config import Settings, check_owner
from runbook.events import fact as f
from runbook.events.state import RunState
from runbook.model.question import Answer, NoAnswer, Question
from runbook.ports.approver import Approver
from runbook.ports.cancel import Cancel
from runbook.transports import Given, Transports, transports


def ways(
    settings: Settings,
    approver: Approver | None = None,
    mask: Callable[[str], str] = str,
    *,
    new_hosts: bool = False,
    keys: Mapping[str, str] | None = None,
) -> Transports:
    """Return the transports of a session; without an approver nobody is asked.

    With `new_hosts` a person may accept the key of a host that nobody knows; without, it is refused. `keys` are those
    of `changed_with`: another machine in the place of one of these hosts is refused.
    Raises ConfigError if others may write the ssh configuration: it can name commands that ssh runs.
    """
    if settings.ssh_config is not None:
        check_owner(settings.ssh_config)
    given = Given(mask=mask, ssh_config=settings.ssh_config, keys=keys or {})
    if approver is None:
        return transports(given)
    return transports(replace(given, ask=approver.ask if new_hosts else _Discreet(approver).ask))


class _Discreet:
    """Asks for everything but whether a host is to be trusted."""

    def __init__(self, approver: Approver) -> None:
        self._approver = approver

    def ask(self, question: Question, cancel: Cancel) -> Answer | NoAnswer:
        if question.kind == "host_key":
            return NoAnswer("only a guided run asks about the key of a host")
        return self._approver.ask(question, cancel)


def as_recorded(settings: Settings, state: RunState) -> Settings:
    """Return settings with the ssh configuration that a run began with, unless another one is asked for."""
    recorded = str(state.opened.options.get("ssh_config") or "") if state.opened is not None else ""
    return replace(settings, ssh_config=Path(recorded)) if recorded and settings.ssh_config is None else settings


def changed_with(facts: Iterable[f.Fact]) -> dict[str, str]:
    """Return the host key that each target had when a run last began a change there, by the name of the target."""
    met: dict[str, str] = {}
    changed: dict[str, str] = {}
    for fact in facts:
        match fact:
            case f.TargetMet(target=name, host_key=key) | f.LeaseClaimed(target=name, host_key=key) if key:
                met[name] = key
            case f.OperationIntended(target=name) if name in met:
                changed[name] = met[name]
            case _:
                pass
    return changed
