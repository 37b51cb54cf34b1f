"""The rows over SSH: one host, a hundred, much output, changes, and one host of a hundred that answers nothing.

Owns what is compared with what there. All of it happens in the network of the lab (`tests/lab`), on the fleet: one
sshd that answers for many addresses, on the same processors as whoever is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shlex import join

from bench.material import OUTPUT, remote_playbook
from bench.measure import Command, Place
from bench.peer import ENVIRONMENTS
from bench.row import BENCH, PYTHON, Goal, Row, runbook
from tests.lab.lab import Lab, inventory

HOSTS = 100
AT_ONCE = 50
SILENT = "f007"
FLOOD = ("sh", "-c", "yes 'what a very talkative command writes to its output, line by line' | head -c 209715200")
LIVE = ("sh", "-c", "echo first; sleep 1; echo last")

FLEET_GOALS = (Goal(1.2, "floor"), Goal(1, "pyinfra"), Goal(1, "ansible"))

Make = Callable[[Place, Lab], Row]


def rows() -> dict[str, Make]:
    """Return how to make each row, by its short name and in the order of the table."""
    return {
        "ssh-20": _one_host,
        "fleet-1": lambda place, lab: _fleet(place, lab, 1, 9),
        "fleet-10": lambda place, lab: _fleet(place, lab, 10, 3),
        "fleet-silent": _silent,
        "ssh-output": lambda place, lab: _output(place, lab, "100,000 lines of output", OUTPUT, 1.5, 9),
        "ssh-flood": lambda place, lab: _output(place, lab, "200 MB of output", FLOOD, 2.0, 5),
        "ssh-live": _live,
        "ssh-change": _changes,
    }


class Way:
    """How everybody is told where the hosts are, in the folder of one row."""

    def __init__(self, place: Place, lab: Lab, count: int) -> None:
        lab.know(Path(place.env["HOME"]))
        self._place, self._lab = place, lab
        self.addresses = lab.fleet.named(count)
        self._inventory = place.folder / "hosts.yaml"
        self._inventory.write_text(inventory("fleet", self.addresses, lab.identity))

    def replay(self, steps: int, effect: str = "read", exits: tuple[int, ...] = (0,)) -> Command:
        """Return Runbook on a playbook of so many steps."""
        written = remote_playbook(self._place.folder, steps, AT_ONCE, effect)
        command = runbook("replay", "--inventory", str(self._inventory), str(written))
        return Command(command.argv, exits=exits)

    def exec(self, *argv: str, until: str = "process") -> Command:
        """Return Runbook with one recorded command."""
        command = runbook("exec", "--inventory", str(self._inventory), "--on", "group:fleet", "--", *argv)
        return Command(command.argv, "first line" if until == "first line" else "process")

    def reads(self, steps: int, exits: tuple[int, ...] = (0,)) -> Command:
        """Return the floor: paramiko by hand."""
        given = (str(self._lab.identity), str(self._lab.known_hosts), str(AT_ONCE), str(steps))
        argv = (PYTHON, str(BENCH / "floor_ssh.py"), "reads", *given, *self.addresses.values())
        return Command(argv, exits=exits)

    def changes(self, steps: int) -> Command:
        """Return the floor of changes: a loop that leaves the same behind."""
        given = (str(self._lab.identity), str(self._lab.known_hosts), str(steps), "changes.jsonl")
        return Command((PYTHON, str(BENCH / "floor_ssh.py"), "changes", *given, *self.addresses.values()))

    def openssh(self, steps: int) -> Command:
        """Return the OpenSSH client in a loop."""
        given = (str(self._lab.ssh_config), str(self._place.folder), str(AT_ONCE), str(steps))
        return Command(("sh", str(BENCH / "openssh.sh"), *given, *self.addresses.values()))

    def fabric(self, steps: int) -> Command:
        """Return Fabric, by a script of its own."""
        given = (str(self._lab.ssh_config), str(AT_ONCE), str(steps))
        python = ENVIRONMENTS["fabric"].program("python")
        return Command((python, str(BENCH / "fabric_reads.py"), *given, *self.addresses.values()))

    def pyinfra(self, steps: int) -> Command:
        """Return pyinfra, with an inventory and a deploy of its own form."""
        options = {
            "ssh_user": "deploy",
            "ssh_key": str(self._lab.identity),
            "ssh_known_hosts_file": str(self._lab.known_hosts),
            "ssh_strict_host_key_checking": "accept-new",
        }
        hosts, deploy = self._place.folder / "inventory.py", self._place.folder / f"deploy-{steps}.py"
        hosts.write_text(f"fleet = {[(address, options) for address in self.addresses.values()]!r}\n")
        body = [f"server.shell(name='s{number}', commands=['/usr/bin/true'])" for number in range(steps)]
        deploy.write_text("\n".join(["from pyinfra.operations import server", *body]) + "\n")
        program = ENVIRONMENTS["pyinfra"].program("pyinfra")
        return Command((program, "-y", "--parallel", str(AT_ONCE), str(hosts), str(deploy)))

    def ansible(self, steps: int) -> Command:
        """Return Ansible; with `raw`, since the hosts have no Python, which is also the quickest it can do."""
        hosts, written = self._place.folder / "ansible.ini", self._place.folder / f"ansible-{steps}.yaml"
        hosts.write_text("[fleet]\n" + "".join(f"{address}\n" for address in self.addresses.values()))
        tasks = [f"    - {{name: s{number}, raw: /usr/bin/true}}" for number in range(steps)]
        written.write_text("\n".join(["- hosts: fleet", "  gather_facts: false", "  tasks:", *tasks]) + "\n")
        arguments = f"-F {self._lab.ssh_config} -o ControlMaster=auto -o ControlPersist=15s"
        program = ENVIRONMENTS["ansible"].program("ansible-playbook")
        argv = (program, "-f", str(AT_ONCE), "-i", str(hosts), f"--ssh-common-args={arguments}", str(written))
        return Command(argv)

    def output(self, *argv: str) -> Command:
        """Return the floor of much output: paramiko by hand, which passes it on and keeps nothing."""
        (address,) = self.addresses.values()
        given = (str(self._lab.identity), str(self._lab.known_hosts), address, join(argv))
        return Command((PYTHON, str(BENCH / "floor_ssh.py"), "output", *given))

    def ssh(self, *argv: str) -> tuple[str, ...]:
        """Return one call of the OpenSSH client, for the only host."""
        (address,) = self.addresses.values()
        return ("ssh", "-n", "-F", str(self._lab.ssh_config), address, join(argv))


def _one_host(place: Place, lab: Lab) -> Row:
    way = Way(place, lab, 1)
    return Row(
        "1 host, 20 reading steps", _everybody(way, 20), "paramiko by hand", (Goal(1.5, "floor"),), 15, lab.take_fleet
    )


def _fleet(place: Place, lab: Lab, steps: int, rounds: int) -> Row:
    way = Way(place, lab, HOSTS)
    name = f"{HOSTS} hosts × {steps} reading step{'s' if steps > 1 else ''}, {AT_ONCE} at once"
    # A process for each command and host: what it says of a thousand of them it says of a hundred.
    slow = {"openssh"} if steps > 1 else set()
    commands = {who: command for who, command in _everybody(way, steps).items() if who not in slow}
    return Row(name, commands, "paramiko by hand", FLEET_GOALS, rounds, lab.take_fleet)


def _everybody(way: Way, steps: int) -> Mapping[str, Command]:
    return {
        "runbook": way.replay(steps),
        "floor": way.reads(steps),
        "openssh": way.openssh(steps),
        "fabric": way.fabric(steps),
        "pyinfra": way.pyinfra(steps),
        "ansible": way.ansible(steps),
    }


def _silent(place: Place, lab: Lab) -> Row:
    way = Way(place, lab, HOSTS)
    commands = {"runbook": way.replay(1, exits=(4, 7)), "floor": way.reads(1, exits=(1,))}
    name = f"{HOSTS} hosts × 1 reading step, one host answers nothing (10 s to connect)"

    @contextmanager
    def silence() -> Iterator[None]:
        with lab.take_fleet() as fleet, fleet.silent(way.addresses[SILENT]):
            yield

    return Row(name, commands, "paramiko by hand", (Goal(1.2, "floor"),), 3, silence)


def _output(place: Place, lab: Lab, name: str, argv: tuple[str, ...], limit: float, rounds: int) -> Row:
    way = Way(place, lab, 1)
    commands = {"runbook": way.exec(*argv), "floor": way.output(*argv), "openssh": Command(way.ssh(*argv))}
    return Row(name, commands, "paramiko by hand", (Goal(limit, "openssh"),), rounds, lab.take_fleet)


def _live(place: Place, lab: Lab) -> Row:
    way = Way(place, lab, 1)
    commands = {
        "runbook": way.exec(*LIVE, until="first line"),
        "openssh": Command(way.ssh(*LIVE), "first line"),
    }
    return Row("first line of a live step (goal: 0.25 s after OpenSSH)", commands, "", (), 15, lab.take_fleet)


def _changes(place: Place, lab: Lab) -> Row:
    way = Way(place, lab, 1)
    commands = {"runbook": way.replay(20, "change"), "floor": way.changes(20)}
    return Row("1 host, 20 changing steps", commands, "the same work by hand", (Goal(1.3, "floor"),), 7, lab.take_fleet)
