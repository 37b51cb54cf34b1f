"""The network of a lab: a control namespace with a bridge and no way out, and a namespace for each host.

The hosts hang on the bridge by a pair of links; the end at the bridge is the plug that can be pulled. One host may
answer for a whole range of addresses.
"""

from __future__ import annotations

import subprocess

from tests.lab.image import Image
from tests.lab.place import FLEET, GATEWAY, NETWORK, PROXIES, Place

BRIDGE = "hosts"
INNER = "host0"


class Network:
    """Makes the network of one lab."""

    def __init__(self, place: Place, image: Image) -> None:
        self._place = place
        self._image = image

    def make(self) -> None:
        """Make the control namespace and its bridge, and close the machine's own ways to these addresses."""
        control = self._place.control
        # A test that forgot to enter the namespace is told at once, and no packet for a host leaves the machine.
        self._ip("route", "replace", "unreachable", NETWORK, "metric", "4096")
        self._ip("netns", "add", control)
        self._ip("-n", control, "link", "set", "lo", "up")
        self._ip("-n", control, "link", "add", BRIDGE, "type", "bridge")
        self._ip("-n", control, "addr", "add", f"{GATEWAY}/24", "dev", BRIDGE)
        self._ip("-n", control, "link", "set", BRIDGE, "up")
        self._ip("-n", control, "route", "add", "local", PROXIES, "dev", "lo")

    def add(self, host: str, address: str) -> None:
        """Make the namespace of a host and plug it in."""
        control, own = self._place.control, self._place.namespace(host)
        self._ip("netns", "add", own)
        self._ip("-n", control, "link", "add", plug(host), "type", "veth", "peer", "name", INNER, "netns", own)
        self._ip("-n", control, "link", "set", plug(host), "master", BRIDGE, "up")
        self._ip("-n", own, "link", "set", "lo", "up")
        self._ip("-n", own, "addr", "add", f"{address}/24", "dev", INNER)
        self._ip("-n", own, "link", "set", INNER, "up")

    def answer_for_fleet(self, host: str, address: str) -> None:
        """Have a host answer for all addresses of the fleet."""
        self._ip("-n", self._place.namespace(host), "route", "add", "local", FLEET, "dev", "lo")
        self._ip("-n", self._place.control, "route", "add", FLEET, "via", address)

    def _ip(self, *args: str) -> None:
        argv = self._image.tool("ip", *args)
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"ip {' '.join(args)}: {done.stderr.strip()}")


def plug(host: str) -> str:
    """Return the name of a host's link where it meets the bridge."""
    return f"to-{host}"
