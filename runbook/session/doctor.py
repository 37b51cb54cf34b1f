"""The preflight: whether every target of a playbook is fit for it, found out on all of them at once, by reading only.

Owns what is looked at and what can be done about it. A host is asked with one command, however much is looked at.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from runbook.config import Settings
from runbook.engine.lease import of_another
from runbook.errors import AuthError, HostKeyError, RunbookError, TransportError
from runbook.model.host import Host
from runbook.model.plan import Plan, PlannedStep
from runbook.ports.approver import Approver
from runbook.ports.cancel import Cancel
from runbook.ports.target import Claimed, Cmd, LeaseHeld, Stream, Target, Transport
from runbook.session.control import Control
from runbook.session.doctor_root import LITTLE, look_at_root
from runbook.session.order import Order
from runbook.session.prepare import prepare
from runbook.session.way import ways
from runbook.transports import survey

AT_ONCE = 20
"""Hosts that are looked at at the same time."""

_SECONDS = 20.0
_SKEW = 2.0
"""Seconds: what `date` tells is whole seconds, and the way takes its time."""

_BUSY = 50
"""Load for each core above which a host is told to be busy."""
_LITTLE_MEMORY = 0.03
"""Part of the memory that is available, below which a host is told to be short of it."""

State = Literal["good", "warn", "bad"]

_TOOLS = {"git.": ("git",), "ldconfig.": ("ldconfig",), "file.": ("cp", "mv", "mktemp", "sha256sum")}
"""What actions whose names begin so need on a host."""

_WRAPPER = ("cat", "mkdir", "mv", "grep", "sleep", "tr", "tail")

# Words in, lines out: a name, a space, a value. `-v` asks whether sudo needs a password for anything at all; where it
# does, single commands may be free of it all the same. Where it does not, the rules may still allow a few alone.
_SCRIPT = r"""
exec 2>/dev/null </dev/null
sudo=$1; shift
# Tools of an administrator lie where a login need not look, and sudo does.
looked=$PATH${sudo:+:/usr/local/sbin:/usr/sbin:/sbin}
for tool; do PATH=$looked command -v "$tool" >/dev/null || echo "missing $tool"; done
echo "user $(id -un) $(id -u)"
SURVEY
[ -r /proc/loadavg ] && { read -r load _ </proc/loadavg; echo "load $load $(grep -c '^cpu[0-9]' /proc/stat)"; }
[ -r /proc/meminfo ] && while read -r name kib _; do
  case $name in MemTotal:) echo "total $kib" ;; MemAvailable:) echo "free $kib" ;; esac
done </proc/meminfo
if [ "$sudo" ]; then
  if ! command -v sudo >/dev/null; then echo "sudo none"
  elif sudo -n -v && LC_ALL=C sudo -n -l | grep -Eq '^ *[(](ALL|root)[^)]*[)].* ALL$'; then echo "sudo free"
  elif LC_ALL=C sudo -n -l | grep -q NOPASSWD; then echo "sudo narrow"
  else echo "sudo password"; fi
fi
echo "end 1"
""".replace("SURVEY\n", survey.SCRIPT)


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that was looked at on one host."""

    what: Literal["reach", "host key", "login", "sudo", "disk", "clock", "tools", "root", "health", "machine", "lease"]
    state: State
    told: str
    remedy: str = ""


class Checkup(Struct, frozen=True, kw_only=True):
    """All that was found on one host."""

    host: str
    findings: tuple[Finding, ...]
    clock_offset: float | None = None
    """Seconds that the host's clock is ahead of this one; None if it is not known."""
    machine: str = ""
    """Which machine, login and state folder it is; empty if it is not known."""

    @property
    def is_reachable(self) -> bool:
        """Whether commands can be sent to it."""
        return not any(f.state == "bad" and f.what in {"reach", "host key", "login"} for f in self.findings)

    @property
    def is_fit(self) -> bool:
        """Whether nothing stands against a run."""
        return not any(finding.state == "bad" for finding in self.findings)


class _Said:
    """A sink for the answer of a host."""

    def __init__(self) -> None:
        self.out = b""
        self.err = b""
        """What the login said before the script began, which is silent here."""

    def write(self, stream: Stream, data: bytes) -> None:
        if stream == "out":
            self.out = (self.out + data)[:65536]
        else:
            self.err = (self.err + data)[:65536]


def examine(
    settings: Settings,
    order: Order,
    approver: Approver | None = None,
    heard: Callable[[Checkup], None] = lambda _: None,
    control: Control | None = None,
) -> tuple[Checkup, ...]:
    """Look at all targets of an order, in parallel; `heard` gets each as it is done, one at a time.

    Raises RunbookError if the order cannot be prepared. What is wrong with a target is a finding.
    """
    plan = prepare(settings, order).plan
    cancel = (control or Control()).cancel_token
    reached = ways(settings, approver)
    try:
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="doctor") as pool:
            futures = [
                pool.submit(_examine, host, reached[host.transport], needs(plan, host), cancel, asks=order.guided)
                for host in plan.hosts.values()
            ]
            found: list[Checkup] = []
            for future in futures:
                found.append(_with_twin(future.result(), found, plan))
                heard(found[-1])
    finally:
        reached.close()
    return tuple(found)


class Needs(Struct, frozen=True):
    """What a plan needs of a host."""

    tools: tuple[str, ...]
    sudo: bool
    changes: bool
    inside: tuple[str, ...] = ()
    """Tools that a mounted root itself must have."""


def needs(plan: Plan, host: Host) -> Needs:
    """Return what the steps of a plan need of a host, as far as the playbook says it."""
    steps = [step for unit in plan.units for step in unit.steps if host.name in step.hosts and not step.once]
    changes = any(step.effect != "read" for step in steps)
    tools = {tool for step in steps for tool in _tools(step)} | (set(_WRAPPER) if changes else set())
    if host.transport == "chroot":
        # Who enters a root is root already; files and jobs are handled with the tools of this machine.
        own = {*_WRAPPER, *_TOOLS["file."]}
        return Needs(tuple(sorted(tools & own)), False, changes, tuple(sorted(tools - own)))
    return Needs(tuple(sorted(tools)), any(step.with_.get("sudo") is True for step in steps), changes)


def _tools(step: PlannedStep) -> Iterator[str]:
    for prefix, tools in _TOOLS.items():
        if step.uses.startswith(prefix):
            yield from tools
    argv = step.with_.get("argv")
    if step.uses == "command" and isinstance(argv, list) and argv:
        name = str(argv[0])
        if "{" not in name and "/" not in name:
            yield name


def _examine(host: Host, transport: Transport, wanted: Needs, cancel: Cancel, *, asks: bool) -> Checkup:
    root: tuple[Finding, ...] = ()
    try:
        target = transport.target(host, cancel)
        said, offset = _ask(target, wanted)
        if host.transport == "chroot":
            roots = look_at_root(target, wanted.inside, changes=wanted.changes)
            root = tuple(Finding(what="root", state=one.state, told=one.told, remedy=one.remedy) for one in roots)
        held = target.holder() if wanted.changes and isinstance(target, Claimed) else None
    except HostKeyError as error:
        return _away(host, "host key", error)
    except AuthError as error:
        return _away(host, "login", error)
    except RunbookError as error:
        return _away(host, "reach", error)
    findings = (*_findings(said, offset, wanted, asks=asks), *root, *_lease(host.name, held))
    # Local names and mounted roots share one machine as they are meant to.
    machine = said["machine"][0] if "machine" in said and host.transport == "ssh" else ""
    return Checkup(host=host.name, findings=findings, clock_offset=offset, machine=machine)


def _lease(name: str, held: LeaseHeld | None) -> Iterator[Finding]:
    """Tell that another run holds a host: one that changes it would be refused."""
    if held is not None:
        told, remedy = of_another(name, held)
        yield Finding(what="lease", state="bad", told=told, remedy=remedy)


def _with_twin(checkup: Checkup, others: list[Checkup], plan: Plan) -> Checkup:
    """Add that a host is one that was looked at under another name; a run would refuse to change it twice."""
    twin = next((one.host for one in others if checkup.machine and one.machine == checkup.machine), "")
    if not twin:
        return checkup
    steps = (step for unit in plan.units for step in unit.steps if step.effect != "read")
    twice = any({twin, checkup.host} <= set(step.hosts) for step in steps)
    finding = Finding(
        what="machine", state="bad" if twice else "warn",
        told=f"is the same machine as {twin}, with the same login and state folder",
        remedy="take one of the names out of the inventory, or leave it out with --limit",
    )  # fmt: skip
    return replace(checkup, findings=(*checkup.findings, finding))


def _away(host: Host, what: Literal["reach", "host key", "login"], error: RunbookError) -> Checkup:
    told = f"{error.where}: {error.message}" if error.where else error.message
    return Checkup(host=host.name, findings=(Finding(what=what, state="bad", told=told, remedy=error.remedy),))


def _ask(target: Target, wanted: Needs) -> tuple[dict[str, list[str]], float]:
    sink = _Said()
    words = ("sh", "-c", _SCRIPT, "runbook-doctor", "1" if wanted.sudo else "", *wanted.tools)
    begun = time.time()
    # For a mounted root, this asks the machine that it is mounted on: there lie its job folders.
    finished = target.read(Cmd(words, timeout=_SECONDS, files=True), sink)
    ended = time.time()
    said: dict[str, list[str]] = {}
    for line in sink.out.decode("utf-8", "replace").splitlines():
        name, _, value = line.partition(" ")
        said.setdefault(name, []).append(value)
    if "end" not in said:
        told = "; ".join(finished.evidence) or f"exit status {finished.exit}"
        raise TransportError(f"it gave no whole answer: {told}", where=target.host.name)
    said["noise"] = sink.err.decode("utf-8", "replace").strip().splitlines()[:1]
    clock = float(said["clock"][0]) + 0.5
    # Within its own second, and the time that the answer took, nobody can tell an offset.
    return said, 0.0 if begun - 1 <= clock <= ended + 1 else clock - (begun + ended) / 2


def _findings(said: dict[str, list[str]], offset: float, wanted: Needs, *, asks: bool) -> Iterator[Finding]:
    yield Finding(what="reach", state="good", told="answers")
    user, _, uid = said["user"][0].rpartition(" ")
    yield Finding(what="login", state="good", told=f"as {user}, uid {uid}")
    for line in said["noise"]:
        yield Finding(
            what="login", state="warn",
            told=f"says something before every command, which enters what steps capture from stderr: {line[:80]!r}",
            remedy="have its start files (~/.bashrc, ~/.zshenv) say nothing unless a person is there: "
            "`case $- in *i*) ;; *) return ;; esac` above what does",
        )  # fmt: skip
    if wanted.sudo:
        yield _sudo(said["sudo"][0], uid, asks=asks)
    yield _disk(said, wanted)
    if abs(offset) <= _SKEW:
        yield Finding(what="clock", state="good", told="agrees with this machine's")
    else:
        yield Finding(
            what="clock", state="warn", told=f"{abs(offset):.0f} s {'ahead' if offset > 0 else 'behind'}",
            remedy="times on the host and in the journal will not fit together: see to its time service",
        )  # fmt: skip
    yield from _health(said)
    missing = said.get("missing", [])
    if missing:
        yield Finding(what="tools", state="bad", told=f"missing: {', '.join(missing)}", remedy="install them there")
    elif "proc" not in said:
        told = "no /proc: what a job starts is found less surely when it has to be ended"
        yield Finding(what="tools", state="warn", told=told)
    else:
        yield Finding(what="tools", state="good", told=f"{len(wanted.tools)} needed, all there")


def _health(said: dict[str, list[str]]) -> Iterator[Finding]:
    """Tell load and memory as /proc has them (proc(5)); nothing where it has them not."""
    try:
        load, cores = (float(word) for word in said["load"][0].split())
        total, free = int(said["total"][0]), int(said["free"][0])
    except (KeyError, ValueError, IndexError):
        return
    told = (
        f"load {load:g} on {cores:g} core{'' if cores == 1 else 's'}, "
        f"{free // 1024} of {total // 1024} MiB of memory available"
    )
    if free < total * _LITTLE_MEMORY:
        yield Finding(
            what="health", state="warn", told=told, remedy="it is short of memory: what is started may be killed"
        )
    elif load > max(1.0, cores) * _BUSY:
        yield Finding(what="health", state="warn", told=told, remedy="it is very busy: allow more time, or look why")
    else:
        yield Finding(what="health", state="good", told=told)


def _sudo(word: str, uid: str, *, asks: bool) -> Finding:
    match word:
        case "free":
            return Finding(what="sudo", state="good", told="without a password")
        case "narrow":
            told = "without a password for some commands; whether for those of this playbook shows when they run"
            return Finding(what="sudo", state="warn", told=told, remedy="see `sudo -l` there")
        case "password":
            return Finding(
                what="sudo", state="warn" if asks else "bad",
                told="wants a password, for which a guided run asks; any other is refused",
                remedy="for unattended runs allow the commands of the playbook with NOPASSWD",
            )  # fmt: skip
        case _ if uid == "0":
            return Finding(what="sudo", state="bad", told="there is no sudo", remedy="install it, or leave sudo out")
        case _:
            return Finding(what="sudo", state="bad", told="there is no sudo", remedy="install it, or log in as root")


def _disk(said: dict[str, list[str]], wanted: Needs) -> Finding:
    free, _, place = said["disk"][0].partition(" ")
    kib = int(free) if free.isdigit() else 0
    wrong = said["wrong"][0] if "wrong" in said else ""
    if not wanted.changes or (not wrong and kib >= LITTLE):
        return Finding(what="disk", state="good", told=f"{kib // 1024} MiB free at {place}")
    if not wrong and kib >= survey.LITTLE:
        told = f"{kib // 1024} MiB free at {place}: backups and output may find no room"
        return Finding(what="disk", state="warn", told=told, remedy="make room if you can")
    why = wrong or f"{kib} KiB free at {place}"
    remedy = "make it a folder that the login can write" if wrong else "make room"
    if "memory" in said:
        told = f"{why}: job folders go to memory, and a restart of the host forgets them"
        return Finding(what="disk", state="warn", told=told, remedy=f"{remedy} if you can")
    return Finding(what="disk", state="bad", told=f"{why}, and there is no memory file system", remedy=remedy)
