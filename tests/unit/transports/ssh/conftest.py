"""What the tests of the SSH transport share."""

from tests.sshd import sshd

__all__ = ["sshd"]
