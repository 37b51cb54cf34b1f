"""What the contracts stand on beside this machine itself."""

from tests.sshd import sshd

__all__ = ["sshd"]
