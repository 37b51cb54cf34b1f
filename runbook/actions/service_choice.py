"""Which service manager a step means: said in the playbook, or found out on the target."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from runbook.actions.capture import answer
from runbook.actions.form import Sudo, Timeout, With, absolute, script
from runbook.actions.service_driver import Driver, is_unit
from runbook.actions.service_supervised import Supervised
from runbook.actions.service_systemd import PRESENT, Systemd
from runbook.errors import ActionError
from runbook.model.scalar import Template
from runbook.ports.target import Cmd, Reader
from runbook.text import one_line

DriverName: TypeAlias = Literal["systemd", "supervised"]


class ServiceWith(With, frozen=True, kw_only=True):
    """Which unit, and who manages it."""

    unit: Annotated[Template, Meta(description="Name of the unit, as systemctl or the control program knows it")]
    sudo: Sudo = False
    driver: Annotated[
        Literal["auto", "systemd", "supervised"],
        Meta(description="`auto`: supervised if `control` is given, else systemd if it runs the target"),
    ] = "auto"
    user: Annotated[bool, Meta(description="The manager of the login user (systemctl --user)")] = False
    control: Annotated[Template, Meta(description="Absolute path of the control program of supervised processes")] = ""
    timeout: Timeout = 90.0


def choose(w: ServiceWith, t: Reader) -> DriverName:
    """Find out who manages the unit.

    Raises ActionError, with the remedy, if the step makes no sense or nobody is there.
    """
    if not is_unit(w.unit):
        raise ActionError(
            f"{one_line(w.unit)!r} is no name of a unit", where="unit", remedy="name one unit, no pattern"
        )
    if w.user and w.sudo:
        raise ActionError("`user` and `sudo` exclude each other", where="with", remedy="leave one of them out")
    if w.control and w.driver == "systemd":
        raise ActionError("systemd has no control program", where="control", remedy="leave `control` out")
    if w.driver == "supervised" or (w.driver == "auto" and w.control):
        absolute(w.control, "control")
        return "supervised"
    if t.host.transport == "chroot":
        raise ActionError(
            "in a mounted root no service manager runs: how its services are cannot be told",
            where=t.host.name,
            remedy="start the machine from it, then look",
        )
    if w.driver == "auto" and answer(t, Cmd(script(PRESENT), timeout=w.timeout)).exit != 0:
        raise ActionError(
            "systemd does not run this host",
            where=t.host.name,
            remedy="say `control: PATH` for a control program of supervised processes",
        )
    return "systemd"


def driver_of(w: ServiceWith, name: DriverName) -> Driver:
    """Return the driver for the unit of a step."""
    if name == "supervised":
        return Supervised(w.unit, control=w.control, sudo=w.sudo, timeout=w.timeout)
    return Systemd(w.unit, user=w.user, sudo=w.sudo, timeout=w.timeout)
