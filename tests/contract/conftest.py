"""What the contracts stand on beside this machine itself."""

from tests.mounted import mirror
from tests.sshd import sshd

__all__ = ["mirror", "sshd"]
