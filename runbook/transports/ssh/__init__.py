"""The transport to hosts that run sshd: one connection per host and run, a channel per command.

The only part of Runbook that knows paramiko, which is loaded with the first connection. What a job is and how it is
found again is the business of the wrapper and of the text in `remote.sh`; nothing has to be installed on a host but
a POSIX `sh`.
"""

from runbook.transports.ssh.transport import SshTransport

__all__ = ["SshTransport"]
