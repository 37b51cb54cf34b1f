"""The lab by hand: `python -m tests.lab up` leaves it up and says how to use it, `down` ends it."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.lab.image import Image
from tests.lab.keeper import Keeper
from tests.lab.lab import Lab, join, take_down
from tests.lab.place import LabMissing, this_place

USAGE = "python -m tests.lab up | down"


def main(argv: list[str]) -> int:
    """Return the exit status of one command."""
    match argv:
        case ["up"]:
            return _up()
        case ["down"]:
            return _down()
        case ["keep", root]:
            return Keeper(this_place(), Image(Path(root))).keep()
        case _:
            print(USAGE, file=sys.stderr)
            return 2


def _up() -> int:
    try:
        lab = join(stay=True)
    except (LabMissing, TimeoutError) as error:
        print(f"no lab: {error}", file=sys.stderr)
        return 1
    print(_how_to_use(lab))
    lab.leave()
    return 0


def _how_to_use(lab: Lab) -> str:
    first = lab.hosts[0]
    enter = f"nsenter --net=/run/netns/{lab.place.control}"
    width = max(len(host.name) for host in (*lab.hosts, lab.fleet.host))
    hosts = [f"  {host.name:<{width}}  {host.address:<13}  cgroup {host.cgroup}" for host in lab.hosts]
    fleet = lab.fleet
    hosts.append(
        f"  {fleet.host.name:<{width}}  {fleet.host.address:<13}  "
        f"also {fleet.addresses[0]} to {fleet.addresses[-1].rpartition('.')[2]}"
    )
    rehearse = f"env HOME={lab.home} .venv/bin/runbook rehearse PLAYBOOK --inventory {lab.inventory}"
    lines = [
        "The lab is up. It can be reached from its own network only:",
        *hosts,
        "",
        f"  a shell inside   {enter} bash",
        f"  ssh              {enter} ssh -F {lab.ssh_config} {first.name}",
        f"  runbook          {enter} {rehearse}",
        "  the end of it    make lab-down",
        "",
        "Users: root and deploy (sudo for systemctl, journalctl, ldconfig) and dora (sudo with 'correct horse').",
    ]
    return "\n".join(lines)


def _down() -> int:
    left = take_down(this_place())
    for line in left:
        print(f"still there: {line}", file=sys.stderr)
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
