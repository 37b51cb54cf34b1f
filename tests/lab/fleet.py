"""A hundred hosts and more, as far as a client can tell: one sshd that answers for many addresses.

Each address has a home of its own, so that leases and job folders do not meet; all else is shared. Host key and users
are those of any host of the lab.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from tests.lab.host import Host
from tests.lab.place import FLEET_ADDRESSES


class Fleet:
    """The addresses, and the one host behind them."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.addresses = FLEET_ADDRESSES

    def named(self, count: int) -> dict[str, str]:
        """Return that many names with their addresses, for an inventory."""
        return {f"f{n:03}": address for n, address in enumerate(self.addresses[:count], 1)}

    def home(self, address: str) -> str:
        """Return the home of whoever logs in at an address."""
        return f"/fleet/{address}"

    def silent(self, *addresses: str) -> AbstractContextManager[None]:
        """Have some addresses answer nothing any more, on open connections too."""
        return self.host.silent(*addresses)
